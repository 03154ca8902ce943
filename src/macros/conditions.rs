//! Conditions of log statements: each statement's own, in a `static` beside its call site. Without a lock, so a thread that is
//! interrupted or killed amid one holds up no other.
//!
//! `pass` says whether the call logs, and how many calls did not since the last one that did. Threads that come at the
//! same time are counted each; which of them logs is not defined.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::hash::murmur;
use crate::record::capture::{Capture, Put};

/// The first call.
#[derive(Debug)]
pub struct Once(AtomicBool);

impl Once {
    /// Of a statement that was not called yet.
    #[expect(clippy::new_without_default, reason = "of a static")]
    pub const fn new() -> Once {
        Once(AtomicBool::new(false))
    }

    /// How many calls did not log before this one, if this one does.
    #[inline]
    pub fn pass(&self) -> Option<u64> {
        // Looked at first: the line stays with all who only read it. Relaxed, as all here: nothing else is told by it.
        let is_first = !self.0.load(Ordering::Relaxed) && !self.0.swap(true, Ordering::Relaxed);
        is_first.then_some(0)
    }
}

/// The first of every so many calls.
#[derive(Debug)]
pub struct EveryN(AtomicU64);

impl EveryN {
    /// Of a statement that was not called yet.
    #[expect(clippy::new_without_default, reason = "of a static")]
    pub const fn new() -> EveryN {
        EveryN(AtomicU64::new(0))
    }

    /// How many calls did not log before this one, if this one does.
    #[inline]
    pub fn pass(&self, n: u64) -> Option<u64> {
        let (n, calls) = (n.max(1), self.0.fetch_add(1, Ordering::Relaxed));
        let before = if calls == 0 { 0 } else { n - 1 };
        calls.is_multiple_of(n).then_some(before)
    }
}

/// All but the first call.
#[derive(Debug)]
pub struct SkipFirst(Once);

impl SkipFirst {
    /// Of a statement that was not called yet.
    #[expect(clippy::new_without_default, reason = "of a static")]
    pub const fn new() -> SkipFirst {
        SkipFirst(Once::new())
    }

    /// How many calls did not log before this one, if this one does.
    #[inline]
    pub fn pass(&self) -> Option<u64> {
        match self.0.pass() {
            Some(_) => None,
            None => Some(0),
        }
    }
}

/// A call so long after the one that logged.
#[derive(Debug)]
pub struct Throttle {
    /// Nanoseconds of the monotonic clock; 0 before the first call.
    last: AtomicU64,
    suppressed: AtomicU64,
}

impl Throttle {
    /// Of a statement that was not called yet.
    #[expect(clippy::new_without_default, reason = "of a static")]
    pub const fn new() -> Throttle {
        Throttle {
            last: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
        }
    }

    /// How many calls did not log before this one, if this one does.
    #[inline]
    pub fn pass(&self, least: Duration) -> Option<u64> {
        self.pass_at(
            now_ns(),
            u64::try_from(least.as_nanos()).unwrap_or(u64::MAX),
        )
    }

    fn pass_at(&self, now: u64, least: u64) -> Option<u64> {
        let last = self.last.load(Ordering::Relaxed);
        let is_due = last == 0 || now.saturating_sub(last) >= least;
        let ours = is_due
            && self
                .last
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !ours {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.suppressed.swap(0, Ordering::Relaxed))
    }
}

/// Never 0. Of the monotonic clock, by the vDSO.
fn now_ns() -> u64 {
    Clock::Monotonic.ticks().max(1)
}

/// A call with another value than the one before it.
#[derive(Debug)]
pub struct OnChange {
    /// Of the last value; 0 before the first.
    hash: AtomicU64,
    suppressed: AtomicU64,
}

impl OnChange {
    /// Of a statement that was not called yet.
    #[expect(clippy::new_without_default, reason = "of a static")]
    pub const fn new() -> OnChange {
        OnChange {
            hash: AtomicU64::new(0),
            suppressed: AtomicU64::new(0),
        }
    }

    /// How many calls did not log before this one, if this one does.
    #[inline]
    pub fn pass(&self, value: &(impl Capture + ?Sized)) -> Option<u64> {
        let mut hash = Hash(0);
        value.capture(&mut hash);
        let hash = hash.0.max(1);
        // Looked at first: see `Once`.
        let is_same = self.hash.load(Ordering::Relaxed) == hash
            || self.hash.swap(hash, Ordering::Relaxed) == hash;
        if is_same {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.suppressed.swap(0, Ordering::Relaxed))
    }
}

/// The finaliser of MurmurHash3 over each word: the values are the program's own, no adversary's.
struct Hash(u64);

impl Put for Hash {
    #[inline]
    fn word(&mut self, word: u64) {
        self.0 = murmur(self.0.rotate_left(5) ^ word ^ 0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn once_is_the_first_call_and_skip_first_all_others() {
        let (once, skip_first) = (Once::new(), SkipFirst::new());
        assert_eq!([(); 3].map(|()| once.pass()), [Some(0), None, None]);
        assert_eq!(
            [(); 3].map(|()| skip_first.pass()),
            [None, Some(0), Some(0)]
        );
    }

    #[test]
    fn every_n_passes_the_first_of_each_n_and_says_how_many_were_not() {
        let every = EveryN::new();
        let passed: Vec<_> = (0..7).map(|_| every.pass(3)).collect();
        assert_eq!(passed, [Some(0), None, None, Some(2), None, None, Some(2)]);
        assert_eq!([(); 2].map(|()| EveryN::new().pass(0)), [Some(0); 2]);
    }

    #[test]
    fn throttle_passes_what_comes_so_long_after_the_last_that_passed() {
        let throttle = Throttle::new();
        let at = |now| throttle.pass_at(now, 10);
        let times = [1, 5, 10, 11, 20, 30, 3];
        let expected = [Some(0), None, None, Some(2), None, Some(1), None];
        assert_eq!(times.map(at), expected);
    }

    #[test]
    fn on_change_passes_the_first_value_and_each_that_is_another() {
        let change = OnChange::new();
        let passed = [1.5, 1.5, -1.5, f64::NAN, f64::NAN].map(|value| change.pass(&value));
        assert_eq!(passed, [Some(0), None, Some(1), Some(0), None]);
        let change = OnChange::new();
        let texts = ["", "", "12345678", "123456789", "123456780"];
        let passed = texts.map(|text| change.pass(text).is_some());
        assert_eq!(passed, [true, false, true, true, true]);
    }

    #[test]
    fn of_many_threads_each_call_passes_or_is_counted() {
        let (every, throttle, once) = (EveryN::new(), Throttle::new(), Once::new());
        let begin = Barrier::new(4);
        let count = || {
            begin.wait();
            let mut counts = [0_u64; 3];
            for call in 0..10_000 {
                counts[0] += u64::from(every.pass(100).is_some());
                counts[1] += throttle
                    .pass_at(call + 1, 100)
                    .map_or(0, |before| before + 1);
                counts[2] += u64::from(once.pass().is_some());
            }
            counts
        };
        let mut sums = [0; 3];
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            for thread in threads {
                let counts = thread.join().unwrap();
                sums.iter_mut()
                    .zip(counts)
                    .for_each(|(sum, count)| *sum += count);
            }
        });
        assert_eq!(sums[0], 400);
        let left = throttle.suppressed.load(Ordering::Relaxed);
        assert_eq!(sums[1] + left, 40_000);
        assert_eq!(sums[2], 1);
    }
}
