//! A record: what one log statement says. How it lies in the ring (`codec`), with its
//! arguments as bytes (`capture`), what is stored once per statement (`site`), how the drainer makes the text
//! of the two (`format`), and what sinks get to see ([`Record`]).
//! Why it is so: `docs/design/capture.md`.

pub(crate) mod capture;
pub(crate) mod codec;
pub(crate) mod format;
mod gathered;
mod site;
mod values;

pub use gathered::ValuesBuf;
pub use site::CallSite;
#[cfg(any(test, fuzzing))]
pub(crate) use site::Statement;
pub(crate) use site::{Site, SiteId, SiteTable, key_names};
#[cfg(test)]
pub(crate) use values::samples;
pub(crate) use values::{About, put_entry, put_value};
pub use values::{Value, Values};

use crate::level::Level;

#[cfg(fuzzing)]
pub(crate) mod fuzz;

/// One record as a [`Sink`](crate::sink::Sink) gets it. All text is valid UTF-8 but otherwise as the
/// producer gave it: control characters are the sink's to escape.
///
/// Fields may be added: a program of its own makes one by [`Record::new`], and sets what it knows.
///
/// ```
/// use shmlog::Level;
/// use shmlog::sink::Record;
///
/// let mut record = Record::new(1_764_460_800_000_000_000, Level::Warn, "bus 2 is slow");
/// (record.process, record.pid) = ("can", 4711);
/// assert!(record.values.is_empty());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record<'a> {
    /// Position in the ring's order, ever growing; `None` for the drainer's own words.
    pub sequence: Option<u64>,
    /// Delivered after records of a higher sequence, because its producer was stopped while writing it.
    pub late: bool,
    /// Nanoseconds since 1970-01-01 00:00:00 UTC.
    pub time_ns: i64,
    /// Severity.
    pub level: Level,
    /// Name of the process that logged, and its id.
    pub process: &'a str,
    /// Process id.
    pub pid: u32,
    /// Name of the thread that logged.
    pub thread: &'a str,
    /// Kernel thread id.
    pub tid: u32,
    /// The logger's name, the `target:` of the statement, or its module path.
    pub target: &'a str,
    /// The target is the module path, which tells nothing that `file` does not.
    pub target_is_module: bool,
    /// Source file of the statement, as the compiler saw it; empty when there is none.
    pub file: &'a str,
    /// Line in `file`, from 1; 0 when there is none.
    pub line: u32,
    /// Records with the same number have process, thread, target, file and line in common, numbers and all; others may
    /// have these in common too. `None` where that is not known. Not 0.
    pub origin: Option<u64>,
    /// The spans of `tracing` that the statement lies in, as `outer{a=1}:inner`; empty without.
    pub scope: &'a str,
    /// The text; may be empty, may have many lines.
    pub message: &'a str,
    /// What it says beside the text: the key-values of the statement, then those of its context.
    pub values: Values<'a>,
}

impl<'a> Record<'a> {
    /// A record of this time, level and text; all other texts are empty, all numbers 0 or `None`.
    pub fn new(time_ns: i64, level: Level, message: &'a str) -> Record<'a> {
        Record {
            sequence: None,
            late: false,
            time_ns,
            level,
            process: "",
            pid: 0,
            thread: "",
            tid: 0,
            target: "",
            target_is_module: false,
            file: "",
            line: 0,
            origin: None,
            scope: "",
            message,
            values: Values::default(),
        }
    }

    /// The drainer's own words, which have no place in the ring's order. A drainer writes from its first thread alone,
    /// whose id is that of the process.
    pub(crate) fn of_drainer(time_ns: i64, level: Level, message: &'a str) -> Record<'a> {
        let pid = std::process::id();
        Record {
            process: "shmlog",
            pid,
            thread: "drainer",
            tid: pid,
            target: "shmlog",
            target_is_module: true,
            ..Record::new(time_ns, level, message)
        }
    }
}
