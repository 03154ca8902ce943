//! What the encoder writes, against `serde_json` as the oracle.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::level::Level;
use crate::record::samples::{entry, entry_of, values};
use crate::record::{Record, Value};
use crate::sink::keys;
use crate::sink::samples::{any_value, record};
use crate::sink::text::is_harmful;

fn line(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    JsonLines::default().push(&mut out, record);
    String::from_utf8(out).unwrap()
}

fn parsed(record: &Record<'_>) -> Json {
    serde_json::from_str(&line(record)).unwrap()
}

#[test]
fn a_record_is_one_object_with_these_keys_in_this_order() {
    let pairs = [entry("bus", &2_u8), entry("load", &0.93_f64)].concat();
    let full = Record {
        late: true,
        scope: "outer{a=1}:inner",
        values: values(&pairs),
        ..record(42, "bus is \"slow\"\nvery")
    };
    let expected = concat!(
        r#"{"time":"2026-11-22T17:45:12.123456789Z","level":"warn","seq":42,"late":true,"process":"worker-1","#,
        r#""pid":1234,"thread":"main","tid":1235,"target":"can","file":"src/bin/worker.rs","line":17,"#,
        r#""scope":"outer{a=1}:inner","message":"bus is \"slow\"\nvery","fields":{"bus":2,"load":0.93}}"#,
        "\n"
    );
    assert_eq!(line(&full), expected);
}

#[test]
fn what_a_record_has_not_is_left_out_and_the_drainers_own_words_have_no_sequence() {
    let own = Record::of_drainer(-1, Level::Critical, "");
    let pid = std::process::id();
    let expected = format!(
        r#"{{"time":"1969-12-31T23:59:59.999999999Z","level":"critical","process":"shmlog","pid":{pid},"#
    ) + &format!(
        r#""thread":"drainer","tid":{pid},"target":"shmlog","message":""}}"#
    ) + "\n";
    assert_eq!(line(&own), expected);
}

#[test]
fn values_keep_their_types_as_far_as_json_has_them() {
    let pairs = [
        entry("small", &-3_i8),
        entry("largest", &u64::MAX),
        entry("least", &i64::MIN),
        entry("too large", &(u128::from(u64::MAX) + 1)),
        entry("too small", &(i128::from(i64::MIN) - 1)),
        entry("single", &0.1_f32),
        entry("double", &1e300_f64),
        entry("whole", &1.0_f64),
        entry("none", &f64::NAN),
        entry("no end", &f32::NEG_INFINITY),
        entry("ok", &true),
        entry("key", &'ä'),
        entry("text", "a b"),
        entry("", "no key"),
    ];
    let pairs = pairs.concat();
    let full = Record {
        values: values(&pairs),
        ..record(1, "x")
    };
    let expected = concat!(
        r#""fields":{"small":-3,"largest":18446744073709551615,"least":-9223372036854775808,"#,
        r#""too large":"18446744073709551616","too small":"-9223372036854775809","single":0.1,"#,
        r#""double":1e+300,"whole":1.0,"none":"NaN","no end":"-inf","ok":true,"key":"ä","text":"a b","#,
        r#""":"no key"}}"#
    );
    assert!(
        line(&full).ends_with(&format!("{expected}\n")),
        "{}",
        line(&full)
    );
    parsed(&full);
}

/// What a parser should make of a value.
fn expected_of(value: &Value<'_>) -> Json {
    match value {
        Value::Unsigned(number) => match u64::try_from(*number) {
            Ok(number) => json!(number),
            Err(_) => json!(number.to_string()),
        },
        Value::Signed(number) => match (i64::try_from(*number), u64::try_from(*number)) {
            (Ok(number), _) => json!(number),
            (_, Ok(number)) => json!(number),
            _ => json!(number.to_string()),
        },
        // Its own shortest digits, not those of the f64 next to it.
        Value::Single(number) if number.is_finite() => {
            let mut digits = zmij::Buffer::new();
            let digits = digits.format(*number);
            assert!(digits.parse() == Ok(*number), "{digits}");
            json!(digits.parse::<f64>().unwrap())
        }
        Value::Double(number) if number.is_finite() => json!(number),
        Value::Bool(truth) => json!(truth),
        other => json!(other.to_string()),
    }
}

proptest! {
    #[test]
    fn a_parser_reads_back_what_was_logged(
        texts in prop::collection::vec("(?s)([\"\\\\\n\r\t\x00\x1b\u{2028}\u{202e}]|[ -~]{0,20}|.){0,6}", 6),
        numbers: [u32; 4], time_ns: i64, sequence: Option<u64>, late: bool, level in 0..Level::ALL.len(),
        pairs in prop::collection::vec(("(?s)([ab]|.){0,2}", any_value()), 0..6),
    ) {
        let bytes: Vec<u8> = pairs.iter().flat_map(|(key, value)| entry_of(key, value)).collect();
        let logged = Record {
            sequence, late, time_ns, level: Level::ALL[level], process: &texts[0], pid: numbers[0],
            thread: &texts[1], tid: numbers[1], target: &texts[2], target_is_module: false, file: &texts[3],
            line: numbers[2], origin: Some(1), scope: &texts[4], message: &texts[5], values: values(&bytes),
        };
        let time = chrono::DateTime::from_timestamp_nanos(time_ns);
        let mut expected = json!({
            "time": time.format("%Y-%m-%dT%H:%M:%S.%9fZ").to_string(),
            "level": Level::ALL[level].as_str().to_lowercase(),
            "process": texts[0], "pid": numbers[0], "thread": texts[1], "tid": numbers[1], "target": texts[2],
            "message": texts[5],
        });
        if let Some(sequence) = sequence {
            expected["seq"] = json!(sequence);
        }
        if late {
            expected["late"] = json!(true);
        }
        if !texts[3].is_empty() {
            expected["file"] = json!(texts[3]);
            expected["line"] = json!(numbers[2]);
        }
        if !texts[4].is_empty() {
            expected["scope"] = json!(texts[4]);
        }
        let keys: Vec<_> = pairs.iter().map(|(key, _)| key.clone()).collect();
        for (name, (_, value)) in keys::tests::naive(&keys).into_iter().zip(&pairs) {
            expected["fields"][name] = expected_of(value);
        }
        let text = line(&logged);
        prop_assert!(!text.strip_suffix('\n').unwrap().contains(is_harmful), "{}", text);
        prop_assert_eq!(parsed(&logged), expected, "{}", text);
    }

    #[test]
    fn records_of_known_origin_have_the_same_lines(origins in prop::collection::vec((0u64..3, 1u64..4), 1..40)) {
        let mut lines = JsonLines::default();
        for (writer, site) in origins {
            let (process, target) = (format!("worker-{writer}"), format!("t{site}"));
            let known = Record {
                process: &process, target: &target, origin: Some(writer << 32 | site), ..record(1, "x")
            };
            let mut out = Vec::new();
            lines.push(&mut out, &known);
            let unknown = Record { origin: None, ..known };
            prop_assert_eq!(String::from_utf8(out).unwrap(), line(&unknown));
        }
    }
}
