//! The producer's half: claim → write → publish, in a bounded number of steps, without waiting.
//!
//! ```text
//!   if tail + k > head + capacity      full: refused
//!   floor = tail                       "whatever I get will not be older than this"
//!   n = tail.fetch_add(k)              the only read-modify-write
//!   any slot of the run not FREE?      parked, or not yet released: leave word of it, walk away, try again
//!                                      a few times
//!   write the bytes
//!   state of the first slot = PUBLISHED(n)
//!   floor = IDLE
//! ```
//!
//! A producer that dies or stops at any of these steps leaves at most a hole, which its floor explains.
//! A signal handler may interrupt its own thread at any step and claim for itself: it finds the floor set
//! and leaves it alone, at both ends, since the floor of the interrupted claim is older and protects both.

use std::cell::Cell;
use std::sync::atomic::compiler_fence;

use super::sequence::{IDLE, MAX_RUN, can_become_free, fits, free, published, walked};
use super::{Ring, Slots};
use crate::failpoint;
use crate::sync::{AtomicU64, Ordering};
use crate::words::{store_bytes, words_for};

/// How often one call claims when it runs into slots that are not free. A stopped producer leaves up to
/// [`MAX_RUN`] parked slots in a row, so this many tries walk past the longest such row.
const ATTEMPTS: usize = if cfg!(loom) { 2 } else { MAX_RUN + 4 };

/// A producer's line in the registry: written by its thread alone, read by the drainer when it meets a hole.
#[derive(Clone, Copy)]
pub(crate) struct Lease<'a> {
    /// The oldest sequence that the thread may own right now, or [`IDLE`].
    pub(crate) floor: &'a AtomicU64,
    /// Records begun, in the thread's normal course. With what was delivered and what was given up it
    /// tells, once the thread is dead, whether a record died with it.
    pub(crate) begun: &'a AtomicU64,
    /// Records begun by signal handlers that interrupted a claim of this thread.
    pub(crate) begun_nested: &'a AtomicU64,
}

/// Why a claim was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The ring is full; the record was not begun. Holds the tail that was seen.
    Full(u64),
    /// The record was begun, but each sequence it got lay in a slot that was not free. Holds the last one.
    Overtaken(u64),
}

/// One claimed run, to be filled and published. Dropped instead, it leaves a hole that the drainer
/// recognises as an orphan, since no floor covers it any more.
#[must_use = "a claim that is not published is a hole in the ring"]
pub(crate) struct Claim<'a> {
    slots: Slots<'a>,
    sequence: u64,
    /// The slots that it spans.
    span: u64,
    /// The floor to clear at the end; `None` in a claim that interrupted another of the same thread.
    floor: Option<&'a AtomicU64>,
}

/// Claims a run of `bytes` payload bytes, at most [`Ring::longest_run`]. `cached_head` belongs to the
/// calling thread and spares it the drainer's line as long as the ring is not nearly full; `leave` is how many
/// slots must stay free for others; `first` says that the run begins a record, as opposed to going on with one.
pub(crate) fn claim<'a>(
    ring: &Ring<'a>,
    lease: &Lease<'a>,
    cached_head: &Cell<u64>,
    bytes: usize,
    leave: u64,
    first: bool,
) -> Result<Claim<'a>, Refused> {
    let mut outcome = claim_once(ring, lease, cached_head, bytes, leave, first);
    for _ in 1..ATTEMPTS {
        let Err(Refused::Overtaken(sequence)) = outcome else {
            break;
        };
        outcome = claim_once(ring, lease, cached_head, bytes, leave, false);
        if first && matches!(outcome, Err(Refused::Full(_))) {
            // The record has been begun: it is not one that found the ring full.
            outcome = Err(Refused::Overtaken(sequence));
            break;
        }
    }
    outcome
}

