//! Log files: one line per record, in files that follow one another by size and leave by number.
//!
//! ```text
//! record() ──► Backlog (whole lines in memory) ── commit(): one write ──► LogFile (open, locked)
//!                  │ grows while the file does not take them                 │ full, deleted, renamed:
//!                  ▼ beyond queue_bytes                                      ▼
//!              Missing (counted, said in the log)                       the next LogFile, then prune()
//! ```
//!
//! A file that cannot be written costs nothing but memory at first: the lines wait, half-written ones
//! included, and go on exactly where they stopped. Past the bound the newest records are counted, and the
//! first line after the gap says how many and whose are missing, and why. What waits when this process is killed
//! is lost: [`place`](Sink::place) says how much that would be, so that a successor can say it in the log.
//!
//! A file that nothing was written to is removed when its session ends in order; a killed one leaves it.

mod backlog;
mod config;
mod error;
mod line;
mod name;
mod open;
mod prune;
mod recovered;
mod settings;
#[cfg(test)]
mod tests;
mod trouble;

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use self::backlog::{Backlog, Meaning};
pub use self::config::FileConfig;
pub use self::error::OpenFileError;
use self::line::Lines;
use self::open::LogFile;
use self::prune::{Pruned, prune};
pub(crate) use self::recovered::{Folders, Progress, RecoveredFile};
pub use self::settings::TextFile;
use self::trouble::Trouble;
use crate::record::Record;
use crate::sink::missing::{Missing, Tally, say_owed};
use crate::sink::{FilePlace, Sink};

/// How often the path of the open file is looked at, to notice that it was renamed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long to leave the processor between two tries at something that somebody else holds up.
const PAUSE: Duration = Duration::from_millis(2);

/// Tries at pruning a folder that another session prunes; later ones follow with the next commits.
const PRUNE_TRIES: u32 = 50;

/// What is told the name of a log file before that is made, so that a successor of this process knows of it
/// whatever happens next; an empty name takes the last one back.
pub type Announce = dyn FnMut(&str);

