//! The drainer's half: read → release, and what to do about holes.
//!
//! At the cursor `h`, by the state word of its slot:
//!
//! | state | meaning | action |
//! |---|---|---|
//! | `PUBLISHED(h)` | a run | hand it out, `h += k` |
//! | `PUBLISHED(h)`, marked given up | nothing: its producer could not have the whole run | `h += 1` |
//! | above | released for a later lap already (settled while parked, or a drainer died in [`Reader::release`]) | `h += 1` |
//! | impossible | damaged: see `read/damage.rs` | mend it, `h += 1` |
//! | below `FREE(h)` | still parked since an earlier lap: nobody can have written `h` | `h += 1` |
//! | `FREE(h)`, tail at `h` | nothing there | wait |
//! | `FREE(h)`, tail past `h` | a hole | [`Reader::inspect`] |
//!
//! What was read stays in its slots until [`Reader::release`], so that a drainer that dies in between
//! finds it again.
//!
//! **A hole** is settled by one look at all floors, and *then* one more at the slot: if no floor of anybody
//! alive is at or below `h`, whoever claimed `h` has published it (then the second look shows it), has
//! walked away, or is dead: an orphan. Otherwise its owner is alive and may still write. If that takes too
//! long the caller *parks* `h`: the slot is left to its owner, and the cursor goes on.
//!
//! **Parked slots** are swept in ascending order, again with the floors read first. The order matters: the
//! second slot of a parked run looks like an orphan as soon as its owner has published the first slot and
//! gone; sweeping upwards after the look at the floors meets that first slot, and takes the run whole,
//! before it comes to the second. For the same reason no hole is called an orphan while anything is parked
//! unless the same look at the floors has already served a sweep.

mod damage;
mod resume;

use super::Ring;
use super::sequence::{GIVEN_UP, IDLE, MAX_RUN, free, next_in_slot, published};
use crate::failpoint;
use crate::sync::{AtomicU64, Ordering};
use crate::words::load_bytes;
use damage::Damage;

/// The floors of all producers: `count` words, `stride` words apart.
#[derive(Clone, Copy)]
pub(crate) struct Floors<'a> {
    words: &'a [AtomicU64],
    stride: usize,
}

impl<'a> Floors<'a> {
    /// The first floor is the first of `words`.
    pub(crate) fn new(words: &'a [AtomicU64], stride: usize) -> Floors<'a> {
        Floors { words, stride }
    }

    /// The lowest floor of the producers that `alive` does not exclude. A producer must be asked for its
    /// life before its floor is read: one that dies in between then counts as alive, and is met again.
    fn lowest(&self, alive: &dyn Fn(usize) -> bool) -> u64 {
        self.words
            .iter()
            .step_by(self.stride)
            .enumerate()
            .filter(|(producer, _)| alive(*producer))
            // [floor]: pairs with the stores in claim and Claim::drop.
            .map(|(_, floor)| floor.load(Ordering::Acquire))
            .min()
            .unwrap_or(IDLE)
    }
}

/// One published run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Sequence of its first slot.
    pub(crate) sequence: u64,
    /// Slots that it spans.
    pub(crate) slots: u64,
    /// The producer's 48 bits.
    pub(crate) tag: u64,
    /// Payload bytes; `None` when the stored length is impossible, in which case the run counts one slot.
    pub(crate) bytes: Option<usize>,
}

/// What a drainer has delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// All runs below that are not parked.
    pub(crate) cursor: u64,
    /// And this late one.
    pub(crate) late: Option<u64>,
}

/// What stands at the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A record, or a part of one. The cursor has moved past it.
    Run(Run),
    /// Nothing: all that was claimed has been read.
    Empty,
    /// Sequence claimed, not published.
    Hole(u64),
    /// A whole lap has been read and none of it released.
    Unreleased,
}

/// What a hole turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hole {
    /// It has been published in the meantime: ask [`Reader::next`] again.
    Published,
    /// Nobody can fill it any more. The cursor has moved past it.
    Orphan,
    /// Somebody alive may still fill it.
    Owned,
    /// A parked run has been published: read it (it is late), then [`Reader::release`].
    Late(Run),
}

