//! Where records go. A sink gathers the records of a batch and hands them over at its end.

pub(crate) mod console;
mod datagrams;
pub(crate) mod file;
mod journald;
pub(crate) mod kinds;
mod missing;
mod origins;
#[cfg(test)]
mod samples;
pub(crate) mod spec;
mod stamp;
mod syslog;
mod text;
mod values;

pub(crate) use missing::{counted, say_owed};
#[cfg(fuzzing)]
pub(crate) use text::fuzz;

use std::io;
use std::time::Duration;

pub use self::console::Console;
pub use self::file::TextFile;
pub use self::journald::Journald;
pub use self::spec::{SinkSpec, SpecError};
pub use self::syslog::{Facility, Syslog};
pub use crate::record::{Record, Value, Values};

/// Where a log file stood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePlace {
    /// The file's name in its folder; empty when there is none.
    pub name: String,
    /// Its length in bytes, up to the end of the last whole record.
    pub bytes: u64,
    /// What should be in it, and is not.
    pub owed: Owed,
}

/// Records that are in no file, though the ring has let them go: because the file could not be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// They wait in memory, and count as delivered; they are lost if this process is killed.
    pub waiting: u64,
    /// They count as lost already, and the line that says so is not in the file yet.
    pub untold: u64,
    /// Whose these are: the ids of some processes, and how many each.
    pub whose: Vec<(u32, u64)>,
}

impl Owed {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.waiting.saturating_add(self.untold)
    }
}

/// A place that records go to. The drainer calls one sink from one thread only.
///
/// A sink never waits for longer than its own bounded queue allows, and never loses anything without
/// saying so: what it cannot write it keeps, and past the bound it counts.
pub trait Sink {
    /// What the sink is called in the drainer's own words, like `console` or `file logs/app.log`.
    fn name(&self) -> String;

    /// Takes one record of the current batch.
    fn record(&mut self, record: &Record<'_>);

    /// Ends the batch: hands over what [`record`](Sink::record) took, as far as the place takes it now.
    /// Called between batches too, so that a sink that could not write tries again.
    ///
    /// # Errors
    /// What the place said when it did not take something; the sink has kept it (or counted it) and goes on.
    fn commit(&mut self) -> io::Result<()>;

    /// Whether the batch should end here: going on would spread it over more than two files.
    fn wants_commit(&self) -> bool {
        false
    }

    /// The file that was written last and its length, for a successor of this process to go on with.
    fn place(&self) -> Option<FilePlace> {
        None
    }

    /// How many records were handed over and will never be in the log, since the last call.
    fn take_lost(&mut self) -> u64 {
        0
    }

    /// What there is to say of this place that is no trouble, since the last call.
    fn take_news(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Whether everything committed has really left this process (a console may lag behind).
    fn settled(&self) -> bool;

    /// The last call: hands over the rest, waiting at most `patience` for a place that does not move.
    ///
    /// # Errors
    /// What the place said when the rest could not be handed over.
    fn finish(&mut self, patience: Duration) -> io::Result<()>;
}
