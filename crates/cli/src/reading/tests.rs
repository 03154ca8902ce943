//! What the library wrote is read back: in full from JSON, and from text so that it is written the same again.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use proptest::prelude::*;
use shmlog::Level;
use shmlog::sink::{Encoder, Encoding, Value, ValuesBuf};

use super::Piece;
use super::complaints::Complaints;
use super::lines::Reading;
use super::owned::Owned;

/// What was read: a record, or a line that is none.
#[derive(Clone, Debug)]
enum Found {
    Record(Box<Owned>),
    Other(String),
}

/// Gives a few bytes at a time.
struct Slowly<'a>(&'a [u8], usize);

impl Read for Slowly<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        let length = self.1.max(1).min(self.0.len()).min(room.len());
        let (now, later) = self.0.split_at(length);
        room[..length].copy_from_slice(now);
        self.0 = later;
        Ok(length)
    }
}

fn read_slowly(bytes: &[u8], step: usize) -> Vec<Found> {
    let mut reading = Reading::new(Slowly(bytes, step), Complaints::of(Path::new("of a test")));
    let mut found = Vec::new();
    let mut take = |piece: Piece<'_>| {
        found.push(match piece {
            Piece::Record(record) => Found::Record(Box::new(Owned::of(record))),
            Piece::Other(line) => Found::Other(line.to_owned()),
        });
        ControlFlow::Continue(())
    };
    let _ = reading.read_on(&mut take).unwrap();
    let _ = reading.finish(&mut take);
    found
}

fn records(bytes: &[u8]) -> Vec<Owned> {
    let found = read_slowly(bytes, usize::MAX).into_iter();
    found
        .map(|found| match found {
            Found::Record(record) => *record,
            Found::Other(line) => panic!("no record: {line:?}"),
        })
        .collect()
}

fn written<'a>(encoding: Encoding, records: impl IntoIterator<Item = &'a Owned>) -> Vec<u8> {
    let (mut encoder, mut bytes) = (Encoder::new(encoding), Vec::new());
    records
        .into_iter()
        .for_each(|record| encoder.push(&mut bytes, &record.record()));
    bytes
}

/// With values as they are shown: `NaN` equals nothing, and a file does not tell an `f32` from an `f64`.
fn shown(record: &Owned) -> String {
    let Owned { values, .. } = record;
    let values: Vec<_> = values
        .values()
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let rest = Owned {
        values: ValuesBuf::new(),
        ..record.clone()
    };
    format!("{rest:?} {values:?}")
}

/// Of `1893652.25` the shortest forms are `…52.2` and `…52.3`; JSON has the one, the console the other.
fn has_one_form(number: &f32) -> bool {
    !number.is_finite()
        || serde_json::to_string(number).unwrap().parse::<f64>() == number.to_string().parse()
}

fn any_value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i128>().prop_map(Value::from),
        prop::num::f32::ANY
            .prop_filter("of two digits as near", has_one_form)
            .prop_map(Value::from),
        prop::num::f64::ANY.prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        any::<char>().prop_map(Value::from),
        "(?s)([ =\"\\\\\n\x1b]|[a-z]|-?[0-9]{1,2}|true|inf|.){0,8}".prop_map(Value::from),
    ]
}

/// Records with texts of one kind; times are those of some days without a change of the clocks.
fn any_record(
    text: &'static str,
    message: &'static str,
    key: &'static str,
) -> impl Strategy<Value = Owned> {
    let times = 1_795_000_000_000_000_i64..1_795_400_000_000_000;
    let numbers = (
        any::<Option<u64>>(),
        any::<bool>(),
        times,
        prop::sample::select(&Level::ALL[..]),
        any::<[u32; 3]>(),
    );
    let texts = prop::collection::vec(text, 5);
    let pairs = prop::collection::vec((key, any_value()), 0..4);
    (numbers, texts, message, pairs).prop_map(
        |((sequence, late, micros, level, [pid, tid, line]), texts, message, pairs)| {
            let mut values = ValuesBuf::new();
            let key = |at: usize, key: &str| format!("{key}{at}");
            pairs
                .iter()
                .enumerate()
                .for_each(|(at, (name, value))| values.push(&key(at, name), value));
            let [process, thread, target, file, scope] = texts.try_into().unwrap();
            // A line without a file is told nowhere.
            let line = if file.is_empty() { 0 } else { line };
            let time_ns = micros * 1_000;
            Owned {
                sequence,
                late,
                time_ns,
                level,
                process,
                pid,
                thread,
                tid,
                target,
                file,
                line,
                scope,
                message,
                values,
            }
        },
    )
}

/// Whatever confuses a reader.
const WILD: &str = "(?s)([ \\[\\]:=\"\\\\\n\r\t#-]| - |\\[3\\] |:7|\x1b|[a-z]|.){0,8}";
const WILD_MESSAGE: &str =
    "(?s)( k=v| k=\"a b\"| k=\"a\"| k=\"\\\\x1b\"| x=007|=\"|2026-11-22|[ =\"\\\\\n\r]|.){0,8}";
const NAME: &str = "[a-z][a-z0-9_-]{0,6}";

