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

use std::collections::HashMap;

use crate::record::codec::{CONTINUES, CUT, MORE, Tag, split_origin};

/// The longest record that is put together, in bytes. Beyond it the rest is left out, and the record says so.
const MAX_RECORD: usize = 256 << 20;

/// Bytes of all incomplete records together. Beyond it the rest of each is left out.
const MAX_HELD: usize = 2 * MAX_RECORD;
/// Incomplete records of one producer: its own, and those of signal handlers that interrupt one another.
const MAX_OPEN: usize = 16;

/// A record of which more runs are to come.
struct Part {
    tag: Tag,
    /// Sequence of the run that came last.
    latest: u64,
    bytes: Vec<u8>,
    overlong: bool,
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
    /// It goes on with a record that nobody began.
    Stray,
}

/// The records of which more runs are to come, by the sequence of their first run.
#[derive(Default)]
pub(crate) struct Assembler {
    parts: HashMap<u64, Part>,
    /// What happened since the notes were taken last.
    notes: Vec<u8>,
    /// Bytes of incomplete records.
    held: usize,
    /// Records that were given up for newer ones of their producer.
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
                let part = Part {
                    tag,
                    latest: sequence,
                    bytes: bytes.to_vec(),
                    overlong: false,
                };
                self.evict(tag.producer);
                self.held += part.bytes.len();
                if let Some(old) = self.parts.insert(sequence, part) {
                    self.held -= old.bytes.len();
                }
                note(&mut self.notes, sequence, tag, bytes);
                Joined::Part
            }
            (true, more) => self.go_on(sequence, tag, bytes, more),
        }
    }

    fn go_on(&mut self, sequence: u64, tag: Tag, bytes: &[u8], more: bool) -> Joined {
        let Some((origin, text)) = split_origin(bytes) else {
            return Joined::Stray;
        };
        let known = self.parts.get(&origin);
        if known.is_none_or(|part| part.tag.producer != tag.producer) {
            return Joined::Stray;
        }
        note(&mut self.notes, sequence, tag, bytes);
        let Some(part) = self.parts.get_mut(&origin) else {
            return Joined::Stray;
        };
        let room = MAX_RECORD.saturating_sub(part.bytes.len());
        let room = room.min(MAX_HELD.saturating_sub(self.held));
        part.overlong |= text.len() > room;
        self.held += text.len().min(room);
        part.latest = sequence;
        part.bytes.extend_from_slice(&text[..text.len().min(room)]);
        if more {
            return Joined::Part;
        }
        match self.parts.remove(&origin) {
            Some(part) => {
                self.held -= part.bytes.len();
                let cut = part.overlong || tag.has(CUT);
                Joined::Whole(Whole {
                    sequence,
                    tag: part.tag,
                    bytes: part.bytes,
                    cut,
                })
            }
            None => Joined::Stray,
        }
    }

    /// The notes since the last call, in place of what `notes` held.
    pub(crate) fn take_notes(&mut self, notes: &mut Vec<u8>) {
        notes.clear();
        std::mem::swap(notes, &mut self.notes);
    }

    /// Notes that say all that is held now, appended to `notes`.
    pub(crate) fn note_all(&self, notes: &mut Vec<u8>) {
        for (&origin, part) in &self.parts {
            note(notes, origin, part.tag, &part.bytes);
            if part.latest != origin {
                let flags = part.tag.flags | CONTINUES;
                note(
                    notes,
                    part.latest,
                    Tag { flags, ..part.tag },
                    &origin.to_ne_bytes(),
                );
            }
        }
    }

    /// Bytes of incomplete records; 0 only when there is none.
    pub(crate) fn held(&self) -> usize {
        self.held + self.parts.len()
    }

    /// Gives up the oldest incomplete record of a producer that has more than it can.
    fn evict(&mut self, producer: u16) {
        if self.parts.len() < MAX_OPEN {
            return;
        }
        let open = || {
            self.parts
                .iter()
                .filter(|(_, part)| part.tag.producer == producer)
        };
        if open().count() < MAX_OPEN {
            return;
        }
        if let Some(oldest) = open().map(|(&origin, _)| origin).min() {
            let whole = self.remove(oldest);
            self.evicted.extend(whole);
        }
    }

    /// Incomplete records that were given up since the last call.
    pub(crate) fn take_evicted(&mut self) -> Vec<Whole> {
        std::mem::take(&mut self.evicted)
    }

    fn remove(&mut self, origin: u64) -> Option<Whole> {
        let part = self.parts.remove(&origin)?;
        self.held -= part.bytes.len();
        Some(Whole {
            sequence: part.latest,
            tag: part.tag,
            bytes: part.bytes,
            cut: true,
        })
    }

    /// Does again what the notes of a predecessor say, as far as they make sense.
    pub(crate) fn follow(&mut self, mut notes: &[u8]) {
        while let Some((head, rest)) = notes.split_first_chunk::<24>() {
            let (numbers, _) = head.as_chunks::<8>();
            let [sequence, tag, bytes] = [0, 1, 2].map(|i| u64::from_ne_bytes(numbers[i]));
            let tag = Tag::unpack(tag);
            if bytes == ABANDONED {
                self.abandon(tag.producer);
                notes = rest;
                continue;
            }
            let Some((payload, rest)) = usize::try_from(bytes)
                .ok()
                .and_then(|at| rest.split_at_checked(at))
            else {
                break;
            };
            self.join(sequence, tag, payload);
            notes = rest;
        }
        self.notes.clear();
        self.evicted.clear();
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
        let mut origins: Vec<u64> = self.parts.keys().copied().collect();
        origins.retain(|origin| self.parts[origin].tag.producer == producer);
        origins.sort_unstable();
        let wholes = origins.into_iter();
        wholes.filter_map(|origin| self.remove(origin)).collect()
    }
}

