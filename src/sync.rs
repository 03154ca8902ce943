//! The one place that names the atomics: those of std, or loom's when the orderings are checked.

#[cfg(loom)]
#[cfg_attr(not(test), allow(dead_code))]
mod stepped;

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::AtomicU64;
#[cfg(loom)]
pub(crate) use stepped::AtomicU64;
#[cfg(all(test, loom))]
pub(crate) use stepped::{before_step, die_at_step};

#[cfg(loom)]
pub(crate) use loom::sync::atomic::fence;
pub(crate) use std::sync::atomic::Ordering;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::fence;

/// Loads a word as `Ordering::Acquire` does, and also where it is mapped for reading only, as an observer has it: std promises
/// that of no load but a small relaxed one (`std::sync::atomic`, "Atomic accesses to read-only memory"), and that a fence
/// behind it orders as well. Whatever an observer may call loads by this, or relaxed.
#[inline]
pub(crate) fn load_acquire(word: &AtomicU64) -> u64 {
    // Relaxed: the fence orders it.
    let value = word.load(Ordering::Relaxed);
    fence(Ordering::Acquire);
    value
}