proptest! {
    #[test]
    fn records_are_read_back_from_json_in_full(all in prop::collection::vec(any_record(WILD, WILD_MESSAGE, "(?s).{0,3}"), 0..5)) {
        let found = records(&written(Encoding::Json, &all));
        let [found, all] = [found, all].map(|records| records.iter().map(shown).collect::<Vec<_>>());
        prop_assert_eq!(found, all);
    }

    #[test]
    fn records_of_plain_names_are_read_back_from_text_in_full(mut all in prop::collection::vec(any_record(NAME, "[a-zA-Z.]{1,9}( [a-z.]{0,9})?(\n[ a-z]{0,5}){0,2}", NAME), 0..5)) {
        all.iter_mut().for_each(|record| record.scope.clear());
        let found = records(&written(Encoding::Text, &all));
        let [found, all] = [found, all].map(|records| records.iter().map(shown).collect::<Vec<_>>());
        prop_assert_eq!(found, all);
    }

    #[test]
    fn what_is_read_from_text_is_written_the_same_again(all in prop::collection::vec(any_record(WILD, WILD_MESSAGE, "(?s).{0,3}"), 0..5)) {
        let bytes = written(Encoding::Text, &all);
        let found = records(&bytes);
        prop_assert_eq!(found.len(), all.len());
        let again = written(Encoding::Text, &found);
        prop_assert_eq!(String::from_utf8(again).unwrap(), String::from_utf8(bytes).unwrap());
    }

    #[test]
    fn any_bytes_are_read_and_the_same_in_whatever_pieces_they_come(
        mut bytes in prop::collection::vec(prop::sample::select(&b"\n {}\"#[]:- a1\xff\xc3"[..]), 0..60),
        all in prop::collection::vec(any_record(WILD, WILD_MESSAGE, "k"), 0..3), json: bool, at: prop::sample::Index, step in 1..40_usize,
    ) {
        let encoding = if json { Encoding::Json } else { Encoding::Text };
        let at = at.index(bytes.len() + 1);
        bytes.splice(at..at, written(encoding, &all));
        let [slowly, fast] = [step, usize::MAX].map(|step| format!("{:?}", read_slowly(&bytes, step)));
        prop_assert_eq!(slowly, fast);
    }

    #[test]
    fn lines_of_others_stay_as_they_are_between_records(
        all in prop::collection::vec(any_record(NAME, "[a-z]{0,5}(\n[a-z]{0,5}){0,2}", NAME), 1..4), line in "[a-zA-Z{\"][ -~]{0,20}",
    ) {
        let mut bytes = line.clone().into_bytes();
        bytes.push(b'\n');
        for record in &all {
            bytes.extend(written(Encoding::Text, [record]));
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        let found = read_slowly(&bytes, usize::MAX);
        let others: Vec<_> = found.iter().filter_map(|found| match found {
            Found::Other(line) => Some(line.as_str()),
            Found::Record(_) => None,
        }).collect();
        prop_assert_eq!(others, vec![line.as_str(); all.len() + 1]);
        prop_assert_eq!(found.len(), 2 * all.len() + 1);
    }
}

#[test]
fn what_is_no_record_of_json_is_a_line() {
    let lines = [
        "{}",
        r#"{"time":"2026-11-22T17:45:12Z","level":"warn"}"#,
        r#"{"time":1,"level":"warn","message":""}"#,
        "{",
    ];
    for line in lines {
        let found = read_slowly(format!("{line}\n").as_bytes(), 1);
        assert!(
            matches!(&found[..], [Found::Other(other)] if other == line),
            "{found:?}"
        );
    }
}

#[test]
fn a_target_that_is_the_modules_path_is_known_by_its_file() {
    let is_module = |target: &str, file: &str| {
        let record = Owned {
            target: target.to_owned(),
            file: file.to_owned(),
            ..Owned::default()
        };
        record.record().target_is_module
    };
    assert!(is_module("arm::can", "src/can.rs") && is_module("arm::can", "src/can/mod.rs"));
    assert!(!is_module("can", "src/main.rs") && !is_module("can", "") && !is_module("", "can.py"));
}

#[test]
fn times_in_text_are_read_by_the_offset_that_the_file_tells() {
    let line = |time: &str, number: u64| {
        format!("2026-10-25 {time} INFO     #{number} app[1] main[1] t f.rs:1 - x\n")
    };
    // The hour comes twice, and no zone of the reader's machine says which this is.
    let text = [
        line("02:30:00.000000+02:00", 1),
        line("02:30:01.000000", 2),
        line("02:30:00.000000+01:00", 3),
        line("03:30:00.500000", 4),
    ];
    let times: Vec<i64> = read_slowly(text.concat().as_bytes(), 7)
        .into_iter()
        .map(|found| match found {
            Found::Record(record) => record.time_ns,
            Found::Other(line) => panic!("{line}"),
        })
        .collect();
    let half_past_midnight = 1_792_888_200_000_000_000;
    let behind = times
        .iter()
        .map(|time| (time - half_past_midnight) / 1_000_000);
    assert!(behind.eq([0, 1_000, 3_600_000, 7_200_500]), "{times:?}");
}
