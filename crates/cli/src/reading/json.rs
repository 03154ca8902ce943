//! A record as a JSON object: the keys are those of `shmlog::sink::Json`.

use chrono::DateTime;
use serde_json::{Map, Value as Json};
use shmlog::sink::Value;

use super::owned::Owned;

/// Reads a line into `record`, which is empty; `None` if it is no record: time, level and message are always there.
pub fn read(line: &str, record: &mut Owned) -> Option<()> {
    let object: Map<String, Json> = serde_json::from_str(line).ok()?;
    let text = |key: &str| object.get(key).and_then(Json::as_str);
    let number = |key: &str| object.get(key).and_then(Json::as_u64);
    let short = |key: &str| {
        number(key)
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(0)
    };
    record.time_ns = DateTime::parse_from_rfc3339(text("time")?)
        .ok()?
        .timestamp_nanos_opt()?;
    record.level = text("level")?.parse().ok()?;
    record.message.push_str(text("message")?);
    record.sequence = number("seq");
    record.late = object.get("late").and_then(Json::as_bool).unwrap_or(false);
    (record.pid, record.tid, record.line) = (short("pid"), short("tid"), short("line"));
    let texts = [
        ("process", &mut record.process),
        ("thread", &mut record.thread),
        ("target", &mut record.target),
        ("file", &mut record.file),
        ("scope", &mut record.scope),
    ];
    for (key, place) in texts {
        place.push_str(text(key).unwrap_or_default());
    }
    let fields = object.get("fields").and_then(Json::as_object);
    for (key, value) in fields.into_iter().flatten() {
        record.values.push(key, &value_of(value));
    }
    Some(())
}

fn value_of(value: &Json) -> Value<'_> {
    match value {
        Json::Bool(truth) => (*truth).into(),
        Json::String(text) => text.into(),
        Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => number.into(),
            (_, Some(number), _) => number.into(),
            (.., Some(number)) => number.into(),
            _ => number.to_string().into(),
        },
        other => other.to_string().into(),
    }
}
