//! Puts the runs of long records together.
//!
//! The slots of a run are released long before a record of many runs is complete, and the record may be
//! larger than the ring; so what the assembler holds must outlive the drainer by other means. Each run that
//! it takes is noted, and the notes are kept in the parts file (`parts.rs`) for as long as any record is
//! incomplete. A successor takes the noted runs again.
//!
//! ```text
//!   note   sequence 8 │ tag 8 │ bytes 8 │ payload        of a run
//!          0 8        │ tag 8 │ ABANDONED               of a producer that is gone
//! ```
//!
//! A member may begin records and never end them. So a record, a producer's incomplete records and all of them together
//! have bounds. A record that exceeds the first keeps what came before. The other two are kept by giving out, cut off,
//! the record that has stood still for longest: an honest producer goes on with its record at once.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};

use crate::record::codec::{CONTINUES, CUT, MORE, Tag, split_origin};

/// The longest record that is put together, in bytes: a message of 16 MiB, and what it says beside. Beyond it the rest is
/// left out, and the record says so.
const MAX_RECORD: usize = (16 << 20) + (512 << 10);
/// Bytes of all incomplete records of one producer.
const MAX_OF_PRODUCER: usize = MAX_RECORD;
/// Bytes of all incomplete records together.
const MAX_HELD: usize = 2 * MAX_RECORD;
/// Incomplete records of one producer: its own, and those of signal handlers that interrupt one another.
const MAX_OPEN: usize = 16;
/// Bytes by which the buffer of a record grows at least, and by a quarter of what it holds.
const GROWTH: usize = 4 << 10;
/// What a note may hold: a run.
const MAX_NOTED: u64 = MAX_RECORD as u64;

/// A record of which more runs are to come.
struct Part {
    tag: Tag,
    /// Sequence of the run that came last.
    latest: u64,
    bytes: Vec<u8>,
    overlong: bool,
}

impl Part {
    /// Appends bytes, without the memory for as many again that a vector takes by itself.
    fn append(&mut self, bytes: &[u8]) {
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            let more = bytes.len().max(GROWTH).max(self.bytes.len() / 4);
            self.bytes.reserve_exact(more);
        }
        self.bytes.extend_from_slice(bytes);
    }
}

/// A record that is complete, or as complete as it will get.
pub(crate) struct Whole {
    /// Of its last run: where it stands among the others.
    pub(crate) sequence: u64,
    pub(crate) tag: Tag,
    pub(crate) bytes: Vec<u8>,
    /// Its end is missing.
    pub(crate) cut: bool,
}

/// What a run did.
pub(crate) enum Joined {
    /// It is a whole record by itself; its bytes are those that were given.
    Alone,
    /// It completed a record.
    Whole(Whole),
    /// More runs are to come.
    Part,
    /// It goes on with a record that was not begun.
    Stray,
}

/// What a producer has begun.
#[derive(Default)]
struct Open {
    /// The sequences of first runs.
    origins: Vec<u64>,
    bytes: usize,
}

/// The records of which more runs are to come, by the sequence of their first run.
#[derive(Default)]
pub(crate) struct Assembler {
    parts: HashMap<u64, Part>,
    /// All of them, the one that has stood still for longest first: the sequences of the last and of the first run.
    by_latest: BTreeSet<(u64, u64)>,
    /// What each producer has among them, if anything.
    open: HashMap<u16, Open>,
    /// What happened since the notes were taken last.
    notes: Vec<u8>,
    /// Bytes of incomplete records.
    held: usize,
    /// Records that were given up for others.
    evicted: Vec<Whole>,
}

/// In place of a number of bytes: the producer's unfinished records have been given out.
const ABANDONED: u64 = u64::MAX;

impl Assembler {
    /// Takes one run.
    pub(crate) fn join(&mut self, sequence: u64, tag: Tag, bytes: &[u8]) -> Joined {
        match (tag.has(CONTINUES), tag.has(MORE)) {
            (false, false) => Joined::Alone,
            (false, true) => {
                // A sequence comes once. Where it does not, because a member wrote so, the later counts.
                self.remove(sequence);
                self.make_room(tag.producer, bytes.len(), true);
                self.begin(sequence, tag, bytes);
                Joined::Part
            }
            (true, more) => self.go_on(sequence, tag, bytes, more),
        }
    }