fn note(notes: &mut Vec<u8>, sequence: u64, tag: Tag, bytes: &[u8]) {
    for number in [sequence, tag.pack(), bytes.len() as u64] {
        notes.extend_from_slice(&number.to_ne_bytes());
    }
    notes.extend_from_slice(bytes);
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
        successor.follow(&notes);
        assembler.note_all(&mut all);
        assert_eq!(successor.held(), assembler.held());
        successor.follow(bytes);
        for producer in 0..8 {
            assembler.abandon(producer);
        }
        assert_eq!(assembler.held(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(producer: u16, flags: u8) -> Tag {
        Tag {
            site: 1,
            level: 2,
            flags,
            producer,
        }
    }

    fn continued(origin: u64, text: &str) -> Vec<u8> {
        [&origin.to_ne_bytes(), text.as_bytes()].concat()
    }

    #[test]
    fn runs_of_two_producers_that_alternate_become_two_records() {
        let mut assembler = Assembler::default();
        assert!(matches!(
            assembler.join(1, tag(0, MORE), b"a"),
            Joined::Part
        ));
        assert!(matches!(
            assembler.join(2, tag(1, MORE), b"x"),
            Joined::Part
        ));
        let more = tag(0, CONTINUES | MORE);
        assert!(matches!(
            assembler.join(3, more, &continued(1, "b")),
            Joined::Part
        ));
        let Joined::Whole(second) = assembler.join(4, tag(1, CONTINUES), &continued(2, "y")) else {
            panic!()
        };
        let Joined::Whole(first) = assembler.join(5, tag(0, CONTINUES), &continued(1, "c")) else {
            panic!()
        };
        assert_eq!((first.bytes, first.cut), (b"abc".to_vec(), false));
        assert_eq!((second.bytes, second.cut), (b"xy".to_vec(), false));
    }

    #[test]
    fn a_record_whose_producer_died_is_given_out_cut() {
        let mut assembler = Assembler::default();
        assembler.join(1, tag(7, MORE), b"ha");
        assembler.join(2, tag(8, MORE), b"other");
        assembler.join(3, tag(7, CONTINUES | MORE), &continued(1, "lf"));
        let abandoned = assembler.abandon(7);
        assert_eq!(abandoned.len(), 1);
        assert_eq!(abandoned[0].sequence, 3, "no other record has that one");
        assert!(abandoned[0].cut && abandoned[0].bytes == b"half");
        assert!(assembler.abandon(7).is_empty());
    }

    #[test]
    fn a_successor_that_follows_the_notes_knows_what_its_predecessor_knew() {
        let (mut first, mut notes, mut kept) = (Assembler::default(), Vec::new(), Vec::new());
        first.join(1, tag(0, MORE), b"a");
        first.join(2, tag(1, MORE), b"x");
        first.take_notes(&mut notes);
        kept.extend_from_slice(&notes);
        first.join(3, tag(0, CONTINUES | MORE), &continued(1, "b"));
        first.abandon(1);
        first.take_notes(&mut notes);
        kept.extend_from_slice(&notes);
        let mut second = Assembler::default();
        second.follow(&kept);
        assert!(second.abandon(1).is_empty());
        let Joined::Whole(whole) = second.join(5, tag(0, CONTINUES), &continued(1, "c")) else {
            panic!()
        };
        assert_eq!(whole.bytes, b"abc");
        assert_eq!(second.held(), 0);
        second.follow(&[7; 100]);
    }

    #[test]
    fn a_run_that_goes_on_with_anothers_record_or_with_none_is_a_stray() {
        let mut assembler = Assembler::default();
        assembler.join(1, tag(7, MORE), b"half");
        assert!(matches!(
            assembler.join(2, tag(8, CONTINUES), &continued(1, "forged")),
            Joined::Stray
        ));
        assert!(matches!(
            assembler.join(3, tag(7, CONTINUES), &continued(9, "")),
            Joined::Stray
        ));
        assert!(matches!(
            assembler.join(4, tag(7, CONTINUES), b"short"),
            Joined::Stray
        ));
        assert_eq!(assembler.abandon(7)[0].bytes, b"half");
    }
}
