//! The arithmetic of sequences, state words and runs: pure, total, nothing shared.
//!
//! Additions wrap. No honest program writes 2⁶³ records, but a hostile member can put any number into
//! the tail, and arithmetic on it must not panic.

/// A floor that protects nothing: its producer is not inside a claim.
pub(crate) const IDLE: u64 = u64::MAX;

/// The slots that one run may span at most.
pub(crate) const MAX_RUN: usize = 16;

/// The bytes that one run may carry at most, whatever its slots would hold: what a producer's buffer holds.
pub(crate) const MAX_RUN_BYTES: usize = 2048;

/// State word of a slot that the claimer of sequence `n` may write.
#[inline(always)]
pub(crate) const fn free(n: u64) -> u64 {
    n << 1
}

/// State word of a slot that holds the first part of the record of sequence `n`.
#[inline(always)]
pub(crate) const fn published(n: u64) -> u64 {
    (n << 1) | 1
}

/// What is left in the table of the walked by who claimed `n` and could not have its whole run.
#[inline]
pub(crate) const fn walked(n: u64) -> u64 {
    n.wrapping_add(1)
}

/// Whether a slot in this state may still become `FREE(n)`, `n` being claimed: not if it is behind by more than
/// a lap. Then it is parked, and whenever that is settled the slot goes to a sequence that no producer has claimed.
pub(crate) const fn can_become_free(state: u64, n: u64, capacity: u64) -> bool {
    free(n).wrapping_sub(state) as i64 <= free(capacity) as i64
}

/// Whether `slots` more sequences from `tail` on stay within one lap of `head`.
///
/// The difference is signed because `tail` may be older than `head`: between the two loads others may
/// have claimed, and the drainer may have read, any number of records.
#[inline(always)]
pub(crate) const fn fits(tail: u64, slots: u64, head: u64, capacity: u64) -> bool {
    tail.wrapping_add(slots).wrapping_sub(head) as i64 <= capacity as i64
}

/// The first sequence not below `at_least` that lives in slot `slot`.
pub(crate) const fn next_in_slot(slot: u64, at_least: u64, capacity: u64) -> u64 {
    at_least.wrapping_add(slot.wrapping_sub(at_least) & (capacity - 1))
}

/// How bytes lie in the slots of a run: words 0 and 1 of the first slot are its state and its tag, word 0
/// of each further slot is that slot's state, all other words are payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunShape {
    /// Words in a slot, a power of two, 8 at least.
    pub(crate) slot_words: usize,
}

impl RunShape {
    /// Payload bytes in the first slot.
    #[inline(always)]
    pub(crate) const fn first_bytes(self) -> usize {
        (self.slot_words - 2) * 8
    }

    /// Payload bytes in each further slot.
    #[inline(always)]
    pub(crate) const fn further_bytes(self) -> usize {
        (self.slot_words - 1) * 8
    }

    /// The slots that a run of `bytes` payload bytes spans, 1 at least.
    #[inline(always)]
    pub(crate) const fn slots_for(self, bytes: usize) -> usize {
        // Most runs are of one slot, and a division takes as long as all the rest of a claim.
        match bytes.checked_sub(self.first_bytes()) {
            None | Some(0) => 1,
            Some(further) => 1 + further.div_ceil(self.further_bytes()),
        }
    }

    /// The payload bytes that the longest run carries in a ring of `capacity` slots.
    pub(crate) fn longest_run(self, capacity: u64) -> usize {
        // A quarter of the ring: one that needed all of it would never find it free while others log.
        // (Not so under loom, whose rings have four slots.)
        let share = if cfg!(loom) { 1 } else { 4 };
        let slots = MAX_RUN.min((capacity / share).max(1) as usize);
        (self.first_bytes() + (slots - 1) * self.further_bytes()).min(MAX_RUN_BYTES)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn state_words_only_grow_over_the_life_of_a_slot() {
        let capacity = 64;
        assert!(free(5) < published(5));
        assert!(published(5) < free(5 + capacity));
    }

    #[test]
    fn a_tail_older_than_the_head_is_not_taken_for_a_full_ring() {
        assert!(fits(10, 1, 20, 8));
        assert!(fits(10, 8, 10, 8));
        assert!(!fits(10, 9, 10, 8));
    }

    #[test]
    fn a_slot_becomes_free_for_a_sequence_of_the_next_lap_and_for_none_after_that() {
        for state in [free(5), published(5)] {
            assert!(can_become_free(state, 5, 8));
            assert!(can_become_free(state, 13, 8));
        }
        assert!(!can_become_free(free(5), 21, 8));
        // Taken for no longer than needed: the mark of it is never read.
        assert!(can_become_free(free(21), 13, 8));
    }

    proptest! {
        #[test]
        fn the_next_sequence_of_a_slot_is_the_naive_search_for_it(slot in 0u64..16, at_least in 0u64..100) {
            let naive = (at_least..).find(|n| n % 16 == slot).unwrap();
            prop_assert_eq!(next_in_slot(slot, at_least, 16), naive);
        }

        #[test]
        fn a_run_has_room_for_its_bytes_and_no_slot_to_spare(bytes in 0usize..2000, shift in 3u32..8) {
            let shape = RunShape { slot_words: 1 << shift };
            let slots = shape.slots_for(bytes);
            let room = |slots: usize| shape.first_bytes() + (slots - 1) * shape.further_bytes();
            prop_assert!(room(slots) >= bytes);
            prop_assert!(slots == 1 || room(slots - 1) < bytes);
        }
    }
}