/// The same, once: a run that is not free is walked away from, and no other is tried.
#[inline(always)]
pub(crate) fn claim_once<'a>(
    ring: &Ring<'a>,
    lease: &Lease<'a>,
    cached_head: &Cell<u64>,
    bytes: usize,
    leave: u64,
    first: bool,
) -> Result<Claim<'a>, Refused> {
    let span = ring.slots.shape.slots_for(bytes) as u64;
    // Relaxed: only this thread (and its signal handlers) writes the floor.
    let outermost = lease.floor.load(Ordering::Relaxed) == IDLE;
    // Relaxed: a guess; the fetch_add below decides.
    let tail = ring.tail.load(Ordering::Relaxed);
    failpoint::hit("claim.looked");
    if !has_room(ring, tail, span.wrapping_add(leave), cached_head) {
        return Err(Refused::Full(tail));
    }
    if outermost {
        announce(lease, tail);
    }
    if first {
        count_begun(lease, outermost);
    }
    // [tail]: the release half makes the floor visible to a reader that sees the tail past this run.
    let sequence = ring.tail.fetch_add(span, Ordering::AcqRel);
    failpoint::hit("claim.claimed");
    let claim = Claim {
        slots: ring.slots,
        sequence,
        span,
        floor: outermost.then_some(lease.floor),
    };
    if run_is_free(ring, sequence, span) {
        return Ok(claim);
    }
    walk_away(ring, sequence, span);
    // Dropping the claim clears the floor ([floor]): we have walked away, and the drainer may take it as orphaned.
    Err(Refused::Overtaken(sequence))
}

/// Whether `slots` more sequences from `tail` on fit, by the cached head or else by the true one.
#[inline(always)]
fn has_room(ring: &Ring<'_>, tail: u64, slots: u64, cached_head: &Cell<u64>) -> bool {
    if fits(tail, slots, cached_head.get(), ring.slots.capacity) {
        return true;
    }
    // [head]: pairs with the store in Reader::release.
    cached_head.set(ring.head.load(Ordering::Acquire));
    fits(tail, slots, cached_head.get(), ring.slots.capacity)
}

/// Says that whatever the thread gets will not be older than `tail`.
#[inline(always)]
fn announce(lease: &Lease<'_>, tail: u64) {
    // [floor]: the fetch_add shows it to the drainer. Release for what is behind us: who sees this floor
    // above a hole must see in it what we published there, though the clearing in between is missed.
    lease.floor.store(tail, Ordering::Release);
    // A signal handler must see the floor before `begun` is read, or it counts where we count:
    // the release above keeps nothing from being moved up before it.
    compiler_fence(Ordering::SeqCst);
    failpoint::hit("claim.floor");
}

/// The outermost claim counts with a load and a store, which its own signal handlers cannot tear apart,
/// because they see the floor set and count elsewhere, with a read-modify-write.
#[inline(always)]
fn count_begun(lease: &Lease<'_>, outermost: bool) {
    if outermost {
        let begun = lease.begun.load(Ordering::Relaxed);
        lease.begun.store(begun.wrapping_add(1), Ordering::Relaxed);
    } else {
        lease.begun_nested.fetch_add(1, Ordering::Relaxed);
    }
    failpoint::hit("claim.begun");
}

#[inline(always)]
fn run_is_free(ring: &Ring<'_>, sequence: u64, span: u64) -> bool {
    is_free(ring, sequence) && (span == 1 || rest_is_free(ring, sequence, span))
}

fn rest_is_free(ring: &Ring<'_>, sequence: u64, span: u64) -> bool {
    (1..span).all(|i| is_free(ring, sequence.wrapping_add(i)))
}

#[inline(always)]
fn is_free(ring: &Ring<'_>, n: u64) -> bool {
    // [release]: pairs with the drainer's store; after it the drainer reads nothing more of the last lap.
    ring.slot(n)[0].load(Ordering::Acquire) == free(n)
}