/// The drainer's state: two cursors and the parked sequences. There must be only one per ring.
pub(crate) struct Reader<'a> {
    ring: Ring<'a>,
    floors: Floors<'a>,
    /// Next sequence to be read.
    cursor: u64,
    /// Next sequence to be released; the shared head has this value.
    head: u64,
    /// Parked sequences, ascending; the shared table says the same, for a drainer that comes after us.
    parked: Vec<u64>,
    /// A late run that was handed out and not yet released.
    late: Option<Run>,
    /// Claimed below this is whatever was claimed before the tail was last found damaged.
    mending: u64,
    damage: Damage,
}

impl<'a> Reader<'a> {
    /// What stands as delivered when the batch at hand has been written: to be kept for a successor.
    pub(crate) fn delivered(&self) -> Delivered {
        Delivered {
            cursor: self.cursor,
            late: self.late.map(|run| run.sequence),
        }
    }

    /// Next sequence to be read.
    pub(crate) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Next sequence to be released.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Number of parked slots.
    pub(crate) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// What stands at the cursor; moves past runs and past positions that hold nothing.
    pub(crate) fn next(&mut self) -> Next {
        loop {
            if self.cursor.wrapping_sub(self.head) >= self.ring.capacity {
                return Next::Unreleased;
            }
            let h = self.cursor;
            // [publish]: pairs with the store in Claim::publish.
            let state = self.ring.slot(h)[0].load(Ordering::Acquire);
            if state == published(h) && !self.is_parked(h) {
                if self.is_given_up(h) {
                    self.cursor = h.wrapping_add(1);
                    continue;
                }
                let run = self.run_at(h);
                self.cursor = h.wrapping_add(run.slots);
                return Next::Run(run);
            }
            // [tail]: pairs with the fetch_add in claim; makes the claimer's floor visible.
            let tail = self.claimed();
            if tail == h {
                return Next::Empty;
            }
            if state == free(h) && !self.is_parked(h) {
                return Next::Hole(h);
            }
            if !self.is_possible(h, state, tail) {
                self.mend_slot(h, tail);
            }
            self.cursor = h.wrapping_add(1);
        }
    }

    /// Whether a parked run has been published. Asked after [`Reader::next`] has handed out a run, it knows of
    /// every parked run that the same producer published before that one: see there, `[publish]`.
    pub(crate) fn has_late(&self) -> bool {
        let is_late = |&p: &u64| self.ring.slot(p)[0].load(Ordering::Acquire) == published(p);
        self.parked.iter().any(is_late)
    }

    /// Takes back the last step of [`Reader::next`], which handed out `run` and will do so again.
    pub(crate) fn put_back(&mut self, run: &Run) {
        debug_assert_eq!(self.cursor, run.sequence.wrapping_add(run.slots));
        self.cursor = run.sequence;
    }

    /// Settles the hole at the cursor, looking at the parked slots on the way when there are any.
    /// `alive` says of a producer whether it may still run; it may err only by calling the dead alive.
    pub(crate) fn inspect(&mut self, alive: &dyn Fn(usize) -> bool) -> Hole {
        let lowest = self.floors.lowest(alive);
        if let Some(run) = self.sweep_below(lowest) {
            return Hole::Late(run);
        }
        let h = self.cursor;
        // [publish]: this second look, after the floors, is the one that decides.
        if self.ring.slot(h)[0].load(Ordering::Acquire) != free(h) {
            return Hole::Published;
        }
        if lowest <= h {
            return Hole::Owned;
        }
        let freed = free(h.wrapping_add(self.ring.capacity));
        // [release]: pairs with the load in claim.
        self.ring.slot(h)[0].store(freed, Ordering::Release);
        failpoint::hit("orphan");
        self.cursor = h.wrapping_add(1);
        Hole::Orphan
    }

    /// Leaves the hole at the cursor to its owner, who is alive but does not move.
    pub(crate) fn park(&mut self) {
        let h = self.cursor;
        // Relaxed: read by later drainers only, after our death was proven through the kernel.
        self.ring.parked[self.ring.slot_index(h)].store(h.wrapping_add(1), Ordering::Relaxed);
        // Mostly the last. Older than those that we took over is the rest of a run that the drainer before us
        // died releasing, when a floor older than the run is still set.
        let place = self.parked.partition_point(|&parked| parked < h);
        self.parked.insert(place, h);
        failpoint::hit("park");
        self.cursor = h.wrapping_add(1);
    }

    /// Looks at the parked slots: those that nobody can fill any more come back into use; the first that
    /// has been published is handed out, to be read and released before anything else is done.
    pub(crate) fn sweep(&mut self, alive: &dyn Fn(usize) -> bool) -> Option<Run> {
        if self.parked.is_empty() {
            return None;
        }
        let lowest = self.floors.lowest(alive);
        self.sweep_below(lowest)
    }

