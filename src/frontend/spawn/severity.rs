//! The level that a line of a foreign program says of itself.
//!
//! ```text
//!   <3>text                              sd-daemon(3): syslog's priorities; the mark is taken off
//!   [WARN] text, [ WARN] [17.5]: text    as ROS's nodes write
//!   ERROR: text, warning: text           as compilers and Python's logging write
//!   2026-11-22 17:45:12 ERROR text       a bare word in capitals, first or behind a time
//!   … - name - ERROR - text              Python's logging, as its manual has it
//!   E1122 17:45:12.123456 …              glog, klog
//!   {"level":"error", …}                 JSON: level, severity, levelname, lvl; words, or numbers as pino and bunyan write
//! ```
//!
//! What is none of these says nothing, however often it has the word `error` in it.

use crate::level::Level;
#[cfg(feature = "regex")]
use regex::Regex;

/// The group of a pattern that stands for the level.
#[cfg(feature = "regex")]
pub(super) const GROUP: &str = "level";

/// How lines say their level.
#[derive(Debug, Default)]
pub(super) struct Levels {
    /// Goes before the ways that are in use.
    #[cfg(feature = "regex")]
    pattern: Option<Regex>,
}

impl Levels {
    /// Those of a pattern; an empty one is none.
    ///
    /// # Errors
    /// What is wrong with it.
    #[cfg(feature = "regex")]
    pub(super) fn by(pattern: &str) -> Result<Levels, String> {
        if pattern.is_empty() {
            return Ok(Levels::default());
        }
        let pattern = Regex::new(pattern).map_err(|error| error.to_string())?;
        match pattern.capture_names().flatten().any(|name| name == GROUP) {
            true => Ok(Levels {
                pattern: Some(pattern),
            }),
            false => Err(format!(
                "it has no group {GROUP:?}: write (?<{GROUP}>…) around what names the level"
            )),
        }
    }

    #[cfg(not(feature = "regex"))]
    pub(super) fn by(_: &str) -> Result<Levels, String> {
        Ok(Levels::default())
    }

    /// The level of a line, and how many of its first bytes are a mark that is not part of the text.
    pub(super) fn of_line(&self, line: &str) -> Option<(Level, usize)> {
        #[cfg(feature = "regex")]
        if let Some(pattern) = &self.pattern
            && let Some(found) = pattern.captures(line)
            && let Some(level) = found.name(GROUP).and_then(|name| of_group(name.as_str()))
        {
            return Some((level, 0));
        }
        of_line(line)
    }
}

/// A name, or its first letter alone.
#[cfg(feature = "regex")]
fn of_group(name: &str) -> Option<Level> {
    let letters = [
        ("t", Level::Trace),
        ("v", Level::Trace),
        ("d", Level::Debug),
        ("i", Level::Info),
        ("w", Level::Warn),
        ("e", Level::Error),
        ("c", Level::Critical),
        ("f", Level::Critical),
    ];
    let of_letter = letters
        .into_iter()
        .find(|(letter, _)| name.eq_ignore_ascii_case(letter));
    of_letter.map(|(_, level)| level).or_else(|| named(name))
}

/// How many words of a line may be its level.
const WORDS: usize = 8;
/// Keys of JSON objects that hold a level.
const KEYS: [&str; 4] = ["\"level\"", "\"severity\"", "\"levelname\"", "\"lvl\""];

fn of_line(line: &str) -> Option<(Level, usize)> {
    if let Some(found) = priority(line) {
        return Some(found);
    }
    let level = match line.as_bytes().first()? {
        b'{' => of_json(line),
        _ => glog(line).or_else(|| of_words(line)),
    };
    level.map(|level| (level, 0))
}

/// `<N>`.
fn priority(line: &str) -> Option<(Level, usize)> {
    let [b'<', digit @ b'0'..=b'7', b'>', ..] = line.as_bytes() else {
        return None;
    };
    let level = match digit {
        b'0'..=b'2' => Level::Critical,
        b'3' => Level::Error,
        b'4' => Level::Warn,
        b'5' | b'6' => Level::Info,
        _ => Level::Debug,
    };
    Some((level, 3))
}

/// `E1122 `.
fn glog(line: &str) -> Option<Level> {
    let [letter, digits @ .., b' '] = line.as_bytes().get(..6)? else {
        return None;
    };
    let level = match letter {
        b'I' => Level::Info,
        b'W' => Level::Warn,
        b'E' => Level::Error,
        b'F' => Level::Critical,
        _ => return None,
    };
    digits.iter().all(u8::is_ascii_digit).then_some(level)
}

fn of_words(line: &str) -> Option<Level> {
    let mut before_is_time = true;
    let mut words = line.split_ascii_whitespace().take(WORDS).peekable();
    let mut is_behind_dash = false;
    while let Some(word) = words.next() {
        // `[ WARN]` is two words.
        let opened = word == "[";
        let word = match words.peek() {
            Some(next) if opened => next,
            _ => word,
        };
        let is_before_dash = words.peek() == Some(&"-");
        if let Some(level) = marked(word, opened) {
            return Some(level);
        }
        if (before_is_time || is_behind_dash && is_before_dash) && is_capital(word) {
            return named(word);
        }
        before_is_time = before_is_time && is_of_time(word);
        is_behind_dash = word == "-";
    }
    None
}

