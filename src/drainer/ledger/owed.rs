//! The words of a checkpoint that say what the log file should hold, and does not.

use crate::sink::Owed;
use crate::sync::{AtomicU64, Ordering};

const WAITING: usize = 58;
const UNTOLD: usize = 59;
const WHOSE: std::ops::Range<usize> = 60..64;

pub(super) fn load(words: &[AtomicU64]) -> Owed {
    let word = |at: usize| words[at].load(Ordering::Relaxed);
    let whose = WHOSE.map(|at| (word(at) as u32, word(at) >> 32));
    Owed {
        waiting: word(WAITING),
        untold: word(UNTOLD),
        whose: whose.filter(|(_, count)| *count > 0).collect(),
    }
}

/// Of more processes than there are words for, the rest is `others` to a successor.
pub(super) fn store(words: &[AtomicU64], owed: &Owed) {
    let store = |at: usize, value: u64| words[at].store(value, Ordering::Relaxed);
    store(WAITING, owed.waiting);
    store(UNTOLD, owed.untold);
    let whose = owed.whose.iter().map(Some).chain(std::iter::repeat(None));
    for (at, whose) in WHOSE.zip(whose) {
        let (pid, count) = whose.copied().unwrap_or((0, 0));
        store(at, count.min(u32::MAX.into()) << 32 | u64::from(pid));
    }
}
