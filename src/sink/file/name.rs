//! Names of log files: `{program}_{YYYYmmdd_HHMMSS_micros}.log`, how they are made and how they are told
//! from the files of other programs.
//!
//! ```text
//!   app_20261122_174512_123456.log            the time of its first record, local
//!   app_20261122_174512_123456.log.gz         the same, compressed
//!   app_20261122_174512_123456.log.gz.new     while it is being compressed
//!   app_latest.log                            a symbolic link to the file that was begun last
//!   app_latest.log.new                        while that is being replaced
//!   app_20261122_174512_123456_recovered.log  what a dead program left unread
//! ```

use chrono::{DateTime, Local, NaiveDateTime, Offset};

use super::period::times_of;
use crate::boundary::floor_char_boundary;
use crate::sink::text::is_harmful;

/// What stands behind the program's name; `#` is a digit.
const TIME: &[u8] = b"_########_######_######";
/// The same for `chrono`.
const TIME_FORMAT: &str = "_%Y%m%d_%H%M%S_%6f";

/// What stands behind the name of a file that was compressed.
const COMPRESSED: &str = ".gz";
/// What stands behind the name of something that is not whole yet.
const UNFINISHED: &str = ".new";
/// What stands at the end of the name of a file of recovered records, in place of `.log`.
const RECOVERED: &str = "_recovered.log";

/// The longest name of a file that Linux takes, in bytes.
const NAME_MAX: usize = 255;
/// Bytes that stand behind the program's name at the most.
const ROOM: usize = TIME.len() + ".logfmt.gz.new".len();

/// The program's name as it may stand in the name of a file: no separators, no blanks, nothing that
/// hides the file, looks like an option or reorders a listing, and room for the rest of the name.
pub(super) fn sanitise(program: &str) -> String {
    let mut name: String = program
        .chars()
        .map(|c| match c {
            '/' | '\\' => '_',
            c if c.is_whitespace() || is_harmful(c) => '_',
            c => c,
        })
        .collect();
    if name.starts_with(['.', '-']) {
        name.replace_range(..1, "_");
    }
    name.truncate(floor_char_boundary(&name, NAME_MAX - ROOM));
    if name.is_empty() {
        name.push_str("program");
    }
    name
}

/// What a file of a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Lines.
    Plain,
    /// Lines, compressed.
    Compressed,
    /// What a compression has made so far.
    Unfinished,
}

/// The names of one program's files of one kind.
#[derive(Clone, Debug)]
pub(in crate::sink) struct Names {
    program: String,
    /// With its dot.
    ending: &'static str,
}

impl Names {
    /// For a program of any name.
    pub(in crate::sink) fn new(program: &str, ending: &'static str) -> Names {
        Names {
            program: sanitise(program),
            ending,
        }
    }

    pub(in crate::sink) fn program(&self) -> &str {
        &self.program
    }

    /// The name of a file begun at this [time](local_micros).
    pub(super) fn at(&self, local_micros: i64) -> String {
        let time = DateTime::from_timestamp_micros(local_micros).unwrap_or_default();
        let time = time.format(TIME_FORMAT);
        format!("{}{time}{}", self.program, self.ending)
    }

    /// The name of such a file when it is compressed.
    pub(super) fn compressed(name: &str) -> String {
        format!("{name}{COMPRESSED}")
    }

    /// The name of such a file while it is not whole.
    pub(super) fn unfinished(name: &str) -> String {
        format!("{name}{UNFINISHED}")
    }

    /// The name of the link to the file that was begun last.
    pub(super) fn latest(&self) -> String {
        format!("{}_latest{}", self.program, self.ending)
    }

    /// What a file of this name is; `None` when it is none of the program's.
    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        match self.behind_time(name)? {
            "" => Some(Kind::Plain),
            COMPRESSED => Some(Kind::Compressed),
            rest if rest.strip_suffix(UNFINISHED) == Some(COMPRESSED) => Some(Kind::Unfinished),
            _ => None,
        }
    }

    /// Whether `name` is what [`at`](Names::at) gives at some time.
    pub(in crate::sink) fn include(&self, name: &str) -> bool {
        self.kind(name) == Some(Kind::Plain)
    }

    /// What [`at`](Names::at) was given for this name; `None` when it gives that at no time.
    pub(in crate::sink) fn local_micros_of(&self, name: &str) -> Option<i64> {
        self.behind_time(name)?;
        let time = &name[self.program.len()..][..TIME.len()];
        let time = NaiveDateTime::parse_from_str(time, TIME_FORMAT).ok()?;
        Some(time.and_utc().timestamp_micros())
    }

    /// The name of a file of records that were recovered at this time, which is none of the log files.
    pub(super) fn recovered_at(&self, local_micros: i64) -> String {
        let name = self.at(local_micros);
        let stem = name.strip_suffix(self.ending).unwrap_or(&name);
        stem.to_owned() + RECOVERED
    }

    /// Whether `name` is what [`recovered_at`](Names::recovered_at) gives at some time.
    pub(super) fn is_recovered(&self, name: &str) -> bool {
        let stem = name.strip_suffix(RECOVERED);
        stem.is_some_and(|stem| self.include(&format!("{stem}{}", self.ending)))
    }

    /// What stands behind program, time and ending.
    fn behind_time<'n>(&self, name: &'n str) -> Option<&'n str> {
        let rest = name.strip_prefix(&self.program)?;
        let fits = |(byte, place): (u8, &u8)| match place {
            b'#' => byte.is_ascii_digit(),
            other => byte == *other,
        };
        let (time, rest) = rest.split_at_checked(TIME.len())?;
        let is_time = time.bytes().zip(TIME).all(fits);
        let rest = rest.strip_prefix(self.ending)?;
        is_time.then_some(rest)
    }
}