    /// The sweep, with floors that were read before it.
    fn sweep_below(&mut self, lowest: u64) -> Option<Run> {
        debug_assert!(self.late.is_none(), "a late run must be released first");
        let mut i = 0;
        while let Some(&p) = self.parked.get(i) {
            // [publish]: pairs with the store in Claim::publish.
            let state = self.ring.slot(p)[0].load(Ordering::Acquire);
            if state == published(p) && !self.is_given_up(p) {
                let run = self.run_at(p);
                self.late = Some(run);
                return Some(run);
            }
            if state > published(p) {
                // Not one of ours: the state word is damaged.
                failpoint::hit("park");
                self.forget_parked(p);
            } else if lowest <= p && state == free(p) {
                i += 1;
            } else {
                // Given up; orphaned; or the state word is damaged, which this mends.
                self.unpark(p);
            }
        }
        None
    }

    /// Appends the payload of a run that was handed out and not yet released.
    pub(crate) fn copy(&self, run: &Run, out: &mut Vec<u8>) {
        let mut rest = run.bytes.unwrap_or(0);
        let shape = self.ring.shape;
        let first = rest.min(shape.first_bytes());
        load_bytes(&self.ring.slot(run.sequence)[2..], first, out);
        rest -= first;
        let mut n = run.sequence;
        while rest > 0 {
            n = n.wrapping_add(1);
            let part = rest.min(shape.further_bytes());
            load_bytes(&self.ring.slot(n)[1..], part, out);
            rest -= part;
        }
    }

    /// Gives everything that was read back to the producers. Returns the new head.
    pub(crate) fn release(&mut self) -> u64 {
        for n in self.head..self.cursor {
            let word = &self.ring.slot(n)[0];
            let freed = free(n.wrapping_add(self.ring.capacity));
            // Relaxed: only the drainer raises a state word past PUBLISHED.
            let state = word.load(Ordering::Relaxed);
            if state < freed && !self.slot_is_parked(n) {
                // [release]: pairs with the load in claim; our reads of the slot stay before it.
                word.store(freed, Ordering::Release);
                failpoint::hit("release.slot");
            }
        }
        failpoint::hit("release.slots");
        if self.head != self.cursor {
            self.head = self.cursor;
            // [head]: pairs with the load in claim.
            self.ring.head.store(self.head, Ordering::Release);
        }
        if let Some(run) = self.late.take() {
            for i in 0..run.slots {
                self.unpark(run.sequence.wrapping_add(i));
            }
        }
        self.head
    }

    /// Frees the slot of `p` for the first sequence that nobody can have claimed yet, or that will find
    /// the slot free when it comes. The slot may also lie ahead of the cursor: the rest of a late run.
    fn unpark(&mut self, p: u64) {
        let slot = self.ring.slot_index(p);
        // [tail]: whoever claimed below this saw the slot not free and walked away.
        let beyond = self.claimed();
        let next = next_in_slot(slot as u64, beyond, self.ring.capacity);
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

    /// Whether the published slot of `n` holds nothing.
    fn is_given_up(&self, n: u64) -> bool {
        // Relaxed: ordered by the acquire of the state word.
        self.ring.slot(n)[1].load(Ordering::Relaxed) == GIVEN_UP
    }

    fn run_at(&self, n: u64) -> Run {
        // Relaxed: ordered by the acquire of the state word.
        let word = self.ring.slot(n)[1].load(Ordering::Relaxed);
        let bytes = (word & 0xffff) as usize;
        let possible = bytes <= self.ring.longest_run();
        let slots = self.ring.shape.slots_for(if possible { bytes } else { 0 });
        debug_assert!(slots <= MAX_RUN);
        Run {
            sequence: n,
            slots: slots as u64,
            tag: word >> 16,
            bytes: possible.then_some(bytes),
        }
    }

    fn is_parked(&self, n: u64) -> bool {
        !self.parked.is_empty() && self.parked.binary_search(&n).is_ok()
    }

    /// Whether the slot of `n` is parked, for `n` or since an earlier lap.
    fn slot_is_parked(&self, n: u64) -> bool {
        let slot = self.ring.slot_index(n);
        self.parked.iter().any(|&p| self.ring.slot_index(p) == slot)
    }
}
