//! One record as it stands in a file:
//!
//! `2026-11-22 17:45:12.123456 WARN     #42 worker-1[1234] main[1235] can src/bin/worker.rs:17 - bus 2 is slow`
//!
//! The spans that it lies in stand before the message, `outer{a=1}:inner: bus 2 is slow`, and its key-values at the end
//! of its last line, `bus 2 is slow bus=2 state="at rest"`.
//!
//! The time is local. The first line of a file, the first that a drainer writes, and the first after the offset from UTC
//! has changed, say what that is: `2026-11-22 17:45:12.123456+01:00 WARN …`.
//!
//! A record begins at a line that begins with a digit; every further line of its message begins with
//! `INDENT`. No message can break that, so the boundaries of records can be found again in the bytes.

use crate::level::Level;
use crate::record::Record;
use crate::sink::origins::Origins;
use crate::sink::stamp::{Stamp, offset_text};
use crate::sink::text::{is_clean_line, message_lines, push_decimal, push_field, push_text};
use crate::sink::values::push_values;

/// What continuation lines of a message begin with.
pub(super) const INDENT: &[u8] = b"    ";

/// Levels are padded to the longest, `CRITICAL`.
const LEVEL_COLUMNS: usize = 8;
/// Stamp, level and the mark of the sequence, with a blank before each.
const HEAD: usize = Stamp::EXACT_LENGTH + 1 + LEVEL_COLUMNS + 2;

/// Makes the lines of records, and keeps what most of them have in common with one before.
#[derive(Default)]
pub(in crate::sink) struct Lines {
    stamp: Stamp,
    /// The offset from UTC of the line before.
    offset_s: Option<i32>,
    origins: Origins,
}

impl Lines {
    /// Appends the line, or the lines, of `record`.
    pub(in crate::sink) fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        let start = out.len();
        self.push_head(out, record);
        let offset_s = self.stamp.offset_s();
        if self.offset_s != offset_s {
            if let Some(offset_s) = offset_s.filter(|_| self.offset_s.is_some()) {
                insert_offset(out, start, offset_s);
            }
            self.offset_s = offset_s;
        }
        self.origins.push(out, record, push_origin);
        if !record.scope.is_empty() {
            push_field(out, record.scope);
            out.extend_from_slice(b": ");
        }
        if is_clean_line(record.message) {
            out.extend_from_slice(record.message.as_bytes());
        } else {
            push_lines(out, record.message);
        }
        if !record.values.is_empty() {
            push_values(out, &record.values);
        }
        out.push(b'\n');
    }

    /// What the times of the last line are ahead of UTC by, in seconds.
    pub(in crate::sink) fn offset_s(&self) -> Option<i32> {
        self.offset_s
    }

    /// Date, time, level and sequence, put together in place: the pieces are too short to be copied one by one.
    fn push_head(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        let mut head = [b' '; HEAD];
        let (stamp, rest) = head.split_at_mut(Stamp::EXACT_LENGTH);
        stamp.copy_from_slice(self.stamp.exact(record.time_ns));
        rest[1..=LEVEL_COLUMNS].copy_from_slice(padded(record.level));
        rest[LEVEL_COLUMNS + 2] = b'#';
        out.extend_from_slice(&head);
        match record.sequence {
            Some(sequence) => push_decimal(out, sequence),
            None => out.push(b'-'),
        }
        if record.late {
            out.extend_from_slice(b"/late");
        }
    }
}

/// Has the line at `start` say what its time is ahead of UTC by. Returns by how much it has become longer: not at all if it
/// says that already.
#[cold]
pub(super) fn insert_offset(out: &mut Vec<u8>, start: usize, offset_s: i32) -> usize {
    let at = start + Stamp::EXACT_LENGTH;
    if out.get(at) != Some(&b' ') {
        return 0;
    }
    let text = offset_text(offset_s);
    out.splice(at..at, text);
    text.len()
}

/// The name of a level, padded.
const fn padded(level: Level) -> &'static [u8; LEVEL_COLUMNS] {
    match level {
        Level::Trace => b"TRACE   ",
        Level::Debug => b"DEBUG   ",
        Level::Info => b"INFO    ",
        Level::Warn => b"WARN    ",
        Level::Error => b"ERROR   ",
        Level::Critical => b"CRITICAL",
    }
}

