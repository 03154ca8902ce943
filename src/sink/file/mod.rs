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
//! first line after the gap says how many and whose are missing, and why.

mod backlog;
mod line;
mod name;
mod open;
mod prune;
mod recovered;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use self::backlog::Backlog;
use self::open::LogFile;
use self::prune::{Pruned, prune};
pub(crate) use self::recovered::{Folders, Progress, RecoveredFile};
use crate::level::Level;
use crate::record::Record;
use crate::sink::missing::Missing;
use crate::sink::stamp::Stamp;
use crate::sink::{FilePlace, Sink};

/// How often the path of the open file is looked at, to notice that it was renamed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long to leave the processor between two tries at something that somebody else holds up.
const PAUSE: Duration = Duration::from_millis(2);

/// Tries at pruning a folder that another session prunes; later ones follow with the next commits.
const PRUNE_TRIES: u32 = 50;

/// Where log files go, and how many and how large.
#[derive(Clone, Debug)]
pub struct FileConfig {
    /// Folder of the files; made if missing.
    pub folder: PathBuf,
    /// Name of the program, which begins the names of its files. What a file name may not hold becomes `_`.
    pub program: String,
    /// Bytes after which a new file is begun. Only a file of a single, larger record exceeds it.
    pub max_file_size: u64,
    /// Files of this program that may stay in `folder`, the open one included; 0 counts as 1.
    pub backup_count: usize,
    /// Bytes of lines kept in memory while the file cannot be written. The batch that meets the trouble
    /// is kept whole, however large.
    pub queue_bytes: usize,
}

impl FileConfig {
    /// The usual [`queue_bytes`](FileConfig::queue_bytes): 16 MiB.
    pub const QUEUE_BYTES: usize = 16 << 20;

    fn in_order(self) -> FileConfig {
        FileConfig {
            program: name::sanitise(&self.program),
            backup_count: self.backup_count.max(1),
            ..self
        }
    }
}

/// What is told the name of a log file before that is made, so that a successor of this process knows of it
/// whatever happens next; an empty name takes the last one back.
pub type Announce = dyn FnMut(&str);

/// Why no log file could be opened.
#[derive(Debug)]
pub enum OpenFileError {
    /// The folder does not exist and cannot be made.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be made or locked.
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// All names of the next microseconds are taken.
    NoFreeName {
        /// The first of them.
        path: PathBuf,
    },
}

impl fmt::Display for OpenFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenFileError::Folder { folder, source } => write!(
                f,
                "cannot make the log folder {folder:?}: {source}; name one that this user may make with file_path()"
            ),
            OpenFileError::File { path, source } => write!(
                f,
                "cannot make the log file {path:?}: {source}; name a folder that this user may write with file_path()"
            ),
            OpenFileError::NoFreeName { path } => write!(
                f,
                "cannot make the log file {path:?}: its name and those of the microseconds behind it are taken; \
                 is the system's clock set right?"
            ),
        }
    }
}

impl std::error::Error for OpenFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenFileError::Folder { source, .. } | OpenFileError::File { source, .. } => {
                Some(source)
            }
            OpenFileError::NoFreeName { .. } => None,
        }
    }
}

impl From<OpenFileError> for io::Error {
    fn from(error: OpenFileError) -> io::Error {
        let kind = match &error {
            OpenFileError::Folder { source, .. } | OpenFileError::File { source, .. } => {
                source.kind()
            }
            OpenFileError::NoFreeName { .. } => io::ErrorKind::AlreadyExists,
        };
        io::Error::new(kind, error)
    }
}

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
    stamp: Stamp,
    missing: Missing,
    /// Why the last commit could not write; `None` when it could.
    trouble: Option<io::Error>,
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
    /// it taken away. When the file is gone or in somebody else's hands a new one is begun.
    ///
    /// # Errors
    /// As [`open`](FileSink::open).
    pub fn resume(
        config: FileConfig,
        mut announce: Box<Announce>,
        place: &FilePlace,
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
        Ok(FileSink::with(config, announce, log))
    }

    fn with(config: FileConfig, announce: Box<Announce>, log: LogFile) -> FileSink {
        let mut sink = FileSink {
            log,
            config,
            announce,
            backlog: Backlog::default(),
            stamp: Stamp::default(),
            missing: Missing::default(),
            trouble: None,
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
        line::push_record(&mut self.backlog.bytes, &mut self.stamp, record);
        if self.trouble.is_some() && self.backlog.unwritten() > self.config.queue_bytes {
            self.backlog.bytes.truncate(start);
            self.missing.count(record);
        } else {
            self.backlog.close_record(start, self.config.max_file_size);
        }
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
            self.begin_file()?;
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

    /// Says in the log, at the place of the gap, what is missing there. Called when all else is written.
    fn tell_missing(&mut self) -> io::Result<()> {
        if self.missing.total() == 0 {
            return Ok(());
        }
        let cause = self.trouble.take();
        let cause = cause.map_or_else(String::new, |cause| cause.to_string());
        let queue = self.config.queue_bytes;
        let why = format!("{cause}, and the queue of {queue} bytes was full");
        let text = self.missing.take(&why);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.append(&Record {
            sequence: None,
            late: false,
            time_ns: now.map_or(0, |since| since.as_nanos() as i64),
            level: Level::Error,
            process: "shmlog",
            pid: std::process::id(),
            thread: "drainer",
            tid: rustix::thread::gettid().as_raw_nonzero().get() as u32,
            target: "shmlog",
            file: "",
            line: 0,
            message: &text,
        });
        self.write_out()
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

    /// The error as the drainer tells it, or nothing if it told that already.
    fn news_of(&mut self, error: io::Error) -> io::Result<()> {
        let same = self
            .trouble
            .as_ref()
            .is_some_and(|known| known.to_string() == error.to_string());
        if same {
            return Ok(());
        }
        let (path, waiting) = (self.path(), self.unwritten());
        let text = format!(
            "cannot write the log file {path:?}: {error}; {waiting} bytes wait in memory, which takes {}",
            self.config.queue_bytes
        );
        let news = io::Error::new(error.kind(), text);
        self.trouble = Some(error);
        Err(news)
    }
}

impl Sink for FileSink {
    fn name(&self) -> String {
        format!("file {}", self.path().display())
    }

    fn record(&mut self, record: &Record<'_>) {
        // Once one is missing so are all behind it, up to the line that says so.
        if self.missing.total() > 0 {
            self.missing.count(record);
        } else {
            self.append(record);
        }
    }

    fn commit(&mut self) -> io::Result<()> {
        let outcome = self.write_out().and_then(|()| self.tell_missing());
        self.backlog.drop_written();
        match outcome {
            Ok(()) => {
                self.trouble = None;
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
            bytes: self.log.written,
        })
    }

    fn settled(&self) -> bool {
        self.unwritten() == 0 && self.missing.total() == 0
    }

    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        let mut told = self.commit();
        let (mut left, mut moved) = (self.unwritten(), Instant::now());
        while !self.settled() && moved.elapsed() < patience {
            thread::sleep(PAUSE.min(patience));
            if let Err(news) = self.commit() {
                told = Err(news);
            }
            if self.unwritten() < left {
                moved = Instant::now();
            }
            left = self.unwritten();
        }
        // Files that were open when this one was begun may be closed by now.
        self.prune_due = true;
        self.prune_patiently();
        if self.settled() {
            return Ok(());
        }
        told.and_then(|()| {
            let known = self.trouble.take();
            Err(known.unwrap_or_else(|| io::ErrorKind::TimedOut.into()))
        })
    }
}
