//! The console as a whole: how records look, and (in `standing`) what a console that stands still does to the rest.

mod standing;

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::record::samples::{entry, entry_of, values};
use crate::sink::samples::{any_value, record};

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

/// How a console looks.
#[derive(Clone, Copy)]
struct Look {
    colour: bool,
    width: fn() -> Option<usize>,
}

impl Look {
    fn on(self, out: impl Write + Send + 'static) -> Outlet {
        Outlet {
            out: Box::new(out),
            colour: self.colour,
            width: self.width,
        }
    }
}

const PLAIN: Look = Look {
    colour: false,
    width: || None,
};

const WIDE: Look = Look {
    width: || Some(100),
    ..PLAIN
};

const EIGHTY: Look = Look {
    width: || Some(80),
    ..PLAIN
};

/// What the console shows of `records`.
fn shown(look: Look, records: &[Record<'_>]) -> String {
    let paper = Paper::default();
    let outlet = look.on(paper.clone());
    let mut sink = ConsoleSink::new(outlet, None, stream::QUEUE_BYTES).unwrap();
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
    let times = |look| {
        let text = shown(look, &records);
        text.lines()
            .map(|line| line[..12].to_owned())
            .collect::<Vec<_>>()
    };
    let (piped, terminal) = (times(PLAIN), times(WIDE));
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
    let text = shown(WIDE, &[record(1, "a"), later]);
    assert!(
        text.lines().nth(1).unwrap().contains(":45:12.124 WARN"),
        "{text}"
    );
}

fn long_and_short() -> [Record<'static>; 4] {
    [
        record(1, "bus 2 is slow"),
        record(
            2,
            "a long message that needs two lines of a terminal, and so on and on",
        ),
        record(
            3,
            "two\r\nlines 漢字 of a\tmessage, the second without room for all\n",
        ),
        Record {
            target: "robot::control::torque::limits",
            ..record(4, "a message of some length")
        },
    ]
}

#[test]
fn in_a_terminal_the_place_is_at_the_right_edge_and_long_lines_are_broken_below_their_first() {
    let expected = "\
99:45:12.123 WARN     worker-1/main       bus 2 is slow                             can worker.rs:17
             WARN     worker-1/main       a long message that needs two lines of a terminal, and so
                                          on and on                                 can worker.rs:17
             WARN     worker-1/main       two                                       can worker.rs:17
                                          lines 漢字 of a message, the second without room for all
             WARN     worker-1/main       a message of some length                      worker.rs:17
";
    assert_eq!(behind_the_time(shown(WIDE, &long_and_short())), expected);
}

#[test]
fn in_a_narrow_terminal_no_place_takes_a_line_from_the_messages() {
    let expected = "\
99:45:12 WARN  worker-1/main  bus 2 is slow                     can worker.rs:17
         WARN  worker-1/main  a long message that needs two lines of a terminal,
                              and so on and on                  can worker.rs:17
         WARN  worker-1/main  two                               can worker.rs:17
                              lines 漢字 of a message, the second without room
                              for all
         WARN  worker-1/main  a message of some length              worker.rs:17
";
    let text = behind_the_time(shown(EIGHTY, &long_and_short()));
    assert_eq!(text, expected);
}

#[test]
fn the_narrower_a_terminal_the_more_is_left_out() {
    let of_width = |width| {
        let look = Look { width, ..PLAIN };
        shown(look, &[record(1, "bus 2 is slow")])
    };
    let text = behind_the_time(of_width(|| Some(71)));
    assert_eq!(text, "99:45:12 WARN  worker-1/   bus 2 is slow\n");
    assert_eq!(of_width(|| Some(47)), "WARN  worker-1/   bus 2 is slow\n");
}

#[test]
fn in_a_narrow_terminal_names_are_short_and_a_time_is_shown_once_a_second() {
    let record_at = |ms: i64, level, process| Record {
        level,
        process,
        time_ns: record(1, "").time_ns + ms * 1_000_000,
        ..record(1, "x")
    };
    let records = [
        record_at(0, Level::Critical, "a_process_of_a_long_name"),
        record_at(1, Level::Info, "imu"),
        record_at(1000, Level::Debug, "imu"),
    ];
    let expected = "\
99:45:12 CRIT  a_process_…/main  x                              can worker.rs:17
         INFO  imu/main          x                              can worker.rs:17
99:45:13 DEBUG imu/main          x                              can worker.rs:17
";
    let text = behind_the_time(shown(EIGHTY, &records));
    let hour = text.find("DEBUG").map(|at| at - 9).unwrap_or(0);
    let text = format!("{}99{}", &text[..hour], &text[hour + 2..]);
    assert_eq!(text, expected);
}

#[test]
fn spans_stand_before_the_message_and_values_behind_its_last_line() {
    let bytes = [entry("bus", &2_u8), entry("state", "at rest")].concat();
    let full = Record {
        scope: "outer{a=1}:inner",
        values: values(&bytes),
        ..record(1, "slow\nvery\n")
    };
    let text = shown(PLAIN, std::slice::from_ref(&full));
    let lines: Vec<_> = text.lines().map(|line| line[22..].trim_start()).collect();
    let expected = [
        "worker-1/main       outer{a=1}:inner: slow  can worker.rs:17",
        "very bus=2 state=\"at rest\"",
    ];
    assert_eq!(lines, expected);
    let bare = Record {
        message: "",
        scope: "",
        ..full
    };
    assert!(shown(PLAIN, &[bare]).contains("main       bus=2 state="));
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
    let pairs = [
        entry("bus", &2_u8),
        entry("ok", &true),
        entry("at", "/dev/a"),
    ]
    .concat();
    let records = [
        record(1, "took 12 s for \"all\""),
        Record {
            level: Level::Critical,
            values: values(&pairs),
            ..record(2, "b")
        },
    ];
    let coloured = shown(
        Look {
            colour: true,
            ..EIGHTY
        },
        &records,
    );
    for piece in [
        "\x1b[1m\x1b[33mWARN\x1b[0m",
        " took \x1b[36m12\x1b[0m s for \x1b[32m\"all\"\x1b[0m ",
        "b \x1b[2mbus=\x1b[0m\x1b[36m2\x1b[0m \x1b[2mok=\x1b[0m\x1b[3m\x1b[35mtrue\x1b[0m",
        "at=\x1b[0m\x1b[35m/dev/a\x1b[0m",
    ] {
        assert!(coloured.contains(piece), "{coloured:?}");
    }
    let plain = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(plain, shown(EIGHTY, &records));
}

#[test]
fn records_from_a_level_on_go_the_other_way_and_all_have_their_times() {
    let (usual, grave) = (Paper::default(), Paper::default());
    let ways = (WIDE.on(usual.clone()), PLAIN.on(grave.clone()));
    let mut sink = ConsoleSink::new(ways.0, Some((Level::Warn, ways.1)), 1000).unwrap();
    for (number, level) in Level::ALL.into_iter().enumerate() {
        let logged = Record {
            level,
            ..record(number as u64, level.as_str())
        };
        sink.record(&logged);
    }
    sink.commit().unwrap();
    sink.finish(AGES).unwrap();
    assert!(sink.settled());
    let shown = |paper: &Paper, levels: &[&str]| {
        let text = paper.text();
        assert_eq!(text.lines().count(), levels.len());
        for (line, level) in text.lines().zip(levels) {
            assert!(
                line[8..].starts_with(".123 ") && line[13..].starts_with(level),
                "{text}"
            );
        }
    };
    shown(&usual, &["TRACE", "DEBUG", "INFO"]);
    shown(&grave, &["WARN", "ERROR", "CRITICAL"]);
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
    let mut sink = ConsoleSink::new(PLAIN.on(writer), None, 1 << 20).unwrap();
    let mut refusals = Vec::new();
    // A process that another test of this program is just starting holds the reader until it is what it
    // shall be (closed on exec), so the first writes may still be taken.
    while refusals.is_empty() {
        sink.record(&record(1, "x"));
        refusals.extend(sink.commit().err());
        sink.usual.stream.writer.wait(AGES);
    }
    for _ in 0..3 {
        sink.record(&record(2, "y"));
        refusals.extend(sink.commit().err());
    }
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].kind(), io::ErrorKind::BrokenPipe);
    sink.record(&record(3, "not even rendered"));
    assert!(sink.settled() && sink.usual.stream.batch.is_empty() && sink.finish(AGES).is_ok());
}