/// `[WARN]`, `WARN]` behind a bracket, `(WARN)`, `warning:`, `ERROR:root:text`.
fn marked(word: &str, opened: bool) -> Option<Level> {
    let in_brackets = |open: char, close: char| {
        let inner = match opened && open == '[' {
            true => word,
            false => word.strip_prefix(open)?,
        };
        inner.split_once(close).map(|(name, _)| name)
    };
    let name = in_brackets('[', ']').or_else(|| in_brackets('(', ')'));
    let name = name.or_else(|| word.split_once(':').map(|(name, _)| name));
    named(name?)
}

fn is_capital(word: &str) -> bool {
    word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// A date, a time, a number, a zone, or one of these in brackets.
fn is_of_time(word: &str) -> bool {
    word.trim_start_matches('[')
        .starts_with(|c: char| c.is_ascii_digit())
}

fn named(name: &str) -> Option<Level> {
    let is = |others: &[&str]| others.iter().any(|other| name.eq_ignore_ascii_case(other));
    match () {
        () if is(&["err"]) => Some(Level::Error),
        () if is(&["notice"]) => Some(Level::Info),
        () if is(&["crit", "alert", "emerg", "panic"]) => Some(Level::Critical),
        () => Level::named(name),
    }
}

fn of_json(line: &str) -> Option<Level> {
    let value = KEYS.iter().find_map(|key| {
        let (_, behind) = line.split_once(key)?;
        Some(behind.trim_start().strip_prefix(':')?.trim_start())
    })?;
    match value.strip_prefix('"') {
        Some(text) => named(text.split_once('"')?.0),
        None => {
            let digits = value
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(value.len());
            of_number(value[..digits].parse().ok()?)
        }
    }
}

/// As pino, bunyan and Python's logging number them: 10 trace or debug, … 50 error, 60 fatal.
fn of_number(number: u32) -> Option<Level> {
    Some(match number {
        10..20 => Level::Trace,
        20..30 => Level::Debug,
        30..40 => Level::Info,
        40..50 => Level::Warn,
        50..60 => Level::Error,
        60..70 => Level::Critical,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_say_their_level_in_the_ways_that_are_in_use() {
        for (line, level) in [
            ("<3>disk is full", Level::Error),
            ("<0>", Level::Critical),
            ("[WARN] [1700000000.123]: low battery", Level::Warn),
            ("[ WARN] [1700000000.123]: low battery", Level::Warn),
            ("[ERROR] [1700000000.1] [arm]: no answer", Level::Error),
            ("[1700000000.1] [FATAL] [arm]: no answer", Level::Critical),
            ("ERROR: no such file", Level::Error),
            ("warning: unused variable", Level::Warn),
            ("ERROR:root:no answer", Level::Error),
            ("2026-11-22 17:45:12,123 ERROR no answer", Level::Error),
            (
                "2026-11-22 17:45:12,123 - arm - DEBUG - no answer",
                Level::Debug,
            ),
            ("INFO ready", Level::Info),
            ("E1122 17:45:12.123456 7 arm.cc:17] no answer", Level::Error),
            ("{\"time\":1,\"level\":\"warn\",\"msg\":\"x\"}", Level::Warn),
            ("{\"level\": 50, \"msg\": \"x\"}", Level::Error),
            ("{\"severity\":\"NOTICE\"}", Level::Info),
        ] {
            assert_eq!(of_line(line).map(|(level, _)| level), Some(level), "{line}");
        }
        assert_eq!(of_line("<3>disk"), Some((Level::Error, 3)));
    }

    #[test]
    fn a_line_that_only_speaks_of_errors_says_nothing_of_its_level() {
        for line in [
            "",
            "no error",
            "the ERROR is gone",
            "<8>",
            "<3",
            "error",
            "Error handling is done",
            "ERRORS 3",
            "{\"msg\":\"error\"}",
            "{\"level\":\"high\"}",
            "{\"level\":3}",
            "E112 17",
            "x[error]",
        ] {
            assert_eq!(of_line(line), None, "{line}");
        }
    }

    #[cfg(feature = "regex")]
    #[test]
    fn a_pattern_goes_before_the_ways_that_are_in_use_and_leaves_other_lines_to_them() {
        let levels = Levels::by(r"^\S+ (?<level>\w+)/").unwrap();
        let of = |line: &str| levels.of_line(line).map(|(level, _)| level);
        assert_eq!(of("12:01 E/camera: [INFO] no frame"), Some(Level::Error));
        assert_eq!(of("12:01 warning/camera: dark"), Some(Level::Warn));
        assert_eq!(of("12:01 loud/camera: dark"), None);
        assert_eq!(of("[WARN] low battery"), Some(Level::Warn));
        assert_eq!(of("nothing"), None);
        for (pattern, words) in [("(?<level>x", "unclosed"), ("(x)", "(?<level>…)")] {
            let why = Levels::by(pattern).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_looked_at_without_a_panic(line in "\\PC{0,60}") {
            if let Some((_, mark)) = of_line(&line) {
                prop_assert!(line.is_char_boundary(mark));
            }
        }
    }
}