/// A time as the clock on the wall shows it: microseconds from the beginning of its 1970. Names are made of that, not
/// of the time itself: when the hour repeats in autumn, what follows must have a name behind all the same.
pub(super) fn local_micros(time_ns: i64) -> i64 {
    let time = DateTime::from_timestamp_nanos(time_ns).with_timezone(&Local);
    let offset_s = time.offset().fix().local_minus_utc();
    time_ns.div_euclid(1_000) + i64::from(offset_s) * 1_000_000
}

/// The time that has these [local microseconds](local_micros): the first of the two, where there are two; `None` for
/// those that the clock leaves out.
pub(super) fn time_ns_of(local_micros: i64) -> Option<i64> {
    let shown = DateTime::from_timestamp_micros(local_micros)?.naive_utc();
    let time = times_of(shown, &Local).into_iter().min()?;
    time.timestamp_nanos_opt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn app() -> Names {
        Names::new("app", ".log")
    }

    #[test]
    fn a_program_owns_its_names_and_no_others() {
        let kind = |name: &str| app().kind(name);
        assert_eq!(kind("app_20261122_174512_123456.log"), Some(Kind::Plain));
        assert_eq!(
            kind("app_20261122_174512_123456.log.gz"),
            Some(Kind::Compressed)
        );
        assert_eq!(
            kind("app_20261122_174512_123456.log.gz.new"),
            Some(Kind::Unfinished)
        );
        for other in [
            "app_server_20261122_174512_123456.log",
            "app_20261122_174512_123456_20261122_174512_123456.log",
            "app_20261122_174512_123456.log.xz",
            "app_20261122_174512_123456.log.new",
            "app_20261122_174512_123456.log.gz.gz",
            "app_20261122_174512_123456.jsonl",
            "app_20261122_174512_123456log",
            "app_20261122_174512_12345x.log",
            "app_2026112x_174512_123456.log",
            "xapp_20261122_174512_123456.log",
            "app_20261122_174512_12345ä.log",
            "app_latest.log",
            "app",
            "",
        ] {
            assert_eq!(kind(other), None, "{other}");
        }
        let server = Names::new("app_server", ".log");
        assert!(!server.include("app_20261122_174512_123456.log"));
        let json = Names::new("app", ".jsonl");
        assert!(json.include("app_20261122_174512_123456.jsonl"));
        assert_eq!(json.latest(), "app_latest.jsonl");
    }

    #[test]
    fn hostile_program_names_become_harmless_file_names() {
        assert_eq!(sanitise("../../etc/passwd"), "_._.._etc_passwd");
        assert_eq!(sanitise("my app\t\0\x1b[2J\u{202e}"), "my_app___[2J_");
        assert_eq!(sanitise("-rf"), "_rf");
        assert_eq!(sanitise(""), "program");
        assert_eq!(sanitise("wörker-1"), "wörker-1");
    }

    proptest! {
        #[test]
        fn every_name_fits_and_is_recognised(program in any::<String>(), long in "ä{0,200}", micros in 0..i64::MAX / 1_000) {
            let names = Names::new(&(program + &long), ".logfmt");
            let name = names.at(micros);
            let longest = Names::unfinished(&Names::compressed(&name));
            prop_assert!(longest.len() <= NAME_MAX && !name.contains(['/', '\0']) && !name.starts_with('.'));
            prop_assert!(names.include(&name), "{}", name);
            prop_assert_eq!(names.local_micros_of(&name), Some(micros));
            prop_assert!(names.at(micros + 1) > name);
            let recovered = names.recovered_at(micros);
            prop_assert!(recovered.len() <= NAME_MAX && recovered.ends_with("_recovered.log"));
            prop_assert!(names.is_recovered(&recovered) && !names.is_recovered(&name));
            prop_assert_eq!(names.kind(&recovered), None, "{} is no log file", recovered);
            prop_assert!(Names::unfinished(&names.latest()).len() <= NAME_MAX);
        }

        #[test]
        fn names_have_local_time(time_ns: i64) {
            let local = DateTime::from_timestamp_nanos(time_ns).with_timezone(&Local);
            let expected = local.format("app_%Y%m%d_%H%M%S_%6f.log").to_string();
            prop_assert_eq!(app().at(local_micros(time_ns)), expected);
        }
    }
}
