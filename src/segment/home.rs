//! Where a ring comes from: written down by its maker, for people who list rings, and for whoever finds the ring when all
//! its processes are dead.
//!
//! ```text
//!   words  0 start of the maker │ 1 its pid namespace │ 2 ticks │ 3 monotonic clock at those ticks
//!          4 length of the program's name │ 5‥ that
//! ```
//!
//! Any member could have scribbled over it, so it decides nothing about files: what does stands in the drainer's book
//! (`book.rs`).

use super::book::PROGRAM_MAX;
use super::layout::{HEADER_WORDS, HOME_AT, HOME_WORDS};
use super::opening::{Access, examine};
use super::{AttachError, Identity, Segment, name, process};
use crate::boundary::floor_char_boundary;
use crate::sync::{AtomicU64, Ordering};
use crate::words::{load_bytes, store_bytes};

const START: usize = 0;
const NAMESPACE: usize = 1;
const TICKS: usize = 2;
const MONOTONIC: usize = 3;
const PROGRAM_LEN: usize = 4;
const TEXT: usize = 5;

/// Where a ring comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    /// Who made it.
    pub(crate) maker: Identity,
    /// Number of the namespace in which the members' pids mean something; 0 when unknown.
    pub(crate) namespace: u64,
    /// Ticks of the ring's clock, and the monotonic clock in nanoseconds, when it was made.
    pub(crate) made: (u64, i64),
    /// The program's name, as its files have it.
    pub(crate) program: String,
}

impl Segment {
    /// Whether pids mean something else here than where the ring was made, as far as both are known. Nobody could
    /// tell then whether a member lives.
    pub(crate) fn is_of_another_namespace(&self) -> bool {
        let home = self.words[HOME_AT + NAMESPACE].load(Ordering::Relaxed);
        let here = process::pid_namespace();
        home != 0 && here != 0 && home != here
    }

    /// Says where pids mean what they mean here, if it says something else, and returns whether it did.
    pub(super) fn mend_namespace(&self) -> bool {
        let home = &self.words[HOME_AT + NAMESPACE];
        // Relaxed: our own copy counts.
        let damaged = self.namespace != 0 && home.load(Ordering::Relaxed) != self.namespace;
        if damaged {
            home.store(self.namespace, Ordering::Relaxed);
        }
        damaged
    }

    /// Writes down where the ring comes from.
    pub(crate) fn set_home(&self, home: &Home) {
        let words = &self.words[HOME_AT..][..HOME_WORDS];
        let store = |at: usize, value: u64| words[at].store(value, Ordering::Relaxed);
        store(START, home.maker.start);
        store(NAMESPACE, home.namespace);
        store(TICKS, home.made.0);
        store(MONOTONIC, home.made.1 as u64);
        let end = floor_char_boundary(&home.program, PROGRAM_MAX);
        store_bytes(&words[TEXT..], &home.program.as_bytes()[..end]);
        store(PROGRAM_LEN, end as u64);
    }
}

/// Where the ring `name` comes from, read without mapping it. Refuses what [`Segment::open`] refuses.
pub(crate) fn peek(name: &str) -> Result<Home, AttachError> {
    let (opened, _, _) = examine(name, Access::Read)?;
    let mut words = [0_u64; HEADER_WORDS];
    opened
        .first_words(&mut words)
        .map_err(|source| AttachError::Open {
            name: name.to_owned(),
            source,
        })?;
    Ok(decode(name, &words[HOME_AT..][..HOME_WORDS]))
}

fn decode(ring: &str, words: &[u64]) -> Home {
    let len = usize::try_from(words[PROGRAM_LEN]).unwrap_or(usize::MAX);
    let shared: Vec<AtomicU64> = words[TEXT..].iter().copied().map(AtomicU64::new).collect();
    let mut text = Vec::new();
    load_bytes(&shared, len.min(PROGRAM_MAX), &mut text);
    Home {
        maker: Identity {
            pid: name::maker(ring).unwrap_or(0),
            start: words[START],
            // Not written down: a maker that runs another program still holds its ring in no one's way.
            image: 0,
        },
        namespace: words[NAMESPACE],
        made: (words[TICKS], words[MONOTONIC] as i64),
        program: String::from_utf8_lossy(&text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_stands_there_is_read_without_a_panic(
            mut words in proptest::collection::vec(any::<u64>(), HOME_WORDS), len: u16, short: bool,
        ) {
            if short {
                words[PROGRAM_LEN] = len.into();
            }
            let home = decode("shmlog-7-00", &words);
            prop_assert_eq!(home.maker.pid, 7);
            prop_assert!(home.program.len() <= 3 * PROGRAM_MAX);
        }
    }
}
