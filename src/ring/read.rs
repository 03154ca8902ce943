//! The drainer's half: read → release, and what to do about holes.
//!
//! At the cursor `h`, by the state word of its slot:
//!
//! | state | meaning | action |
//! |---|---|---|
//! | `PUBLISHED(h)` | a run | hand it out, `h += k` |
//! | above | released for a later lap already (settled while parked, or a drainer died in [`Reader::release`]) | `h += 1` |
//! | impossible | damaged: see `read/damage.rs` | mend it, `h += 1` |
//! | below `FREE(h)` | still parked since an earlier lap: no producer can have written `h` | `h += 1` |
//! | `FREE(h)`, tail at `h` | nothing there | wait |
//! | `FREE(h)`, tail past `h`, walked word `h + 1` | a hole that its one and only owner has left | release it, `h += 1` |
//! | `FREE(h)`, tail past `h` | a hole | [`Reader::inspect`] |
//!
//! What was read stays in its slots until [`Reader::release`], so that a drainer that dies in between
//! finds it again.
//!
//! **A hole** is settled by one look at all floors, and *then* one more at the slot: if no floor of a producer that is
//! alive is at or below `h`, its claimer has published it (then the second look shows it), has
//! walked away, or is dead: an orphan. Otherwise its owner is alive and may still write. If that takes too
//! long the caller *parks* `h`: the slot is left to its owner, and the cursor goes on (`read/parked.rs`).

mod damage;
mod parked;
mod resume;

use super::Ring;
use super::follow::{self, Trail};
use super::sequence::{IDLE, MAX_RUN, free, published, walked};
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

impl Ring<'_> {
    /// The run that begins in the slot of `n`.
    pub(super) fn run_at(&self, n: u64) -> Run {
        // Relaxed: ordered by the acquire of the state word.
        let word = self.slot(n)[1].load(Ordering::Relaxed);
        let bytes = (word & 0xffff) as usize;
        let possible = bytes <= self.longest_run();
        let slots = self.slots.shape.slots_for(if possible { bytes } else { 0 });
        debug_assert!(slots <= MAX_RUN);
        Run {
            sequence: n,
            slots: slots as u64,
            tag: word >> 16,
            bytes: possible.then_some(bytes),
        }
    }

    /// Appends the payload of a run.
    pub(super) fn copy(&self, run: &Run, out: &mut Vec<u8>) {
        let mut rest = run.bytes.unwrap_or(0);
        let shape = self.slots.shape;
        let first = rest.min(shape.first_bytes());
        load_bytes(&self.slot(run.sequence)[2..], first, out);
        rest -= first;
        let mut n = run.sequence;
        while rest > 0 {
            n = n.wrapping_add(1);
            let part = rest.min(shape.further_bytes());
            load_bytes(&self.slot(n)[1..], part, out);
            rest -= part;
        }
    }
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
    /// Sequence whose claimer walked away. The cursor has moved past it.
    Walked,
    /// A whole lap has been read and none of it released.
    Unreleased,
}