/// The sink that writes log files.
///
/// Its [`commit`](Sink::commit) returns an error when the trouble begins or changes, not again while it
/// lasts: the lines wait meanwhile, and [`unwritten`](FileSink::unwritten) says how many bytes.
pub struct FileSink {
    /// With `program` as it stands in file names.
    config: FileConfig,
    /// Told the name of each file before it is made.
    announce: Box<Announce>,
    log: LogFile,
    backlog: Backlog,
    lines: Lines,
    missing: Missing,
    /// Records given up since somebody asked.
    lost: u64,
    /// What the last commit met; `None` when it could write.
    trouble: Option<Trouble>,
    /// What there is to say, and nobody has asked yet.
    news: Vec<String>,
    /// When to look at the path again.
    next_look: Instant,
    /// A file was begun, and its predecessors have not been counted since.
    prune_due: bool,
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
        let log = LogFile::create(&config.folder, &config.program, &mut *announce)?;
        Ok(FileSink::with(config, announce, log))
    }

    /// Removes those of the files that a predecessor of this process announced and nobody else has in hand.
    pub fn discard(config: &FileConfig, announced: &[String]) {
        let config = config.clone().in_order();
        for name in announced {
            if name::belongs_to(name, &config.program) {
                // If it cannot be removed it stays, half-written: the log itself is whole without it.
                let _ = open::remove_unlocked(&config.folder.join(name));
            }
        }
    }

    /// Goes on where a predecessor of this process stopped: at `place`, with whatever the file holds beyond
    /// it taken away. When the file is gone or in somebody else's hands a new one is begun. What the predecessor had
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
        let ours = |name: &str| name::belongs_to(name, &config.program);
        let path = config.folder.join(&place.name);
        let reopened = if ours(&place.name) {
            let reopened = LogFile::reopen(&path, place.bytes);
            reopened.map_err(|source| OpenFileError::File { path, source })?
        } else {
            None
        };
        let log = match reopened {
            Some(log) => log,
            None => LogFile::create(&config.folder, &config.program, &mut *announce)?,
        };
        let mut sink = FileSink::with(config, announce, log);
        if let Some(text) = say_owed(&place.owed, name) {
            sink.append_gap(&text, Tally::of(place.owed.total(), &place.owed.whose));
        }
        Ok(sink)
    }

    fn with(config: FileConfig, announce: Box<Announce>, log: LogFile) -> FileSink {
        let mut sink = FileSink {
            log,
            config,
            announce,
            backlog: Backlog::default(),
            lines: Lines::default(),
            missing: Missing::default(),
            lost: 0,
            trouble: None,
            news: Vec::new(),
            next_look: Instant::now() + LOOK_EVERY,
            prune_due: true,
        };
        sink.backlog.go_on_at(sink.log.written);
        sink.prune_patiently();
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
        if let Some(trouble) = &mut self.trouble {
            if self.backlog.unwritten() > self.config.queue_bytes {
                self.backlog.bytes.truncate(start);
                return self.give_up(record);
            }
            trouble.delayed += u64::from(record.sequence.is_some());
        }
        let most = self.config.max_file_size;
        self.backlog.close_record(start, most, Meaning::of(record));
    }

    /// Writes all that waits, over as many files as it needs.
    fn write_out(&mut self) -> io::Result<()> {
        self.leave_lost_file()?;
        while !self
            .backlog
            .write_to(&mut self.log.file, &mut self.log.written)?
        {
            self.begin_file()?;
        }
        Ok(())
    }

    /// Goes on in a new file if the present one was deleted or renamed from outside.
    fn leave_lost_file(&mut self) -> io::Result<()> {
        let now = Instant::now();
        // Deletion is asked for at every write, it is one cheap call; the path only now and then.
        let deleted = self.backlog.unwritten() > 0 && self.log.is_deleted();
        if deleted || (now >= self.next_look && !self.log.is_in_place()) {
            let (path, mut records) = (self.log.path.clone(), self.backlog.in_file().to_string());
            if self.log.inherited {
                records += " or more";
            }
            // Not by `deleted`: that is asked for only when there is something to write.
            let fate = match self.log.is_deleted() {
                true => "deleted",
                false => "moved or replaced",
            };
            self.begin_file()?;
            self.note_lost_file(&path, fate, &records);
        }
        // Not before it succeeded: nothing may be written to a file that is known to be lost.
        if now >= self.next_look {
            self.next_look = now + LOOK_EVERY;
        }
        Ok(())
    }

    fn begin_file(&mut self) -> io::Result<()> {
        let (folder, program) = (&self.config.folder, &self.config.program);
        self.log = self.log.create_next(folder, program, &mut *self.announce)?;
        self.backlog.begin_file();
        self.prune_due = true;
        Ok(())
    }

    fn try_to_prune(&mut self) -> io::Result<()> {
        if self.prune_due {
            // Cleared first: a failure is told once, and tried again with the next file.
            self.prune_due = false;
            let config = &self.config;
            let pruned = prune(&config.folder, &config.program, config.backup_count);
            let pruned = pruned.map_err(|error| {
                let (program, folder) = (&config.program, &config.folder);
                let text = format!(
                    "cannot delete the oldest log files of {program:?} in {folder:?}: {error}; \
                     more than {} may remain",
                    config.backup_count
                );
                io::Error::new(error.kind(), text)
            })?;
            self.prune_due = pruned == Pruned::Busy;
        }
        Ok(())
    }

    /// Prunes, waiting a little for other sessions that do. What fails is left to the next commit.
    fn prune_patiently(&mut self) {
        for _ in 0..PRUNE_TRIES {
            if self.try_to_prune().is_err() {
                self.prune_due = true;
                return;
            }
            if !self.prune_due {
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}

impl Sink for FileSink {
    fn name(&self) -> String {
        format!("file {}", self.path().display())
    }

    fn record(&mut self, record: &Record<'_>) {
        // Once one is missing so are all behind it, up to the line that says so.
        if self.missing.is_empty() {
            self.append(record);
        } else {
            self.give_up(record);
        }
    }

    fn commit(&mut self) -> io::Result<()> {
        let outcome = self.write_out().and_then(|()| self.tell_missing());
        self.backlog.drop_written();
        match outcome {
            Ok(()) => {
                self.note_recovery();
                self.try_to_prune()
            }
            Err(error) => self.news_of(error),
        }
    }

    fn wants_commit(&self) -> bool {
        self.backlog.is_cut()
    }

    fn place(&self) -> Option<FilePlace> {
        let name = self.path().file_name()?.to_string_lossy().into_owned();
        Some(FilePlace {
            name,
            // Without what is there of a record that is not whole, which would stay for good.
            bytes: self.log.written - self.backlog.begun(),
            owed: self.owed(),
            extra: 0,
        })
    }

    fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    fn settled(&self) -> bool {
        self.unwritten() == 0 && self.missing.is_empty()
    }

    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        // What goes wrong now is told by the last error.
        let _ = self.commit();
        let (mut left, mut moved) = (self.unwritten(), Instant::now());
        while !self.settled() && moved.elapsed() < patience {
            thread::sleep(PAUSE.min(patience));
            let _ = self.commit();
            if self.unwritten() < left {
                moved = Instant::now();
            }
            left = self.unwritten();
        }
        // Or sessions in which nothing happens would in time push out all in which something did.
        if self.settled() {
            self.log.remove_if_empty();
        }
        // Files that were open when this one was begun may be closed by now.
        self.prune_due = true;
        self.prune_patiently();
        match self.settled() {
            true => Ok(()),
            false => Err(self.lose_the_rest()),
        }
    }
}
