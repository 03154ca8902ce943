//! Records from files: text, JSON lines, MCAP, compressed ones.
//!
//! ```text
//!   files.rs            a file, or the files of a folder's newest program, in the order of their times
//!     └► source.rs      what a file is, by its first bytes; unpacked on the way
//!          ├► lines.rs  lines, put together to records: text.rs (with values.rs, times.rs), json.rs
//!          └► mcap.rs   messages: log.rs
//!               └► Piece, one after another; those of several streams merged by merge.rs, each record once (once.rs)
//! ```
//!
//! Nothing is read into memory as a whole. Lines that are no records (another program's text in the same file) come as they
//! are. What is damaged is told on standard error with file and line, and reading goes on behind it where it can.
//!
//! A text file is read as it stands: what was escaped in a message stays so, its times are microseconds of the local
//! clock, and spans before a message are part of it. In MCAP there are no threads and no process ids, and key-values are
//! part of the message. JSON lines have all.

mod complaints;
pub mod files;
mod json;
pub mod kept;
pub mod lines;
mod log;
mod mcap;
pub mod merge;
pub mod once;
pub mod owned;
pub mod source;
pub mod span;
#[cfg(test)]
mod tests;
mod text;
mod times;
mod values;

use std::ops::ControlFlow;

use shmlog::sink::Record;

/// What a file holds, in its order.
pub enum Piece<'a> {
    /// A record.
    Record(&'a Record<'a>),
    /// A line that is none, without its end.
    Other(&'a str),
}

/// The reader; it may stop.
pub type Take<'t> = dyn FnMut(Piece<'_>) -> ControlFlow<()> + 't;
