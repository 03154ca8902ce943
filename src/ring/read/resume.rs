//! Taking up where the last drainer stopped, from words that may be damaged.

use super::{Damage, Delivered, Floors, Reader};
use crate::ring::sequence::{free, published};
use crate::ring::{Ring, Trail};
use crate::sync::Ordering;

/// Sequences beyond this are never reached: state words have one bit less than sequences.
const SANE: u64 = 1 << 62;
/// Slots that are looked at to find out about where the ring stands.
const SAMPLE: usize = 4096;

impl<'a> Reader<'a> {
    /// Takes up where the last drainer of this ring stopped: at the shared head, with its parked slots. If it
    /// left word of what it had `Delivered`, that is released first.
    pub(crate) fn resume(
        ring: Ring<'a>,
        floors: Floors<'a>,
        trail: Trail<'a>,
        delivered: Option<Delivered>,
    ) -> Reader<'a> {
        // Relaxed: the last drainer is dead, which was proven through the kernel, or it never was.
        let found = ring.head.load(Ordering::Relaxed);
        let head = believable_head(&ring, found, delivered);
        let mut reader = Reader {
            ring,
            floors,
            cursor: head,
            head,
            parked: still_parked(&ring, head),
            late: None,
            mending: head,
            trail,
            trail_end: 0,
            damage: Damage::default(),
        };
        reader.mend_head();
        if let Some(delivered) = delivered {
            reader.release_delivered(delivered);
        }
        reader
    }

    /// Releases what a drainer had delivered and not, or not wholly, released when it died.
    fn release_delivered(&mut self, delivered: Delivered) {
        // Word of a batch that cannot be is not believed.
        if delivered.cursor.wrapping_sub(self.head) <= self.ring.slots.capacity {
            self.cursor = delivered.cursor;
        }
        if let Some(p) = delivered.late.filter(|&p| self.is_parked(p)) {
            // If its first slot is released already, the others look like orphans, and are released as such.
            // [publish]: pairs with the store in Claim::publish_with.
            let unreleased = self.ring.slot(p)[0].load(Ordering::Acquire) == published(p);
            self.late = unreleased.then(|| self.ring.run_at(p));
        }
        self.release();
    }
}

/// The parked sequences, ascending, by the shared table.
fn still_parked(ring: &Ring<'_>, head: u64) -> Vec<u64> {
    let mut parked = Vec::new();
    let lap = head.wrapping_add(ring.slots.capacity);
    for (slot, word) in ring.parked.iter().enumerate() {
        let Some(p) = word.load(Ordering::Relaxed).checked_sub(1) else {
            continue;
        };
        // [publish]: as above.
        let state = ring.slot(p)[0].load(Ordering::Acquire);
        let is_parked = state == free(p) || state == published(p);
        if ring.slot_index(p) == slot && is_parked && p < lap {
            parked.push(p);
        } else {
            // The last drainer died in `unpark`, between its two stores: the slot is settled, and may
            // be in use again. Kept, the word would hold back the release of whatever is in it. Or the
            // table is damaged.
            word.store(0, Ordering::Relaxed);
        }
    }
    parked.sort_unstable();
    parked
}

/// The head to go on at: the shared word, unless it contradicts both what was delivered and the slots.
fn believable_head(ring: &Ring<'_>, found: u64, delivered: Option<Delivered>) -> u64 {
    let agrees =
        |k: Delivered| k.cursor < SANE && k.cursor.wrapping_sub(found) <= ring.slots.capacity;
    if found == 0 && delivered.is_none() || delivered.is_some_and(agrees) {
        return found;
    }
    let Some(middle) = middle_of_slots(ring) else {
        let words = [Some(found), delivered.map(|delivered| delivered.cursor)];
        return words.into_iter().flatten().find(|&n| n < SANE).unwrap_or(0);
    };
    if middle.wrapping_sub(found) <= ring.slots.capacity {
        return found;
    }
    match delivered {
        Some(delivered) if delivered.cursor.abs_diff(middle) <= ring.slots.capacity => {
            delivered.cursor
        }
        _ => lowest_about(ring, middle),
    }
}

/// The sequence that a slot's state speaks of, if it is one of that slot.
fn sequence_in(ring: &Ring<'_>, slot: usize) -> Option<u64> {
    // [publish]: as above.
    let sequence = ring.slot(slot as u64)[0].load(Ordering::Acquire) >> 1;
    (ring.slot_index(sequence) == slot && sequence < SANE).then_some(sequence)
}

/// The median of the sequences in the slots: between the head and a lap beyond it, as long as fewer than half
/// of those that look whole are damaged.
fn middle_of_slots(ring: &Ring<'_>) -> Option<u64> {
    let slots = ring.parked.len();
    let sample = (0..slots).step_by(slots.div_ceil(SAMPLE));
    let mut all: Vec<u64> = sample.filter_map(|slot| sequence_in(ring, slot)).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}

/// The lowest sequence in the slots that is at most a lap below `middle`.
fn lowest_about(ring: &Ring<'_>, middle: u64) -> u64 {
    let all = (0..ring.parked.len()).filter_map(|slot| sequence_in(ring, slot));
    let near = all.filter(|&n| n <= middle && middle - n <= ring.slots.capacity);
    near.min().unwrap_or(middle)
}
