//! The parts file: the assembler's notes, where they outlive the drainer.
//!
//! It lies beside the segment, exists only while some record is incomplete from one batch to the next (a
//! message of more than about 2 KB whose producer is still writing), and is emptied as soon as none is. How
//! much of it counts stands in the checkpoint.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

/// The notes of incomplete records.
pub(super) struct Parts {
    path: PathBuf,
    file: Option<File>,
    /// Bytes that count.
    bytes: u64,
    /// Where new notes are gathered.
    fresh: Vec<u8>,
}

impl Parts {
    pub(super) fn new(path: PathBuf) -> Parts {
        Parts {
            path,
            file: None,
            bytes: 0,
            fresh: Vec::new(),
        }
    }

    /// The first `bytes` bytes of what a predecessor left; what cannot be read is not there.
    pub(super) fn resume(path: PathBuf, bytes: u64) -> (Parts, Vec<u8>) {
        let mut parts = Parts::new(path);
        let mut notes = Vec::new();
        if bytes > 0
            && let Ok(file) = parts.open()
            && file.take(bytes).read_to_end(&mut notes).is_ok()
        {
            parts.bytes = notes.len() as u64;
        }
        (parts, notes)
    }

    /// Keeps what the assembler noted, and returns how many bytes of the file count now. Without room for
    /// them the notes are left out: the drainer has them still, only a successor would not.
    pub(super) fn keep(&mut self, take_notes: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> u64 {
        let mut fresh = std::mem::take(&mut self.fresh);
        if take_notes(&mut fresh).is_none() {
            self.bytes = 0;
        } else if !fresh.is_empty() {
            let at = self.bytes;
            let kept = self.open().and_then(|file| file.write_all_at(&fresh, at));
            self.bytes += if kept.is_ok() { fresh.len() as u64 } else { 0 };
        }
        self.fresh = fresh;
        self.bytes
    }

    fn open(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            let file = options
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&self.path)?;
            self.file = Some(file);
        }
        self.file
            .as_ref()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Takes the file away.
    pub(super) fn remove(&mut self) {
        self.file = None;
        let _ = fs::remove_file(&self.path);
    }
}