    fn begin(&mut self, sequence: u64, tag: Tag, bytes: &[u8]) {
        let mut part = Part {
            tag,
            latest: sequence,
            bytes: Vec::new(),
            overlong: tag.has(CUT),
        };
        part.append(bytes);
        self.parts.insert(sequence, part);
        self.by_latest.insert((sequence, sequence));
        let open = self.open.entry(tag.producer).or_default();
        open.origins.push(sequence);
        open.bytes += bytes.len();
        self.held += bytes.len();
        note(&mut self.notes, sequence, tag, bytes);
    }

    fn go_on(&mut self, sequence: u64, tag: Tag, bytes: &[u8], more: bool) -> Joined {
        let Some((origin, text)) = split_origin(bytes) else {
            return Joined::Stray;
        };
        let known = self.parts.get(&origin);
        let Some(part) = known.filter(|part| part.tag.producer == tag.producer) else {
            return Joined::Stray;
        };
        let taken = text.len().min(MAX_RECORD.saturating_sub(part.bytes.len()));
        let overlong = taken < text.len();
        // It has just moved: others go before it.
        self.touch(origin, sequence);
        self.make_room(tag.producer, taken, false);
        let Some(part) = self.parts.get_mut(&origin) else {
            return Joined::Stray;
        };
        part.overlong |= overlong || (more && tag.has(CUT));
        part.append(&text[..taken]);
        self.held += taken;
        self.open.entry(tag.producer).or_default().bytes += taken;
        let noted = Tag {
            flags: tag.flags | if overlong { CUT } else { 0 },
            ..tag
        };
        note(
            &mut self.notes,
            sequence,
            noted,
            &bytes[..bytes.len() - text.len() + taken],
        );
        if more {
            return Joined::Part;
        }
        match self.remove(origin) {
            Some(part) => Joined::Whole(Whole {
                sequence,
                tag: part.tag,
                cut: part.overlong || tag.has(CUT),
                bytes: part.bytes,
            }),
            None => Joined::Stray,
        }
    }

    /// Notes that a record has moved.
    fn touch(&mut self, origin: u64, sequence: u64) {
        if let Some(part) = self.parts.get_mut(&origin) {
            self.by_latest.remove(&(part.latest, origin));
            part.latest = sequence;
            self.by_latest.insert((sequence, origin));
        }
    }

    /// Gives up what has stood still for longest, until there is room for so many bytes more of a producer, in one record
    /// more if it `begins` one.
    fn make_room(&mut self, producer: u16, bytes: usize, begins: bool) {
        let fits = |open: &Open| {
            open.bytes + bytes <= MAX_OF_PRODUCER
                && open.origins.len() + usize::from(begins) <= MAX_OPEN
        };
        while let Some(open) = self.open.get(&producer).filter(|open| !fits(open)) {
            let latest = |origin: &&u64| self.parts.get(origin).map(|part| part.latest);
            match open.origins.iter().min_by_key(latest) {
                Some(&origin) => self.evict(origin),
                None => break,
            }
        }
        while self.held + bytes > MAX_HELD {
            match self.by_latest.first() {
                Some(&(_, origin)) => self.evict(origin),
                None => break,
            }
        }
    }

    /// Gives a record up.
    fn evict(&mut self, origin: u64) {
        let whole = self.remove(origin).map(Part::cut_off);
        self.evicted.extend(whole);
    }

    /// Takes a record out.
    fn remove(&mut self, origin: u64) -> Option<Part> {
        let part = self.parts.remove(&origin)?;
        self.by_latest.remove(&(part.latest, origin));
        self.held -= part.bytes.len();
        let producer = part.tag.producer;
        if let Some(open) = self.open.get_mut(&producer) {
            open.origins.retain(|other| *other != origin);
            open.bytes -= part.bytes.len();
            if open.origins.is_empty() {
                self.open.remove(&producer);
            }
        }
        Some(part)
    }

    /// The notes since the last call, in place of what `notes` held.
    pub(crate) fn take_notes(&mut self, notes: &mut Vec<u8>) {
        notes.clear();
        std::mem::swap(notes, &mut self.notes);
    }

    /// Gives `keep`, piece by piece, notes that say all that is held now.
    pub(crate) fn note_all(&self, mut keep: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut head = Vec::new();
        for (&origin, part) in &self.parts {
            head.clear();
            note_head(&mut head, origin, part.tag, part.bytes.len());
            keep(&head)?;
            keep(&part.bytes)?;
            let cut = if part.overlong { CUT } else { 0 };
            if part.latest != origin || cut != 0 {
                let flags = part.tag.flags | CONTINUES | cut;
                let tag = Tag { flags, ..part.tag };
                head.clear();
                note(&mut head, part.latest, tag, &origin.to_ne_bytes());
                keep(&head)?;
            }
        }
        Ok(())
    }

