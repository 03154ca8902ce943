//! The console as a whole: how records look, and (in `standing`) what a console that stands still does to the rest.

mod standing;

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::sink::samples::record;

/// Long enough for any machine that is not broken; reached by failing tests only.
const AGES: Duration = Duration::from_secs(60);

/// A console that remembers what it was given.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const PLAIN: ConsoleConfig = ConsoleConfig {
    colour: false,
    width: || None,
    queue_bytes: ConsoleConfig::QUEUE_BYTES,
};

const EIGHTY: ConsoleConfig = ConsoleConfig {
    width: || Some(80),
    ..PLAIN
};

/// What the console shows of `records`.
fn shown(config: ConsoleConfig, records: &[Record<'_>]) -> String {
    let paper = Paper::default();
    let mut sink = ConsoleSink::new(Box::new(paper.clone()), config).unwrap();
    for record in records {
        sink.record(record);
    }
    sink.commit().unwrap();
    sink.finish(AGES).unwrap();
    assert!(sink.settled());
    paper.text()
}

/// Without the first time, which depends on the zone of who runs the tests.
fn behind_the_time(text: String) -> String {
    text.replacen(|first: char| first.is_ascii_digit(), "9", 2)
}

#[test]
fn a_record_shows_time_level_who_message_and_where() {
    let text = behind_the_time(shown(PLAIN, &[record(1, "bus 2 is slow")]));
    let expected = "\
99:45:12.123 WARN     worker-1/main       bus 2 is slow  can worker.rs:17
";
    assert_eq!(text, expected);
}

#[test]
fn a_time_that_has_not_changed_is_left_out_on_a_terminal_alone() {
    let records = [record(1, "a"), record(2, "b")];
    let times = |config| {
        let text = shown(config, &records);
        text.lines()
            .map(|line| line[..12].to_owned())
            .collect::<Vec<_>>()
    };
    let (piped, terminal) = (times(PLAIN), times(EIGHTY));
    assert!(
        piped[0].ends_with(":45:12.123") && piped[1] == piped[0],
        "{piped:?}"
    );
    assert_eq!(terminal, [&*piped[0], "            "]);
}

#[test]
fn a_target_that_is_the_modules_path_is_left_out() {
    let plain = Record {
        target: "worker::imu",
        target_is_module: true,
        ..record(1, "x")
    };
    let text = shown(PLAIN, &[plain]);
    assert!(text.ends_with("  x  worker.rs:17\n"), "{text}");
}

#[test]
fn a_new_millisecond_is_shown() {
    let later = Record {
        time_ns: record(2, "").time_ns + 1_000_000,
        ..record(2, "b")
    };
    let text = shown(EIGHTY, &[record(1, "a"), later]);
    assert!(
        text.lines().nth(1).unwrap().contains(":45:12.124 WARN"),
        "{text}"
    );
}

#[test]
fn in_a_terminal_the_place_is_at_the_right_edge_and_long_lines_are_broken_below_their_first() {
    let text = shown(
        EIGHTY,
        &[
            record(1, "bus 2 is slow"),
            record(
                2,
                "a long message that needs two lines of a terminal, and so on",
            ),
            record(
                3,
                "two\r\nlines 漢字 of a\tmessage, the second without room\n",
            ),
            Record {
                target: "robot::control::torque::limits",
                ..record(4, "a message of some length")
            },
        ],
    );
    let expected = "\
99:45:12.123 WARN     worker-1/main       bus 2 is slow         can worker.rs:17
             WARN     worker-1/main       a long message that needs two lines of
                                          a terminal, and so on     worker.rs:17
             WARN     worker-1/main       two                   can worker.rs:17
                                          lines 漢字 of a message, the second
                                          without room
             WARN     worker-1/main       a message of some length  worker.rs:17
";
    assert_eq!(behind_the_time(text), expected);
}

#[test]
fn names_too_long_for_their_column_are_shortened_and_the_column_never_shrinks() {
    let long = Record {
        process: "a_process_of_a_long_name",
        thread: "and-a-thread-too",
        ..record(1, "x")
    };
    let text = shown(PLAIN, &[record(0, "x"), long, record(2, "x")]);
    let whos: Vec<_> = text.lines().map(|line| &line[22..]).collect();
    let expected = [
        "worker-1/main       x  can worker.rs:17",
        "a_process_o…/and-a-thre…  x  can worker.rs:17",
        "worker-1/main             x  can worker.rs:17",
    ];
    assert_eq!(whos, expected);
}

#[test]
fn late_records_and_the_drainers_own_words_are_told_apart() {
    let late = Record {
        late: true,
        ..record(42, "x")
    };
    let own = Record {
        sequence: None,
        ..record(0, "y")
    };
    let text = shown(PLAIN, &[late, own]);
    assert!(
        text.contains("worker-1/main       late #42 x  can"),
        "{text}"
    );
    assert!(
        text.contains(" WARN     [shmlog]            y  can"),
        "{text}"
    );
}

#[test]
fn colours_are_written_when_asked_for_and_change_no_alignment() {
    let records = [
        record(1, "a"),
        Record {
            level: Level::Critical,
            ..record(2, "b")
        },
    ];
    let coloured = shown(
        ConsoleConfig {
            colour: true,
            ..EIGHTY
        },
        &records,
    );
    assert!(
        coloured.contains("\x1b[1m\x1b[33mWARN\x1b[0m"),
        "{coloured:?}"
    );
    let plain = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(plain, shown(EIGHTY, &records));
}

#[test]
fn a_message_of_16_mib_goes_through_and_so_do_those_behind_it() {
    let message = "0123456789abcdef".repeat(1 << 20);
    let text = shown(PLAIN, &[record(1, &message), record(2, "next")]);
    assert!(text.contains(&message) && text.ends_with("next  can worker.rs:17\n"));
}

#[test]
fn a_closed_pipe_is_told_once_and_then_records_are_dropped_quietly() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut sink = ConsoleSink::new(Box::new(writer), PLAIN).unwrap();
    let mut refusals = Vec::new();
    // A process that another test of this program is just starting holds the reader until it is what it
    // shall be (closed on exec), so the first writes may still be taken.
    while refusals.is_empty() {
        sink.record(&record(1, "x"));
        refusals.extend(sink.commit().err());
        sink.writer.wait(AGES);
    }
    for _ in 0..3 {
        sink.record(&record(2, "y"));
        refusals.extend(sink.commit().err());
    }
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].kind(), io::ErrorKind::BrokenPipe);
    sink.record(&record(3, "not even rendered"));
    assert!(sink.settled() && sink.batch.is_empty() && sink.finish(AGES).is_ok());
}

proptest! {
    #[test]
    fn nobody_can_forge_a_record_line(
        texts in prop::collection::vec("(\n|\r\n|\r|\u{2028}|\u{9b}1G|\t|17:45:12.123 WARN     |             WARN     a/b  |.){0,9}", 5),
        wide in any::<bool>(),
    ) {
        let forger = Record {
            process: &texts[0], thread: &texts[1], target: &texts[2], file: &texts[3],
            ..record(1, &texts[4])
        };
        let text = shown(if wide { EIGHTY } else { PLAIN }, &[forger, record(2, "honest")]);
        let begins = |line: &&str| line.as_bytes().get(13).is_some_and(|byte| *byte != b' ');
        let split = |c: char| matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\u{85}' | '\u{2028}' | '\u{2029}');
        prop_assert_eq!(text.split_terminator(split).filter(begins).count(), 2, "{}", text);
        let fits = |line: &str| super::wrap::width(line) <= 80;
        prop_assert!(!wide || text.lines().all(fits), "{}", text);
    }
}
