//! The words of a checkpoint that say where the drainer was, and what the log file should hold and does not.

use crate::sink::{FilePlace, Owed};
use crate::sync::{AtomicU64, Ordering};
use crate::words::{load_bytes, store_bytes};

const CURSOR: usize = 0;
const LATE: usize = 1;
const FILE_BYTES: usize = 2;
const PARTS: usize = 3;
const NAME_LEN: usize = 24;
const NAME: std::ops::Range<usize> = 25..57;
const WAITING: usize = 58;
const UNTOLD: usize = 59;
const WHOSE: std::ops::Range<usize> = 60..64;

/// Where a drainer was when it made a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::drainer) struct Place {
    /// All below is delivered.
    pub(in crate::drainer) cursor: u64,
    /// A late run that is delivered as well, and not yet released.
    pub(in crate::drainer) late: Option<u64>,
    /// What counts of the parts files.
    pub(in crate::drainer) parts: u64,
    /// The log file.
    pub(in crate::drainer) file: FilePlace,
}

impl Place {
    /// What a checkpoint says.
    pub(super) fn load(words: &[AtomicU64]) -> Place {
        let word = |at: usize| words[at].load(Ordering::Relaxed);
        let mut name = Vec::new();
        let len = usize::try_from(word(NAME_LEN)).unwrap_or(usize::MAX);
        load_bytes(&words[NAME], len, &mut name);
        Place {
            cursor: word(CURSOR),
            late: word(LATE).checked_sub(1),
            parts: word(PARTS),
            file: FilePlace {
                name: String::from_utf8_lossy(&name).into_owned(),
                bytes: word(FILE_BYTES),
                owed: load_owed(words),
            },
        }
    }

    /// Writes it into a checkpoint.
    pub(super) fn store(&self, words: &[AtomicU64]) {
        let store = |at: usize, value: u64| words[at].store(value, Ordering::Relaxed);
        store(CURSOR, self.cursor);
        store(LATE, self.late.map_or(0, |late| late.wrapping_add(1)));
        store(FILE_BYTES, self.file.bytes);
        store(PARTS, self.parts);
        store(
            NAME_LEN,
            store_bytes(&words[NAME], self.file.name.as_bytes()) as u64,
        );
        store_owed(words, &self.file.owed);
    }
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
