//! One record as it stands in a file:
//!
//! `2026-11-22 17:45:12.123456 WARN     #42 worker-1[1234] main[1235] can src/bin/worker.rs:17 - bus 2 is slow`
//!
//! A record begins at a line that begins with a digit; every further line of its message begins with
//! `INDENT`. No message can break that, so the boundaries of records can be found again in the bytes.

use crate::record::Record;
use crate::sink::stamp::{Stamp, micros};
use crate::sink::text::{message_lines, push_blanks, push_decimal, push_field, push_text};

/// What continuation lines of a message begin with.
const INDENT: &[u8] = b"    ";

/// Levels are padded to the longest, `CRITICAL`.
const LEVEL_COLUMNS: usize = 8;

/// Appends the line, or the lines, of `record`.
pub(super) fn push_record(out: &mut Vec<u8>, stamp: &mut Stamp, record: &Record<'_>) {
    out.extend_from_slice(stamp.date_and_time(record.time_ns));
    out.push(b'.');
    out.extend_from_slice(&micros(record.time_ns));
    out.push(b' ');
    let level = record.level.as_str();
    out.extend_from_slice(level.as_bytes());
    push_blanks(out, LEVEL_COLUMNS.saturating_sub(level.len()));
    push_sequence(out, record);
    push_numbered(out, record.process, record.pid);
    push_numbered(out, record.thread, record.tid);
    push_place(out, record);
    out.extend_from_slice(b" - ");
    for (number, line) in message_lines(record.message).enumerate() {
        if number > 0 {
            out.push(b'\n');
            out.extend_from_slice(INDENT);
        }
        push_text(out, line);
    }
    out.push(b'\n');
}

/// Where the record begins that byte `at` belongs to, in bytes that begin with a record. At the first
/// byte of a record, and at the end, that is `at` itself.
#[cfg(test)]
pub(super) fn record_start(bytes: &[u8], at: usize) -> usize {
    let begins = |start: &usize| {
        *start > 0 && bytes[*start - 1] == b'\n' && bytes.get(*start) != Some(&INDENT[0])
    };
    (0..=at.min(bytes.len())).rev().find(begins).unwrap_or(0)
}

fn push_sequence(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(b" #");
    match record.sequence {
        Some(sequence) => push_decimal(out, sequence),
        None => out.push(b'-'),
    }
    if record.late {
        out.extend_from_slice(b"/late");
    }
}

/// ` name[number]`
fn push_numbered(out: &mut Vec<u8>, name: &str, number: u32) {
    out.push(b' ');
    push_field(out, name);
    out.push(b'[');
    push_decimal(out, u64::from(number));
    out.push(b']');
}

/// ` target file:line`, as much of it as there is.
fn push_place(out: &mut Vec<u8>, record: &Record<'_>) {
    if !record.target.is_empty() {
        out.push(b' ');
        push_field(out, record.target);
    }
    if !record.file.is_empty() {
        out.push(b' ');
        push_field(out, record.file);
        out.push(b':');
        push_decimal(out, u64::from(record.line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use crate::sink::samples::record;
    use proptest::prelude::*;

    fn lines(record: &Record<'_>) -> String {
        let mut out = Vec::new();
        push_record(&mut out, &mut Stamp::default(), record);
        String::from_utf8(out).unwrap()
    }

    /// Without the date, which depends on the zone of who runs the tests.
    fn behind_the_date(record: &Record<'_>) -> String {
        lines(record).split_off(Stamp::LENGTH)
    }

    #[test]
    fn a_record_is_one_line_of_date_level_sequence_who_where_and_message() {
        let line = behind_the_date(&record(42, "bus 2 is slow"));
        let expected = ".123456 WARN     #42 worker-1[1234] main[1235] can src/bin/worker.rs:17 - bus 2 is slow\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn late_records_and_the_drainers_own_words_are_marked() {
        let late = Record {
            late: true,
            level: Level::Critical,
            ..record(7, "x")
        };
        assert!(behind_the_date(&late).starts_with(".123456 CRITICAL #7/late worker-1["));
        let own = Record {
            sequence: None,
            ..record(0, "x")
        };
        assert!(behind_the_date(&own).starts_with(".123456 WARN     #- worker-1["));
    }

    #[test]
    fn an_unknown_place_and_an_empty_message_are_left_out() {
        let bare = Record {
            file: "",
            target: "",
            ..record(1, "")
        };
        assert!(behind_the_date(&bare).ends_with("] main[1235] - \n"));
        let bare = Record {
            file: "",
            ..record(1, "x")
        };
        assert!(behind_the_date(&bare).ends_with("] main[1235] can - x\n"));
    }

    #[test]
    fn further_lines_of_a_message_are_indented() {
        let line = behind_the_date(&record(1, "a\r\nb\n\n2026-11-22 c\x1b\n"));
        assert!(
            line.ends_with(" - a\n    b\n    \n    2026-11-22 c\\x1b\n    \n"),
            "{line:?}"
        );
    }

    proptest! {
        #[test]
        fn nobody_can_forge_a_record_line(
            texts in prop::collection::vec("(?s)(\n|\r|\r\n|\u{2028}|\u{85}|2026-11-22 17:45:12.000000 WARN|\x1b\\[1G|.){0,6}", 5),
        ) {
            let forger = Record {
                process: &texts[0], thread: &texts[1], target: &texts[2], file: &texts[3],
                ..record(1, &texts[4])
            };
            let all = lines(&forger) + &lines(&record(2, "honest"));
            let begins = |line: &&str| line.starts_with(|first: char| !first.is_whitespace());
            // Whatever a viewer may take for the end of a line, not only '\n'.
            let split = |c: char| matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\u{85}' | '\u{2028}' | '\u{2029}');
            prop_assert_eq!(all.split_terminator(split).filter(begins).count(), 2, "{}", all);
        }

        #[test]
        fn the_start_of_the_record_around_any_byte_is_found(messages in prop::collection::vec("[a\n0]{0,5}", 1..5)) {
            let mut all = String::new();
            let mut starts = vec![];
            for message in &messages {
                starts.push(all.len());
                all += &lines(&record(1, message));
            }
            starts.push(all.len());
            for at in 0..=all.len() {
                let expected = starts.iter().rev().find(|start| **start <= at).unwrap();
                prop_assert_eq!(record_start(all.as_bytes(), at), *expected);
            }
        }
    }
}
