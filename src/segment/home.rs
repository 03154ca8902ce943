//! Where a ring comes from: written down by its maker, for people who list rings, and for whoever finds the ring when all
//! its processes are dead.
//!
//! ```text
//!   words  0 start of the maker │ 1 its pid namespace │ 2 ticks │ 3 monotonic clock at those ticks
//!          4 length of the program's name │ 5 the maker's time namespace │ 6‥ that name
//!        128 length of the filter that the ring was made with │ 129‥ that filter
//! ```
//!
//! Any member could have scribbled over it, so it decides nothing about files: what does stands in the drainer's book
//! (`book.rs`).

use super::book::PROGRAM_MAX;
use super::filter::FILTER_BYTES;
use super::layout::{HEADER_WORDS, HOME_AT, HOME_WORDS};
use super::opening::{Access, examine};
use super::process::{Namespace, Namespaces};
use super::{AttachError, Identity, Segment, name};
use crate::boundary::floor_char_boundary;
use crate::sync::{AtomicU64, Ordering};
use crate::words::{WORD, load_bytes, store_bytes};

const START: usize = 0;
const PID_NAMESPACE: usize = 1;
const TICKS: usize = 2;
const MONOTONIC: usize = 3;
const PROGRAM_LEN: usize = 4;
const TIME_NAMESPACE: usize = 5;
const TEXT: usize = 6;
const FIRST_FILTER_LEN: usize = 128;
const FIRST_FILTER: usize = 129;

const _: () = assert!(TEXT + PROGRAM_MAX.div_ceil(WORD) <= FIRST_FILTER_LEN);
const _: () = assert!(FIRST_FILTER + FILTER_BYTES.div_ceil(WORD) <= HOME_WORDS);

/// Where a ring comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    /// Who made it.
    pub(crate) maker: Identity,
    /// Where the members' pids, and their start times, mean something.
    pub(crate) namespaces: Namespaces,
    /// Ticks of the ring's clock, and the monotonic clock in nanoseconds, when it was made.
    pub(crate) made: (u64, i64),
    /// The program's name, as its files have it.
    pub(crate) program: String,
}

impl Segment {
    /// A namespace in which this process is not where the ring was made, as far as both are known. Nobody could tell
    /// then whether it lives, nor could it tell that of others.
    pub(crate) fn is_of_another(&self) -> Option<Namespace> {
        let word = |at: usize| self.words[HOME_AT + at].load(Ordering::Relaxed);
        let home = Namespaces {
            pid: word(PID_NAMESPACE),
            time: word(TIME_NAMESPACE),
        };
        home.differ(Namespaces::of_this_process())
    }

    /// Writes the namespaces again if something else stands there, and returns how many did.
    pub(super) fn mend_namespaces(&self) -> u64 {
        let Namespaces { pid, time } = self.namespaces;
        let mut mended = 0;
        for (at, number) in [(PID_NAMESPACE, pid), (TIME_NAMESPACE, time)] {
            let home = &self.words[HOME_AT + at];
            // Relaxed: our own copy counts.
            if number != 0 && home.load(Ordering::Relaxed) != number {
                home.store(number, Ordering::Relaxed);
                mended += 1;
            }
        }
        mended
    }

    /// Writes down where the ring comes from.
    pub(crate) fn set_home(&self, home: &Home) {
        let words = &self.words[HOME_AT..][..HOME_WORDS];
        let store = |at: usize, value: u64| words[at].store(value, Ordering::Relaxed);
        store(START, home.maker.start);
        store(PID_NAMESPACE, home.namespaces.pid);
        store(TIME_NAMESPACE, home.namespaces.time);
        store(TICKS, home.made.0);
        store(MONOTONIC, home.made.1 as u64);
        let end = floor_char_boundary(&home.program, PROGRAM_MAX);
        store_bytes(&words[TEXT..], &home.program.as_bytes()[..end]);
        store(PROGRAM_LEN, end as u64);
    }
}

impl Segment {
    /// Writes down the filter that it is made with.
    pub(crate) fn set_first_filter(&self, text: &str) {
        let words = &self.words[HOME_AT..][..HOME_WORDS];
        let end = floor_char_boundary(text, FILTER_BYTES);
        store_bytes(&words[FIRST_FILTER..], &text.as_bytes()[..end]);
        words[FIRST_FILTER_LEN].store(end as u64, Ordering::Relaxed);
    }

    /// The filter that it was made with; whatever stands there if a member has written over it.
    pub(crate) fn first_filter(&self) -> String {
        let words = &self.words[HOME_AT..][..HOME_WORDS];
        let len = words[FIRST_FILTER_LEN].load(Ordering::Relaxed);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let mut text = Vec::new();
        load_bytes(&words[FIRST_FILTER..], len.min(FILTER_BYTES), &mut text);
        String::from_utf8_lossy(&text).into_owned()
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
    let namespaces = Namespaces {
        pid: words[PID_NAMESPACE],
        time: words[TIME_NAMESPACE],
    };
    let is_shifted = namespaces.differ(Namespaces::of_this_process()) == Some(Namespace::Time);
    Home {
        maker: Identity {
            pid: name::maker(ring).unwrap_or(0),
            start: if is_shifted { 0 } else { words[START] },
            // Not written down: a maker that runs another program still holds its ring in no one's way.
            image: 0,
        },
        namespaces,
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
