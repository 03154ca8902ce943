//! Other people's log statements: those of the crates `log` and `tracing`, as records of ours.
//!
//! [`log`] makes this process's ring the logger of all code that uses `log`, [`tracing`](mod@tracing) is a layer for its
//! subscribers, [`sites`] gives their statements call sites.

#[cfg(feature = "log")]
mod log;
mod sites;
#[cfg(feature = "tracing")]
pub mod tracing;

#[cfg(feature = "log")]
pub(crate) use self::log::install;

/// There is no crate to be installed in.
#[cfg(not(feature = "log"))]
pub(crate) fn install() {}
