//! How a record is written down where programs or people read it later: in a file, or in a pipe.

use super::file::Lines;
use super::json::JsonLines;
use super::logfmt::LogfmtLines;
use crate::record::Record;

/// How records are written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// A line for people, and one more for each further line of the message.
    #[default]
    Text,
    /// A JSON object a line: [`Json`](super::Json).
    Json,
    /// A line of `key=value`: [`Logfmt`](super::Logfmt).
    Logfmt,
}

impl Encoding {
    /// All of them.
    pub(super) const ALL: [Encoding; 3] = [Encoding::Text, Encoding::Json, Encoding::Logfmt];

    /// What the names of files end with.
    pub(super) const fn ending(self) -> &'static str {
        match self {
            Encoding::Text => ".log",
            Encoding::Json => ".jsonl",
            Encoding::Logfmt => ".logfmt",
        }
    }
}

/// Writes records down.
pub(super) enum Encoder {
    Text(Lines),
    Json(JsonLines),
    Logfmt(LogfmtLines),
}

impl Encoder {
    pub(super) fn new(encoding: Encoding) -> Encoder {
        match encoding {
            Encoding::Text => Encoder::Text(Lines::default()),
            Encoding::Json => Encoder::Json(JsonLines::default()),
            Encoding::Logfmt => Encoder::Logfmt(LogfmtLines::default()),
        }
    }

    /// Appends the line, or the lines, of `record`.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        match self {
            Encoder::Text(lines) => lines.push(out, record),
            Encoder::Json(lines) => lines.push(out, record),
            Encoder::Logfmt(lines) => lines.push(out, record),
        }
    }
}
