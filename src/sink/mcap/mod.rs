//! MCAP files: what robot people open in Foxglove or Lichtblick.
//!
//! ```text
//! record() ──► Pending (messages in memory) ── commit() ──► Recording: loose messages, folded into a chunk when they
//!                  │ grows while the file takes none          are enough, a chunk at once where a batch is
//!                  ▼ beyond queue_bytes                            │ full, deleted, renamed:
//!              Missing (counted, said in the log)                  ▼ the next file, then prune()
//! ```
//!
//! Everything that a commit takes is in the file when it returns, and each reader of the file finds it there; see
//! `recording`. The checkpoint behind it says how many messages the file holds. A successor of this process counts them, takes
//! away what is behind them, and goes on in the same file. So nothing that no checkpoint knows of may come into one chunk with
//! what one does: messages are folded, and files completed, at the beginning of a commit, when the checkpoint behind
//! the one before is made.
//!
//! Whatever concerns files as such (names, locks, announcing, pruning) is that of the [text files](crate::sink::file), and so
//! are the rules for files that cannot be written.

mod chunk;
mod leftovers;
mod log;
mod opening;
mod pending;
mod protobuf;
mod reading;
mod recording;
mod records;
mod settings;
#[cfg(test)]
mod tests;
mod tidying;
mod trouble;
mod writing;

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use self::leftovers::cut_back;
use self::log::Encoder;
use self::pending::Pending;
use self::recording::Recording;
pub use self::settings::{Compression, Mcap};
use crate::clock;
use crate::record::Record;
use crate::sink::file::backlog::Meaning;
use crate::sink::file::name::Names;
use crate::sink::file::open::LogFile;
use crate::sink::file::period::Period;
use crate::sink::file::turning::Overdue;
use crate::sink::file::{Announce, FileConfig, PAUSE};
use crate::sink::trouble::Troubles;
use crate::sink::{FilePlace, Sink};

/// What the names of the files end with.
const ENDING: &str = ".mcap";
/// The number of the only schema, and of the only channel.
const SCHEMA: u16 = 1;
const CHANNEL: u16 = 1;

/// Bytes of messages that make a chunk: readers take a chunk at a time into their memory, and a small one packs badly.
const CHUNK: usize = 768 << 10;
/// Loose messages that could not be folded grow to so many chunks before that counts as trouble.
const MOST_LOOSE: usize = 8 * CHUNK;
/// Tries at a folder that another session tidies; later ones follow with the next commits.
const TIDY_TRIES: u32 = 50;
/// How often files are looked at that may have become too old, or too large together.
const TIDY_EVERY: Duration = Duration::from_secs(60);

/// What is in the files.
pub(crate) struct Format {
    pub(crate) compression: Compression,
    pub(crate) topic: String,
}

/// The sink that writes MCAP files.
pub(crate) struct McapSink {
    config: FileConfig,
    format: Format,
    names: Names,
    /// Told the name of each file before it is made.
    announce: Box<Announce>,
    log: LogFile,
    recording: Recording<File>,
    encoder: Encoder,
    pending: Pending,
    /// Messages in the file that a checkpoint knows of, or is about to.
    checkpointed: Cell<u64>,
    /// A new file could not be had when it was time for one.
    overdue: Option<Overdue>,
    /// What was said of that.
    told_overdue: Option<String>,
    /// The file is as long as the system lets it be.
    is_full: bool,
    /// Bytes of loose messages that are to be folded.
    fold_at: usize,
    troubles: Troubles,
    /// When to look at the path again.
    next_look: Instant,
    /// The time that the file is for, and whether it was over for a record that waits: of that one's time.
    period: Period,
    over_at: Option<i64>,
    /// The name of the first file of this session.
    session: String,
    /// The folder is to be tidied: a file was begun, or another session was at it.
    tidy_due: bool,
    /// When it is to be tidied again whatever happens, if files leave by age or bytes.
    next_tidy: Option<Instant>,
}

impl McapSink {
    fn path(&self) -> &Path {
        &self.log.path
    }

    fn append(&mut self, record: &Record<'_>, meaning: Meaning) {
        if self.period.is_over_at(record.time_ns, clock::wall_ns) {
            self.over_at = Some(record.time_ns);
        }
        let start = self.pending.bytes();
        let time = self.encoder.push(&mut self.pending.messages.bytes, record);
        self.pending.close(start, time, meaning);
    }

    /// Bytes that the file has room for, in loose messages.
    fn room(&self) -> u64 {
        self.config
            .max_file_size
            .saturating_sub(self.recording.len_with(0, 0))
    }
}

impl Sink for McapSink {
    fn name(&self) -> String {
        format!("mcap {}", self.path().display())
    }

    fn record(&mut self, record: &Record<'_>) {
        // Once one is missing so are all behind it, up to the message that says so.
        if !self.troubles.missing.is_empty() {
            return self.troubles.give_up(record);
        }
        if self.troubles.is_there() {
            if self.pending.bytes() > self.config.queue_bytes {
                return self.troubles.give_up(record);
            }
            self.troubles.delay(record);
        }
        self.append(record, Meaning::of(record));
    }

    fn commit(&mut self) -> io::Result<()> {
        match self.write_out().and_then(|()| self.tell_missing()) {
            Ok(()) => {
                self.note_recovery();
                self.tidy_if_due()
            }
            Err(error) => {
                let waiting = (self.pending.waiting(), self.pending.bytes());
                self.troubles.news_of(error, &self.log.path, waiting)
            }
        }
    }

    fn wants_commit(&self) -> bool {
        // What is left of the file's room is for the last of the batch.
        let is_enough = || self.pending.bytes() as u64 > self.room() / 2;
        let is_time = || match self.overdue {
            // The present one goes on, whatever its size and the hour.
            Some(_) => self.pending.bytes() > CHUNK,
            None => self.over_at.is_some() || is_enough(),
        };
        !self.troubles.is_there() && is_time()
    }

    fn place(&self) -> Option<FilePlace> {
        let name = self.path().file_name()?.to_string_lossy().into_owned();
        self.checkpointed.set(self.recording.messages());
        Some(FilePlace {
            name,
            bytes: self.recording.len(),
            owed: self.troubles.owed(self.pending.owed()),
            extra: self.recording.messages(),
            ..FilePlace::default()
        })
    }

    fn take_lost(&mut self) -> u64 {
        self.troubles.take_lost()
    }

    fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.troubles.news)
    }

    fn backlog(&self) -> u64 {
        self.pending.bytes() as u64
    }

    fn settled(&self) -> bool {
        self.pending.bytes() == 0 && self.troubles.missing.is_empty()
    }

    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        // What goes wrong now is told by the last error.
        let _ = self.commit();
        let (mut left, mut moved) = (self.pending.bytes(), Instant::now());
        while !self.settled() && moved.elapsed() < patience {
            thread::sleep(PAUSE.min(patience));
            // No checkpoint follows, and who comes after us has nothing to add.
            self.checkpointed.set(self.recording.messages());
            let _ = self.commit();
            if self.pending.bytes() < left {
                moved = Instant::now();
            }
            left = self.pending.bytes();
        }
        let completed = self.recording.finish();
        // Or sessions in which nothing happens would in time push out all in which something did.
        if self.settled() {
            self.log.remove_if_empty();
        }
        // Files that were open when this one was begun may be closed by now.
        self.tidy_due = true;
        self.tidy_patiently();
        match self.settled() {
            true => completed.map_err(|error| self.not_completed(&error)),
            false => {
                let held = self.pending.owed();
                Err(self.troubles.lose_the_rest(&self.log.path, held))
            }
        }
    }
}
