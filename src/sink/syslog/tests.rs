//! Datagrams read back by a parser that follows the grammar of RFC 5424 letter by letter.

use chrono::{DateTime, Local};
use proptest::prelude::*;

use super::*;
use crate::level::Level;
use crate::record::Record;
use crate::record::samples::{entry, values};
use crate::sink::datagrams::Encode;
use crate::sink::samples::record;
use crate::sink::text::push_field;

/// What a datagram says.
#[derive(Debug, PartialEq)]
struct Parsed {
    priority: u32,
    timestamp: String,
    hostname: String,
    app_name: String,
    procid: String,
    msgid: String,
    /// Elements, with their parameters.
    data: Vec<(String, Vec<(String, String)>)>,
    message: Option<String>,
}

impl Parsed {
    fn params(&self, element: &str) -> &[(String, String)] {
        let found = self.data.iter().find(|(name, _)| name == element);
        found.map_or(&[], |(_, params)| params)
    }

    fn param(&self, name: &str) -> Option<&str> {
        let mut params = self.params("shmlog@32473").iter();
        let (_, value) = params.find(|(known, _)| known == name)?;
        Some(value)
    }
}

/// A word of the header: printable ASCII up to a blank.
fn word<'a>(rest: &mut &'a str, most: usize) -> &'a str {
    let (word, after) = rest.split_once(' ').unwrap();
    assert!((1..=most).contains(&word.len()), "{word:?}");
    assert!(
        word.bytes().all(|byte| (33..=126).contains(&byte)),
        "{word:?}"
    );
    *rest = after;
    word
}

fn name<'a>(rest: &mut &'a str, ends: &[char]) -> &'a str {
    let (name, after) = rest.split_at(rest.find(ends).unwrap());
    assert!((1..=32).contains(&name.len()), "{name:?}");
    let is_allowed = |byte: u8| (33..=126).contains(&byte) && !b"= ]\"".contains(&byte);
    assert!(name.bytes().all(is_allowed), "{name:?}");
    *rest = after;
    name
}

fn param_value(rest: &mut &str) -> String {
    let mut value = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next().unwrap() {
            '\\' => {
                let escaped = chars.next().unwrap();
                assert!("\"\\]".contains(escaped), "{rest:?}");
                value.push(escaped);
            }
            '"' => break,
            ']' => panic!("not escaped: {rest:?}"),
            c => value.push(c),
        }
    }
    *rest = chars.as_str();
    value
}

fn parse(datagram: &[u8]) -> Parsed {
    let text = std::str::from_utf8(datagram).unwrap();
    assert!(!text.contains(crate::sink::text::is_harmful), "{text:?}");
    let (priority, rest) = text.strip_prefix('<').unwrap().split_once('>').unwrap();
    let mut rest = rest.strip_prefix("1 ").unwrap();
    let timestamp = word(&mut rest, 32).to_owned();
    let hostname = word(&mut rest, 255).to_owned();
    let app_name = word(&mut rest, 48).to_owned();
    let procid = word(&mut rest, 128).to_owned();
    let msgid = word(&mut rest, 32).to_owned();
    let mut data = Vec::new();
    while let Some(after) = rest.strip_prefix('[') {
        rest = after;
        let element = name(&mut rest, &[' ', ']']).to_owned();
        let mut params = Vec::new();
        while let Some(after) = rest.strip_prefix(' ') {
            rest = after;
            let key = name(&mut rest, &['=']).to_owned();
            rest = rest.strip_prefix("=\"").unwrap();
            params.push((key, param_value(&mut rest)));
        }
        rest = rest.strip_prefix(']').unwrap();
        assert!(data.iter().all(|(known, _)| *known != element));
        data.push((element, params));
    }
    assert!(!data.is_empty());
    let message = match rest {
        "" => None,
        rest => Some(rest.strip_prefix(" \u{feff}").unwrap().to_owned()),
    };
    Parsed {
        priority: priority.parse().unwrap(),
        timestamp,
        hostname,
        app_name,
        procid,
        msgid,
        data,
        message,
    }
}

fn encode(record: &Record<'_>, max_size: usize) -> Vec<u8> {
    let mut out = b"before".to_vec();
    let mut lines = Lines::new(Facility::User as u8, "g1-07", 32_473, max_size);
    let text_at = lines.push(&mut out, record);
    let datagram = out.split_off(6);
    assert!(datagram.len() <= max_size, "{}", datagram.len());
    assert!(text_at <= datagram.len() && std::str::from_utf8(&datagram[text_at..]).is_ok());
    datagram
}

fn escaped(text: &str) -> String {
    let mut out = Vec::new();
    push_field(&mut out, text);
    String::from_utf8(out).unwrap()
}

fn printable(text: &str, most: usize, nothing: &str) -> String {
    let printable = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    let text: String = text.chars().take(most).map(printable).collect();
    if text.is_empty() {
        nothing.to_owned()
    } else {
        text
    }
}

