//! Severities, and the order between them.

use std::fmt;
use std::str::FromStr;

/// The severity of a record, ascending: `Trace < Debug < Info < Warn < Error < Critical`.
///
/// ```
/// use shmlog::Level;
/// assert!(Level::Critical > Level::Error);
/// assert_eq!("warn".parse::<Level>(), Ok(Level::Warn));
/// assert_eq!(Level::Warn.to_string(), "WARN");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Every step, for finding out how something happens.
    Trace = 0,
    /// What a developer wants to see.
    Debug = 1,
    /// What a user of the program wants to see.
    Info = 2,
    /// Something is not as it should be; the program goes on as if it were.
    Warn = 3,
    /// Something failed.
    Error = 4,
    /// The program, or the machine it moves, cannot go on.
    Critical = 5,
}

impl Level {
    /// All levels, ascending.
    pub const ALL: [Level; 6] = [
        Level::Trace,
        Level::Debug,
        Level::Info,
        Level::Warn,
        Level::Error,
        Level::Critical,
    ];

    /// The name as it is printed: `"TRACE"` … `"CRITICAL"`, 4 to 8 ASCII characters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
            Level::Critical => "CRITICAL",
        }
    }

    /// The level of this name: case does not matter, and `warning` and `fatal`, as other loggers say, are understood.
    /// Allocates nothing.
    pub(crate) fn named(name: &str) -> Option<Level> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("warning") {
            return Some(Level::Warn);
        }
        if is("fatal") {
            return Some(Level::Critical);
        }
        Level::ALL.into_iter().find(|level| is(level.as_str()))
    }

    /// The level of a number as it stands in the segment; `None` for numbers that no level has.
    pub(crate) const fn from_number(number: u8) -> Option<Level> {
        if (number as usize) < Level::ALL.len() {
            Some(Level::ALL[number as usize])
        } else {
            None
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseLevelError(String);

impl fmt::Display for ParseLevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no level; allowed are trace, debug, info, warn (warning), error and critical",
            self.0
        )
    }
}

impl std::error::Error for ParseLevelError {}

impl FromStr for Level {
    type Err = ParseLevelError;

    /// Case does not matter; `warning` and `fatal`, as other loggers say, are understood.
    fn from_str(text: &str) -> Result<Level, ParseLevelError> {
        Level::named(text).ok_or_else(|| ParseLevelError(text.to_owned()))
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> u8 {
        level as u8
    }
}

impl TryFrom<u8> for Level {
    type Error = ParseLevelError;

    /// From 0, [`Level::Trace`], to 5, [`Level::Critical`].
    fn try_from(number: u8) -> Result<Level, ParseLevelError> {
        Level::from_number(number).ok_or_else(|| ParseLevelError(number.to_string()))
    }
}

/// The level of the same name.
#[cfg(feature = "log")]
impl From<log::Level> for Level {
    fn from(level: log::Level) -> Level {
        match level {
            log::Level::Error => Level::Error,
            log::Level::Warn => Level::Warn,
            log::Level::Info => Level::Info,
            log::Level::Debug => Level::Debug,
            log::Level::Trace => Level::Trace,
        }
    }
}

/// The level of the same name; [`Level::Critical`], which `log` does not have, becomes `Error`.
#[cfg(feature = "log")]
impl From<Level> for log::Level {
    fn from(level: Level) -> log::Level {
        match level {
            Level::Critical | Level::Error => log::Level::Error,
            Level::Warn => log::Level::Warn,
            Level::Info => log::Level::Info,
            Level::Debug => log::Level::Debug,
            Level::Trace => log::Level::Trace,
        }
    }
}

/// The level of the same name.
#[cfg(feature = "tracing")]
impl From<tracing_core::Level> for Level {
    fn from(level: tracing_core::Level) -> Level {
        match level {
            tracing_core::Level::ERROR => Level::Error,
            tracing_core::Level::WARN => Level::Warn,
            tracing_core::Level::INFO => Level::Info,
            tracing_core::Level::DEBUG => Level::Debug,
            tracing_core::Level::TRACE => Level::Trace,
        }
    }
}

/// The level of the same name; [`Level::Critical`], which `tracing` does not have, becomes `ERROR`.
#[cfg(feature = "tracing")]
impl From<Level> for tracing_core::Level {
    fn from(level: Level) -> tracing_core::Level {
        match level {
            Level::Critical | Level::Error => tracing_core::Level::ERROR,
            Level::Warn => tracing_core::Level::WARN,
            Level::Info => tracing_core::Level::INFO,
            Level::Debug => tracing_core::Level::DEBUG,
            Level::Trace => tracing_core::Level::TRACE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_found_again_by_its_number_and_its_name() {
        for level in Level::ALL {
            assert_eq!(Level::from_number(level as u8), Some(level));
            assert_eq!(level.as_str().parse(), Ok(level));
        }
    }

    #[test]
    fn a_number_or_a_name_that_no_level_has_is_refused() {
        assert_eq!(Level::from_number(6), None);
        let refusal = "loud".parse::<Level>().unwrap_err().to_string();
        assert!(refusal.contains("\"loud\"") && refusal.contains("critical"));
    }
}
