//! One record as a JSON object in a line of its own; the keys are told in [`Json`](super::Json).

use crate::level::Level;
use crate::record::{Record, Value, Values};
use crate::sink::keys::Keys;
use crate::sink::origins::Origins;
use crate::sink::stamp::UtcStamp;
use crate::sink::text::{push_decimal, push_json};

/// Makes the lines of records, and keeps what most of them have in common with one before.
#[derive(Default)]
pub(in crate::sink) struct JsonLines {
    stamp: UtcStamp,
    origins: Origins,
}

impl JsonLines {
    /// Appends the line of `record`.
    pub(in crate::sink) fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        out.extend_from_slice(b"{\"time\":\"");
        out.extend_from_slice(self.stamp.rfc3339(record.time_ns));
        out.extend_from_slice(level_of(record.level));
        if let Some(sequence) = record.sequence {
            out.extend_from_slice(b",\"seq\":");
            push_decimal(out, sequence);
        }
        if record.late {
            out.extend_from_slice(b",\"late\":true");
        }
        self.origins.push(out, record, push_origin);
        if !record.scope.is_empty() {
            out.extend_from_slice(b",\"scope\":");
            push_json(out, record.scope);
        }
        out.extend_from_slice(b",\"message\":");
        push_json(out, record.message);
        if !record.values.is_empty() {
            push_fields(out, &record.values);
        }
        out.extend_from_slice(b"}\n");
    }
}

/// From the end of the time to the end of the level.
const fn level_of(level: Level) -> &'static [u8] {
    match level {
        Level::Trace => b"\",\"level\":\"trace\"",
        Level::Debug => b"\",\"level\":\"debug\"",
        Level::Info => b"\",\"level\":\"info\"",
        Level::Warn => b"\",\"level\":\"warn\"",
        Level::Error => b"\",\"level\":\"error\"",
        Level::Critical => b"\",\"level\":\"critical\"",
    }
}

fn push_origin(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(b",\"process\":");
    push_json(out, record.process);
    out.extend_from_slice(b",\"pid\":");
    push_decimal(out, record.pid.into());
    out.extend_from_slice(b",\"thread\":");
    push_json(out, record.thread);
    out.extend_from_slice(b",\"tid\":");
    push_decimal(out, record.tid.into());
    out.extend_from_slice(b",\"target\":");
    push_json(out, record.target);
    if !record.file.is_empty() {
        out.extend_from_slice(b",\"file\":");
        push_json(out, record.file);
        out.extend_from_slice(b",\"line\":");
        push_decimal(out, record.line.into());
    }
}

fn push_fields(out: &mut Vec<u8>, values: &Values<'_>) {
    let mut keys = Keys::default();
    let mut before: &[u8] = b",\"fields\":{";
    for (key, value) in values.iter() {
        out.extend_from_slice(before);
        push_json(out, &keys.name(key));
        out.push(b':');
        push_value(out, &value);
        before = b",";
    }
    if before == b"," {
        out.push(b'}');
    }
}

fn push_value(out: &mut Vec<u8>, value: &Value<'_>) {
    let mut digits = itoa::Buffer::new();
    match value {
        Value::Unsigned(number) => {
            push_number(out, digits.format(*number), u64::try_from(*number).is_ok());
        }
        Value::Signed(number) => {
            let fits = i64::try_from(*number).is_ok() || u64::try_from(*number).is_ok();
            push_number(out, digits.format(*number), fits);
        }
        Value::Single(number) => {
            push_number(out, zmij::Buffer::new().format(*number), number.is_finite());
        }
        Value::Double(number) => {
            push_number(out, zmij::Buffer::new().format(*number), number.is_finite());
        }
        Value::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Value::Char(character) => push_json(out, character.encode_utf8(&mut [0; 4])),
        Value::Text(text) => push_json(out, text),
    }
}

/// JSON knows no number but finite ones, and its parsers none of more than 64 bits: others are text.
fn push_number(out: &mut Vec<u8>, digits: &str, is_known: bool) {
    match is_known {
        true => out.extend_from_slice(digits.as_bytes()),
        false => push_json(out, digits),
    }
}
