//! Dropped records, counted by level and by reason.

use std::fmt;

use crate::level::Level;
use crate::sync::{AtomicU64, Ordering, load_acquire};

/// Why a record was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The ring was full, or what was left of it is reserved for higher levels.
    RingFull = 0,
    /// Each of some twenty places that the record got in the ring was still taken: parked for a stopped
    /// process, or not yet released.
    Overtaken = 1,
    /// The thread has no entry in the registry: all are taken, or the ring is about to end.
    NoEntry = 2,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [DropReason; 3] = [
        DropReason::RingFull,
        DropReason::Overtaken,
        DropReason::NoEntry,
    ];
}

const LEVELS: usize = Level::ALL.len();

/// Numbers of dropped records, by level and reason.
///
/// ```
/// use shmlog::{DropReason, Drops, Level};
/// let drops = Drops::default();
/// assert_eq!(drops.of(DropReason::RingFull, Level::Debug), 0);
/// assert_eq!(drops.total(), 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops([u64; DROP_WORDS]);

/// Words that these numbers take in the segment: the levels of the first reason, then of the next.
pub(crate) const DROP_WORDS: usize = DropReason::ALL.len() * LEVELS;
/// Words of the reasons that a thread with an entry can have.
pub(super) const OWN_DROP_WORDS: usize = DropReason::NoEntry as usize * LEVELS;

impl Drops {
    /// Those of one level, for one reason.
    pub fn of(&self, why: DropReason, level: Level) -> u64 {
        self.0[place(why, level)]
    }

    /// Those of one reason.
    pub fn because(&self, why: DropReason) -> u64 {
        let of_levels = &self.0[why as usize * LEVELS..][..LEVELS];
        of_levels.iter().copied().fold(0, u64::wrapping_add)
    }

    /// Those of one level.
    pub fn at(&self, level: Level) -> u64 {
        let of_reasons = DropReason::ALL.iter().map(|&why| self.of(why, level));
        of_reasons.fold(0, u64::wrapping_add)
    }

    /// All.
    pub fn total(&self) -> u64 {
        self.0.iter().copied().fold(0, u64::wrapping_add)
    }

    /// Those of threads without an entry, by level.
    pub(super) fn of_unregistered(words: &[AtomicU64]) -> Drops {
        let mut drops = Drops::default();
        let room = &mut drops.0[DropReason::NoEntry as usize * LEVELS..];
        for (count, word) in room.iter_mut().zip(words) {
            // [drops] Acquire: pairs with the count.
            *count = load_acquire(word);
        }
        drops
    }

    /// Adds another's. Wraps: what members say may be anything.
    pub(crate) fn add(&mut self, other: &Drops) {
        for (sum, n) in self.0.iter_mut().zip(other.0) {
            *sum = sum.wrapping_add(n);
        }
    }
}

fn place(why: DropReason, level: Level) -> usize {
    why as usize * LEVELS + level as usize
}

/// Words that hold such numbers: of all reasons, or of the first few.
#[derive(Clone, Copy)]
pub(crate) struct DropWords<'a>(pub(crate) &'a [AtomicU64]);

impl DropWords<'_> {
    /// Counts a record, for a reason that has words here.
    pub(crate) fn count(self, why: DropReason, level: Level) {
        // [drops] Release: who sees the count sees the place that was noted before.
        self.0[place(why, level)].fetch_add(1, Ordering::Release);
    }

    pub(crate) fn load(self) -> Drops {
        let mut drops = Drops::default();
        for (count, word) in drops.0.iter_mut().zip(self.0) {
            // [drops] Acquire: pairs with the count.
            *count = load_acquire(word);
        }
        drops
    }

    pub(crate) fn store(self, drops: &Drops) {
        for (word, count) in self.0.iter().zip(drops.0) {
            word.store(count, Ordering::Relaxed);
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropReason::RingFull => "ring full",
            DropReason::Overtaken => "slots not free",
            DropReason::NoEntry => "no entry",
        })
    }
}