proptest! {
    #[test]
    fn nobody_can_forge_a_record_line(
        texts in prop::collection::vec("(\n|\r\n|\r|\u{2028}|\u{9b}1G|\t|17:45:12.123 WARN     |             WARN     a/b  |.){0,9}", 8),
        width in 0..4_usize,
    ) {
        let pairs = entry(&texts[6], texts[7].as_str());
        let forger = Record {
            process: &texts[0], thread: &texts[1], target: &texts[2], file: &texts[3], scope: &texts[5],
            values: values(&pairs), ..record(1, &texts[4])
        };
        let widths: [fn() -> Option<usize>; 4] = [|| None, || Some(100), || Some(80), || Some(60)];
        let look = Look { width: widths[width], ..PLAIN };
        let text = shown(look, &[forger, record(2, "honest")]);
        let level_at = [13, 13, 9, 9][width];
        let begins = |line: &&str| line.as_bytes().get(level_at).is_some_and(|byte| *byte != b' ');
        let split = |c: char| matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\u{85}' | '\u{2028}' | '\u{2029}');
        prop_assert_eq!(text.split_terminator(split).filter(begins).count(), 2, "{}", text);
        let most = (look.width)().unwrap_or(usize::MAX);
        prop_assert!(text.lines().all(|line| super::wrap::width(line) <= most), "{}", text);
    }

    #[test]
    fn tints_never_change_the_text_and_end_with_their_line(
        texts in prop::collection::vec("(?s)([-+./:'\" =0-9xe_a\n\t\x1b]|true|http://|/dev/a|漢|é|.){0,40}", 3),
        key in ".{0,3}", value in any_value(), wide: bool,
    ) {
        let pairs = entry_of(&key, &value);
        let logged = Record { scope: &texts[1], values: values(&pairs), ..record(1, &texts[0]) };
        let look = if wide { WIDE } else { EIGHTY };
        let coloured = shown(Look { colour: true, ..look }, std::slice::from_ref(&logged));
        let plain = shown(look, &[logged]);
        prop_assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
        for line in coloured.lines() {
            let begun = line.rsplit_once("\x1b[").map_or("0m", |(_, last)| last);
            prop_assert!(begun.starts_with("0m"), "{line:?}");
        }
    }
}