/// What a hole turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hole {
    /// It has been published in the meantime: ask [`Reader::next`] again.
    Published,
    /// No producer can fill it any more. The cursor has moved past it.
    Orphan,
    /// A living producer may still fill it.
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
    trail: Trail<'a>,
    /// The stretch of the trail behind the last one that was noted.
    trail_end: u64,
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

    /// What stands at the cursor; moves past runs and past positions that hold nothing.
    pub(crate) fn next(&mut self) -> Next {
        loop {
            if self.cursor.wrapping_sub(self.head) >= self.ring.slots.capacity {
                return Next::Unreleased;
            }
            let h = self.cursor;
            // [publish]: pairs with the store in Claim::publish.
            let state = self.ring.slot(h)[0].load(Ordering::Acquire);
            if state == published(h) && !self.is_parked(h) {
                let run = self.ring.run_at(h);
                self.cursor = h.wrapping_add(run.slots);
                return Next::Run(run);
            }
            // [tail]: pairs with the fetch_add in claim; makes the claimer's floor visible.
            let tail = self.claimed();
            if tail == h {
                return Next::Empty;
            }
            if state == free(h) && !self.is_parked(h) {
                if self.has_walked(h) {
                    self.pass_orphan();
                    return Next::Walked;
                }
                return Next::Hole(h);
            }
            if !self.is_possible(h, state, tail) {
                self.mend_slot(h, tail);
            }
            self.cursor = h.wrapping_add(1);
        }
    }

    /// Whether what was claimed may end at the cursor, by its slot alone: the tail is not looked at, which producers
    /// need for every claim, and which would have to come back to them. It may also be a hole.
    pub(crate) fn may_end_here(&self) -> bool {
        let h = self.cursor;
        // [publish]: as in next.
        self.ring.slot(h)[0].load(Ordering::Acquire) == free(h) && !self.has_walked(h)
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
        self.pass_orphan();
        Hole::Orphan
    }

    /// Passes the hole at the cursor, which no producer can fill any more.
    fn pass_orphan(&mut self) {
        let h = self.cursor;
        let freed = free(h.wrapping_add(self.ring.slots.capacity));
        self.void(h);
        // [release]: pairs with the load in claim.
        self.ring.slot(h)[0].store(freed, Ordering::Release);
        failpoint::hit("orphan");
        self.cursor = h.wrapping_add(1);
    }

    /// Says, for followers, that no run begins in the slot of `n`, which has no owner: no producer can write it, and it was
    /// not given back yet. What stands there is of an earlier lap, or half a record.
    fn void(&self, n: u64) {
        self.mark(n, follow::VOID);
    }

    /// Says something to followers in the slot of `n`, in place of what stood there. The slot is about to be given back.
    fn mark(&self, n: u64, mark: u64) {
        // Relaxed: a reader that sees the state that comes next sees this before it.
        self.ring.slot(n)[1].store(mark, Ordering::Relaxed);
    }

    /// Whether the claimer of `n` has walked away, and will never write it, whatever the floors say. For this
    /// verdict no floor is looked at and nothing swept: of a run that was walked away from nothing comes late.
    fn has_walked(&self, n: u64) -> bool {
        // [walk]: pairs with the store in claim.
        self.ring.walked(n).load(Ordering::Acquire) == walked(n)
    }

    /// Appends the payload of a run that was handed out and not yet released.
    pub(crate) fn copy(&self, run: &Run, out: &mut Vec<u8>) {
        self.ring.copy(run, out);
    }

    /// Gives everything that was read back to the producers. Returns the new head.
    pub(crate) fn release(&mut self) -> u64 {
        for n in self.head..self.cursor {
            let word = &self.ring.slot(n)[0];
            let freed = free(n.wrapping_add(self.ring.slots.capacity));
            // Relaxed: only the drainer raises a state word past PUBLISHED.
            let state = word.load(Ordering::Relaxed);
            if state == published(n) {
                self.note_trail(n);
            }
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
                // Its bytes are of an earlier lap than the sequence that the slot goes to. A drainer that dies before the
                // slot is free leaves a run that cannot be read again, and need not be: word of its delivery stands
                // ([`Reader::delivered`]). Under loom, which looks at this half alone, there is no such word.
                if !cfg!(loom) {
                    self.mark(run.sequence.wrapping_add(i), follow::SETTLED);
                }
                self.unpark(run.sequence.wrapping_add(i));
            }
        }
        self.head
    }

    /// Notes that a run begins at `n`, if it is the first of its stretch. Not under loom, for which it would be a step
    /// more: no part of the protocol reads it.
    fn note_trail(&mut self, n: u64) {
        let stretch = self.trail.stretch(n);
        if stretch.wrapping_add(1) != self.trail_end && !cfg!(loom) {
            self.trail_end = stretch.wrapping_add(1);
            self.trail.note(n);
        }
    }
}
