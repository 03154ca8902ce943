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
