//! A second reader, who takes part in nothing: no word of the ring is written, neither producers nor the drainer know
//! of it, so they do not wait for it either. Who is too slow is *overtaken*, finds that out, and goes on further ahead.
//!
//! It reads what is published, and what the drainer has given back as long as no producer has claimed it anew: what was
//! written stays in its slot for a lap. At the cursor `n`, by the state word of its slot:
//!
//! | state | meaning | action |
//! |---|---|---|
//! | `PUBLISHED(n)` | a run | copy it, `n += k` |
//! | `FREE(n + capacity)`, [`VOID`] or [`SETTLED`] in the slot | given back; no run of `n` began there | `n += 1` |
//! | `FREE(n + capacity)` | given back | copy it, `n += k` |
//! | `FREE(n)`, head at or below `n` | not published yet, or nothing there | wait |
//! | `FREE(n)`, head past `n` | parked | remember it, `n += 1` |
//! | else | settled while parked; or overtaken | `n += 1`; or go on further ahead |
//!
//! **Nothing torn is handed out.** A batch of runs is copied, then the tail is read: if it is not within [`MAX_RUN`] of a
//! lap beyond the first of them, no producer had begun to write over them. For a producer that claims the slot of `n` for the
//! next lap has read a tail of at least `n + capacity - MAX_RUN + 1` in its `fetch_add`, whose acquire half puts what it
//! writes into the slot behind that; a follower that reads something of that, and then, behind a fence, the tail, finds it
//! there. (On processors where a store becomes visible to all others at the same moment, which x86-64, aarch64 and RISC-V
//! are. The C11 model knows weaker ones, and would ask for a release fence in every claim, for the sake of observers that
//! mostly are not there. Whatever is handed out is in any case not believed by those who get it.)
//!
//! A late run is copied only while it is published: when it is given back its slots go to different laps, some of
//! which may be claimed at once. Who comes too late for it counts it as overtaken.
//!
//! What leans on it: `docs/design/following.md`.
//!
//! Runs have different lengths, so a follower can begin only where one begins: at the head, or where the drainer's *trail*
//! says that one began: a word for every [stretch](Trail) of slots.

#[cfg(all(test, not(loom)))]
mod tests;

use super::Ring;
use super::read::Run;
use super::sequence::{MAX_RUN, free, published};
use crate::sync::{AtomicU64, Ordering, fence, load_acquire};

/// Second word of a slot in which no run began: of an impossible length.
pub(super) const VOID: u64 = u64::MAX;
/// The same of a slot whose run came late, and was delivered.
pub(super) const SETTLED: u64 = u64::MAX - 1;

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

/// A word for each of equal stretches of slots: 1 + the first sequence in them, of the lap that was released last, at which a
/// run begins. Apart from [`Ring`], of which producers hold one: it is none of their business.
#[derive(Clone, Copy)]
pub(crate) struct Trail<'a> {
    words: &'a [AtomicU64],
    /// Slots to a word.
    stretch: u64,
}

impl<'a> Trail<'a> {
    /// Of a ring of so many slots.
    pub(crate) fn new(words: &'a [AtomicU64], slots: u64) -> Trail<'a> {
        assert!(!words.is_empty() && slots.is_multiple_of(words.len() as u64));
        Trail {
            words,
            stretch: slots / words.len() as u64,
        }
    }

    /// The number of the stretch of a sequence.
    pub(super) fn stretch(&self, n: u64) -> u64 {
        n / self.stretch
    }

    /// Notes that a run begins at `n`.
    pub(super) fn note(&self, n: u64) {
        // Relaxed: a follower looks at what it points to, and believes neither.
        self.word(n).store(n.wrapping_add(1), Ordering::Relaxed);
    }

    /// The first run that was noted in the stretch of `n`, if that was in the same lap.
    fn noted(&self, n: u64) -> Option<u64> {
        let at = self.word(n).load(Ordering::Relaxed).checked_sub(1)?;
        (self.stretch(at) == self.stretch(n)).then_some(at)
    }

    fn word(&self, n: u64) -> &'a AtomicU64 {
        &self.words[self.stretch(n) as usize & (self.words.len() - 1)]
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
    trail: Trail<'a>,
    /// Next sequence to be read.
    cursor: u64,
    /// Sequences that were passed because they were parked.
    parked: Vec<u64>,
}

impl<'a> Follower<'a> {
    /// Begins behind all that was claimed and given back by now.
    pub(crate) fn at_head(ring: Ring<'a>, trail: Trail<'a>) -> Follower<'a> {
        Follower {
            cursor: ring.head(),
            ring,
            trail,
            parked: Vec::new(),
        }
    }

