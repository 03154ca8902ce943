//! Where records go: the sinks there are, how they are chosen, and what one of your own looks like.
//!
//! # Choosing sinks
//!
//! A log has any number of sinks. The program chooses them by [`Builder::sink`](crate::Builder::sink), with a struct of
//! settings for each; the person who starts it may choose others by the variable `SHMLOG_SINKS`, in the text form of the same
//! settings, without the program being built anew:
//!
//! ```sh
//! SHMLOG_SINKS='console?level=warn; file:/var/log/robot?keep=30&level=info,imu=debug' ./robot
//! ```
//!
//! ```
//! use shmlog::sink::{Console, TextFile};
//! use shmlog::{Level, ShmLogger};
//!
//! # let folder = std::env::temp_dir().join(format!("shmlog-doc-choose-{}", std::process::id()));
//! let logger = ShmLogger::builder()
//!     .level(Level::Debug)
//!     .sink(Console::new().level(Level::Warn))
//!     .sink(TextFile::new(&folder).keep(30).level("info,imu=debug"))
//!     .init_parent()?;
//! # drop(logger); std::fs::remove_dir_all(folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Their text form
//!
//! `kind[:place][?key=value[&key=value…]]`; in a list they are separated by `;`. In a place, a key or a value `%` and two
//! hexadecimal digits stand for a byte: `%3B` for `;`, `%26` for `&`, `%3F` for `?`, `%25` for `%`. Sizes are
//! written like `4096`, `64K`, `100M`, `2G`, times like `500ms`, `10s`, `5min`, `1h`, `7d`, switches as `on` or `off`.
//! A kind, an option or a value that there is not is an error which lists those that there are. (In `SHMLOG_SINKS` it is
//! none: the variable is ignored as a whole, and the log says so at its start.)
//!
//! | kind | settings | place | options |
//! |---|---|---|---|
//! | `console` | [`Console`] | none | `stderr` |
//! | `file` | [`TextFile`] | folder, `logs` if left out | of files |
//! | `json` | [`Json`] | folder, pipe, or `-` for standard output | of files, `pipe` |
//! | `logfmt` | [`Logfmt`] | the same | of files, `pipe` |
//! | `mcap` (feature `mcap`) | `Mcap` | folder, `logs` if left out | of files (but `gzip` and `sync`), `compression`, `topic` |
//! | `syslog` | [`Syslog`] | `/dev/log`, or `udp://` and an address | `facility`, `max_size`, `enterprise`, `bom` |
//! | `journald` | [`Journald`] | the journal's socket | |
//! | any other | [`register_sink!`](crate::register_sink) | as it says | as it says |
//!
//! The options of files are those of [`TextFile`]: `rotate`, `max_size`, `keep`, `keep_for`, `keep_bytes`, `gzip`,
//! `latest`, `sync`.
//!
//! All kinds have the option `level`: which records the sink gets, of those that the log takes at all. It is a level or
//! a list of directives, as `env_logger` has them: `warn,imu=debug,can::bus=off`. A level alone is for all targets that no
//! other directive is for (without one they are off); `target=level` is for all targets that begin so, and the longest
//! such beginning counts; a target alone lets all of it pass. What the log itself has to say, of records that were
//! lost for instance, every sink gets that is not wholly `off`.
//!
//! # Several at once
//!
//! Sinks do not wait for each other: one that cannot write keeps what its queue has room for and counts the rest, and all
//! others go on. Up to eight may write files; each of these goes on exactly where it was when the drainer has been
//! killed, and has every record once. No two may write the same files, and only one may be on standard output. A record
//! counts as [lost](crate::Stats::lost) when the first sink with files has lost it; what other sinks lack they
//! say in their own place. A sink that cannot be opened at the start is an error of
//! [`init_parent`](crate::Builder::init_parent); one that cannot be opened again, after the drainer was killed, is done
//! without until it can, unless no other with files is left. A [flush](crate::ShmLogger::flush) is about all of them, so
//! while one can write nothing (a full disk, a syslog daemon that is away) it times out.
//!
//! When all processes are killed at once, the drainer too, the next start saves what was unread beside the files of the
//! first sink with files, and cuts these back to where they were sure; in those of others the records of the last
//! moment may stand twice, here and there.
//!
//! A sink of your own implements [`Sink`].

pub(crate) mod absent;
pub(crate) mod console;
mod cost;
mod datagrams;
mod encoding;
pub(crate) mod file;
mod journald;
mod json;
mod keys;
pub(crate) mod kinds;
mod lines;
mod logfmt;
#[cfg(feature = "mcap")]
pub(crate) mod mcap;
mod missing;
mod origins;
pub(crate) mod own;
#[cfg(test)]
pub(crate) mod samples;
pub(crate) mod spec;
mod stamp;
mod stream;
mod syslog;
mod text;
mod trouble;
mod values;
pub(crate) mod without;

pub(crate) use missing::{counted, say_owed};
#[cfg(fuzzing)]
pub(crate) use text::fuzz;

use std::io;
use std::time::Duration;

