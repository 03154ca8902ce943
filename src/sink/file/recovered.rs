//! The file of what a dead program left unread: `{program}_{YYYYmmdd_HHMMSS_micros}_recovered.log`.
//!
//! It is begun with the first record, never follows by size, and is pruned as log files are. Unlike a log file's sink,
//! this one stops at the first trouble: the records are still where they came from, and a later try goes on.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use super::folder::HeldFolder;
use super::latest;
use super::line::{Lines, insert_offset};
use super::name::Names;
use super::open::{LogFile, remove_unlocked};
use super::{OpenFileError, PAUSE};
use crate::record::Record;
use crate::segment::process::check_file_size;
use crate::sink::{Encoding, FilePlace, Sink};

/// Tries at a file that another process has locked for a moment.
const TRIES: u32 = 20;

/// Where such files may go.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    /// Where the dead program had its own files: used if it is there.
    pub(crate) home: Option<PathBuf>,
    /// Where to go otherwise, the first that can be used; made if missing.
    pub(crate) others: Vec<PathBuf>,
}

/// What became of the file, for the caller that gave the sink away.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The file, once there is one.
    pub(crate) path: Option<PathBuf>,
    /// Something was written to it.
    pub(crate) wrote: bool,
    /// Why no more can be written.
    pub(crate) trouble: Option<OpenFileError>,
}

/// Told the folder and the name of the file before that is made.
pub(crate) type AnnounceIn = dyn FnMut(&Path, &str);

/// The sink that writes such a file.
pub(crate) struct RecoveredFile {
    names: Names,
    folders: Folders,
    announce: Box<AnnounceIn>,
    log: Option<LogFile>,
    /// Lines that are not written yet.
    bytes: Vec<u8>,
    lines: Lines,
    /// A line has said what its time is ahead of UTC by.
    told_offset: bool,
    progress: Rc<RefCell<Progress>>,
}

impl RecoveredFile {
    /// Makes the dead program's files agree with its last checkpoint: in `home` the file of `place` is cut back
    /// to what the checkpoint knows, and those that were announced later are removed. What is cut off is still in the
    /// ring. If the file of `place` is that of an earlier recovery, which did not come to its end, goes on in it.
    ///
    /// # Errors
    /// When a file is there and cannot be cut back: its last records would come twice.
    pub(crate) fn resume(
        program: &str,
        folders: Folders,
        announce: Box<AnnounceIn>,
        place: Option<&FilePlace>,
        begun: &[String],
    ) -> Result<RecoveredFile, OpenFileError> {
        let names = Names::new(program, Encoding::Text.ending());
        let all = Encoding::ALL.map(|encoding| Names::new(program, encoding.ending()));
        let mut log = None;
        if let Some(home) = &folders.home {
            let is_ours = |name: &str| {
                all.iter().any(|names| names.include(name)) || names.is_recovered(name)
            };
            let known = place.map_or("", |place| &place.name);
            // Those behind it belong to a batch that did not make it.
            let at = begun.iter().position(|name| name == known);
            for name in begun[at.map_or(0, |at| at + 1)..]
                .iter()
                .filter(|name| is_ours(name))
            {
                let _ = remove_unlocked(&home.join(name));
            }
            if let Some(place) = place.filter(|place| is_ours(&place.name)) {
                let file = cut_back(home.join(&place.name), place)?;
                log = file.filter(|_| names.is_recovered(&place.name));
            }
            all.iter().for_each(|names| mend_latest(home, names));
        }
        let path = log.as_ref().map(|log| log.path.clone());
        Ok(RecoveredFile {
            names,
            folders,
            announce,
            log,
            bytes: Vec::new(),
            lines: Lines::default(),
            told_offset: false,
            progress: Rc::new(RefCell::new(Progress {
                path,
                ..Progress::default()
            })),
        })
    }

    /// What becomes of the file.
    pub(crate) fn progress(&self) -> Rc<RefCell<Progress>> {
        Rc::clone(&self.progress)
    }

    fn begin(&mut self) -> Result<LogFile, OpenFileError> {
        let home = self.folders.home.iter().filter(|home| home.is_dir());
        let mut folders: Vec<_> = home.chain(&self.folders.others).collect();
        folders.dedup();
        let mut refused = None;
        for folder in folders {
            let name = |micros| self.names.recovered_at(micros);
            let announce = &mut |name: &str| (self.announce)(folder, name);
            match LogFile::create_named(folder, &name, announce) {
                Ok(log) => return Ok(log),
                // The first is the one that was wanted.
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| OpenFileError::Folder {
            folder: self.folders.home.clone().unwrap_or_default(),
            source: io::ErrorKind::NotFound.into(),
        }))
    }

    fn write(&mut self) -> Result<(), OpenFileError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        if self.log.is_none() {
            self.log = Some(self.begin()?);
        }
        if let Some(log) = &mut self.log {
            let mut progress = self.progress.borrow_mut();
            progress.path = Some(log.path.clone());
            // The process is a program's, or the tool.
            let written = check_file_size(log.end + self.bytes.len() as u64)
                .and_then(|()| log.write_all(&self.bytes));
            if let Err(source) = written {
                let path = log.path.clone();
                if log.written == 0 {
                    // No checkpoint knows of it yet; a later try makes another.
                    let _ = fs::remove_file(&path);
                    progress.path = None;
                }
                return Err(OpenFileError::File { path, source });
            }
            progress.wrote = true;
            self.bytes.clear();
        }
        Ok(())
    }
}

/// Cuts a file back to `place`. `None` when it is not there, or another process has it locked.
fn cut_back(path: PathBuf, place: &FilePlace) -> Result<Option<LogFile>, OpenFileError> {
    for _ in 0..TRIES {
        match LogFile::reopen(&path, place, 0) {
            Ok(None) if path.exists() => thread::sleep(PAUSE),
            Ok(file) => return Ok(file),
            Err(source) => return Err(OpenFileError::File { path, source }),
        }
    }
    Ok(None)
}

/// The link to the dead program's latest file may lead to one that was removed. If it cannot be mended it stays.
fn mend_latest(home: &Path, names: &Names) {
    if let Ok(Some(folder)) = HeldFolder::try_hold(home) {
        let _ = latest::mend(&folder, names);
    }
}

impl Sink for RecoveredFile {
    fn name(&self) -> String {
        "recovered file".to_owned()
    }

    fn record(&mut self, record: &Record<'_>) {
        let start = self.bytes.len();
        self.lines.push(&mut self.bytes, record);
        if let Some(offset_s) = self.lines.offset_s().filter(|_| !self.told_offset) {
            insert_offset(&mut self.bytes, start, offset_s);
            self.told_offset = true;
        }
    }

    fn commit(&mut self) -> io::Result<()> {
        let stuck = self.progress.borrow().trouble.is_some();
        if !stuck && let Err(error) = self.write() {
            self.progress.borrow_mut().trouble = Some(error);
        }
        // The caller that gave the sink away asks for the trouble itself.
        Ok(())
    }

    fn place(&self) -> Option<FilePlace> {
        let log = self.log.as_ref()?;
        Some(FilePlace {
            name: log.path.file_name()?.to_string_lossy().into_owned(),
            bytes: log.end,
            ..FilePlace::default()
        })
    }

    fn backlog(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn settled(&self) -> bool {
        self.bytes.is_empty()
    }

    fn finish(&mut self, _patience: Duration) -> io::Result<()> {
        self.commit()
    }
}
