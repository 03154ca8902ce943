//! The ring: how many processes put records into one row, and one takes them out, without one waiting for another.
//!
//! ```text
//!            head                         cursor                        tail
//!             │      read, not released     │   published, or holes       │   free
//!   ──────────┼─────────────────────────────┼─────────────────────────────┼──────────►  sequence
//!             └─ drainer moves it when      └─ drainer's own              └─ producers move it
//!                the batch is written                                        by fetch_add
//! ```
//!
//! Sequence `n` lives in slot `n mod capacity`. A slot begins with its *state word*, which only grows:
//!
//! ```text
//!   FREE(n) ──producer: write, then publish──► PUBLISHED(n) ──drainer: read, then release──► FREE(n + capacity)
//!      │                                                                                          ▲
//!      ├── drainer, when n's owner is proven dead or has walked away (orphan) ────────────────────┤
//!      └── drainer, much later, when n was parked and has been settled: FREE(first sequence not claimed) ┘
//! ```
//!
//! Only the claimer of `n` may change `FREE(n)` to `PUBLISHED(n)`, and writes nothing unless the slot says
//! `FREE(n)`; everything else the drainer does. A run of several slots is published by its first slot alone:
//! the others stay `FREE` while they hold its bytes, and the drainer, who reads the length from the first,
//! takes and releases them together, the first slot first.
//!
//! A producer announces in its *floor*, before it claims, the oldest sequence that it may come to own. A
//! claimed slot that stays unpublished is a *hole*; the floors tell whether a living producer can still fill it.
//! But they cannot tell whose it is. So a claimer that cannot have its whole run, because a slot of it is not free,
//! and *walks away*, leaves word outside the slots: `n + 1` in the walked word of each sequence `n` of the run.
//!
//! | label | store | load |
//! |---|---|---|
//! | `[publish]` | `Claim::publish_with`, state word, Release | [`Reader::next`], [`Ring::has_late`] and the sweep, Acquire |
//! | `[release]` | [`Reader::release`], state word, Release | [`claim()`], state word, Acquire |
//! | `[tail]` | [`claim()`], `fetch_add`, AcqRel | [`Reader::next`], tail, Acquire |
//! | `[floor]` | [`claim()`] and `Claim`, floor, Release | [`Floors::lowest`], Acquire |
//! | `[walk]` | [`claim()`], walked word, Release | [`Reader::next`] and the sweep, Acquire |
//! | `[head]` | [`Reader::release`], head, Release | [`claim()`], head, Acquire |
//!
//! Why it is so: `docs/design/protocol.md`. Nothing here knows an operating system, a process or a record's content. Proven by loom (orderings, in
//! `loom_tests/` of this folder) and by Spin (`tests/model/`: crash, stop and restart at every step).

mod claim;
mod follow;
#[cfg(all(test, loom))]
mod loom_tests;
mod patience;
mod prefetch;
mod read;
mod sequence;

pub(crate) use claim::{Claim, Lease, Payload, Refused, claim, claim_once};
pub(crate) use follow::{Batch, Follower, Trail};
pub(crate) use patience::Patience;
pub(crate) use read::{Delivered, Floors, Hole, Next, Reader, Run};
pub(crate) use sequence::{IDLE, MAX_RUN_BYTES, RunShape};

use crate::sync::{AtomicU64, Ordering, load_acquire};

/// The words of a ring, wherever they lie: in the segment, or in a loom test's own memory.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    /// Next sequence to be claimed.
    tail: &'a AtomicU64,
    /// Next sequence to be released; all below it are free again or parked.
    head: &'a AtomicU64,
    slots: Slots<'a>,
    /// A word per slot: 0, or 1 + the sequence that is parked in it. Only the drainer writes it; `flush` and observers read it.
    parked: &'a [AtomicU64],
    /// Two words per slot, by turns for the laps: 0, or 1 + the last sequence whose claimer walked away. Two,
    /// because a sequence and the one a lap later may both have been walked away from before the drainer comes.
    /// Looked at only when a claim or the drainer meets what it cannot take.
    walked: &'a [AtomicU64],
    /// Payload bytes of the longest run.
    longest_run: usize,
}

