//! Log files: one line per record, in files that follow one another by size and time, and leave by number, age and
//! bytes.
//!
//! ```text
//! record() ──► Backlog (whole lines in memory) ── commit(): one write ──► LogFile (open, locked)
//!                  │ grows while the file does not take them                 │ full, deleted, renamed:
//!                  ▼ beyond queue_bytes                                      ▼ its time over:
//!              Missing (counted, said in the log)                       the next LogFile, then upkeep
//! ```
//!
//! Upkeep is what is done beside the lines: pruning, the link to the latest file, compressing, syncing. None of it
//! holds up the lines, and what goes wrong with it is told and costs nothing else.
//!
//! A file that cannot be written costs nothing but memory at first: the lines wait, half-written ones
//! included, and go on exactly where they stopped. Past the bound the newest records are counted, and the
//! first line after the gap says how many and whose are missing, and why. What waits when this process is killed
//! is lost: [`place`](Sink::place) says how much that would be, so that a successor can say it in the log.
//!
//! A file that others write to is theirs as well: see `foreign`. When the next file cannot be had the present one goes
//! on: see `turning`.
//!
//! A file that nothing was written to is removed when its session ends in order; a killed one leaves it.

pub(super) mod backlog;
mod config;
mod error;
pub(super) mod folder;
mod foreign;
mod fsync;
mod gzip;
pub(super) mod latest;
mod line;
pub(super) mod name;
pub(super) mod open;
pub(super) mod options;
pub(super) mod period;
pub(super) mod prune;
mod recovered;
mod settings;
#[cfg(test)]
pub(super) mod tests;
mod trouble;
pub(in crate::sink) mod turning;
mod upkeep;

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use self::backlog::{Backlog, Meaning};
pub use self::config::{FileConfig, FileSync, Rotate};
pub use self::error::OpenFileError;
pub(super) use self::line::Lines;
use self::name::Names;
use self::open::LogFile;
pub(super) use self::options::{FileOptions, file_setters};
use self::period::Period;
pub(crate) use self::recovered::{Folders, Progress, RecoveredFile};
pub use self::settings::TextFile;
pub(super) use self::settings::open_files;
use self::turning::Overdue;
use self::upkeep::Upkeep;
use crate::clock;
use crate::record::Record;
use crate::sink::encoding::Encoder;
use crate::sink::missing::{Tally, say_owed};
use crate::sink::trouble::Troubles;
use crate::sink::{FileMarks, FilePlace, Sink};

/// How often the path of the open file is looked at, to notice that it was renamed.
pub(in crate::sink) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long to leave the processor between two tries at something that another process holds up.
pub(in crate::sink) const PAUSE: Duration = Duration::from_millis(2);

/// What is told the name of a log file before that is made, so that a successor of this process knows of it
/// whatever happens next; an empty name takes the last one back.
pub type Announce = dyn FnMut(&str);

/// The sink that writes log files.
///
/// Its [`commit`](Sink::commit) returns an error when the trouble begins or changes, not again while it
/// lasts: the lines wait meanwhile, and [`unwritten`](FileSink::unwritten) says how many bytes.
pub struct FileSink {
    config: FileConfig,
    names: Names,
    /// Told the name of each file before it is made.
    announce: Box<Announce>,
    log: LogFile,
    /// That of the file that the last line goes to.
    period: Period,
    backlog: Backlog,
    lines: Encoder,
    troubles: Troubles,
    /// When to look at the path again.
    next_look: Instant,
    /// A new file should have been begun and could not be had.
    overdue: Option<Overdue>,
    /// All records in sequence below this were handed over.
    through: u64,
    upkeep: Upkeep,
}

impl FileSink {
    /// Begins a file, and deletes the oldest ones of the program beyond `backup_count`.
    ///
    /// Old files that cannot be deleted are no obstacle: the first [`commit`](Sink::commit) tells.
    ///
    /// # Errors
    /// When the folder or the file cannot be made; see [`OpenFileError`].
    pub fn open(
        config: FileConfig,
        mut announce: Box<Announce>,
    ) -> Result<FileSink, OpenFileError> {
        let config = config.in_order();
        let names = config.names();
        let log = LogFile::create(&config.folder, &names, &mut *announce)?;
        Ok(FileSink::with(config, announce, log))
    }

    /// Removes those of the files that a predecessor of this process announced and no other process has locked.
    pub fn discard(config: &FileConfig, announced: &[String]) {
        let names = config.names();
        for name in announced {
            if names.include(name) {
                // If it cannot be removed it stays, half-written: the log itself is whole without it.
                let _ = open::remove_unlocked(&config.folder.join(name));
            }
        }
    }

    /// Goes on where a predecessor of this process stopped: at `place`, with whatever the file holds beyond
    /// it taken away. When the file is gone, or another process has it locked, a new one is begun. What the predecessor had
    /// in its memory is gone, and the first line says so; `name` knows processes by their ids.
    ///
    /// # Errors
    /// As [`open`](FileSink::open).
    pub fn resume(
        config: FileConfig,
        mut announce: Box<Announce>,
        place: &FilePlace,
        name: &dyn Fn(u32) -> Option<String>,
    ) -> Result<FileSink, OpenFileError> {
        let config = config.in_order();
        let names = config.names();
        let path = config.folder.join(&place.name);
        let micros = names.local_micros_of(&place.name).unwrap_or(0);
        let reopened = if names.include(&place.name) {
            let reopened = LogFile::reopen(&path, place, micros);
            reopened.map_err(|source| OpenFileError::File { path, source })?
        } else {
            None
        };
        let log = match reopened {
            Some(log) => log,
            None => {
                let (folder, now) = (&config.folder, clock::wall_ns());
                LogFile::create_behind(micros, folder, &names, now, &mut *announce)?
            }
        };
        let mut sink = FileSink::with(config, announce, log);
        sink.through = place.marks.through;
        if let Some(text) = say_owed(&place.owed, name) {
            sink.append_gap(&text, Tally::of(place.owed.total(), &place.owed.whose));
        }
        Ok(sink)
    }

