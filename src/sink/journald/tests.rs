//! Entries read back by a parser that follows the description of the native protocol.

use std::io::Read;
use std::mem::MaybeUninit;
use std::os::unix::net::UnixDatagram;

use proptest::prelude::*;
use rustix::fs::{SealFlags, fcntl_get_seals};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::*;
use crate::record::Record;
use crate::record::samples::{entry, values};
use crate::sink::datagrams::Encode;
use crate::sink::samples::record;

fn take(rest: &mut &[u8], end: u8) -> Vec<u8> {
    let at = rest.iter().position(|byte| *byte == end).unwrap();
    let taken = rest[..at].to_vec();
    *rest = &rest[at + 1..];
    taken
}

fn parse(mut rest: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let equals = rest.iter().position(|byte| *byte == b'=');
        let feed = rest.iter().position(|byte| *byte == b'\n').unwrap();
        let (name, value) = if equals.is_some_and(|equals| equals < feed) {
            (take(&mut rest, b'='), take(&mut rest, b'\n'))
        } else {
            let name = take(&mut rest, b'\n');
            let (length, after) = rest.split_first_chunk().unwrap();
            let (value, after) = after.split_at(u64::from_le_bytes(*length) as usize);
            rest = after.strip_prefix(b"\n").unwrap();
            (name, value.to_vec())
        };
        let name = String::from_utf8(name).unwrap();
        // As the journal asks for them.
        assert!((1..=64).contains(&name.len()), "{name:?}");
        assert!(
            name.starts_with(|c: char| c.is_ascii_uppercase()),
            "{name:?}"
        );
        assert!(
            name.chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'),
            "{name:?}"
        );
        fields.push((name, value));
    }
    fields
}

fn encode(record: &Record<'_>) -> Vec<(String, Vec<u8>)> {
    let mut out = b"before".to_vec();
    Entries::default().push(&mut out, record);
    parse(&out[6..])
}

/// The name that a key should get, by the letter of the documentation.
fn naive_name(key: &str) -> String {
    let upper = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let name: String = key.chars().take(64).map(upper).collect();
    let ours = ["MESSAGE", "PRIORITY", "TID", "CODE_FILE", "CODE_LINE"];
    let is_ours = ours.contains(&&*name)
        || ["SHMLOG_", "SYSLOG_", "OBJECT_"]
            .iter()
            .any(|of| name.starts_with(of));
    if !is_ours && name.chars().next().is_some_and(|c| c.is_ascii_uppercase()) {
        return name;
    }
    format!("F_{name}").chars().take(64).collect()
}