/// Leaves word of each sequence of a run that cannot be taken whole, so that none is waited for. Without it they
/// would be holes, and holes behind the floor of a stopped producer are parked as if they were its own: the
/// parked would grow with every lap, until they are the whole ring. The slots are not touched: one that is
/// not released yet becomes a hole when it is, long after we have gone.
#[cold]
#[inline(never)]
fn walk_away(ring: &Ring<'_>, sequence: u64, slots: u64) {
    failpoint::hit("claim.refused");
    for n in (0..slots).map(|i| sequence.wrapping_add(i)) {
        // [release]: as in run_is_free.
        let state = ring.slot(n)[0].load(Ordering::Acquire);
        // The word of a parked sequence stays: perhaps its claimer has left it, and the drainer has not seen it.
        if can_become_free(state, n, ring.slots.capacity) {
            // [walk]: pairs with the load in Reader::has_walked. Not moved after the store to the floor that
            // follows, which is a Release too: else a drainer that sees us gone could miss it.
            ring.walked(n).store(walked(n), Ordering::Release);
        }
    }
    failpoint::hit("claim.walked");
}

impl<'a> Claim<'a> {
    /// The sequence of the run's first slot.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Writes the payload, publishes the run and ends the claim. `bytes` must be as long as was claimed;
    /// `tag` is the caller's own 48 bits.
    #[inline]
    pub(crate) fn publish(self, tag: u64, bytes: &[u8]) {
        self.publish_with(tag, bytes.len(), |payload| payload.bytes(bytes));
    }

    /// The same, the payload's `bytes` bytes being written by `write`. That must be no code of the user: whatever
    /// stops here stops a whole run of slots.
    #[inline(always)]
    pub(crate) fn publish_with(self, tag: u64, bytes: usize, write: impl FnOnce(&mut Payload<'a>)) {
        let slots = self.slots;
        let first = slots.slot(self.sequence);
        debug_assert!(tag < 1 << 48 && slots.shape.slots_for(bytes) as u64 == self.span);
        failpoint::hit("claim.checked");
        // Relaxed: ordered by the publish below.
        first[1].store((tag << 16) | bytes as u64, Ordering::Relaxed);
        failpoint::hit("publish.half");
        write(&mut Payload {
            slots,
            next: self.sequence.wrapping_add(1),
            end: self.sequence.wrapping_add(self.span),
            room: &first[2..],
        });
        failpoint::hit("publish.written");
        // [publish]: pairs with the loads in Reader::next, Ring::has_late and the sweep.
        first[0].store(published(self.sequence), Ordering::Release);
        failpoint::hit("publish.published");
        slots.fetch_ahead(self.sequence, self.span);
        // Dropping `self` clears the floor.
    }
}

/// Where the payload of a claimed run goes, one piece behind the other.
pub(crate) struct Payload<'a> {
    slots: Slots<'a>,
    /// The run's next slot, and the first that is not the run's.
    next: u64,
    end: u64,
    /// What is left of the present slot.
    room: &'a [AtomicU64],
}

impl<'a> Payload<'a> {
    /// The next `words` words, if they lie in one slot, to be filled in any way.
    #[inline(always)]
    pub(crate) fn take(&mut self, words: usize) -> Option<&'a [AtomicU64]> {
        let (taken, room) = self.room.split_at_checked(words)?;
        self.room = room;
        Some(taken)
    }

    /// Appends a word.
    #[inline(always)]
    pub(crate) fn word(&mut self, word: u64) {
        if self.room.is_empty() {
            self.go_on();
        }
        if let Some((place, room)) = self.room.split_first() {
            // Relaxed: ordered by the publish.
            place.store(word, Ordering::Relaxed);
            self.room = room;
        }
    }

    /// Appends bytes, and zeros up to the end of the word.
    #[inline]
    pub(crate) fn bytes(&mut self, mut bytes: &[u8]) {
        loop {
            let stored = store_bytes(self.room, bytes);
            self.room = &self.room[words_for(stored)..];
            bytes = &bytes[stored..];
            if bytes.is_empty() || !self.go_on() {
                return;
            }
        }
    }

    /// Goes to the run's next slot, if there is one: what was not claimed is not written.
    fn go_on(&mut self) -> bool {
        let more = self.next != self.end;
        if more {
            self.room = &self.slots.slot(self.next)[1..];
            self.next = self.next.wrapping_add(1);
        }
        debug_assert!(more, "more than was claimed");
        more
    }
}

impl Drop for Claim<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(floor) = self.floor {
            // [floor]: Release, so that a drainer that sees it idle also sees what was published before.
            floor.store(IDLE, Ordering::Release);
        }
    }
}
