//! The spans of an event: what the layer keeps of each, and how they are written.

use std::fmt::{self, Write};
use std::time::{Duration, Instant};

use tracing_core::field::{Field, Visit};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::MESSAGE;
use crate::record::capture::{Put, Rendered};
use crate::record::{About, put_entry};

/// Of an event that lies in more spans than these the outer and the inner half are written: a function that calls itself
/// may be in thousands, and each of its events would carry them all.
const MOST_SPANS: usize = 64;

/// What the layer keeps of a span, written as `name{a=1 b="x"}`.
pub(super) struct SpanData {
    pub(super) name: &'static str,
    pub(super) fields: SpanFields,
    /// When it was entered or left last.
    pub(super) since: Instant,
    pub(super) busy: Duration,
    pub(super) idle: Duration,
}

impl SpanData {
    /// Adds the time since the last change.
    pub(super) fn change(&mut self, was_busy: bool) {
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.since);
        self.since = now;
        match was_busy {
            true => self.busy += passed,
            false => self.idle += passed,
        }
    }
}

/// The fields of a span, each with the text of its last value. A field has a place once, however often it is recorded:
/// a span that lives as long as the program may record its progress again and again.
#[derive(Default)]
pub(super) struct SpanFields(Vec<(&'static str, String)>);

impl SpanFields {
    fn set(&mut self, name: &'static str, text: String) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = text,
            None => self.0.push((name, text)),
        }
    }

    /// Takes over what `later` says.
    pub(super) fn take(&mut self, later: SpanFields) {
        for (name, text) in later.0 {
            self.set(name, text);
        }
    }
}

impl Visit for SpanFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // A String takes everything; a value whose own formatting fails is cut short.
        let _ = write!(text, "{value:?}");
        self.set(field.name(), text);
    }
}

impl fmt::Display for SpanData {
    /// As tracing's own subscriber writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        for (number, (name, text)) in self.fields.0.iter().enumerate() {
            f.write_char(if number == 0 { '{' } else { ' ' })?;
            match *name {
                MESSAGE => f.write_str(text)?,
                name => write!(f, "{}={text}", plain(name))?,
            }
        }
        match self.fields.0.is_empty() {
            true => Ok(()),
            false => f.write_char('}'),
        }
    }
}

/// A field's name as tracing's own subscriber prints it, also one that is a keyword.
pub(super) fn plain(name: &str) -> &str {
    name.strip_prefix("r#").unwrap_or(name)
}

/// A span and those around it, or none, written as `outer{a=1}:inner`.
pub(super) struct Spans<'a, S: for<'l> LookupSpan<'l>>(pub(super) Option<SpanRef<'a, S>>);

impl<S: for<'l> LookupSpan<'l>> Spans<'_, S> {
    pub(super) fn put(&self, out: &mut impl Put) {
        if self.0.is_some() {
            let text = Rendered(format_args!("{self}"));
            put_entry(out, About::Scope, "", &text);
        }
    }
}

impl<S: for<'l> LookupSpan<'l>> fmt::Display for Spans<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let depth = self.0.iter().flat_map(|span| span.scope()).count();
        let left_out = MOST_SPANS / 2..depth.saturating_sub(MOST_SPANS / 2);
        let spans = self.0.iter().flat_map(|span| span.scope().from_root());
        for (number, span) in spans.enumerate() {
            if number == left_out.start && !left_out.is_empty() {
                write!(f, ":({} more)", left_out.len())?;
            }
            if left_out.contains(&number) {
                continue;
            }
            if number > 0 {
                f.write_char(':')?;
            }
            match span.extensions().get::<SpanData>() {
                Some(data) => write!(f, "{data}")?,
                None => f.write_str(span.name())?,
            }
        }
        Ok(())
    }
}
