//! A place in memory that the first thread fills, once, and that no thread waits for.
//!
//! `OnceLock` is a lock: who comes while it is being filled sleeps, and in a child made by fork sleeps for ever when a thread
//! of its parent was filling it; a signal handler that interrupted the filling sleeps for ever too. Here a place
//! that is being filled is no place yet: the caller does without.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::failpoint;

const EMPTY: u8 = 0;
/// By a thread that may have been left behind by a fork, and then for good.
const BEING_FILLED: u8 = 1;
const FULL: u8 = 2;

/// See the module. What is in it is never dropped.
pub(crate) struct Place<T> {
    /// Goes from `EMPTY` by `BEING_FILLED` to `FULL`, each step once.
    state: AtomicU8,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is written by the one thread that took the state from EMPTY to BEING_FILLED, and read by others only when
// they see FULL, which is stored behind it ([place]); so a `&Place` gives away no more than a `&T`, and moves one `T` from
// the thread that filled it to those that read it.
unsafe impl<T: Send + Sync> Sync for Place<T> {}

impl<T> Place<T> {
    /// Nothing is in it.
    pub(crate) const fn new() -> Place<T> {
        Place {
            state: AtomicU8::new(EMPTY),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// What is in it.
    #[inline]
    fn get(&self) -> Option<&T> {
        // [place] Acquire: pairs with the store in `get_or_fill`.
        if self.state.load(Ordering::Acquire) != FULL {
            return None;
        }
        // SAFETY: nothing writes the value once the state is FULL, and the state stays that.
        let value = unsafe { &*self.value.get() };
        // SAFETY: the value was written before the state became FULL.
        Some(unsafe { value.assume_init_ref() })
    }

    /// What is in it, put there by `make` if nothing was. `None` when it is being filled: by another thread, or by this one,
    /// which a signal handler or `make` has interrupted.
    #[inline]
    pub(crate) fn get_or_fill(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.get().or_else(|| self.fill(make))
    }

    #[cold]
    fn fill(&self, make: impl FnOnce() -> T) -> Option<&T> {
        // Relaxed, both: it only says whose turn it is; what others have put there is read behind [place].
        let (from, to, relaxed) = (EMPTY, BEING_FILLED, Ordering::Relaxed);
        if self
            .state
            .compare_exchange(from, to, relaxed, relaxed)
            .is_ok()
        {
            failpoint::hit("place.taken");
            let value = MaybeUninit::new(make());
            // SAFETY: this thread alone has seen the state EMPTY, so no other writes, and none reads before FULL.
            unsafe { self.value.get().write(value) };
            // [place] Release: who sees FULL sees the value.
            self.state.store(FULL, Ordering::Release);
        }
        self.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_being_filled_is_none_to_whoever_comes_meanwhile() {
        static PLACE: Place<u32> = Place::new();
        let filled = PLACE.get_or_fill(|| {
            // As a signal handler that interrupted this thread, and as another thread.
            assert_eq!(PLACE.get_or_fill(|| 8), None);
            let other = std::thread::spawn(|| PLACE.get_or_fill(|| 9).copied());
            assert_eq!(other.join().unwrap(), None);
            7
        });
        assert_eq!(filled, Some(&7));
        assert_eq!(PLACE.get_or_fill(|| 8), Some(&7));
    }

    #[test]
    fn of_many_who_come_at_once_one_fills_it_and_none_sees_anything_else() {
        for _ in 0..200 {
            let place = Place::new();
            std::thread::scope(|scope| {
                for thread in 0..3_u64 {
                    let place = &place;
                    scope.spawn(move || {
                        let seen = place.get_or_fill(|| [thread; 8]).copied();
                        assert!(seen.is_none_or(|seen| seen == [seen[0]; 8]));
                    });
                }
            });
            assert!(place.get().is_some());
        }
    }
}
