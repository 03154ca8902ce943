//! Other people's log statements as records of ours: those of the crates `log` and `tracing`, and what programs print.
//!
//! `log` makes this process's ring the logger of all code that uses that crate, `tracing` is a layer for its subscribers,
//! `sites` gives their statements call sites, `bridged` those whose place only the running program knows. `spawn` runs programs that know nothing of us.

#[cfg(any(feature = "log", feature = "tracing"))]
mod bridged;
#[cfg(feature = "log")]
mod log;
pub(crate) mod sites;
mod spawn;
#[cfg(feature = "tracing")]
pub mod tracing;

#[cfg(feature = "log")]
pub(crate) use self::log::{RING, install};
#[cfg(feature = "regex")]
pub use self::spawn::PatternError;
pub(crate) use self::spawn::spawn;
pub use self::spawn::{Capture, Spawned};

/// There is no crate to be installed in.
#[cfg(not(feature = "log"))]
pub(crate) fn install() {}