    fn with(config: FileConfig, announce: Box<Announce>, log: LogFile) -> FileSink {
        let mut sink = FileSink {
            names: config.names(),
            lines: Encoder::new(config.encoding),
            period: Period::of(config.rotate, config.rotate_at, log.time_ns()),
            upkeep: Upkeep::start(&config, &log),
            troubles: Troubles::none("log file", config.queue_bytes),
            log,
            config,
            announce,
            backlog: Backlog::default(),
            next_look: Instant::now() + LOOK_EVERY,
            overdue: None,
            through: 0,
        };
        sink.backlog.note_length(sink.log.end);
        sink.tidy_patiently();
        sink
    }

    /// The file written at present.
    pub fn path(&self) -> &Path {
        &self.log.path
    }

    /// Bytes of lines that no file has yet: the present batch, and what waits for a file that can be written.
    pub fn unwritten(&self) -> usize {
        self.backlog.unwritten()
    }

    fn append(&mut self, record: &Record<'_>) {
        let start = self.backlog.bytes.len();
        self.lines.push(&mut self.backlog.bytes, record);
        if self.troubles.is_there() {
            if self.backlog.unwritten() > self.config.queue_bytes {
                self.backlog.bytes.truncate(start);
                return self.troubles.give_up(record);
            }
            self.troubles.delay(record);
        }
        if let Some(sequence) = record.sequence.filter(|_| !record.late) {
            self.through = self.through.max(sequence.saturating_add(1));
        }
        self.close_record(start, record, Meaning::of(record));
    }

    /// Counts the record whose lines were appended at `start`.
    fn close_record(&mut self, start: usize, record: &Record<'_>, meaning: Meaning) {
        self.upkeep.note(record);
        let must_cut = self.period.is_over_at(record.time_ns, clock::wall_ns);
        let (most, when) = (self.config.max_file_size, (record.time_ns, must_cut));
        let offset_s = self.lines.offset_s();
        self.backlog
            .close_record(start, most, when, offset_s, meaning);
    }

    /// Writes what waits, and says what is missing.
    fn commit_lines(&mut self) -> io::Result<()> {
        let outcome = self.write_out().and_then(|()| self.tell_missing());
        self.backlog.drop_written();
        let is_all = self.settled();
        self.upkeep.wrote(self.log.written, is_all);
        self.tidy();
        match outcome {
            Ok(()) => {
                self.troubles.note_recovery(&self.log.path);
                self.upkeep.trouble(&mut self.troubles.news)
            }
            Err(error) => {
                let waiting = (self.backlog.waiting(), self.backlog.unwritten());
                self.troubles.news_of(error, &self.log.path, waiting)
            }
        }
    }
}

impl Sink for FileSink {
    fn name(&self) -> String {
        format!("file {}", self.path().display())
    }

    fn record(&mut self, record: &Record<'_>) {
        // Once one is missing so are all behind it, up to the line that says so.
        if self.troubles.missing.is_empty() {
            self.append(record);
        } else {
            self.troubles.give_up(record);
        }
    }

    fn commit(&mut self) -> io::Result<()> {
        // The checkpoint that followed the last commit has moved on from them.
        self.upkeep.compress();
        self.commit_lines()
    }

    fn wants_commit(&self) -> bool {
        self.backlog.is_cut()
    }

    fn place(&self) -> Option<FilePlace> {
        let name = self.path().file_name()?.to_string_lossy().into_owned();
        Some(FilePlace {
            name,
            // Without what is there of a record that is not whole, which would stay for good.
            bytes: self.log.end.saturating_sub(self.backlog.begun()),
            owed: self.troubles.owed(self.backlog.owed()),
            extra: 0,
            marks: FileMarks {
                witness: match self.backlog.witness() {
                    0 => self.log.witness,
                    witness => witness,
                },
                through: self.through,
                torn: self.backlog.torn(),
            },
        })
    }

    fn take_lost(&mut self) -> u64 {
        self.troubles.take_lost()
    }

    fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.troubles.news)
    }

    fn backlog(&self) -> u64 {
        self.unwritten() as u64
    }

    fn settled(&self) -> bool {
        self.unwritten() == 0 && self.troubles.missing.is_empty()
    }

    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        // What goes wrong now is told by the last error.
        let _ = self.commit();
        let (mut left, mut moved) = (self.unwritten(), Instant::now());
        while !self.settled() && moved.elapsed() < patience {
            thread::sleep(PAUSE.min(patience));
            // No checkpoint follows any more: what is closed from here on stays as it is.
            let _ = self.commit_lines();
            if self.unwritten() < left {
                moved = Instant::now();
            }
            left = self.unwritten();
        }
        if !self.settled() {
            // What could not be taken back stays torn, and a successor would know of it.
            let _ = self.take_back_begun();
        }
        let synced = self
            .upkeep
            .finish(self.log.written, Instant::now() + patience);
        // Or sessions in which nothing happens would in time push out all in which something did.
        if self.settled() {
            self.log.remove_if_empty();
        }
        // Files that were open when this one was begun may be closed by now.
        self.tidy_patiently();
        match self.settled() {
            true => synced,
            false => {
                let held = self.backlog.owed();
                Err(self.troubles.lose_the_rest(&self.log.path, held))
            }
        }
    }
}
