//! Parked slots: holes that were passed because their owner, who is alive, does not move.
//!
//! They are swept in ascending order, again with the floors read first. The order matters: the
//! second slot of a parked run looks like an orphan as soon as its owner has published the first slot and
//! gone; sweeping upwards after the look at the floors meets that first slot, and takes the run whole,
//! before it comes to the second. For the same reason no hole is called an orphan while anything is parked
//! unless the same look at the floors has already served a sweep.
//!
//! A sweep stays below the cursor. A drainer that was started again begins at the head, and its predecessor may have parked
//! slots beyond that: a run that came late there must wait for those before it, which are read again, since the
//! begin of the same record may be among them.

use super::{Reader, Run};
use crate::failpoint;
use crate::ring::sequence::{free, next_in_slot, published};
use crate::sync::Ordering;

impl Reader<'_> {
    /// Number of parked slots.
    pub(crate) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// Leaves the hole at the cursor to its owner, who is alive but does not move.
    pub(crate) fn park(&mut self) {
        let h = self.cursor;
        // Relaxed: it says which slot to look at. Flushes and observers judge by the state of that slot, which has its own
        // pair; later drainers read it after our death was proven through the kernel.
        self.ring.parked[self.ring.slot_index(h)].store(h.wrapping_add(1), Ordering::Relaxed);
        // Mostly the last. Older than those that we took over is the rest of a run that the drainer before us
        // died releasing, when a floor older than the run is still set.
        let place = self.parked.partition_point(|&parked| parked < h);
        self.parked.insert(place, h);
        failpoint::hit("park");
        self.cursor = h.wrapping_add(1);
    }

    /// Looks at the parked slots: those that no producer can fill any more come back into use; the first that
    /// has been published is handed out, to be read and released before anything else is done.
    pub(crate) fn sweep(&mut self, alive: &dyn Fn(usize) -> bool) -> Option<Run> {
        if self.parked.is_empty() {
            return None;
        }
        let lowest = self.floors.lowest(alive);
        self.sweep_below(lowest)
    }

    /// The sweep, with floors that were read before it.
    pub(super) fn sweep_below(&mut self, lowest: u64) -> Option<Run> {
        debug_assert!(self.late.is_none(), "a late run must be released first");
        let mut i = 0;
        while let Some(&p) = self.parked.get(i).filter(|&&p| p < self.cursor) {
            // [publish]: pairs with the store in Claim::publish.
            let state = self.ring.slot(p)[0].load(Ordering::Acquire);
            if state == published(p) {
                let run = self.ring.run_at(p);
                self.late = Some(run);
                return Some(run);
            }
            if state > published(p) {
                // Not one of ours: the state word is damaged.
                failpoint::hit("park");
                self.forget_parked(p);
            } else if lowest <= p && state == free(p) && !self.has_walked(p) {
                i += 1;
            } else {
                // Its claimer has walked away; orphaned; or the state word is damaged, which this mends.
                self.void(p);
                self.unpark(p);
            }
        }
        None
    }

    /// Whether a parked run before `sequence` has been published. Asked after [`Reader::next`] has handed out the run of
    /// `sequence`, it knows of every parked run that the same producer published before that one: see there, `[publish]`.
    pub(crate) fn has_late_before(&self, sequence: u64) -> bool {
        let is_late = |&p: &u64| self.ring.slot(p)[0].load(Ordering::Acquire) == published(p);
        let mut before = self.parked.iter().take_while(|&&p| p < sequence);
        before.any(is_late)
    }

    /// Frees the slot of `p` for the first sequence that no producer can have claimed yet, or that will find
    /// the slot free when it comes. The slot may also lie ahead of the cursor: the rest of a late run.
    pub(super) fn unpark(&mut self, p: u64) {
        let slot = self.ring.slot_index(p);
        // [tail]: a producer that claimed below this saw the slot not free and walked away.
        let beyond = self.claimed();
        let next = next_in_slot(slot as u64, beyond, self.ring.slots.capacity);
        // [release]: pairs with the load in claim.
        self.ring.slot(p)[0].store(free(next), Ordering::Release);
        failpoint::hit("unpark.half");
        // After the state: the other way round, a drainer that dies in between would forget the slot.
        self.forget_parked(p);
    }

    fn forget_parked(&mut self, p: u64) {
        if self.is_parked(p) {
            self.ring.parked[self.ring.slot_index(p)].store(0, Ordering::Relaxed);
            self.parked.retain(|&parked| parked != p);
        }
    }

    pub(super) fn is_parked(&self, n: u64) -> bool {
        !self.parked.is_empty() && self.parked.binary_search(&n).is_ok()
    }

    /// Whether the slot of `n` is parked, for `n` or since an earlier lap.
    pub(super) fn slot_is_parked(&self, n: u64) -> bool {
        let slot = self.ring.slot_index(n);
        self.parked.iter().any(|&p| self.ring.slot_index(p) == slot)
    }
}
