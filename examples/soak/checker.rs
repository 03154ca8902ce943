//! Reads the log files while they are written: whatever is closed for good is read, kept for a while, and deleted,
//! so that neither memory nor disk fills up however long a soak lasts.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::figures::Figures;
use crate::reader::Reader;

/// Newer files there must be before one is taken for closed: a drainer that dies takes back those it began in
/// the batch it had in hand.
const NEWER: usize = 3;
/// Bytes of files that were read and are kept, for whoever is to explain a difference.
const KEPT: u64 = 256 << 20;

/// What the checker's thread and the round share.
#[derive(Default)]
pub struct Shared {
    /// All files are closed: read the rest and end.
    pub finish: AtomicBool,
    /// Bytes that are not read yet.
    pub behind: AtomicU64,
    pub figures: Mutex<Figures>,
    /// There is a difference.
    pub failed: AtomicBool,
}

struct Checker<'a> {
    folder: &'a Path,
    shared: &'a Shared,
    reader: Reader,
    /// The name of the last file that was read.
    last: Option<PathBuf>,
    /// Files that were read and not yet deleted, and their lengths then.
    kept: VecDeque<(PathBuf, u64)>,
}

/// Reads the files of a folder until it is told that there will be no more.
pub fn check(folder: &Path, seed: u64, shared: &Shared) -> io::Result<Reader> {
    let mut checker = Checker {
        folder,
        shared,
        reader: Reader::new(seed),
        last: None,
        kept: VecDeque::new(),
    };
    loop {
        let finish = shared.finish.load(Ordering::SeqCst);
        checker.turn(if finish { 0 } else { NEWER })?;
        if finish {
            checker.look_at_kept()?;
            return Ok(checker.reader);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl Checker<'_> {
    fn turn(&mut self, newer: usize) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.folder)? {
            files.push(entry?.path());
        }
        files.sort();
        files.truncate(files.len().saturating_sub(newer));
        files.retain(|path| self.last.as_ref().is_none_or(|last| path > last));
        let length = |path: &PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
        let mut behind: u64 = files.iter().map(length).sum();
        for path in files {
            self.shared.behind.store(behind, Ordering::SeqCst);
            let length = length(&path);
            self.reader.read(&path)?;
            self.kept.push_back((path.clone(), length));
            self.last = Some(path);
            behind = behind.saturating_sub(length);
            self.publish();
            self.delete_surplus()?;
        }
        self.shared.behind.store(behind, Ordering::SeqCst);
        Ok(())
    }

    fn publish(&self) {
        let failed = !self.reader.differences.is_empty();
        self.shared.failed.store(failed, Ordering::SeqCst);
        if let Ok(mut figures) = self.shared.figures.lock() {
            figures.clone_from(&self.reader.figures);
        }
    }

    /// Deletes the oldest of the files that were read, but none once there is a difference.
    fn delete_surplus(&mut self) -> io::Result<()> {
        let mut kept: u64 = self.kept.iter().map(|(_, length)| length).sum();
        while kept > KEPT && self.reader.differences.is_empty() {
            let Some((path, length)) = self.kept.pop_front() else {
                break;
            };
            kept -= length;
            if self.is_unchanged(&path, length)? {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// At the very end the files stay: whether they are needed the reckoning will tell.
    fn look_at_kept(&mut self) -> io::Result<()> {
        while let Some((path, length)) = self.kept.pop_front() {
            self.is_unchanged(&path, length)?;
        }
        Ok(())
    }

    fn is_unchanged(&mut self, path: &Path, length: u64) -> io::Result<bool> {
        let now = path.metadata()?.len();
        if now != length {
            let text =
                format!("{path:?} had {length} bytes when it was taken for closed, now {now}");
            self.reader.differ(text);
        }
        Ok(now == length)
    }
}