#[test]
fn a_record_is_an_entry_of_named_fields() {
    let values_of_it = [
        entry("bus", &2_u8),
        entry("message", "mine"),
        entry("_pid", &1_u8),
    ]
    .concat();
    let record = Record {
        late: true,
        scope: "outer",
        values: values(&values_of_it),
        ..record(42, "two\nlines")
    };
    let expected = [
        ("MESSAGE", "two\nlines"),
        ("PRIORITY", "4"),
        ("SYSLOG_IDENTIFIER", "worker-1"),
        ("SYSLOG_PID", "1234"),
        ("TID", "1235"),
        ("CODE_FILE", "src/bin/worker.rs"),
        ("CODE_LINE", "17"),
        ("SHMLOG_TIME_NS", "1795369512123456789"),
        ("SHMLOG_SEQ", "42"),
        ("SHMLOG_LATE", "yes"),
        ("SHMLOG_LEVEL", "WARN"),
        ("SHMLOG_THREAD", "main"),
        ("SHMLOG_TARGET", "can"),
        ("SHMLOG_SCOPE", "outer"),
        ("BUS", "2"),
        ("F_MESSAGE", "mine"),
        ("F__PID", "1"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    assert_eq!(encode(&record), expected);
}

#[test]
fn of_too_many_values_the_rest_is_counted() {
    let values_of_it: Vec<u8> = (0..1234_u64)
        .flat_map(|number| entry("key", &number))
        .collect();
    let record = Record {
        values: values(&values_of_it),
        ..record(1, "x")
    };
    let fields = encode(&record);
    assert_eq!(
        fields.iter().filter(|(name, _)| name == "KEY").count(),
        1000
    );
    assert_eq!(
        *fields.last().unwrap(),
        ("SHMLOG_LEFT_OUT".to_owned(), b"234".to_vec())
    );
    assert!(fields.len() < 1024);
}

#[test]
fn an_entry_that_is_too_large_for_a_datagram_is_passed_as_a_sealed_file() {
    let path = std::env::temp_dir().join(format!("shmlog-journald-{}.socket", std::process::id()));
    _ = std::fs::remove_file(&path);
    let receiver = UnixDatagram::bind(&path).unwrap();
    let opening = Opening {
        program: "app",
        queue_bytes: Some(64 << 20),
        place: None,
        damaged: false,
        announced: None,
        name_of: &|_| None,
    };
    let mut sink = Journald::new(&path).open(&opening).unwrap();
    let long = "long\n".repeat(1 << 20);
    sink.record(&record(1, &long));
    sink.record(&record(2, "short"));
    sink.commit().unwrap();

    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(&receiver, &mut [], &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    assert_eq!(received.bytes, 0);
    let mut files = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    let mut file = std::fs::File::from(files.next().unwrap().next().unwrap());
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    assert_eq!(fcntl_get_seals(&file).unwrap(), seals);
    use std::io::Seek;
    file.rewind().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let fields = parse(&bytes);
    assert!(fields[0] == ("MESSAGE".to_owned(), long.into_bytes()));

    let mut bytes = [0; 1000];
    let count = receiver.recv(&mut bytes).unwrap();
    assert_eq!(parse(&bytes[..count])[0].1, b"short");
    sink.finish(std::time::Duration::from_secs(60)).unwrap();
    std::fs::remove_file(path).unwrap();
}

#[test]
fn settings_come_back_from_their_spec() {
    let settings = Journald::new("/run/j").level("warn");
    let spec = SinkSpec::from(settings.clone());
    assert_eq!(spec.to_string(), "journald:/run/j?level=warn");
    assert_eq!(Journald::parse(&spec), Ok(settings));
    assert_eq!(
        Journald::parse(&SinkSpec::new("journald")),
        Ok(Journald::default())
    );
    let refused = |text: &str| Journald::parse(&text.parse().unwrap()).unwrap_err().option;
    assert_eq!(refused("journald:run/j"), "place");
    assert_eq!(refused("journald?facility=user"), "option");
}

const ANY: &str = "(?s)([a-z]|[=\n\0]|.){0,40}";

proptest! {
    #[test]
    fn whatever_is_logged_is_read_back(
        texts in prop::collection::vec(ANY, 6),
        pairs in prop::collection::vec(("(?s)((message|tid|syslog_|Shmlog_|[a-z_0-9]).{0,9}|.{0,80})", ANY), 0..5),
        sequence: Option<u64>, time_ns: i64,
    ) {
        let values_of_it: Vec<u8> = pairs.iter().flat_map(|(key, value)| entry(key, value.as_str())).collect();
        let record = Record {
            sequence, time_ns,
            process: &texts[0], thread: &texts[1], target: &texts[2], file: &texts[3], scope: &texts[4],
            values: values(&values_of_it),
            ..record(1, &texts[5])
        };
        let fields = encode(&record);
        let named = [
            ("SYSLOG_IDENTIFIER", &texts[0]), ("SHMLOG_THREAD", &texts[1]), ("SHMLOG_TARGET", &texts[2]), ("MESSAGE", &texts[5]),
        ];
        let found = |name: &str| fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect::<Vec<_>>();
        for (name, text) in named {
            prop_assert_eq!(found(name), [text.as_bytes().to_vec()], "{}", name);
        }
        let where_there_is = |text: &str| (!text.is_empty()).then(|| text.as_bytes().to_vec());
        prop_assert_eq!(found("CODE_FILE").pop(), where_there_is(&texts[3]));
        prop_assert_eq!(found("SHMLOG_SCOPE").pop(), where_there_is(&texts[4]));
        prop_assert_eq!(found("SHMLOG_SEQ").pop(), sequence.map(|sequence| sequence.to_string().into_bytes()));
        prop_assert_eq!(found("SHMLOG_TIME_NS"), [time_ns.to_string().into_bytes()]);
        let expected: Vec<_> = pairs.iter().map(|(key, value)| (naive_name(key), value.as_bytes().to_vec())).collect();
        prop_assert_eq!(&fields[fields.len() - pairs.len()..], &expected[..]);
    }
}
