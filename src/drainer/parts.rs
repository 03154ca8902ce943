//! The parts files: the assembler's notes, where they outlive the drainer.
//!
//! They lie beside the segment, and hold something only while some record is incomplete from one batch to the
//! next (a message of more than about 2 KB whose producer is still writing). Notes are appended; when most
//! of them speak of records that are complete by now, what the assembler holds is written into the other
//! file anew. Which file counts, and how much of it, stands in the checkpoint, so the one that the last
//! checkpoint speaks of is never touched before the next one is made.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use super::assemble::Assembler;
use crate::segment::process::check_file_size;

/// Bytes of needless notes that are not worth writing anew.
const SLACK: u64 = 1 << 20;

/// Bytes of notes that are read at most: more than an assembler holds makes.
const MOST: u64 = 2 << 30;

/// The notes of incomplete records.
pub(super) struct Parts {
    paths: [PathBuf; 2],
    files: [Option<File>; 2],
    /// The file that counts, and how many bytes of it.
    current: usize,
    bytes: u64,
    /// Notes are missing from the file: only a whole new one will do.
    incomplete: bool,
    /// Where new notes are gathered.
    fresh: Vec<u8>,
}

impl Parts {
    /// Goes on at `mark`, which a predecessor's [`keep`](Parts::keep) returned, or 0. `assembler` follows the notes; what
    /// cannot be read is not there.
    pub(super) fn resume(paths: [PathBuf; 2], mark: u64, assembler: &mut Assembler) -> Parts {
        let mut parts = Parts {
            paths,
            files: [None, None],
            current: (mark & 1) as usize,
            bytes: 0,
            incomplete: false,
            fresh: Vec::new(),
        };
        let bytes = (mark >> 1).min(MOST);
        if bytes > 0
            && let Ok(file) = parts.open()
        {
            assembler.follow(BufReader::new(file.take(bytes)));
            parts.bytes = file.metadata().map_or(0, |file| file.len().min(bytes));
        }
        parts
    }

    /// Keeps what the assembler noted, and returns the mark for the checkpoint. Without room for the notes
    /// they are left out: the drainer has what they speak of still, only a successor would not.
    pub(super) fn keep(&mut self, assembler: &mut Assembler) -> u64 {
        self.fresh.clear();
        assembler.take_notes(&mut self.fresh);
        if assembler.held() == 0 {
            (self.bytes, self.incomplete) = (0, false);
        } else if self.incomplete
            || self.bytes + self.fresh.len() as u64 > 2 * assembler.held() as u64 + SLACK
        {
            (self.current, self.bytes) = (1 - self.current, 0);
            self.write_anew(assembler);
        } else if !self.fresh.is_empty() {
            self.append();
        }
        self.bytes << 1 | self.current as u64
    }

    /// All notes, piece by piece: together they may be many megabytes.
    fn write_anew(&mut self, assembler: &Assembler) {
        let mut at = 0;
        let kept = self.open().and_then(|file| {
            assembler.note_all(|piece| {
                file.write_all_at(piece, at)?;
                at += piece.len() as u64;
                Ok(())
            })
        });
        self.incomplete = kept.is_err();
        self.bytes = if kept.is_ok() { at } else { 0 };
    }

    fn append(&mut self) {
        let (fresh, at) = (std::mem::take(&mut self.fresh), self.bytes);
        // A recovery writes them in a process that is not ours alone.
        let kept = check_file_size(at + fresh.len() as u64)
            .and_then(|()| self.open()?.write_all_at(&fresh, at));
        self.incomplete = kept.is_err();
        self.bytes = if kept.is_ok() {
            at + fresh.len() as u64
        } else {
            0
        };
        self.fresh = fresh;
    }

    fn open(&mut self) -> io::Result<&File> {
        let (file, path) = (&mut self.files[self.current], &self.paths[self.current]);
        if file.is_none() {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            options.mode(0o600);
            options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
            let opened = options.open(path)?;
            // Whatever else somebody may have put there in advance would be waited for.
            if !opened.metadata()?.is_file() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            *file = Some(opened);
        }
        file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Takes the files away.
    pub(super) fn remove(&mut self) {
        self.files = [None, None];
        for path in &self.paths {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::assemble::Joined;
    use super::*;
    use crate::record::codec::{CONTINUES, MORE, Tag};

    fn tag(producer: u16, flags: u8) -> Tag {
        Tag {
            site: 0,
            level: 2,
            flags,
            producer,
        }
    }

    #[test]
    fn a_successor_finds_what_is_incomplete_however_much_was_completed_before() {
        let folder = std::env::temp_dir().join(format!("shmlog-parts-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let paths = [folder.join("0"), folder.join("1")];
        let mut assembler = Assembler::default();
        let mut parts = Parts::resume(paths.clone(), 0, &mut assembler);
        let text = vec![b'x'; 100_000];
        assembler.join(0, tag(7, MORE), b"begin ");
        let mut mark = 0;
        for record in 0..50_u64 {
            let first = 1 + 2 * record;
            assembler.join(first, tag(1, MORE), &text);
            mark = parts.keep(&mut assembler);
            let rest = [&first.to_ne_bytes()[..], &text].concat();
            let done = assembler.join(first + 1, tag(1, CONTINUES), &rest);
            assert!(matches!(done, Joined::Whole(_)));
        }
        let held: u64 = paths
            .iter()
            .map(|path| fs::metadata(path).map_or(0, |file| file.len()))
            .sum();
        assert!(
            held < 3 * SLACK,
            "{held} bytes are kept of records that are complete"
        );

        let mut successor = Assembler::default();
        let mut parts = Parts::resume(paths.clone(), mark, &mut successor);
        let end = [&0_u64.to_ne_bytes()[..], b"end"].concat();
        let Joined::Whole(whole) = successor.join(200, tag(7, CONTINUES), &end) else {
            panic!("the record that was incomplete is not known")
        };
        assert_eq!(whole.bytes, b"begin end");
        parts.remove();
        fs::remove_dir(&folder).unwrap();
    }
}
