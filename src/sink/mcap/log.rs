//! A record as the protobuf message `foxglove.Log`, in a message record of MCAP.
//!
//! ```text
//!   op 5 │ length u64 │ channel u16 │ sequence u32 │ log time u64 │ publish time u64 │ the message:
//!        1 timestamp { 1 seconds, 2 nanoseconds } │ 2 level │ 3 message │ 4 name │ 5 file │ 6 line
//! ```
//!
//! `name` is what viewers show before the message and filter by: the process, and the target behind it where the
//! statement has one of its own (`arm` or `arm/can`; a module path says nothing that `file` does not). The message has
//! its spans before it and its key-values behind it, as in the text file. Nothing is escaped, as the text is no line of
//! anything here.

use mcap::records::op;

use super::CHANNEL;
use super::protobuf::{push_fixed32, push_head, push_message, push_number, push_text};
use crate::level::Level;
use crate::record::Record;
use crate::sink::values::push_values;

/// Bytes before a record's body: what it is, and the length of the body.
pub(super) const RECORD_HEAD: usize = 9;
/// Bytes of a message record before the message.
pub(super) const MESSAGE_HEAD: usize = RECORD_HEAD + 2 + 4 + 8 + 8;

/// Bytes that the buffer keeps for the next record.
const KEPT_BYTES: usize = 64 << 10;

/// Makes messages of records.
#[derive(Default)]
pub(super) struct Encoder {
    /// The text of a message that is more than its record's.
    text: Vec<u8>,
    timestamp: Vec<u8>,
}

impl Encoder {
    /// Appends a record, and returns its time as it stands there.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) -> u64 {
        let start = out.len();
        // There is no time before 1970 in the format. The drainer's own words have no sequence.
        let time = u64::try_from(record.time_ns).unwrap_or(0);
        let sequence = record.sequence.unwrap_or(0) as u32;
        out.push(op::MESSAGE);
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&CHANNEL.to_le_bytes());
        out.extend_from_slice(&sequence.to_le_bytes());
        out.extend_from_slice(&time.to_le_bytes());
        out.extend_from_slice(&time.to_le_bytes());
        self.push_log(out, record);
        let length = (out.len() - start - RECORD_HEAD) as u64;
        out[start + 1..start + RECORD_HEAD].copy_from_slice(&length.to_le_bytes());
        time
    }

    fn push_log(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        self.timestamp.clear();
        push_number(
            &mut self.timestamp,
            1,
            record.time_ns.div_euclid(1_000_000_000),
        );
        push_number(
            &mut self.timestamp,
            2,
            record.time_ns.rem_euclid(1_000_000_000),
        );
        push_message(out, 1, &self.timestamp);
        push_number(out, 2, level(record.level));
        if record.scope.is_empty() && record.values.is_empty() {
            push_text(out, 3, record.message.as_bytes());
        } else {
            self.text.clear();
            if !record.scope.is_empty() {
                self.text.extend_from_slice(record.scope.as_bytes());
                self.text.extend_from_slice(b": ");
            }
            self.text.extend_from_slice(record.message.as_bytes());
            push_values(&mut self.text, &record.values);
            push_text(out, 3, &self.text);
            self.text.clear();
            self.text.shrink_to(KEPT_BYTES);
        }
        push_name(out, record);
        push_text(out, 5, record.file.as_bytes());
        push_fixed32(out, 6, record.line);
    }
}

fn push_name(out: &mut Vec<u8>, record: &Record<'_>) {
    let (process, target) = (record.process.as_bytes(), record.target.as_bytes());
    if record.target_is_module || target.is_empty() {
        return push_text(out, 4, process);
    }
    push_head(out, 4, process.len() + 1 + target.len());
    out.extend_from_slice(process);
    out.push(b'/');
    out.extend_from_slice(target);
}

