//! Events that the crate `tracing-log` makes of the statements of `log`. They all have the target `log` and no place; what
//! the statement said stands in fields: `log.target`, `log.module_path`, `log.file`, `log.line`.
//!
//! A visitor sees a text only while it is called. So what needs several of them runs within the innermost of several
//! visits, and nothing is copied.

use std::fmt;

use tracing_core::field::{Field, Visit};
use tracing_core::{Event, Metadata};

use crate::frontend::bridged::Place;
use crate::record::CallSite;

const TARGET: &str = "log.target";
const MODULE: &str = "log.module_path";
const FILE: &str = "log.file";
const LINE: &str = "log.line";

/// Whether these are of such an event.
pub(super) fn is(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "log" && metadata.fields().field(TARGET).is_some()
}

/// Whether a field of such an event says where it comes from.
pub(super) fn is_origin(field: &Field) -> bool {
    [TARGET, MODULE, FILE, LINE].contains(&field.name())
}

/// Calls `then` with the statement's call site, and its target if the call site has another one.
pub(super) fn with_origin(event: &Event<'_>, then: impl Fn(&'static CallSite, Option<&str>)) {
    let mut line = Line(None);
    event.record(&mut line);
    with_text(event, TARGET, &|target| {
        with_text(event, MODULE, &|module| {
            with_text(event, FILE, &|file| {
                let line = line.0;
                let site = Place { module, file, line }.site();
                let target = target.unwrap_or("log");
                then(site, (target != site.statement.target).then_some(target));
            });
        });
    });
}

/// Calls `then` once, with the text of a field or without one.
fn with_text(event: &Event<'_>, name: &'static str, then: &dyn Fn(Option<&str>)) {
    let mut text = Text {
        name,
        then,
        was_there: false,
    };
    event.record(&mut text);
    if !text.was_there {
        then(None);
    }
}

struct Text<'t> {
    name: &'static str,
    then: &'t dyn Fn(Option<&str>),
    was_there: bool,
}

impl Visit for Text<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == self.name && !std::mem::replace(&mut self.was_there, true) {
            (self.then)(Some(value));
        }
    }

    /// None of these fields is of such a type.
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

struct Line(Option<u32>);

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == LINE {
            self.0 = u32::try_from(value).ok();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