    /// Bytes of incomplete records; 0 only when there is none.
    pub(crate) fn held(&self) -> usize {
        self.held + self.parts.len()
    }

    /// Incomplete records that were given up since the last call.
    pub(crate) fn take_evicted(&mut self) -> Vec<Whole> {
        std::mem::take(&mut self.evicted)
    }

    /// Does again what the notes of a predecessor say, as far as they make sense.
    pub(crate) fn follow(&mut self, mut notes: impl Read) {
        let mut payload = Vec::new();
        while let Some([sequence, tag, bytes]) = read_head(&mut notes) {
            let tag = Tag::unpack(tag);
            if bytes == ABANDONED {
                self.abandon(tag.producer);
            } else {
                payload.clear();
                let mut run = notes.by_ref().take(bytes.min(MAX_NOTED));
                let read = run.read_to_end(&mut payload);
                if !read.is_ok_and(|read| read as u64 == bytes) {
                    break;
                }
                self.join(sequence, tag, &payload);
            }
            self.notes.clear();
            self.evicted.clear();
        }
        self.notes = Vec::new();
    }

    /// The unfinished records of a producer that will write nothing more, oldest first.
    pub(crate) fn abandon(&mut self, producer: u16) -> Vec<Whole> {
        let tag = Tag {
            site: 0,
            level: 0,
            flags: 0,
            producer,
        };
        for number in [0, tag.pack(), ABANDONED] {
            self.notes.extend_from_slice(&number.to_ne_bytes());
        }
        let open = self.open.get(&producer);
        let mut origins = open.map_or_else(Vec::new, |open| open.origins.clone());
        origins.sort_unstable();
        let wholes = origins.into_iter();
        wholes
            .filter_map(|origin| Some(self.remove(origin)?.cut_off()))
            .collect()
    }
}

impl Part {
    /// As it is, of which no more will come.
    fn cut_off(self) -> Whole {
        Whole {
            sequence: self.latest,
            tag: self.tag,
            bytes: self.bytes,
            cut: true,
        }
    }
}

fn read_head(notes: &mut impl Read) -> Option<[u64; 3]> {
    let mut head = [[0; 8]; 3];
    notes.read_exact(head.as_flattened_mut()).ok()?;
    Some(head.map(u64::from_ne_bytes))
}

fn note(notes: &mut Vec<u8>, sequence: u64, tag: Tag, bytes: &[u8]) {
    note_head(notes, sequence, tag, bytes.len());
    notes.extend_from_slice(bytes);
}

fn note_head(notes: &mut Vec<u8>, sequence: u64, tag: Tag, bytes: usize) {
    for number in [sequence, tag.pack(), bytes as u64] {
        notes.extend_from_slice(&number.to_ne_bytes());
    }
}

/// For the fuzz target: any runs in any order, within bounds.
#[cfg(fuzzing)]
pub(crate) mod fuzz {
    use super::*;

    pub(crate) fn assemble(bytes: &[u8]) {
        let mut assembler = Assembler::default();
        let mut runs = 0;
        for (sequence, run) in bytes.chunks(24).enumerate() {
            let tag = Tag {
                site: 0,
                level: 0,
                flags: run[0] & 31,
                producer: u16::from(run[0] >> 5),
            };
            assembler.join(sequence as u64, tag, &run[1..]);
            assembler.take_evicted();
            runs += run.len();
            assert!(assembler.held() <= runs);
            assert!(assembler.parts.len() <= MAX_OPEN * 8);
        }
        let (mut notes, mut all) = (Vec::new(), Vec::new());
        assembler.take_notes(&mut notes);
        let mut successor = Assembler::default();
        successor.follow(&notes[..]);
        let kept = assembler.note_all(|piece| {
            all.extend_from_slice(piece);
            Ok(())
        });
        assert!(kept.is_ok());
        assert_eq!(successor.held(), assembler.held());
        successor.follow(bytes);
        for producer in 0..8 {
            assembler.abandon(producer);
        }
        assert_eq!(assembler.held(), 0);
    }
}

#[cfg(test)]
mod tests;