#[test]
fn a_record_is_a_line_of_rfc_5424() {
    let values_of_it = [entry("bus", &2_u8), entry("state", "not \"ok\"")].concat();
    let record = Record {
        values: values(&values_of_it),
        ..record(42, "bus 2 is slow: naïve")
    };
    let time = DateTime::from_timestamp_nanos(record.time_ns).with_timezone(&Local);
    let expected = format!(
        "<12>1 {} g1-07 worker-1 1234 can [shmlog@32473 seq=\"42\" level=\"WARN\" thread=\"main\" tid=\"1235\" \
         target=\"can\" file=\"src/bin/worker.rs\" line=\"17\"][values@32473 bus=\"2\" state=\"not \\\"ok\\\"\"] \
         \u{feff}bus 2 is slow: naïve",
        time.format("%Y-%m-%dT%H:%M:%S%.6f%:z")
    );
    assert_eq!(String::from_utf8(encode(&record, 8192)).unwrap(), expected);
}

#[test]
fn levels_and_facilities_make_the_priority() {
    let expected = [7, 7, 6, 4, 3, 2];
    for (level, severity) in Level::ALL.into_iter().zip(expected) {
        for facility in Facility::ALL {
            let mut out = Vec::new();
            let record = Record {
                level,
                ..record(1, "")
            };
            Lines::new(facility as u8, "h", 1, 2048).push(&mut out, &record);
            assert_eq!(parse(&out).priority, facility as u32 * 8 + severity);
        }
    }
}

#[test]
fn what_there_is_not_is_left_out() {
    let bare = Record {
        sequence: None,
        process: "",
        target: "",
        file: "",
        ..record(1, "")
    };
    let parsed = parse(&encode(&bare, 1024));
    assert_eq!((&*parsed.app_name, &*parsed.msgid), ("-", "-"));
    assert_eq!(parsed.message, None);
    let names: Vec<_> = parsed
        .params("shmlog@32473")
        .iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["level", "thread", "tid"]);
    let more = Record {
        late: true,
        scope: "outer{a=1}:inner",
        ..record(1, "x")
    };
    let parsed = parse(&encode(&more, 1024));
    assert_eq!(parsed.param("late"), Some("yes"));
    assert_eq!(parsed.param("scope"), Some("outer{a=1}:inner"));
}

#[test]
fn values_that_find_no_room_are_counted_and_leave_some_to_the_message() {
    let values_of_it: Vec<u8> = (0..100)
        .flat_map(|n| entry("key", &"x".repeat(n * 10)[..]))
        .collect();
    let message = "y".repeat(5000);
    let record = Record {
        values: values(&values_of_it),
        ..record(1, &message)
    };
    let parsed = parse(&encode(&record, 2048));
    let params = parsed.params("values@32473");
    let (last, whole) = params.split_last().unwrap();
    assert!(whole.len() > 5, "{params:?}");
    assert_eq!(
        *last,
        ("left_out".to_owned(), (100 - whole.len()).to_string())
    );
    let text = parsed.message.unwrap();
    assert!(
        text.starts_with(&"y".repeat(400)) && text.ends_with("y ‹cut off›"),
        "{text}"
    );
}

#[test]
fn the_byte_order_mark_can_be_left_out() {
    let mut lines = Lines::new(1, "h", 1, 2048);
    lines.bom = false;
    let mut out = Vec::new();
    let text_at = lines.push(&mut out, &record(1, "text"));
    assert!(out.ends_with(b"] text") && &out[text_at..] == b"text");
}

#[test]
fn settings_come_back_from_their_spec() {
    let settings = Syslog::new("udp://[::1]:5514")
        .facility(Facility::Local3)
        .max_size(4096)
        .enterprise(7)
        .bom(false)
        .level("warn");
    let spec = SinkSpec::from(settings.clone());
    assert_eq!(
        spec.to_string(),
        "syslog:udp://[::1]:5514?facility=local3&max_size=4096&bom=off&enterprise=7&level=warn"
    );
    assert_eq!(Syslog::parse(&spec), Ok(settings));
    assert_eq!(
        Syslog::parse(&"syslog".parse().unwrap()),
        Ok(Syslog::new("/dev/log"))
    );
}

#[test]
fn places_are_sockets_or_hosts_with_or_without_a_port() {
    let address = |place: &str| Syslog::new(place).address();
    let udp = |address: &str| Some(Address::Udp(address.to_owned()));
    assert_eq!(address("/dev/log"), Some(Address::Path("/dev/log".into())));
    assert_eq!(address("udp://loghost"), udp("loghost:514"));
    assert_eq!(address("udp://10.0.0.1:5514"), udp("10.0.0.1:5514"));
    assert_eq!(address("udp://[::1]"), udp("[::1]:514"));
    assert_eq!(address("udp://[fe80::1]:99"), udp("[fe80::1]:99"));
    let wrong = [
        "",
        "dev/log",
        "udp://",
        "udp://:514",
        "udp://h:",
        "udp://h:0",
        "udp://h:70000",
        "udp://::1",
        "udp://h/x",
    ];
    for place in wrong
        .map(str::to_owned)
        .into_iter()
        .chain(["/".repeat(200)])
    {
        assert_eq!(address(&place), None, "{place}");
        let spec = SinkSpec::new("syslog").at(&place);
        let error = Syslog::parse(&spec).unwrap_err();
        assert_eq!((&*error.option, error.value), ("place", place));
    }
}

