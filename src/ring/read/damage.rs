//! What no honest member does to the words of a ring: noticed, and mended as far as can be.
//!
//! Any word may hold anything at any time. Three rules bound what honest members can have written; what lies
//! outside is damage, is counted, and is put right so that the ring works again:
//!
//! - the tail is not behind the cursor and not more than a lap, and one run of every thread that may pass the
//!   check for a full ring at once, ahead of it. Else it is set beyond all that can have been claimed, so no
//!   sequence is handed out twice; what lies between is passed without patience.
//! - the head is the drainer's own number.
//! - the state of a slot at the cursor speaks of a sequence of that slot, not of an earlier one unless it is
//!   parked, and not of one more than a lap beyond the tail. Else the slot is freed for the next lap.

use super::{Floors, Reader, Run};
use crate::ring::sequence::{MAX_RUN, free, next_in_slot};
use crate::sync::Ordering;

/// How deep signal handlers that log may interrupt one another's claims.
const NESTING: u64 = 4;
/// How often the tail is set anew while a member keeps writing it.
const TRIES: usize = 8;

/// What was found damaged and mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Times that the tail was.
    pub(crate) tail: u64,
    /// Times that the head was.
    pub(crate) head: u64,
    /// State words that were.
    pub(crate) states: u64,
}

impl Floors<'_> {
    /// How many there are.
    fn count(&self) -> usize {
        self.words.len() / self.stride
    }
}

impl Reader<'_> {
    /// How far the tail may get beyond a full ring: each thread that has found room for a run, and has not
    /// claimed it yet, may still do so when the ring is full.
    fn slack(&self) -> u64 {
        self.floors.count() as u64 * MAX_RUN as u64 * NESTING
    }

    /// The next sequence to be claimed; never behind the cursor.
    pub(super) fn claimed(&mut self) -> u64 {
        // [tail]: pairs with the fetch_add in claim; makes the claimer's floor visible.
        let tail = self.ring.tail.load(Ordering::Acquire);
        if self.is_possible_tail(tail) {
            tail
        } else {
            self.mend_tail(tail)
        }
    }

    fn is_possible_tail(&self, tail: u64) -> bool {
        // Wrapping: a tail behind the cursor is very far ahead of it.
        tail.wrapping_sub(self.cursor) <= 2 * (self.ring.slots.capacity + self.slack())
    }

    /// Beyond all that there can be to read now.
    pub(crate) fn farthest(&self) -> u64 {
        self.cursor
            .wrapping_add(4 * (self.ring.slots.capacity + self.slack()))
    }

    #[cold]
    fn mend_tail(&mut self, mut seen: u64) -> u64 {
        let beyond_all = self
            .cursor
            .wrapping_add(self.ring.slots.capacity + self.slack());
        for _ in 0..TRIES {
            // [tail]: as the producers' fetch_add; the acquire half shows the floors of all that claimed before.
            let set = self.ring.tail.compare_exchange(
                seen,
                beyond_all,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match set {
                Ok(_) => {
                    self.damage.tail += 1;
                    self.mending = beyond_all;
                    return beyond_all;
                }
                Err(now) if self.is_possible_tail(now) => return now,
                Err(now) => seen = now,
            }
        }
        // A member writes it all the time. Nothing that can be believed has been claimed.
        self.cursor
    }

    /// Whether all that was claimed has been read.
    pub(crate) fn has_read_all(&mut self) -> bool {
        self.claimed() == self.cursor
    }

    /// A tail that is not behind the cursor and not absurdly far ahead of it.
    pub(crate) fn tail(&mut self) -> u64 {
        self.claimed()
    }

    /// Whether the cursor stands in what was passed over when the tail was mended.
    pub(crate) fn is_mending(&self) -> bool {
        self.mending.wrapping_sub(self.cursor) as i64 > 0
    }

    /// Passes the holes from the cursor on that are there because the tail was mended, all by one look at the
    /// floors: the tail was seen beyond them before it, and the parked are swept behind it, as for a single
    /// hole. What a floor protects is parked at once. A late run that is met comes first.
    pub(crate) fn pass_damage(&mut self, alive: &dyn Fn(usize) -> bool) -> Option<Run> {
        let lowest = self.floors.lowest(alive);
        if let Some(run) = self.sweep_below(lowest) {
            return Some(run);
        }
        // What honest threads can own. A floor that is damaged too must not park the whole ring.
        let most_parked = self.floors.count() * MAX_RUN;
        let lap = self.head.wrapping_add(self.ring.slots.capacity);
        while self.is_mending() && self.cursor != lap {
            let h = self.cursor;
            // [publish]: the look that decides, after the floors.
            let state = self.ring.slot(h)[0].load(Ordering::Acquire);
            if state != free(h) || self.is_parked(h) {
                break;
            }
            if lowest <= h && !self.has_walked(h) && self.parked.len() < most_parked {
                self.park();
                continue;
            }
            self.pass_orphan();
        }
        None
    }

    /// Whether an honest member can have left the slot of `h`, which is at the cursor and neither published
    /// nor a hole, in this state. `tail` was read after it.
    pub(super) fn is_possible(&self, h: u64, state: u64, tail: u64) -> bool {
        let sequence = state >> 1;
        let is_ours = self.ring.slot_index(sequence) == self.ring.slot_index(h);
        let is_near = sequence <= tail.wrapping_add(self.ring.slots.capacity);
        (is_ours && is_near && state >= free(h)) || self.slot_is_parked(h)
    }

    /// Frees the slot of `h` for the first sequence that no producer can have claimed: who claimed an earlier one
    /// saw the slot not free and walked away.
    #[cold]
    pub(super) fn mend_slot(&mut self, h: u64, tail: u64) {
        self.damage.states += 1;
        let slot = self.ring.slot_index(h) as u64;
        let next = next_in_slot(slot, tail, self.ring.slots.capacity);
        self.void(h);
        // [release]: pairs with the load in claim.
        self.ring.slot(h)[0].store(free(next), Ordering::Release);
    }

    /// Writes the head again if it is not what it was.
    pub(crate) fn mend_head(&mut self) {
        // Relaxed: only the drainer stores it, which is us.
        if self.ring.head.load(Ordering::Relaxed) != self.head {
            self.damage.head += 1;
            // [head]: pairs with the load in claim.
            self.ring.head.store(self.head, Ordering::Release);
        }
    }

    /// What was mended since the last call.
    pub(crate) fn take_damage(&mut self) -> Damage {
        std::mem::take(&mut self.damage)
    }
}
