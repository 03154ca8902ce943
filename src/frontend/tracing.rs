//! A layer for `tracing` subscribers: events become records, with their fields and the spans that they lie in.
//!
//! ```no_run
//! use tracing_subscriber::prelude::*;
//!
//! let logger = shmlog::ShmLogger::builder().level(shmlog::Level::Info).init_parent()?;
//! tracing_subscriber::registry().with(shmlog::tracing::layer().close_times(true)).init();
//! let _arm = tracing::info_span!("arm", side = "left").entered();
//! tracing::info!(torque = 2.5, "limit");      // arm{side="left"}: limit torque=2.5
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In children the same, behind [`ShmLogger::attach`](crate::ShmLogger::attach). The ring's
//! [filter](crate::Builder::filter) says which events are recorded, as for our own macros; spans are never left out, and
//! other layers get what they get without this one. Levels are those of the same name.
//!
//! With its default features `tracing-subscriber` gives the crate `log` a logger of its own in `init()`, which panics if there is
//! one already: ours, from [`init_parent`](crate::Builder::init_parent) on. Then either say
//! [`log_crate(false)`](crate::Builder::log_crate) to the builder (statements of `log` come through `tracing` then, with
//! their own target and place), or
//! `tracing::subscriber::set_global_default(subscriber)` in place of `init()`.
//!
//! An event costs its caller what the macros of this crate cost, and what `tracing` itself takes. The registry allocates
//! for each span; so does the layer, for the span's fields.

mod from_log;
mod spans;

use std::fmt;
use std::time::{Duration, Instant};

use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use self::spans::{SpanData, SpanFields, Spans, plain};
use super::sites;
use crate::level::Level;
use crate::producer;
use crate::record::capture::{Arguments, Capture, Put, Rendered};
use crate::record::{About, CallSite, put_entry};

/// The name of the field that is the text of an event.
const MESSAGE: &str = "message";

/// A layer that writes events into the ring that this process is attached to, if it is.
pub fn layer() -> RingLayer {
    RingLayer { close_times: false }
}

/// See [`layer`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a layer does nothing until it is added to a subscriber"]
pub struct RingLayer {
    close_times: bool,
}

impl RingLayer {
    /// Whether the end of each span is a record too, `close`, of the span's level, target and place, which says how long it
    /// was entered and how long not: `time.busy=1.02ms time.idle=31µs`. Default: no.
    pub fn close_times(self, on: bool) -> RingLayer {
        RingLayer { close_times: on }
    }
}

impl<S> Layer<S> for RingLayer
where
    S: Subscriber + for<'l> LookupSpan<'l>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = SpanFields::default();
        attributes.record(&mut fields);
        let data = SpanData {
            name: attributes.metadata().name(),
            fields,
            since: Instant::now(),
            busy: Duration::ZERO,
            idle: Duration::ZERO,
        };
        // Another such layer of the same subscriber keeps the same.
        span.extensions_mut().replace(data);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        // Before the span is locked: a value's own formatting may log, in this span.
        let mut fields = SpanFields::default();
        values.record(&mut fields);
        if let Some(span) = context.span(id)
            && let Some(data) = span.extensions_mut().get_mut::<SpanData>()
        {
            data.fields.take(fields);
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        self.change(id, &context, false);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        self.change(id, &context, true);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let level = Level::from(*metadata.level());
        if producer::is_enabled(level) {
            let write = |site: &'static CallSite, target: Option<&str>| {
                if producer::passes(level, site, target) {
                    let spans = Spans(context.event_span(event));
                    producer::write_captured(level, site, target, &OneEvent { event, spans });
                }
            };
            match from_log::is(metadata) {
                true => from_log::with_origin(event, write),
                false => {
                    let (site, target) = site(metadata);
                    write(site, target);
                }
            }
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id).filter(|_| self.close_times) else {
            return;
        };
        let (metadata, mut extensions) = (span.metadata(), span.extensions_mut());
        let Some(data) = extensions.get_mut::<SpanData>() else {
            return;
        };
        data.change(false);
        let times = (data.busy, data.idle);
        drop(extensions);
        let (level, (site, target)) = (Level::from(*metadata.level()), site(metadata));
        if producer::is_enabled(level) && producer::passes(level, site, target) {
            let spans = Spans(Some(span));
            producer::write_captured(level, site, target, &Close { times, spans });
        }
    }
}

