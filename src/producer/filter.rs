//! Whether a log call is to be made at all: what a disabled one costs.
//!
//! ```text
//!   level below the filter's least?      no
//!   the filter names no targets?         yes
//!   the verdict kept for the call site, or for the target, is of this filter?    as it says
//!   otherwise                            look it up in the segment, and keep it
//! ```

use std::sync::atomic::AtomicPtr;

use super::attachment;
use crate::hash::MURMUR;
use crate::level::Level;
use crate::record::CallSite;
use crate::segment::{FILTER_OFF, FilterWord};
use crate::sync::{AtomicU64, Ordering};

/// What is looked at where there is no ring: which records `without.rs` gets. It names no targets.
static NO_RING: AtomicU64 = AtomicU64::new(Level::Warn as u64);

/// Lets records of this level and above pass where there is no ring, or none.
pub(super) fn let_pass_without_ring(least: Option<Level>) {
    // Relaxed: the word is all there is.
    NO_RING.store(
        least.map_or(FILTER_OFF, |level| level as u64),
        Ordering::Relaxed,
    );
}

/// The word of the present ring's filter, or [`NO_RING`].
static WORD: AtomicPtr<AtomicU64> = AtomicPtr::new(std::ptr::from_ref(&NO_RING).cast_mut());

/// Has the log calls look at this word, or without one at that of a process without a ring.
pub(super) fn look_at(word: Option<&'static AtomicU64>) {
    let word = std::ptr::from_ref(word.unwrap_or(&NO_RING));
    // [filter word] Release: pairs with the load in `word`.
    WORD.store(word.cast_mut(), Ordering::Release);
}

#[inline(always)]
#[allow(unsafe_code)]
fn word() -> FilterWord {
    // [filter word] Acquire: pairs with the store in `look_at`.
    let word = WORD.load(Ordering::Acquire);
    // SAFETY: made from a `&'static AtomicU64`, by `look_at` or in the beginning; only they store into it.
    let word = unsafe { &*word };
    // Relaxed: a filter that changes is noticed soon; what it says is read with more care.
    FilterWord(word.load(Ordering::Relaxed))
}

/// Whether a record of `level` may be recorded now: of some target it is.
#[inline]
pub(crate) fn is_enabled(level: Level) -> bool {
    level as u64 >= word().least()
}

/// Whether one that may be is recorded, of this call site and its own target, if it has one.
#[inline]
pub(crate) fn passes(level: Level, site: &CallSite, target: Option<&str>) -> bool {
    let word = word();
    if !word.has_targets() {
        return true;
    }
    let least = match target {
        None => site.known_least(word.generation()),
        Some(target) => TARGETS.known_least(word.generation(), target),
    };
    level as u64 >= least.unwrap_or_else(|| look_up(site, target))
}

#[cold]
fn look_up(site: &CallSite, target: Option<&str>) -> u64 {
    let Some(attachment) = attachment::current() else {
        return FILTER_OFF;
    };
    let filter = attachment.segment.filter();
    let (generation, least) = filter.least(target.unwrap_or(site.statement.target));
    match target {
        None => site.keep_least(generation, least),
        Some(target) => TARGETS.keep_least(generation, target, least),
    }
    least
}

/// Verdicts for targets that only the running program knows, by a hash of target and generation: a thread that comes to the
/// same place takes it.
struct Targets([AtomicU64; 256]);

static TARGETS: Targets = Targets([const { AtomicU64::new(0) }; 256]);

/// Of an entry, what is the least level; the rest is of the hash.
const LEAST: u64 = 7;

impl Targets {
    #[inline]
    fn known_least(&self, generation: u64, target: &str) -> Option<u64> {
        let hash = hash(generation, target);
        // Relaxed: the word is all there is.
        let kept = self.place(hash).load(Ordering::Relaxed);
        ((kept ^ hash) & !LEAST == 0).then_some(kept & LEAST)
    }

    fn keep_least(&self, generation: u64, target: &str, least: u64) {
        let hash = hash(generation, target);
        let kept = hash & !LEAST | least & LEAST;
        self.place(hash).store(kept, Ordering::Relaxed);
    }

    #[inline]
    fn place(&self, hash: u64) -> &AtomicU64 {
        &self.0[(hash >> 56) as usize]
    }
}

/// Of 61 bits, so that two targets of a program never fall together in practice. A word costs one factor
/// of the finaliser of MurmurHash3: two would cost each call more.
#[inline]
fn hash(generation: u64, target: &str) -> u64 {
    let mix = |hash: u64, word: u64| {
        let mixed = (hash.rotate_left(5) ^ word).wrapping_mul(MURMUR);
        mixed ^ (mixed >> 32)
    };
    let (words, rest) = target.as_bytes().as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let last = rest
        .iter()
        .fold(0, |last, &byte| last << 8 | u64::from(byte));
    let hash = words.fold(generation ^ 0x9e37_79b9_7f4a_7c15, mix);
    mix(mix(hash, last), target.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_found_again_of_its_generation_and_target_only() {
        let targets = Targets([const { AtomicU64::new(0) }; 256]);
        assert_eq!(targets.known_least(1, "imu"), None);
        targets.keep_least(1, "imu", 5);
        assert_eq!(targets.known_least(1, "imu"), Some(5));
        assert_eq!(targets.known_least(2, "imu"), None);
        assert_eq!(targets.known_least(1, "imu\0"), None);
    }

    #[test]
    fn no_two_targets_of_many_have_the_same_hash() {
        let of = |n: u32| hash(1, &format!("robot::joint_{n}"));
        let mut all: Vec<u64> = (0..100_000).map(|n| of(n) & !LEAST).collect();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
        let used = (0..4096)
            .map(|n| of(n) >> 56)
            .collect::<std::collections::HashSet<_>>();
        assert_eq!(used.len(), 256);
    }
}
