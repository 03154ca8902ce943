//! What a relay is told: on its standard input, a socket, which its variable names.
//!
//! ```text
//!   spawning process                                relay
//!     which ring, whose lines          ──────────►    attaches
//!                                      ◄──────────    READY, or the reason and the end
//!     starts the program
//!     its pid: four bytes              ──────────►    begins to read
//!     the terminal's size: SIZE, four bytes ─►    gives it to the program's terminals
//!                                      ◄──────────    SIZED
//!     the program has ended: ASKED     ──────────►    reads what is in the pipes by now
//!                                      ◄──────────    READ
//! ```

use std::io::{self, Read};

/// The variable that makes a program a relay before its `main`: it names the descriptor of the socket, and is believed for
/// that alone (`segment/channel.rs`).
pub(super) const VARIABLE: &str = "SHMLOG_RELAY";

/// The relay has attached.
pub(super) const READY: u8 = b'+';
/// The program has ended: are all its lines in the ring?
pub(super) const ASKED: u8 = b'?';
/// They are.
pub(super) const READ: u8 = b'.';
/// The program's terminals have another size now: rows and columns follow, of two bytes each.
pub(super) const SIZE: u8 = b'=';
/// They have it.
pub(super) const SIZED: u8 = b'#';

/// What a relay is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Name of the ring.
    pub(super) ring: String,
    /// Name of the process whose lines they are.
    pub(super) process: String,
    /// Whether it prints to terminals, not into pipes.
    pub(super) terminal: bool,
    /// By which lines say their level; empty if there is none.
    pub(super) pattern: String,
}

/// More bytes it is not told.
const MOST_BYTES: u32 = 1 << 16;

impl Told {
    /// Three lines of text and the pattern, behind their length.
    pub(super) fn encode(&self) -> Vec<u8> {
        let process = self.process.replace(['\n', '\0'], "_");
        let ways = if self.terminal { "terminal" } else { "pipe" };
        let text = format!("{}\n{process}\n{ways}\n{}", self.ring, self.pattern);
        let length = (text.len() as u32).to_ne_bytes();
        [&length, text.as_bytes()].concat()
    }

    /// Reads what [`encode`](Told::encode) has made.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Told> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u32::from_ne_bytes(length).min(MOST_BYTES);
        let mut text = vec![0; length as usize];
        from.read_exact(&mut text)?;
        let parts = std::str::from_utf8(&text).ok();
        let mut parts = parts.into_iter().flat_map(|text| text.splitn(4, '\n'));
        let mut next = || parts.next().ok_or(io::ErrorKind::InvalidData);
        let (ring, process, ways, pattern) = (next()?, next()?, next()?, next()?);
        Ok(Told {
            ring: ring.to_owned(),
            process: process.to_owned(),
            terminal: ways == "terminal",
            pattern: pattern.to_owned(),
        })
    }
}