/// The number of a level in `foxglove.Log`, which has one less.
fn level(level: Level) -> i64 {
    match level {
        Level::Trace | Level::Debug => 1,
        Level::Info => 2,
        Level::Warn => 3,
        Level::Error => 4,
        Level::Critical => 5,
    }
}

/// The `FileDescriptorSet` that describes the message to readers: `google/protobuf/timestamp.proto` and
/// `foxglove/Log.proto`. Numbers of fields are those of `descriptor.proto`.
pub(super) fn description() -> Vec<u8> {
    const INT32: i64 = 5;
    const INT64: i64 = 3;
    const FIXED32: i64 = 7;
    const STRING: i64 = 9;
    const MESSAGE: i64 = 11;
    const ENUM: i64 = 14;
    let mut timestamp = Vec::new();
    push_text(&mut timestamp, 1, b"Timestamp");
    push_message(&mut timestamp, 2, &field("seconds", 1, INT64, ""));
    push_message(&mut timestamp, 2, &field("nanos", 2, INT32, ""));

    let mut levels = Vec::new();
    push_text(&mut levels, 1, b"Level");
    for (number, name) in ["UNKNOWN", "DEBUG", "INFO", "WARNING", "ERROR", "FATAL"]
        .iter()
        .enumerate()
    {
        let mut value = Vec::new();
        push_text(&mut value, 1, name.as_bytes());
        push_number(&mut value, 2, number as i64);
        push_message(&mut levels, 2, &value);
    }

    let mut log = Vec::new();
    push_text(&mut log, 1, b"Log");
    push_message(
        &mut log,
        2,
        &field("timestamp", 1, MESSAGE, ".google.protobuf.Timestamp"),
    );
    push_message(&mut log, 2, &field("level", 2, ENUM, ".foxglove.Log.Level"));
    push_message(&mut log, 2, &field("message", 3, STRING, ""));
    push_message(&mut log, 2, &field("name", 4, STRING, ""));
    push_message(&mut log, 2, &field("file", 5, STRING, ""));
    push_message(&mut log, 2, &field("line", 6, FIXED32, ""));
    push_message(&mut log, 4, &levels);

    let stamp_file = "google/protobuf/timestamp.proto";
    let mut set = Vec::new();
    push_message(
        &mut set,
        1,
        &file(stamp_file, "google.protobuf", "", &timestamp),
    );
    push_message(
        &mut set,
        1,
        &file("foxglove/Log.proto", "foxglove", stamp_file, &log),
    );
    set
}

/// A `FileDescriptorProto` with one message.
fn file(name: &str, package: &str, imports: &str, message: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    push_text(&mut file, 1, name.as_bytes());
    push_text(&mut file, 2, package.as_bytes());
    push_text(&mut file, 3, imports.as_bytes());
    push_message(&mut file, 4, message);
    push_text(&mut file, 12, b"proto3");
    file
}