#[test]
fn what_is_not_allowed_is_refused() {
    let refused = |text: &str| Syslog::parse(&text.parse().unwrap()).unwrap_err().option;
    assert_eq!(refused("syslog?facility=loud"), "facility");
    assert_eq!(refused("syslog?max_size=500"), "max_size");
    assert_eq!(refused("syslog?max_size=70000"), "max_size");
    assert_eq!(refused("syslog?enterprise=x"), "enterprise");
    assert_eq!(refused("syslog?keep=1"), "option");
}

/// Text with everything that may go wrong in it.
const ANY: &str = "(?s)([a-z]|[\"\\]\\\\= \n\0]|\u{202e}|\x1b\\[|.){0,40}";

proptest! {
    #[test]
    fn whatever_is_logged_is_read_back(
        texts in prop::collection::vec(ANY, 6),
        pairs in prop::collection::vec((ANY, ANY), 0..5),
        sequence: Option<u64>, pid: u32, tid: u32, line: u32, time_ns in 0..i64::MAX,
    ) {
        let values_of_it: Vec<u8> = pairs.iter().flat_map(|(key, value)| entry(key, value.as_str())).collect();
        let record = Record {
            sequence, pid, tid, line, time_ns,
            process: &texts[0], thread: &texts[1], target: &texts[2], file: &texts[3], scope: &texts[4],
            values: values(&values_of_it),
            ..record(1, &texts[5])
        };
        let parsed = parse(&encode(&record, 65_507));
        let time = DateTime::from_timestamp_nanos(time_ns).with_timezone(&Local);
        prop_assert_eq!(&parsed.timestamp, &time.format("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string());
        prop_assert_eq!(&parsed.hostname, "g1-07");
        prop_assert_eq!(&parsed.app_name, &printable(record.process, 48, "-"));
        prop_assert_eq!(&parsed.procid, &pid.to_string());
        prop_assert_eq!(&parsed.msgid, &printable(record.target, 32, "-"));
        let seen = |name: &str| parsed.param(name).map(str::to_owned);
        prop_assert_eq!(seen("seq"), sequence.map(|sequence| sequence.to_string()));
        prop_assert_eq!(seen("tid"), Some(tid.to_string()));
        for (name, text) in [("thread", 1), ("target", 2), ("file", 3), ("scope", 4)] {
            let text = escaped(&texts[text]);
            prop_assert_eq!(seen(name), Some(text).filter(|text| !text.is_empty()), "{}", name);
        }
        prop_assert_eq!(seen("line"), Some(line.to_string()).filter(|_| !texts[3].is_empty()));
        let expected: Vec<_> = pairs.iter().map(|(key, value)| {
            let key = printable(key, 32, "_").replace(['=', ']', '"'], "_");
            (key, escaped(value))
        }).collect();
        prop_assert_eq!(parsed.params("values@32473"), &expected[..]);
        prop_assert_eq!(parsed.message, Some(escaped(&texts[5])).filter(|text| !text.is_empty()));
    }

    #[test]
    fn no_datagram_exceeds_its_size_and_all_are_read_back(
        texts in prop::collection::vec("(?s)(.|\n|\\]){0,5}(.{90}){0,30}", 6),
        pairs in prop::collection::vec((ANY, "(?s)(.|\"){0,5}(.{90}){0,20}"), 0..5),
        max_size in 1024..4000_usize,
    ) {
        let values_of_it: Vec<u8> = pairs.iter().flat_map(|(key, value)| entry(key, value.as_str())).collect();
        let record = Record {
            process: &texts[0], thread: &texts[1], target: &texts[2], file: &texts[3], scope: &texts[4],
            values: values(&values_of_it),
            ..record(1, &texts[5])
        };
        let parsed = parse(&encode(&record, max_size));
        let message = escaped(&texts[5]);
        let shown = parsed.message.clone().unwrap_or_default();
        let kept = shown.strip_suffix(" ‹cut off›").unwrap_or(&shown);
        prop_assert!(message.starts_with(kept) || message.starts_with(kept.trim_end_matches('\\')), "{} {}", message, shown);
        prop_assert!(shown == message || kept.len() >= 100, "{} {}", message.len(), shown);
        prop_assert!(escaped(&texts[1]).starts_with(parsed.param("thread").unwrap_or_default()));
    }
}
