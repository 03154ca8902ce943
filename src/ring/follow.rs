//! A second reader, who takes part in nothing: no word of the ring is written, neither producers nor the drainer know
//! of it, so they do not wait for it either. Who is too slow is *overtaken*, finds that out, and goes on further ahead.
//!
//! It reads what is published, and what the drainer has given back as long as nobody has claimed it anew: what was
//! written stays in its slot for a lap. At the cursor `n`, by the state word of its slot:
//!
//! | state | meaning | action |
//! |---|---|---|
//! | `PUBLISHED(n)` | a run | copy it, `n += k` |
//! | `FREE(n + capacity)`, [`VOID`] in the slot | given back; no run began there | `n += 1` |
//! | `FREE(n + capacity)` | given back | copy it, `n += k` |
//! | `FREE(n)`, head at or below `n` | not published yet, or nothing there | wait |
//! | `FREE(n)`, head past `n` | parked | remember it, `n += 1` |
//! | else | settled while parked; or overtaken | `n += 1`; or go on further ahead |
//!
//! **Nothing torn is handed out.** A batch of runs is copied, then the tail is read: if it is not within [`MAX_RUN`] of a
//! lap beyond the first of them, nobody had begun to write over them. For a producer that claims the slot of `n` for the
//! next lap has read a tail of at least `n + capacity - MAX_RUN + 1` in its `fetch_add`, whose acquire half puts what it
//! writes into the slot behind that; whoever reads something of that, and then, behind a fence, the tail, finds it
//! there. (On processors where a store becomes visible to all others at the same moment, which x86-64, aarch64 and RISC-V
//! are. The C11 model knows weaker ones, and would ask for a release fence in every claim, for the sake of observers that
//! mostly are not there. Whatever is handed out is in any case not believed by those who get it.)
//!
//! Runs have different lengths, so a follower can begin only where one begins: at the head, or where the drainer's *trail*
//! says that one began: a word for every [`stretch`](Ring::trail_slots) of slots.

use super::Ring;
use super::read::Run;
use super::sequence::{MAX_RUN, free, published};
use crate::sync::{Ordering, fence};

/// Second word of a slot in which no run began: of an impossible length.
pub(super) const VOID: u64 = u64::MAX;

/// Runs in a batch at most.
const MOST: usize = 256;
/// Parked sequences that are remembered.
const MOST_PARKED: usize = 4096;

/// Runs that were copied.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Each with the end of its payload in `bytes`, and whether it is late.
    runs: Vec<(Run, usize, bool)>,
    bytes: Vec<u8>,
}

impl Batch {
    /// The runs, their payload, and whether they are late.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (Run, &[u8], bool)> {
        let begins = std::iter::once(0).chain(self.runs.iter().map(|(_, end, _)| *end));
        let runs = self.runs.iter().zip(begins);
        runs.map(|((run, end, late), begin)| (*run, &self.bytes[begin..*end], *late))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    fn clear(&mut self) {
        self.runs.clear();
        self.bytes.clear();
    }

    fn copy(&mut self, ring: &Ring<'_>, run: Run, late: bool) {
        ring.copy(&run, &mut self.bytes);
        self.runs.push((run, self.bytes.len(), late));
    }
}

/// What stands at a sequence.
enum Stand {
    Run,
    /// Nothing that could be read, now or later.
    Nothing,
    /// Nothing yet.
    NotYet,
    Parked,
}

/// Where a second reader is.
pub(crate) struct Follower<'a> {
    ring: Ring<'a>,
    /// Next sequence to be read.
    cursor: u64,
    /// Sequences that were passed because they were parked.
    parked: Vec<u64>,
}

