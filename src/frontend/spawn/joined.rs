//! From lines to records: what a foreign program said at once is one record.
//!
//! ```text
//!   Traceback (most recent call last):     a traceback of Python's, with the exceptions that led to it
//!     File "arm.py", line 3, in move         an indented line belongs to the one before it
//!   ValueError: no answer
//!   one\ntwo\n                             several lines of one write to standard error, which is not buffered
//! ```
//!
//! A line that says a level of its own begins a record. Of a write to standard output nothing is known: there a buffer with the
//! lines of many prints is written as one.

use super::lines::MOST;
use super::severity::Levels;
use crate::level::Level;

const TRACEBACK: &str = "Traceback (most recent call last):";
/// What Python writes between the tracebacks of exceptions that led to each other.
const LINKS: [&str; 2] = [
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
];

/// How a line stands to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// By a write of its own, as far as is known.
    Apart,
    /// By the same write.
    Together,
}

/// Where a traceback is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trace {
    None,
    /// Its exception is still to come.
    Begun,
    /// Its exception has come; another may follow it.
    Told,
}

/// A record, as a foreign program said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spoken<'t> {
    /// What it says of its level, if it does.
    pub(super) level: Option<Level>,
    pub(super) text: &'t str,
    /// Which part of a long line it is.
    pub(super) part: Option<u32>,
}

/// Holds a record until it is known that no more belongs to it.
pub(super) struct Joined {
    levels: Levels,
    text: String,
    level: Option<Level>,
    trace: Trace,
}

impl Joined {
    pub(super) fn new(levels: Levels) -> Joined {
        Joined {
            levels,
            text: String::new(),
            level: None,
            trace: Trace::None,
        }
    }

    /// Whether a record is held.
    pub(super) fn is_held(&self) -> bool {
        !self.text.is_empty()
    }

    /// Takes a line that is not empty, and hands on the record before it if that is complete by it.
    pub(super) fn take(
        &mut self,
        line: &str,
        part: Option<u32>,
        written: Written,
        put: &mut impl FnMut(Spoken<'_>),
    ) {
        if part.is_some() {
            self.end(put);
            let (level, text) = taken_apart(&self.levels, line);
            let level = level.filter(|_| part == Some(1));
            return put(Spoken { level, text, part });
        }
        let (level, text) = taken_apart(&self.levels, line);
        let belongs = self.is_held()
            && self.text.len() + line.len() < MOST
            && self.belongs(line, level, written);
        if !belongs {
            self.end(put);
            self.level = level;
            self.text.push_str(text);
            self.trace = Trace::None;
        } else {
            self.text.push('\n');
            self.text.push_str(line);
        }
        self.follow(line);
    }

    fn belongs(&self, line: &str, level: Option<Level>, written: Written) -> bool {
        let is_indented = line.starts_with([' ', '\t']);
        match self.trace {
            Trace::Begun => true,
            Trace::Told if LINKS.contains(&line) => true,
            _ if is_indented => true,
            _ => written == Written::Together && level.is_none(),
        }
    }

    /// Notes where in a traceback a line stands.
    fn follow(&mut self, line: &str) {
        let is_indented = line.starts_with([' ', '\t']);
        self.trace = match self.trace {
            _ if line == TRACEBACK || LINKS.contains(&line) => Trace::Begun,
            Trace::Begun if !is_indented => Trace::Told,
            trace => trace,
        };
        if line == TRACEBACK {
            // Nothing prints one that has not failed.
            self.level = self.level.max(Some(Level::Error));
        }
    }

    /// Hands on what is held: nothing more belongs to it.
    pub(super) fn end(&mut self, put: &mut impl FnMut(Spoken<'_>)) {
        if self.is_held() {
            put(Spoken {
                level: self.level,
                text: &self.text,
                part: None,
            });
        }
        self.text.clear();
        (self.level, self.trace) = (None, Trace::None);
    }
}

/// The level of a line, and the line without the mark that says it. A line that is nothing but a mark stays as it is.
fn taken_apart<'l>(levels: &Levels, line: &'l str) -> (Option<Level>, &'l str) {
    match levels.of_line(line) {
        Some((level, mark)) if mark < line.len() => (Some(level), &line[mark..]),
        Some((level, _)) => (Some(level), line),
        None => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Record = (Option<Level>, String);

    fn records(lines: &[(&str, Written)]) -> Vec<Record> {
        let (mut joined, mut all) = (Joined::new(Levels::default()), Vec::new());
        let mut put = |spoken: Spoken<'_>| all.push((spoken.level, spoken.text.to_owned()));
        for (line, written) in lines {
            joined.take(line, None, *written, &mut put);
        }
        joined.end(&mut put);
        assert!(!joined.is_held());
        all
    }

    fn apart(text: &str) -> Vec<Record> {
        let lines = text.lines().filter(|line| !line.is_empty());
        let lines: Vec<_> = lines.map(|line| (line, Written::Apart)).collect();
        records(&lines)
    }

    const CHAIN: &str = "\
Traceback (most recent call last):
  File \"arm.py\", line 3, in move
    answer()
KeyError: 'joint'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"arm.py\", line 5, in <module>
    move()
ValueError: no answer
";

    #[test]
    fn a_traceback_is_one_record_with_all_that_led_to_it() {
        let found = apart(&format!("before\n{CHAIN}after"));
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!((&found[0].1[..], &found[2].1[..]), ("before", "after"));
        assert_eq!(found[1].0, Some(Level::Error));
        assert_eq!(found[1].1, CHAIN.replace("\n\n", "\n").trim_end());
    }

    #[test]
    fn indented_lines_belong_to_the_line_before_them() {
        let found = apart("state:\n  joint 1\n\tjoint 2\nnext\n");
        let texts: Vec<_> = found.iter().map(|(_, text)| &text[..]).collect();
        assert_eq!(texts, ["state:\n  joint 1\n\tjoint 2", "next"]);
        assert_eq!(apart("  first")[0].1, "  first");
    }

    #[test]
    fn lines_of_one_write_are_one_record_unless_they_say_levels_of_their_own() {
        use Written::{Apart, Together};
        let found = records(&[
            ("one", Apart),
            ("two", Together),
            ("[WARN] three", Together),
            ("four", Together),
            ("five", Apart),
        ]);
        let expected = [
            (None, "one\ntwo"),
            (Some(Level::Warn), "[WARN] three\nfour"),
            (None, "five"),
        ];
        assert_eq!(
            found,
            expected.map(|(level, text)| (level, text.to_owned()))
        );
    }

    #[test]
    fn a_mark_of_sd_daemon_is_taken_off() {
        assert_eq!(
            apart("<3>disk is full"),
            [(Some(Level::Error), "disk is full".to_owned())]
        );
        assert_eq!(apart("<3>"), [(Some(Level::Error), "<3>".to_owned())]);
    }

    #[test]
    fn a_record_that_never_ends_is_cut_between_lines() {
        let line = format!("  {}", "x".repeat(1000));
        let lines: Vec<_> = std::iter::repeat_n((&line[..], Written::Apart), 200).collect();
        let found = records(&lines);
        assert!(found.len() > 3 && found.iter().all(|(_, text)| text.len() < MOST));
    }
}