fn push_lines(out: &mut Vec<u8>, message: &str) {
    for (number, line) in message_lines(message).enumerate() {
        if number > 0 {
            out.push(b'\n');
            out.extend_from_slice(INDENT);
        }
        push_text(out, line);
    }
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

/// Who and where, up to the message.
fn push_origin(out: &mut Vec<u8>, record: &Record<'_>) {
    push_numbered(out, record.process, record.pid);
    push_numbered(out, record.thread, record.tid);
    push_place(out, record);
    out.extend_from_slice(b" - ");
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
    use crate::record::Values;
    use crate::record::samples::{entry, values};
    use crate::sink::samples::record;
    use proptest::prelude::*;

    fn lines(record: &Record<'_>) -> String {
        let mut out = Vec::new();
        Lines::default().push(&mut out, record);
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
    fn levels_are_padded_and_called_what_they_are_called_everywhere() {
        for level in Level::ALL {
            let name = std::str::from_utf8(padded(level)).unwrap();
            assert_eq!(name.trim_end(), level.as_str());
        }
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
    fn spans_stand_before_the_message_and_values_behind_its_last_line() {
        let bytes = [entry("bus", &2_u8), entry("state", "at rest")].concat();
        let full = Record {
            scope: "outer{a=1}:inner",
            values: values(&bytes),
            ..record(1, "slow\nvery")
        };
        let line = behind_the_date(&full);
        let expected = " - outer{a=1}:inner: slow\n    very bus=2 state=\"at rest\"\n";
        assert!(line.ends_with(expected), "{line:?}");
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
            texts in prop::collection::vec("(?s)(\n|\r|\r\n|\u{2028}|\u{85}|2026-11-22 17:45:12.000000 WARN|\x1b\\[1G|.){0,6}", 8),
        ) {
            let pairs = entry(&texts[6], texts[7].as_str());
            let forger = Record {
                process: &texts[0], thread: &texts[1], target: &texts[2], file: &texts[3], scope: &texts[5],
                values: values(&pairs), ..record(1, &texts[4])
            };
            let all = lines(&forger) + &lines(&record(2, "honest"));
            let begins = |line: &&str| line.starts_with(|first: char| !first.is_whitespace());
            // Whatever a viewer may take for the end of a line, not only '\n'.
            let split = |c: char| matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\u{85}' | '\u{2028}' | '\u{2029}');
            prop_assert_eq!(all.split_terminator(split).filter(begins).count(), 2, "{}", all);
        }

        #[test]
        fn records_of_known_origin_have_the_same_lines(origins in prop::collection::vec((0u64..3, 1u64..4), 1..40)) {
            let mut lines_of_all = Lines::default();
            for (writer, site) in origins {
                let (process, target) = (format!("worker-{writer}"), format!("t{site}"));
                let known = Record {
                    process: &process, target: &target, origin: Some(writer << 32 | site), ..record(1, "x")
                };
                let mut out = Vec::new();
                lines_of_all.push(&mut out, &known);
                let unknown = Record { origin: None, ..known };
                prop_assert_eq!(String::from_utf8(out).unwrap(), lines(&unknown));
            }
        }

        #[test]
        fn the_start_of_the_record_around_any_byte_is_found(
            messages in prop::collection::vec("[a\n0]{0,5}", 1..5), scope in "[a\n0]{0,2}", has_values: bool,
        ) {
            let pairs = entry("a\n0", "0\n1");
            let mut all = String::new();
            let mut starts = vec![];
            for message in &messages {
                starts.push(all.len());
                let values = if has_values { values(&pairs) } else { Values::default() };
                all += &lines(&Record { scope: &scope, values, ..record(1, message) });
            }
            starts.push(all.len());
            for at in 0..=all.len() {
                let expected = starts.iter().rev().find(|start| **start <= at).unwrap();
                prop_assert_eq!(record_start(all.as_bytes(), at), *expected);
            }
        }
    }
}