/// The slots of a ring.
#[derive(Clone, Copy)]
struct Slots<'a> {
    /// `capacity` slots of `shape.slot_words` words.
    words: &'a [AtomicU64],
    shape: RunShape,
    /// Number of slots, a power of two.
    capacity: u64,
}

impl<'a> Slots<'a> {
    #[inline(always)]
    fn index(&self, n: u64) -> usize {
        (n & (self.capacity - 1)) as usize
    }

    /// The words of the slot that sequence `n` lives in.
    #[inline(always)]
    fn slot(&self, n: u64) -> &'a [AtomicU64] {
        let words = self.shape.slot_words;
        let start = self.index(n) * words;
        &self.words[start..start + words]
    }
}

#[cfg(not(loom))]
impl From<&crate::segment::Segment> for Ring<'static> {
    fn from(segment: &crate::segment::Segment) -> Ring<'static> {
        Ring::new(
            segment.tail(),
            segment.head(),
            segment.slots(),
            segment.parked(),
            segment.walked(),
        )
    }
}

#[cfg(not(loom))]
impl From<&crate::segment::Segment> for Trail<'static> {
    fn from(segment: &crate::segment::Segment) -> Trail<'static> {
        Trail::new(segment.trail(), segment.geometry().slots)
    }
}

impl<'a> Ring<'a> {
    /// `slots` is cut into as many slots as `parked` has words, which must be a power of two; `walked` has twice
    /// as many.
    pub(crate) fn new(
        tail: &'a AtomicU64,
        head: &'a AtomicU64,
        slots: &'a [AtomicU64],
        parked: &'a [AtomicU64],
        walked: &'a [AtomicU64],
    ) -> Ring<'a> {
        let capacity = parked.len();
        assert!(capacity.is_power_of_two() && slots.len().is_multiple_of(capacity));
        assert_eq!(walked.len(), 2 * capacity);
        let shape = RunShape {
            slot_words: slots.len() / capacity,
        };
        assert!(shape.slot_words.is_power_of_two() && shape.slot_words >= 4);
        let slots = Slots {
            words: slots,
            shape,
            capacity: capacity as u64,
        };
        Ring {
            tail,
            head,
            slots,
            parked,
            walked,
            longest_run: shape.longest_run(slots.capacity),
        }
    }

    /// Writes the state words of a ring that has never been used.
    pub(crate) fn format(&self) {
        for n in 0..self.slots.capacity {
            self.slot(n)[0].store(sequence::free(n), crate::sync::Ordering::Relaxed);
        }
    }

    /// Payload bytes of the longest run.
    #[inline(always)]
    pub(crate) fn longest_run(&self) -> usize {
        self.longest_run
    }

    /// Whether a parked run has been published and not yet been delivered and released.
    pub(crate) fn has_late(&self) -> bool {
        let words = self.parked.iter();
        let parked = words.filter_map(|word| {
            // Relaxed: which slot to look at, and nothing else; the slot's state decides.
            let word = word.load(Ordering::Relaxed);
            word.checked_sub(1)
        });
        parked.into_iter().any(|p| {
            // [publish]: pairs with the store in Claim::publish_with.
            let state = load_acquire(&self.slot(p)[0]);
            state == sequence::published(p)
        })
    }

    /// The tail as it was a moment ago: it may have moved since.
    pub(crate) fn tail(&self) -> u64 {
        // [tail]: pairs with the fetch_add in claim.
        load_acquire(self.tail)
    }

    /// The head as it was a moment ago: it may have moved since.
    pub(crate) fn head(&self) -> u64 {
        // [head]: pairs with the store in Reader::release.
        load_acquire(self.head)
    }

    #[inline(always)]
    fn slot_index(&self, n: u64) -> usize {
        self.slots.index(n)
    }

    /// The word that the claimer of `n` marks when it walks away.
    fn walked(&self, n: u64) -> &'a AtomicU64 {
        &self.walked[(n & (2 * self.slots.capacity - 1)) as usize]
    }

    /// The words of the slot that sequence `n` lives in.
    #[inline(always)]
    fn slot(&self, n: u64) -> &'a [AtomicU64] {
        self.slots.slot(n)
    }
}