    /// Begins with the oldest that is there, but for a part of the ring of which some may be written over any moment.
    pub(crate) fn at_oldest(ring: Ring<'a>, trail: Trail<'a>) -> Follower<'a> {
        let mut follower = Follower::at_head(ring, trail);
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
        let missed = self.take_late(batch);
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
        // [tail], [release]: pairs with what the claimer, or the drainer, did before it stored what is read next.
        fence(Ordering::Acquire);
        // Beyond the tail is nothing: then it was damaged, or the head that we began at.
        let is_lost = self.cursor.wrapping_sub(self.ring.tail()) as i64 > 0;
        if !is_lost && !self.is_overwritten(begin) {
            return missed;
        }
        batch.clear();
        self.cursor = self.begin_within(self.ring.slots.capacity / 2);
        self.parked.clear();
        // Back only if the words say nothing that makes sense.
        let passed = self.cursor.wrapping_sub(begin);
        if passed as i64 > 0 { passed } else { 0 }
    }

    /// Whether a producer may have begun to write over what stood in the slot of `n`.
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
        load_acquire(&self.ring.slot(n)[0])
    }

    /// What the drainer has to say of a slot that it has given back, if it has.
    fn mark(&self, n: u64) -> Option<u64> {
        // Relaxed: written before the state that was seen.
        let word = self.ring.slot(n)[1].load(Ordering::Relaxed);
        (word >= SETTLED).then_some(word)
    }

    fn look(&self) -> Stand {
        let n = self.cursor;
        let state = self.state(n);
        if state == published(n) {
            return Stand::Run;
        }
        if state == free(n.wrapping_add(self.ring.slots.capacity)) {
            return match self.mark(n) {
                Some(_) => Stand::Nothing,
                None => Stand::Run,
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

    /// Copies what has come of the parked. Returns how many it came too late for.
    fn take_late(&mut self, batch: &mut Batch) -> u64 {
        let parked = std::mem::take(&mut self.parked);
        // The slots behind the first of a run were parked too.
        let (mut end_of_run, mut missed) = (0, 0);
        for &p in &parked {
            let state = self.state(p);
            if p < end_of_run {
                continue;
            }
            if state == free(p) {
                self.parked.push(p);
            } else if state == published(p) && batch.runs.len() < MOST {
                let before = (batch.runs.len(), batch.bytes.len());
                let run = self.ring.run_at(p);
                end_of_run = p.saturating_add(run.slots);
                batch.copy(&self.ring, run, true);
                // The copy is made before the state is read. While that is the same nothing of the run was given back:
                // its first slot goes first.
                // [tail], [release]: pairs with what the claimer, or the drainer, did before it stored what is read next.
                fence(Ordering::Acquire);
                if self.state(p) != state || self.mark(p).is_some() {
                    batch.runs.truncate(before.0);
                    batch.bytes.truncate(before.1);
                    missed += 1;
                }
            } else if state == published(p) {
                self.parked.push(p);
            } else if self.mark(p) == Some(SETTLED) {
                missed += 1;
            }
        }
        missed
    }

    /// A sequence at which a run begins, at most `reach` behind the tail; the head if nothing is known of any earlier one.
    fn begin_within(&self, reach: u64) -> u64 {
        let (head, stretch) = (self.ring.head(), self.trail.stretch);
        let first = self.ring.tail().saturating_sub(reach);
        let first = first.checked_next_multiple_of(stretch).unwrap_or(head);
        let stretches = (first..head).step_by(stretch as usize);
        let noted = |from: u64| self.trail.noted(from).filter(|at| *at < head);
        let mut stretches = stretches.take(self.trail.words.len());
        stretches.find_map(noted).unwrap_or(head)
    }
}