pub use self::console::Console;
pub(crate) use self::cost::{cost, within};
pub use self::encoding::{Encoder, Encoding};
pub use self::file::{FileSync, Rotate, TextFile};
pub use self::journald::Journald;
pub use self::json::Json;
pub use self::logfmt::Logfmt;
#[cfg(feature = "mcap")]
pub use self::mcap::{Compression, Mcap};
pub use self::spec::{SinkSpec, SpecError};
pub use self::syslog::{Facility, Syslog};
pub use crate::record::{Record, Value, Values, ValuesBuf};

/// Where a log file stood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePlace {
    /// The file's name in its folder; empty when there is none.
    pub name: String,
    /// Its length in bytes, up to the end of the last whole record.
    pub bytes: u64,
    /// What should be in it, and is not.
    pub owed: Owed,
    /// A number of the sink's own, like the length of a second file.
    pub extra: u64,
    /// What a successor tells the file by, since others may write into it.
    pub marks: FileMarks,
}

/// What a successor tells a log file by, and in it what was written after the checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileMarks {
    /// A hash of the last bytes before the file's length as it was; 0 when that is not known.
    pub witness: u64,
    /// All records in sequence below this have been handed over.
    pub through: u64,
    /// Bytes of the next record that are there already, and that it has in all.
    pub torn: (u32, u32),
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

/// A place that records go to.
///
/// # Writing one
///
/// Only [`name`](Sink::name) and [`record`](Sink::record) must be there; a sink that gathers records and writes them at
/// the end of a batch has [`commit`](Sink::commit) too. [`register_sink!`](crate::register_sink) makes it known under
/// the name of a kind, and then it is chosen like all others: by [`Builder::sink`](crate::Builder::sink) or in
/// `SHMLOG_SINKS`, with a level of its own.
///
/// **Where it runs.** In the drainer: a process of its own, in which nothing of `main` has run, so no global that `main`
/// sets, no thread that it starts is there. All calls come from one thread. The drainer may be killed at any moment, and is
/// started again with a new sink of the same spec; a record of the last batch may come to both. It ignores the
/// signals that end a group of processes (`SIGINT`, `SIGTERM`, `SIGHUP`), and has the parent's environment, working
/// directory and standard output and error.
///
/// **What it must not do.** Wait: as long as a call lasts no records are read, and the ring fills. Sockets and
/// pipes are to be non-blocking, and slow work belongs to a thread of the sink's own. It should bound what it keeps for
/// a place that takes nothing, count what it leaves out, and say so, by an error of `commit`, [`take_news`](Sink::take_news)
/// and [`take_lost`](Sink::take_lost). It must not log: it is behind the log.
///
/// **What is in a record** other processes have written: text may hold anything, control characters and escape sequences
/// too. It is valid only during the call.
///
/// A sink that panics is not used again; the log says so and goes on without it. One that ends the process (a panic in a
/// program built with `panic = "abort"`, a fault, an exit) takes the drainer with it, and another begins. A record that was
/// in hand at two such deaths in a row is not handed to the sink again; after the third in a row the log goes on
/// without the sink. Both is said in the log. All that such a sink does not get counts as lost in it.
pub trait Sink {
    /// What the sink is called in the drainer's own words, like `console` or `file logs/app.log`.
    fn name(&self) -> String;

    /// Takes one record of the current batch.
    fn record(&mut self, record: &Record<'_>);

    /// Ends the batch: hands over what [`record`](Sink::record) took, as far as the place takes it now.
    /// Called between batches too, many times a second, so that a sink that could not write tries again. Does nothing
    /// unless it is implemented.
    ///
    /// # Errors
    /// What the place said when it did not take something; the sink has kept it (or counted it) and goes on. Each error
    /// is told to all sinks: so once when the trouble begins, not again while it lasts.
    fn commit(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Whether the batch should end here: going on would spread it over more than two files.
    fn wants_commit(&self) -> bool {
        false
    }

    /// The file that was written last and its length, for a successor of this process to go on with. It is asked of
    /// shmlog's own sinks only.
    fn place(&self) -> Option<FilePlace> {
        None
    }

    /// How many records were handed over and will never be where they should go, since the last call. They count as
    /// [lost](crate::Stats::lost) if this is the first sink with files, or, where there is none, the first that loses any.
    fn take_lost(&mut self) -> u64 {
        0
    }

    /// What there is to say of this place that is no trouble, since the last call; each a line in the log.
    fn take_news(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Bytes that wait in this process for a place that does not take them, for people who look (`shmlog top`). 0 unless it
    /// is implemented.
    fn backlog(&self) -> u64 {
        0
    }

    /// Whether everything committed has really left this process (a console may lag behind);
    /// [`flush`](crate::ShmLogger::flush) waits for that. A sink that writes all it has in `commit` always has.
    fn settled(&self) -> bool {
        true
    }

    /// The last call: hands over the rest, waiting at most `patience` for a place that does not move. By default it
    /// [commits](Sink::commit).
    ///
    /// # Errors
    /// What the place said when the rest could not be handed over.
    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        let _ = patience;
        self.commit()
    }
}
