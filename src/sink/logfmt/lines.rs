//! One record as a line of logfmt; the keys are told in [`Logfmt`](super::Logfmt).

use std::borrow::Cow;

use crate::level::Level;
use crate::record::{Record, Value, Values};
use crate::sink::keys::Keys;
use crate::sink::origins::Origins;
use crate::sink::stamp::UtcStamp;
use crate::sink::text::{push_decimal, push_json};
use crate::sink::values::{is_bare, push_key};

/// The keys of a record itself: a key-value of the same name goes by [`PREFIX`] and its name.
const OWN: [&str; 13] = [
    "time", "level", "seq", "late", "process", "pid", "thread", "tid", "target", "file", "line",
    "scope", "msg",
];
const PREFIX: &str = "fields.";

/// Makes the lines of records, and keeps what most of them have in common with one before.
#[derive(Default)]
pub(in crate::sink) struct LogfmtLines {
    stamp: UtcStamp,
    origins: Origins,
}

impl LogfmtLines {
    /// Appends the line of `record`.
    pub(in crate::sink) fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        out.extend_from_slice(b"time=");
        out.extend_from_slice(self.stamp.rfc3339(record.time_ns));
        out.extend_from_slice(level_of(record.level));
        if let Some(sequence) = record.sequence {
            out.extend_from_slice(b" seq=");
            push_decimal(out, sequence);
        }
        if record.late {
            out.extend_from_slice(b" late=true");
        }
        self.origins.push(out, record, push_origin);
        if !record.scope.is_empty() {
            out.extend_from_slice(b" scope=");
            push_text(out, record.scope);
        }
        out.extend_from_slice(b" msg=");
        push_text(out, record.message);
        if !record.values.is_empty() {
            push_values(out, &record.values);
        }
        out.push(b'\n');
    }
}

/// From the end of the time to the end of the level.
const fn level_of(level: Level) -> &'static [u8] {
    match level {
        Level::Trace => b" level=trace",
        Level::Debug => b" level=debug",
        Level::Info => b" level=info",
        Level::Warn => b" level=warn",
        Level::Error => b" level=error",
        Level::Critical => b" level=critical",
    }
}

fn push_origin(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(b" process=");
    push_text(out, record.process);
    out.extend_from_slice(b" pid=");
    push_decimal(out, record.pid.into());
    out.extend_from_slice(b" thread=");
    push_text(out, record.thread);
    out.extend_from_slice(b" tid=");
    push_decimal(out, record.tid.into());
    out.extend_from_slice(b" target=");
    push_text(out, record.target);
    if !record.file.is_empty() {
        out.extend_from_slice(b" file=");
        push_text(out, record.file);
        out.extend_from_slice(b" line=");
        push_decimal(out, record.line.into());
    }
}

fn push_values(out: &mut Vec<u8>, values: &Values<'_>) {
    let mut keys = Keys::default();
    for (key, value) in values.iter() {
        out.push(b' ');
        out.extend_from_slice(keys.name(harmless(key)).as_bytes());
        out.push(b'=');
        push_value(out, &value);
    }
}

/// A key as it may stand in a line, and not as one of the record's own.
fn harmless(key: Cow<'_, str>) -> Cow<'_, str> {
    if OWN.contains(&&*key) {
        return Cow::Owned(PREFIX.to_owned() + &key);
    }
    if is_bare(&key) {
        return key;
    }
    let mut bytes = Vec::new();
    push_key(&mut bytes, &key);
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn push_value(out: &mut Vec<u8>, value: &Value<'_>) {
    let (mut digits, mut float) = (itoa::Buffer::new(), zmij::Buffer::new());
    match value {
        Value::Unsigned(number) => out.extend_from_slice(digits.format(*number).as_bytes()),
        Value::Signed(number) => out.extend_from_slice(digits.format(*number).as_bytes()),
        Value::Single(number) => out.extend_from_slice(float.format(*number).as_bytes()),
        Value::Double(number) => out.extend_from_slice(float.format(*number).as_bytes()),
        Value::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Value::Char(character) => push_text(out, character.encode_utf8(&mut [0; 4])),
        Value::Text(text) => push_text(out, text),
    }
}

/// Bare if it can be, else in the quotes and with the escapes of JSON, as Go's readers of logfmt expect it.
fn push_text(out: &mut Vec<u8>, text: &str) {
    if is_bare(text) {
        out.extend_from_slice(text.as_bytes());
    } else {
        push_json(out, text);
    }
}
