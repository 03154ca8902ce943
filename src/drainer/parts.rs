//! The parts files: the assembler's notes, where they outlive the drainer.
//!
//! They lie beside the segment, and hold something only while some record is incomplete from one batch to the
//! next (a message of more than about 2 KB whose producer is still writing). Notes are appended; when most
//! of them speak of records that are complete by now, what the assembler holds is written into the other
//! file anew. Which file counts, and how much of it, stands in the checkpoint, so the one that the last
//! checkpoint speaks of is never touched before the next one is made.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use super::assemble::Assembler;
use crate::segment::private;
use crate::segment::process::check_file_size;

/// Bytes of needless notes that are not worth writing anew.
const SLACK: u64 = 1 << 20;

/// Bytes of notes that are read at most: more than an assembler holds makes.
const MOST: u64 = 2 << 30;

/// What the files are called beside the ring.
const NAMES: [&str; 2] = ["parts0", "parts1"];

/// The notes of incomplete records.
pub(super) struct Parts {
    ring: String,
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
    pub(super) fn resume(ring: &str, mark: u64, assembler: &mut Assembler) -> Parts {
        let mut parts = Parts {
            ring: ring.to_owned(),
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

    /// The present file: a predecessor's, or else a new one.
    fn open(&mut self) -> io::Result<&File> {
        let (file, what) = (&mut self.files[self.current], NAMES[self.current]);
        if file.is_none() {
            let found = private::find(&self.ring, what)?;
            let made = found.map_or_else(|| private::make(&self.ring, what), Ok);
            *file = Some(made?.0);
        }
        file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Takes the files away.
    pub(super) fn remove(&mut self) {
        self.files = [None, None];
        for what in NAMES {
            private::remove(&self.ring, what);
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
        let ring = &*format!("shmlog-parts-{}", std::process::id());
        let mut assembler = Assembler::default();
        let mut parts = Parts::resume(ring, 0, &mut assembler);
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
        let len = |what| {
            let found = private::find(ring, what).unwrap();
            found.map_or(0, |(file, _)| file.metadata().unwrap().len())
        };
        let held: u64 = NAMES.map(len).iter().sum();
        assert!(
            held < 3 * SLACK,
            "{held} bytes are kept of records that are complete"
        );

        let mut successor = Assembler::default();
        let mut parts = Parts::resume(ring, mark, &mut successor);
        let end = [&0_u64.to_ne_bytes()[..], b"end"].concat();
        let Joined::Whole(whole) = successor.join(200, tag(7, CONTINUES), &end) else {
            panic!("the record that was incomplete is not known")
        };
        assert_eq!(whole.bytes, b"begin end");
        parts.remove();
        assert!(
            NAMES
                .iter()
                .all(|what| private::find(ring, what).unwrap().is_none())
        );
    }
}
