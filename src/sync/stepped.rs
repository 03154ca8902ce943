//! Loom's `AtomicU64`, with the steps of each thread counted: a test can have something happen right before
//! any one of them, such as the end of the thread (as `kill -9` ends a process) or a signal handler.
//!
//! A *step* is one atomic operation. What a thread does between two steps does not concern the others, so what
//! may happen before each step stands for what may happen at any time.
//!
//! The steps also mend loom. To leave out interleavings that come to the same, it remembers of each atomic the
//! last access only, so a thread's own load hides from it that the thread's next store races with what others
//! loaded before (tokio-rs/loom issues 166 and 392, open in 0.7.3). Every claim loads the tail before it moves
//! it: loom alone runs a producer beside a drainer *once*. So each access is preceded by an idle
//! read-modify-write of a companion, which orders nothing (Relaxed) and depends on every other of its kind:
//! none of them is hidden.

use std::cell::RefCell;
#[cfg(test)]
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::Ordering;

enum Fate {
    /// Nothing is going to happen.
    None,
    /// After so many more steps, this.
    Event(u64, Box<dyn FnOnce()>),
    /// The thread is dead: the stores of the destructors that unwinding runs are not made.
    Dead,
}

loom::thread_local! {
    static FATE: RefCell<Fate> = RefCell::new(Fate::None);
}

/// Counts a step of this thread. `false` when the thread makes none any more.
fn step() -> bool {
    let mut fate = FATE.with(|fate| fate.replace(Fate::None));
    if let Fate::Event(0, event) = fate {
        event();
        return true;
    }
    if let Fate::Event(left, _) = &mut fate {
        *left -= 1;
    }
    let lives = !matches!(fate, Fate::Dead);
    FATE.with(|now| now.replace(fate));
    lives
}

/// Has `event` happen on this thread after `steps` more steps of `work`, and gives back what `work` gives.
/// An event that has not happened by the end of `work` does not happen.
#[cfg(test)]
pub(crate) fn before_step<T>(
    steps: u64,
    event: impl FnOnce() + 'static,
    work: impl FnOnce() -> T,
) -> T {
    FATE.with(|fate| fate.replace(Fate::Event(steps, Box::new(event))));
    let result = work();
    FATE.with(|fate| fate.replace(Fate::None));
    result
}

/// Ends `work` after `steps` steps: `None`. `Some` when it was done by then.
#[cfg(test)]
pub(crate) fn die_at_step<T>(steps: u64, work: impl FnOnce() -> T) -> Option<T> {
    struct Died;
    let die = || {
        FATE.with(|fate| fate.replace(Fate::Dead));
        resume_unwind(Box::new(Died));
    };
    let result = catch_unwind(AssertUnwindSafe(|| before_step(steps, die, work)));
    FATE.with(|fate| fate.replace(Fate::None));
    match result {
        Ok(result) => Some(result),
        Err(reason) if reason.is::<Died>() => None,
        Err(reason) => resume_unwind(reason),
    }
}

/// As the one of std, for what the ring and the words use of it.
#[derive(Debug)]
pub(crate) struct AtomicU64 {
    value: loom::sync::atomic::AtomicU64,
    /// See the module.
    order: loom::sync::atomic::AtomicU64,
}

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> AtomicU64 {
        AtomicU64 {
            value: loom::sync::atomic::AtomicU64::new(value),
            order: loom::sync::atomic::AtomicU64::new(0),
        }
    }

    /// Counts a step of this thread. `false` when the thread makes none any more.
    fn step(&self) -> bool {
        let steps = step();
        if steps {
            self.order.fetch_add(0, Ordering::Relaxed);
        }
        steps
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u64 {
        if self.step() {
            self.value.load(ordering)
        } else {
            0
        }
    }

    pub(crate) fn store(&self, value: u64, ordering: Ordering) {
        if self.step() {
            self.value.store(value, ordering);
        }
    }

    pub(crate) fn compare_exchange(
        &self,
        seen: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        if self.step() {
            self.value.compare_exchange(seen, new, success, failure)
        } else {
            Ok(seen)
        }
    }

    pub(crate) fn fetch_add(&self, value: u64, ordering: Ordering) -> u64 {
        if self.step() {
            self.value.fetch_add(value, ordering)
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_load_before_a_store_hides_no_interleaving_from_loom() {
        // Issue 392, which fails with loom's own atomics.
        let seen = Arc::new([const { AtomicUsize::new(0) }; 2]);
        let see = seen.clone();
        loom::model(move || {
            let word = Arc::new(AtomicU64::new(0));
            let other = word.clone();
            let thread = loom::thread::spawn(move || {
                other.load(Ordering::Relaxed);
                other.store(1, Ordering::Relaxed);
            });
            see[word.load(Ordering::Relaxed) as usize].fetch_add(1, Ordering::Relaxed);
            thread.join().unwrap();
        });
        assert!(seen.iter().all(|times| times.load(Ordering::Relaxed) > 0));
    }
}
