//! How a record is written down where programs or people read it later: in a file, or in a pipe.

use super::console::Layout;
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

/// Writes records down as the sinks do: for programs that read records back, or get them over some way of their own.
///
/// ```
/// use shmlog::sink::{Encoder, Encoding, Record, ValuesBuf};
/// use shmlog::Level;
///
/// let mut values = ValuesBuf::new();
/// values.push("bus", &2_u8.into());
/// let mut record = Record::new(1_795_369_512_123_456_789, Level::Warn, "bus is slow");
/// (record.process, record.pid) = ("arm", 1234);
/// (record.thread, record.tid) = ("imu", 1240);
/// (record.target, record.file, record.line) = ("can", "src/main.rs", 17);
/// record.values = values.values();
/// let mut lines = Vec::new();
/// Encoder::new(Encoding::Logfmt).push(&mut lines, &record);
/// assert!(lines.ends_with(b"msg=\"bus is slow\" bus=2\n"));
/// ```
pub struct Encoder(Form);

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

enum Form {
    Text(Lines),
    Json(JsonLines),
    Logfmt(LogfmtLines),
    Console(Box<Layout>),
}

impl Encoder {
    /// Of lines as they stand in files.
    pub fn new(encoding: Encoding) -> Encoder {
        Encoder(match encoding {
            Encoding::Text => Form::Text(Lines::default()),
            Encoding::Json => Form::Json(JsonLines::default()),
            Encoding::Logfmt => Form::Logfmt(LogfmtLines::default()),
        })
    }

    /// Of lines as the [console](super::Console) shows them: for a terminal of `width` columns, or with `None` for what
    /// is none, in which every line has its time and none is broken.
    pub fn console(colour: bool, width: Option<usize>) -> Encoder {
        let mut layout = Box::new(Layout::new(false));
        layout.turn_to(colour, width);
        Encoder(Form::Console(layout))
    }

    /// What the local times in the last line are ahead of UTC by, in seconds; `None` if it has none.
    pub(super) fn offset_s(&self) -> Option<i32> {
        match &self.0 {
            Form::Text(lines) => lines.offset_s(),
            _ => None,
        }
    }

    /// Appends the line, or the lines, of `record`. Nothing in them steers a terminal but the colours asked for.
    pub fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        match &mut self.0 {
            Form::Text(lines) => lines.push(out, record),
            Form::Json(lines) => lines.push(out, record),
            Form::Logfmt(lines) => lines.push(out, record),
            Form::Console(layout) => layout.push(out, record),
        }
    }
}
