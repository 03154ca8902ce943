//! The words of a checkpoint that say where the drainer was, and each sink that has files: what these should hold and
//! do not.

use crate::segment::{CHECKPOINT_PLACE_WORDS, CHECKPOINT_PLACES_AT, FILE_SINKS};
use crate::sink::{FileMarks, FilePlace, Owed};
use crate::sync::{AtomicU64, Ordering};
use crate::words::{load_bytes, store_bytes};

const CURSOR: usize = 0;
const LATE: usize = 1;
const PLACES: usize = 2;
const PARTS: usize = 3;

// Of one sink's place.
const BYTES: usize = 0;
const EXTRA: usize = 1;
const WAITING: usize = 2;
const UNTOLD: usize = 3;
const WHOSE: std::ops::Range<usize> = 4..8;
const NAME_LEN: usize = 8;
const NAME: std::ops::Range<usize> = 9..41;
const WITNESS: usize = 41;
const THROUGH: usize = 42;
const TORN: usize = 43;

/// Where a drainer was when it made a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::drainer) struct Place {
    /// All below is delivered.
    pub(in crate::drainer) cursor: u64,
    /// A late run that is delivered as well, and not yet released.
    pub(in crate::drainer) late: Option<u64>,
    /// What counts of the parts files.
    pub(in crate::drainer) parts: u64,
    /// Where each sink with files was, in the order of the sinks; [`FILE_SINKS`] at most.
    pub(in crate::drainer) files: Vec<FilePlace>,
}

impl Place {
    /// What a checkpoint says.
    pub(super) fn load(words: &[AtomicU64]) -> Place {
        let word = |at: usize| words[at].load(Ordering::Relaxed);
        Place {
            cursor: word(CURSOR),
            late: word(LATE).checked_sub(1),
            parts: word(PARTS),
            files: places(words).map(load_file).collect(),
        }
    }

    /// Writes it into a checkpoint.
    pub(super) fn store(&self, words: &[AtomicU64]) {
        let store = |at: usize, value: u64| words[at].store(value, Ordering::Relaxed);
        store(CURSOR, self.cursor);
        store(LATE, self.late.map_or(0, |late| late.wrapping_add(1)));
        store(PARTS, self.parts);
        store(PLACES, self.files.len() as u64);
        for (words, file) in places(words).zip(&self.files) {
            store_file(words, file);
        }
    }

    /// The words of the first of the sinks' places.
    pub(in crate::drainer) fn first(&self) -> Option<&FilePlace> {
        self.files.first()
    }
}

/// The words of a checkpoint that the places take, from its beginning on.
pub(super) fn words_used(words: &[AtomicU64]) -> usize {
    let places = words[PLACES].load(Ordering::Relaxed);
    let places = usize::try_from(places).unwrap_or(usize::MAX);
    CHECKPOINT_PLACES_AT + places.min(FILE_SINKS) * CHECKPOINT_PLACE_WORDS
}

/// The words of each place.
fn places(words: &[AtomicU64]) -> impl Iterator<Item = &[AtomicU64]> {
    let used = words_used(words);
    words[CHECKPOINT_PLACES_AT..used].chunks_exact(CHECKPOINT_PLACE_WORDS)
}

fn load_file(words: &[AtomicU64]) -> FilePlace {
    let word = |at: usize| words[at].load(Ordering::Relaxed);
    let mut name = Vec::new();
    let len = usize::try_from(word(NAME_LEN)).unwrap_or(usize::MAX);
    load_bytes(&words[NAME], len, &mut name);
    FilePlace {
        name: String::from_utf8_lossy(&name).into_owned(),
        bytes: word(BYTES),
        owed: load_owed(words),
        extra: word(EXTRA),
        marks: FileMarks {
            witness: word(WITNESS),
            through: word(THROUGH),
            torn: (word(TORN) as u32, (word(TORN) >> 32) as u32),
        },
    }
}

fn store_file(words: &[AtomicU64], file: &FilePlace) {
    let store = |at: usize, value: u64| words[at].store(value, Ordering::Relaxed);
    store(BYTES, file.bytes);
    store(EXTRA, file.extra);
    let (there, in_all) = file.marks.torn;
    store(WITNESS, file.marks.witness);
    store(THROUGH, file.marks.through);
    store(TORN, u64::from(in_all) << 32 | u64::from(there));
    let len = store_bytes(&words[NAME], file.name.as_bytes());
    store(NAME_LEN, len as u64);
    store_owed(words, &file.owed);
}

fn load_owed(words: &[AtomicU64]) -> Owed {
    let word = |at: usize| words[at].load(Ordering::Relaxed);
    let whose = WHOSE.map(|at| (word(at) as u32, word(at) >> 32));
    Owed {
        waiting: word(WAITING),
        untold: word(UNTOLD),
        whose: whose.filter(|(_, count)| *count > 0).collect(),
    }
}

/// Of more processes than there are words for, the rest is `others` to a successor.
fn store_owed(words: &[AtomicU64], owed: &Owed) {
    let store = |at: usize, value: u64| words[at].store(value, Ordering::Relaxed);
    store(WAITING, owed.waiting);
    store(UNTOLD, owed.untold);
    let whose = owed.whose.iter().map(Some).chain(std::iter::repeat(None));
    for (at, whose) in WHOSE.zip(whose) {
        let (pid, count) = whose.copied().unwrap_or((0, 0));
        store(at, count.min(u32::MAX.into()) << 32 | u64::from(pid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::CHECKPOINT_ACCOUNTS_AT;
    use proptest::prelude::*;

    fn file() -> impl Strategy<Value = FilePlace> {
        let whose = prop::collection::vec((any::<u32>(), 1..u64::from(u32::MAX)), 0..4);
        let file = ("[a-z]{0,32}", any::<[u64; 6]>(), any::<(u32, u32)>(), whose);
        file.prop_map(|(name, numbers, torn, whose)| {
            let [bytes, waiting, untold, extra, witness, through] = numbers;
            let owed = Owed {
                waiting,
                untold,
                whose,
            };
            FilePlace {
                name: name.repeat(8),
                bytes,
                owed,
                extra,
                marks: FileMarks {
                    witness,
                    through,
                    torn,
                },
            }
        })
    }

    proptest! {
        #[test]
        fn a_place_comes_back_as_it_was_whatever_stood_there(
            cursor: u64, late in prop::option::of(0..u64::MAX), parts: u64, files in prop::collection::vec(file(), 0..=FILE_SINKS),
            before: u64,
        ) {
            let words: Vec<AtomicU64> = (0..CHECKPOINT_ACCOUNTS_AT).map(|_| AtomicU64::new(before)).collect();
            let place = Place { cursor, late, parts, files };
            place.store(&words);
            prop_assert_eq!(Place::load(&words), place);
        }
    }
}