/// A `FieldDescriptorProto` of a field that is there once.
fn field(name: &str, number: i64, kind: i64, kind_name: &str) -> Vec<u8> {
    const OPTIONAL: i64 = 1;
    let mut field = Vec::new();
    push_text(&mut field, 1, name.as_bytes());
    push_number(&mut field, 3, number);
    push_number(&mut field, 4, OPTIONAL);
    push_number(&mut field, 5, kind);
    push_text(&mut field, 6, kind_name.as_bytes());
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Values;
    use crate::record::samples::{entry, values};
    use crate::sink::samples::record;
    use proptest::prelude::*;

    /// A field's value.
    #[derive(Clone, Debug, PartialEq)]
    enum Field {
        Number(u64),
        Bytes(Vec<u8>),
    }

    /// Takes a message apart, whatever it means.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
            let (digits, rest) = bytes.split_at(end + 1);
            *bytes = rest;
            digits
                .iter()
                .rev()
                .fold(0, |number, digit| number << 7 | u64::from(digit & 0x7f))
        }
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let field = match key & 7 {
                0 => Field::Number(varint(&mut bytes)),
                2 => {
                    let length = varint(&mut bytes) as usize;
                    let (text, rest) = bytes.split_at(length);
                    bytes = rest;
                    Field::Bytes(text.to_vec())
                }
                5 => {
                    let (number, rest) = bytes.split_at(4);
                    bytes = rest;
                    Field::Number(u32::from_le_bytes(number.try_into().unwrap()).into())
                }
                other => panic!("no wire type here: {other}"),
            };
            fields.push((key >> 3, field));
        }
        fields
    }

    fn text(text: &str) -> Field {
        Field::Bytes(text.as_bytes().to_vec())
    }

    fn message(record: &Record<'_>) -> Vec<(u64, Field)> {
        let mut out = Vec::new();
        Encoder::default().push(&mut out, record);
        fields(&out[MESSAGE_HEAD..])
    }

    #[test]
    fn spans_stand_before_the_message_and_values_behind_it() {
        let bytes = [entry("bus", &2_u8), entry("state", "at rest")].concat();
        let full = Record {
            scope: "outer{a=1}:inner",
            values: values(&bytes),
            ..record(1, "slow\nvery")
        };
        let expected = text("outer{a=1}:inner: slow\nvery bus=2 state=\"at rest\"");
        assert!(message(&full).contains(&(3, expected)));
    }

    #[test]
    fn the_name_is_the_process_and_a_target_of_the_statements_own() {
        let own = record(1, "x");
        assert!(message(&own).contains(&(4, text("worker-1/can"))));
        let module = Record {
            target_is_module: true,
            ..own
        };
        assert!(message(&module).contains(&(4, text("worker-1"))));
    }

    proptest! {
        #[test]
        fn a_message_says_what_the_record_said(
            time_ns: i64, level in prop::sample::select(&Level::ALL[..]), sequence: Option<u64>,
            texts in prop::collection::vec(any::<String>(), 4), line: u32,
        ) {
            let logged = Record {
                sequence, time_ns, level, process: &texts[0], target: "", file: &texts[1], line,
                values: Values::default(), ..record(0, &texts[2])
            };
            let mut out = b"before".to_vec();
            let time = Encoder::default().push(&mut out, &logged);
            let out = &out[6..];
            let mut expected = op::MESSAGE.to_le_bytes().to_vec();
            expected.extend_from_slice(&(out.len() as u64 - 9).to_le_bytes());
            expected.extend_from_slice(&1_u16.to_le_bytes());
            expected.extend_from_slice(&(sequence.unwrap_or(0) as u32).to_le_bytes());
            expected.extend_from_slice(&(time_ns.max(0) as u64).to_le_bytes());
            expected.extend_from_slice(&(time_ns.max(0) as u64).to_le_bytes());
            prop_assert_eq!(&out[..MESSAGE_HEAD], expected);
            prop_assert_eq!(time, time_ns.max(0) as u64);
            let found = fields(&out[MESSAGE_HEAD..]);
            let of = |number: u64| found.iter().find(|(field, _)| *field == number).map(|(_, value)| value.clone());
            let Some(Field::Bytes(stamp)) = of(1) else {
                panic!("no time");
            };
            let part = |number: u64| match fields(&stamp).into_iter().find(|(field, _)| *field == number) {
                Some((_, Field::Number(part))) => part as i64,
                _ => 0,
            };
            prop_assert_eq!(i128::from(part(1)) * 1_000_000_000 + i128::from(part(2)), i128::from(time_ns));
            let number = [1, 1, 2, 3, 4, 5][level as usize];
            prop_assert_eq!(of(2), Some(Field::Number(number)));
            for (field, said) in [(3, &texts[2]), (4, &texts[0]), (5, &texts[1])] {
                prop_assert_eq!(of(field), (!said.is_empty()).then(|| text(said)));
            }
            prop_assert_eq!(of(6), (line > 0).then_some(Field::Number(line.into())));
        }
    }
}