impl<'a> Follower<'a> {
    /// Begins behind all that was claimed and given back by now.
    pub(crate) fn at_head(ring: Ring<'a>) -> Follower<'a> {
        Follower {
            cursor: ring.head(),
            ring,
            parked: Vec::new(),
        }
    }

    /// Begins with the oldest that is there, but for a part of the ring of which some may be written over any moment.
    pub(crate) fn at_oldest(ring: Ring<'a>) -> Follower<'a> {
        let mut follower = Follower::at_head(ring);
        let reach = ring.slots.capacity - ring.slots.capacity / 8;
        follower.cursor = follower.begin_within(reach);
        follower
    }

    /// Next sequence to be read.
    pub(crate) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Copies what there is, a limited number of runs, in place of what was in the batch. Returns how many sequences were
    /// passed because it came too late for them.
    pub(crate) fn take(&mut self, batch: &mut Batch) -> u64 {
        batch.clear();
        self.take_late(batch);
        let begin = self.cursor;
        while batch.runs.len() < MOST {
            match self.look() {
                Stand::Run => {
                    let run = self.ring.run_at(self.cursor);
                    batch.copy(&self.ring, run, false);
                    self.cursor = self.cursor.wrapping_add(run.slots);
                }
                Stand::Nothing => self.cursor = self.cursor.wrapping_add(1),
                Stand::Parked => {
                    if self.parked.len() < MOST_PARKED {
                        self.parked.push(self.cursor);
                    }
                    self.cursor = self.cursor.wrapping_add(1);
                }
                Stand::NotYet => break,
            }
            // Over words that say nothing it must not run on for ever.
            if self.cursor.wrapping_sub(begin) >= self.ring.slots.capacity {
                break;
            }
        }
        // The copies are made before the tail is read.
        fence(Ordering::Acquire);
        if !self.is_overwritten(begin) {
            return 0;
        }
        // Not the late ones either, of which some may be older still.
        batch.clear();
        self.cursor = self.begin_within(self.ring.slots.capacity / 2);
        self.parked.clear();
        // Back only if the words say nothing that makes sense.
        let passed = self.cursor.wrapping_sub(begin);
        if passed as i64 > 0 { passed } else { 0 }
    }

    /// Whether somebody may have begun to write over what stood in the slot of `n`.
    fn is_overwritten(&self, n: u64) -> bool {
        self.may_be_claimed(n.wrapping_add(self.ring.slots.capacity))
    }

    /// Whether `n` was claimed, or is about to be.
    fn may_be_claimed(&self, n: u64) -> bool {
        let last = n.wrapping_sub(MAX_RUN as u64);
        self.ring.tail().wrapping_sub(last) as i64 > 0
    }

    fn state(&self, n: u64) -> u64 {
        // [publish], [release]: pair with the stores in Claim::publish_with and Reader::release.
        self.ring.slot(n)[0].load(Ordering::Acquire)
    }

    fn is_void(&self, n: u64) -> bool {
        // Relaxed: written before the state that was seen.
        self.ring.slot(n)[1].load(Ordering::Relaxed) == VOID
    }

    fn look(&self) -> Stand {
        let n = self.cursor;
        let state = self.state(n);
        if state == published(n) {
            return Stand::Run;
        }
        if state == free(n.wrapping_add(self.ring.slots.capacity)) {
            return if self.is_void(n) {
                Stand::Nothing
            } else {
                Stand::Run
            };
        }
        let is_passed = self.ring.head().wrapping_sub(n) as i64 > 0;
        match state == free(n) {
            // The state again, behind the head: it may have been published and given back in between.
            true if is_passed && self.state(n) == state => Stand::Parked,
            true => Stand::NotYet,
            // Of something that is ahead of us it is damage, which the drainer mends.
            false if is_passed => Stand::Nothing,
            false => Stand::NotYet,
        }
    }

    /// Copies what has come of the parked.
    fn take_late(&mut self, batch: &mut Batch) {
        let parked = std::mem::take(&mut self.parked);
        // The slots behind the first of a run were parked too.
        let mut end_of_run = 0;
        for &p in &parked {
            let state = self.state(p);
            if p < end_of_run {
                continue;
            }
            if state == free(p) {
                self.parked.push(p);
            } else if state == published(p) || (state > published(p) && !self.is_void(p)) {
                let before = (batch.runs.len(), batch.bytes.len());
                let run = self.ring.run_at(p);
                end_of_run = p.saturating_add(run.slots);
                batch.copy(&self.ring, run, true);
                // The copy is made before the state and the tail are read.
                fence(Ordering::Acquire);
                // Its slot goes to a sequence beyond the next lap's.
                let state = self.state(p);
                if state != published(p) && self.may_be_claimed(state >> 1) {
                    batch.runs.truncate(before.0);
                    batch.bytes.truncate(before.1);
                }
            }
        }
    }

    /// A sequence at which a run begins, at most `reach` behind the tail; the head if nothing is known of any earlier one.
    fn begin_within(&self, reach: u64) -> u64 {
        let (head, stretch) = (self.ring.head(), self.ring.trail_slots());
        let first = self.ring.tail().saturating_sub(reach);
        let first = first.checked_next_multiple_of(stretch).unwrap_or(head);
        let stretches = (first..head).step_by(stretch as usize);
        let noted = |from: u64| {
            // Relaxed: see Reader::note_trail.
            let at = self
                .ring
                .trail(from)
                .load(Ordering::Relaxed)
                .checked_sub(1)?;
            (at / stretch == from / stretch && at < head).then_some(at)
        };
        stretches
            .take(self.ring.trail.len())
            .find_map(noted)
            .unwrap_or(head)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
