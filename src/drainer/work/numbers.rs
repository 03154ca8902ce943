//! Saying the numbers: once a minute while records are lost, and at the end if any were.

use std::time::{Duration, Instant};

use super::Drainer;
use crate::level::Level;
use crate::segment::Count;
use crate::stats::Stats;
use crate::sync::Ordering;

/// How often the numbers are said.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// What was said last.
pub(super) struct Told {
    at: Instant,
    /// Records that were dropped or lost by then.
    missing: u64,
}

impl Told {
    /// Nothing was said, and as of now nothing of what happened before is of interest.
    pub(super) fn nothing(now: Instant) -> Told {
        Told {
            at: now,
            missing: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn age(&mut self) {
        self.at -= EVERY;
    }
}

impl Drainer {
    /// Says the numbers if records were lost since they were said last, at most once a minute.
    pub(super) fn tell_numbers(&mut self, now: Instant) {
        if now - self.told.at >= EVERY {
            self.told.at = now;
            self.tell_numbers_if("so far", |missing, told| missing != told);
        }
    }

    /// Says the numbers if any record was lost at all. `true` when it did.
    pub(super) fn tell_last_numbers(&mut self) -> bool {
        // A predecessor may have said them, and died before it could take the ring away.
        let told = self.delivery.ledger.sum(Count::ToldInTheEnd);
        let said = self.tell_numbers_if("in the end", |missing, _| missing != told);
        if said {
            let more = self.told.missing.wrapping_sub(told);
            self.delivery.ledger.add(Count::ToldInTheEnd, more);
        }
        said
    }

    fn tell_numbers_if(&mut self, when: &str, is_due: impl FnOnce(u64, u64) -> bool) -> bool {
        let stats = Stats::read(self.segment);
        let missing = stats.dropped.wrapping_add(stats.lost);
        if !is_due(missing, self.told.missing) {
            return false;
        }
        self.told.missing = missing;
        self.delivery.say(Level::Warn, &format!("{when}: {stats}"));
        true
    }

    /// Notes how many slots are taken, below `end`: the cursor or, if we are behind, the tail. Only we free any, so
    /// between two releases there are never more than right before the second.
    pub(super) fn note_high_water(&mut self, end: u64) {
        let taken = end.wrapping_sub(self.reader.head());
        let taken = taken.min(self.segment.geometry().slots);
        let word = self.segment.count(Count::HighWater);
        // Relaxed: only the drainer stores it.
        if taken > word.load(Ordering::Relaxed) {
            word.store(taken, Ordering::Relaxed);
        }
    }
}