impl RingLayer {
    fn change<S>(&self, id: &Id, context: &Context<'_, S>, was_busy: bool)
    where
        S: Subscriber + for<'l> LookupSpan<'l>,
    {
        if !self.close_times {
            return;
        }
        if let Some(span) = context.span(id)
            && let Some(data) = span.extensions_mut().get_mut::<SpanData>()
        {
            data.change(was_busy);
        }
    }
}

/// The call site of a statement, and its target if the call site is not its own.
fn site(metadata: &'static Metadata<'static>) -> (&'static CallSite, Option<&'static str>) {
    let key = (std::ptr::from_ref(metadata) as usize, 0, 0);
    let site = sites::site(key, || {
        let target = metadata.target();
        let (file, line) = (metadata.file().unwrap_or(""), metadata.line().unwrap_or(0));
        let has_own_target = metadata.module_path() != Some(target);
        CallSite::new(target, file, line, "{}", "", has_own_target)
    });
    let is_shared = std::ptr::eq(site, &raw const sites::ANY);
    (site, is_shared.then(|| metadata.target()))
}

/// An event as the arguments of a call site whose format is `{}`.
struct OneEvent<'a, 'e, S: for<'l> LookupSpan<'l>> {
    event: &'a Event<'e>,
    spans: Spans<'a, S>,
}

impl<S: for<'l> LookupSpan<'l>> Arguments for OneEvent<'_, '_, S> {
    fn words(&self) -> Option<usize> {
        None
    }

    fn capture_all(&self, out: &mut impl Put) {
        (Rendered(format_args!("{}", Message(self.event))),).capture_all(out);
        let is_from_log = from_log::is(self.event.metadata());
        self.event.record(&mut Fields { out, is_from_log });
        self.spans.put(out);
    }
}

/// The text of an event.
struct Message<'a, 'e>(&'a Event<'e>);

impl fmt::Display for Message<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = MessageField { f, outcome: Ok(()) };
        self.0.record(&mut text);
        text.outcome
    }
}

/// Writes the field that is the text, and no other.
struct MessageField<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    outcome: fmt::Result,
}

impl Visit for MessageField<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            self.outcome = write!(self.f, "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            self.outcome = self.f.write_str(value);
        }
    }
}

/// Takes the fields of an event, but for its text.
struct Fields<'p, P> {
    out: &'p mut P,
    is_from_log: bool,
}

impl<P: Put> Fields<'_, P> {
    fn put(&mut self, field: &Field, value: &(impl Capture + ?Sized)) {
        if field.name() != MESSAGE && !(self.is_from_log && from_log::is_origin(field)) {
            put_entry(self.out, About::Value, plain(field.name()), value);
        }
    }
}

impl<P: Put> Visit for Fields<'_, P> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, &value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(field, &value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, &Rendered(format_args!("{value}")));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &Rendered(format_args!("{value:?}")));
    }
}

/// The end of a span.
struct Close<'a, S: for<'l> LookupSpan<'l>> {
    times: (Duration, Duration),
    spans: Spans<'a, S>,
}

impl<S: for<'l> LookupSpan<'l>> Arguments for Close<'_, S> {
    fn words(&self) -> Option<usize> {
        None
    }

    fn capture_all(&self, out: &mut impl Put) {
        (Rendered(format_args!("close")),).capture_all(out);
        let times = [("time.busy", self.times.0), ("time.idle", self.times.1)];
        for (key, time) in times {
            put_entry(
                out,
                About::Value,
                key,
                &Rendered(format_args!("{time:.2?}")),
            );
        }
        self.spans.put(out);
    }
}
