//! What a relay is told: at its start, in a variable of its environment; and later on its standard input, a socket.
//!
//! ```text
//!   spawning process                                relay
//!     started: which ring, whose lines ──────────►    attaches
//!                                      ◄──────────    READY, or the reason and the end
//!     starts the program
//!     its pid: four bytes              ──────────►    begins to read
//!     the program has ended: ASKED     ──────────►    reads what is in the pipes by now
//!                                      ◄──────────    READ
//! ```

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// The variable that makes a program a relay before its `main`.
pub(super) const VARIABLE: &str = "SHMLOG_RELAY";

/// The relay has attached.
pub(super) const READY: u8 = b'+';
/// The program has ended: are all its lines in the ring?
pub(super) const ASKED: u8 = b'?';
/// They are.
pub(super) const READ: u8 = b'.';

/// What a relay is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Name of the ring.
    pub(super) ring: String,
    /// Name of the process whose lines they are.
    pub(super) process: String,
}

impl Told {
    /// Two lines of text.
    pub(super) fn encode(&self) -> OsString {
        let process = self.process.replace(['\n', '\0'], "_");
        format!("{}\n{process}", self.ring).into()
    }

    /// `None` for what [`encode`](Told::encode) does not write.
    pub(super) fn decode(text: &OsStr) -> Option<Told> {
        let text = std::str::from_utf8(text.as_bytes()).ok()?;
        let (ring, process) = text.split_once('\n')?;
        Some(Told {
            ring: ring.to_owned(),
            process: process.to_owned(),
        })
    }
}
