//! A logging engine for programs of many processes: one shared-memory ring, one drainer, nothing lost.
//!
//! One process, the *parent*, makes a ring in shared memory. Every other process that it starts finds the
//! ring by a name in the inherited environment and attaches to it. All of them, and all of their threads,
//! write records into the ring in bounded time: no lock, no allocation, no system call. A *drainer*, a
//! process of its own, takes the records out in order and writes them to the console and to files. What was
//! logged is delivered, whichever process is killed or stopped in the meantime.
//!
//! ```
//! use shmlog::{Level, ShmLogger, info, warn};
//!
//! # let folder = std::env::temp_dir().join(format!("shmlog-doc-lib-{}", std::process::id()));
//! // In the parent:
//! let logger = ShmLogger::builder()
//!     .level(Level::Info)
//!     .file(true).file_path(&folder)
//!     .init_parent()?;
//! info!("starting {} workers", 3);
//!
//! // In a child, which was given nothing:
//! let _logger = ShmLogger::attach()?;
//! let imu = shmlog::get_logger("imu");
//! info!(logger: imu, "ready");
//! warn!(target: "can", "bus {} is slow", 2);
//!
//! // In the parent, at the end: delivers everything, then ends the drainer.
//! drop(logger);
//! # std::fs::remove_dir_all(folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Without a ring, because there is none yet, none at all or none any more, records of [`Level::Warn`] and above are
//! lines on standard error. [`without_ring`] has them be nowhere, or kept for the ring that comes; the variable
//! `SHMLOG_WITHOUT_RING` says so from outside.
//!
//! # What a log call may do
//!
//! After a thread's first record, which registers the thread, a log call never enters the kernel, allocates or
//! waits, with two exceptions that one chooses: [`OnFull::Block`] sleeps while the ring is full, as long as it says, and
//! a record longer than about 2 KB that finds the ring full on its way looks for room some hundred times, which
//! [`OnFull::Drop`] counts out. (On a machine whose kernel keeps time by
//! neither the processor's counter nor anything else that its vDSO can read, such as `hpet`, the time stamp is a system
//! call.)
//!
//! # Levels that are not compiled in
//!
//! A cargo feature leaves the lower levels out of a program: with `max_level_info`, `debug!` and `trace!` compile to
//! nothing, though their arguments must still make sense; `release_max_level_info` does so only in builds without debug
//! assertions. There are `max_level_` and `release_max_level_` of `off`, `critical`, `error`, `warn`, `info`, `debug`
//! and `trace`. They are for the program's own `Cargo.toml`: a library that sets one decides for all others.
//!
//! ```toml
//! [dependencies]
//! shmlog = { version = "0.2", features = ["max_level_debug", "release_max_level_info"] }
//! ```
//!
//! # The tool
//!
//! The binary `shmlog` lists, shows, follows and changes rings from outside. It is a package of its own: `cargo install shmlog-cli`.
//!
//! # Process start and end
//!
//! The drainer is this very executable, started again and caught before `main`. A program that ends without
//! dropping its [`ShmLogger`], by `exit`, a panic or a signal, loses nothing: the drainer notices.

#[cfg(not(loom))]
mod boundary;
#[cfg(not(loom))]
mod builder;
#[cfg(not(loom))]
mod clock;
#[cfg(not(loom))]
mod compiled;
#[cfg(not(loom))]
mod crash;
#[cfg(not(loom))]
mod drainer;
#[cfg(not(loom))]
mod errors;
mod failpoint;
#[cfg(not(loom))]
mod filter;
#[cfg(not(loom))]
mod flush;
#[cfg(not(loom))]
mod frontend;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
#[cfg(not(loom))]
mod hash;
mod level;
#[cfg(not(loom))]
mod logger;
#[cfg(not(loom))]
mod macros;
// The tool asks it too.
#[cfg(not(loom))]
#[doc(hidden)]
pub mod nearest;
#[cfg(not(loom))]
pub mod observe;
#[cfg(not(loom))]
mod producer;
#[cfg(not(loom))]
mod record;
#[cfg_attr(loom, allow(dead_code, unused_imports))]
mod ring;
#[cfg(not(loom))]
mod segment;
#[cfg(not(loom))]
pub mod sink;
#[cfg(not(loom))]
mod stats;
mod sync;
#[cfg_attr(loom, allow(dead_code))]
mod words;

pub use level::{Level, ParseLevelError};

#[cfg(not(loom))]
pub use {
    builder::{Builder, InitError, OnFull},
    crash::{CrashHandlerError, install_crash_handler, install_panic_hook},
    drainer::{RecoverError, Recovered, StartError, recover},
    filter::FilterError,
    flush::FlushError,
    frontend::{Capture, Spawned},
    logger::{DrainError, Logger, SetFilterError, ShmLogger, drain, get_logger},
    producer::{Scope, WithoutRing, without_ring},
    segment::{AttachError, CreateError},
    segment::{DropReason, Drops},
    stats::{ProducerStats, Stats},
};

#[cfg(all(feature = "regex", not(loom)))]
pub use frontend::PatternError;

#[cfg(all(feature = "tracing", not(loom)))]
pub use frontend::tracing;

#[doc(hidden)]
#[cfg(not(loom))]
pub use macros::private as __private;

/// The pages' programs compile.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/guide/src/control-loop.md")]
    struct ControlLoop;
}
