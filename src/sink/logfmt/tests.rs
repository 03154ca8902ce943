//! What the encoder writes, against a reader of the grammar that Go's libraries have.

use proptest::prelude::*;

use super::*;
use crate::level::Level;
use crate::record::samples::{entry, entry_of, values};
use crate::record::{Record, Value};
use crate::sink::keys;
use crate::sink::samples::{any_value, record};
use crate::sink::text::is_harmful;

fn line(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    LogfmtLines::default().push(&mut out, record);
    String::from_utf8(out).unwrap()
}

/// Reads a line as `go-logfmt/logfmt` does: pairs are apart by bytes up to the blank; a key has none of these, no `=`
/// and no quote, and so has a value that is not in quotes; one that is, is a JSON string.
fn parsed(line: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = vec![];
    let mut rest = line.trim_matches(|c| c <= ' ');
    while !rest.is_empty() {
        let end = rest
            .find(|c| c <= ' ' || c == '=' || c == '"')
            .unwrap_or(rest.len());
        let (key, behind) = rest.split_at(end);
        let behind = behind.strip_prefix('=').filter(|_| !key.is_empty());
        let behind = behind.ok_or_else(|| format!("no key: {rest}"))?;
        let (value, behind) = if behind.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(behind).into_iter::<String>();
            let value = values.next().unwrap().map_err(|error| error.to_string())?;
            (value, &behind[values.byte_offset()..])
        } else {
            let end = behind.find(|c| c <= ' ').unwrap_or(behind.len());
            let (value, behind) = behind.split_at(end);
            if value.contains(['=', '"']) {
                return Err(format!("no value: {value}"));
            }
            (value.to_owned(), behind)
        };
        if behind.starts_with(|c| c > ' ') {
            return Err(format!("no end of a value: {behind}"));
        }
        pairs.push((key.to_owned(), value));
        rest = behind.trim_start_matches(|c| c <= ' ');
    }
    Ok(pairs)
}

#[test]
fn a_record_is_one_line_of_pairs_and_its_values_stand_behind_its_own() {
    let pairs = [
        entry("bus", &2_u8),
        entry("state", "at rest"),
        entry("level", &1e300_f64),
        entry("bus", &f64::INFINITY),
        entry("a b", ""),
    ];
    let pairs = pairs.concat();
    let full = Record {
        late: true,
        scope: "outer{a=1}:inner",
        values: values(&pairs),
        ..record(42, "bus is \"slow\"\nvery")
    };
    let expected = concat!(
        "time=2026-11-22T17:45:12.123456789Z level=warn seq=42 late=true process=worker-1 pid=1234 thread=main ",
        r#"tid=1235 target=can file=src/bin/worker.rs line=17 scope="outer{a=1}:inner" "#,
        r#"msg="bus is \"slow\"\nvery" bus=2 state="at rest" fields.level=1e+300 bus_2=inf a_b="""#,
        "\n"
    );
    assert_eq!(line(&full), expected);
}

#[test]
fn what_a_record_has_not_is_left_out_and_the_drainers_own_words_have_no_sequence() {
    let own = Record::of_drainer(0, Level::Info, "begin");
    let pid = std::process::id();
    let expected = format!(
        "time=1970-01-01T00:00:00.000000000Z level=info process=shmlog pid={pid} thread=drainer tid={pid} \
         target=shmlog msg=begin\n"
    );
    assert_eq!(line(&own), expected);
}

/// A key as it should come back.
fn harmless(key: &str) -> String {
    let own = line(&Record {
        late: true,
        scope: "x",
        ..record(1, "x")
    });
    if own
        .split(' ')
        .any(|pair| pair.split('=').next() == Some(key))
    {
        return format!("fields.{key}");
    }
    let odd = |c: char| c.is_whitespace() || is_harmful(c) || c == '=' || c == '"';
    match key {
        "" => "_".to_owned(),
        _ => key.replace(odd, "_"),
    }
}

fn expected_of(value: &Value<'_>) -> String {
    match value {
        Value::Single(number) => zmij::Buffer::new().format(*number).to_owned(),
        Value::Double(number) => zmij::Buffer::new().format(*number).to_owned(),
        other => other.to_string(),
    }
}

proptest! {
    #[test]
    fn a_reader_gets_back_what_was_logged(
        texts in prop::collection::vec("(?s)([=\"\\\\\n\r\t\x00\x1b\u{2028}\u{202e}\u{a0}]|[ -~]{0,20}|.){0,6}", 6),
        numbers: [u32; 4], sequence: u64, late: bool, level in 0..Level::ALL.len(),
        pairs in prop::collection::vec(("(?s)(level|msg|[ab]|[ =\"\n]|.){0,2}", any_value()), 0..6),
    ) {
        let bytes: Vec<u8> = pairs.iter().flat_map(|(key, value)| entry_of(key, value)).collect();
        let logged = Record {
            late, level: Level::ALL[level], process: &texts[0], pid: numbers[0], thread: &texts[1], tid: numbers[1],
            target: &texts[2], file: &texts[3], line: numbers[2], scope: &texts[4], values: values(&bytes),
            ..record(sequence, &texts[5])
        };
        let [seq, pid, tid, row] = [sequence, numbers[0].into(), numbers[1].into(), numbers[2].into()].map(|n: u64| n.to_string());
        let level = Level::ALL[level].as_str().to_lowercase();
        let own = [
            (true, "time", "2026-11-22T17:45:12.123456789Z"), (true, "level", &level), (true, "seq", &seq),
            (late, "late", "true"), (true, "process", &texts[0]), (true, "pid", &pid), (true, "thread", &texts[1]),
            (true, "tid", &tid), (true, "target", &texts[2]), (!texts[3].is_empty(), "file", &texts[3]),
            (!texts[3].is_empty(), "line", &row), (!texts[4].is_empty(), "scope", &texts[4]), (true, "msg", &texts[5]),
        ];
        let own = own.into_iter().filter(|(is_there, ..)| *is_there);
        let mut expected: Vec<_> = own.map(|(_, key, value)| (key.to_owned(), value.to_owned())).collect();
        let keys: Vec<_> = pairs.iter().map(|(key, _)| harmless(key)).collect();
        let values = pairs.iter().map(|(_, value)| expected_of(value));
        expected.extend(keys::tests::naive(&keys).into_iter().zip(values));
        let text = line(&logged);
        prop_assert!(!text.strip_suffix('\n').unwrap().contains(is_harmful), "{}", text);
        prop_assert_eq!(parsed(&text), Ok(expected), "{}", text);
    }
}
