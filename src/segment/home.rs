//! Where a ring comes from: written down by its maker, for people who list rings, and for members, which may not open the
//! drainer's book.
//!
//! ```text
//!   words  0 start of the maker │ 1 its pid namespace │ 2 ticks │ 3 monotonic clock at those ticks
//!          4 length of the program's name │ 5 the maker's time namespace │ 6‥ that name
//!        128 length of the filter that the ring was made with │ 129‥ that filter
//! ```
//!
//! Any member can write over it. So the drainer and the process that recovers the ring believe the drainer's book (`book.rs`),
//! where the same facts stand as [`Making`], and the drainer writes these words again when they say something else.

use super::book::PROGRAM_MAX;
use super::filter::FILTER_BYTES;
use super::layout::{Geometry, HEADER_WORDS, HOME_AT, HOME_WORDS, Settings};
use super::opening::{Access, examine};
use super::process::{Namespace, Namespaces};
use super::{AttachError, Identity, Segment, book, name};
use crate::boundary::floor_char_boundary;
use crate::sync::{AtomicU64, Ordering};
use crate::words::{WORD, load_bytes, store_bytes};

use zerocopy::transmute;

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

/// How a ring was made: what the drainer, and the process that recovers the ring, must know without believing the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Making {
    /// When its maker started; the maker's pid stands in the ring's name.
    pub(crate) start: u64,
    /// Where the members' pids, and their start times, mean something.
    pub(crate) namespaces: Namespaces,
    /// Ticks of the ring's clock, and the monotonic clock in nanoseconds, when it was made.
    pub(crate) made: (u64, i64),
    pub(crate) geometry: Geometry,
    pub(crate) settings: Settings,
}

impl Making {
    pub(crate) const WORDS: usize = 5 + Geometry::WORDS + Settings::WORDS;

    pub(crate) fn to_words(self) -> [u64; Making::WORDS] {
        let geometry: [u64; Geometry::WORDS] = transmute!(self.geometry);
        let settings: [u64; Settings::WORDS] = transmute!(self.settings);
        let Namespaces { pid, time } = self.namespaces;
        let mut words = [0; Making::WORDS];
        words[..5].copy_from_slice(&[self.start, pid, time, self.made.0, self.made.1 as u64]);
        words[5..][..Geometry::WORDS].copy_from_slice(&geometry);
        words[5 + Geometry::WORDS..].copy_from_slice(&settings);
        words
    }

    /// Any words are a making; whether the geometry is allowed is for the caller to ask.
    pub(crate) fn of_words(words: &[u64; Making::WORDS]) -> Making {
        let (mut geometry, mut settings) = ([0; Geometry::WORDS], [0; Settings::WORDS]);
        geometry.copy_from_slice(&words[5..][..Geometry::WORDS]);
        settings.copy_from_slice(&words[5 + Geometry::WORDS..]);
        Making {
            start: words[0],
            namespaces: Namespaces {
                pid: words[1],
                time: words[2],
            },
            made: (words[3], words[4] as i64),
            geometry: transmute!(geometry),
            settings: transmute!(settings),
        }
    }
}

impl Segment {
    /// A namespace in which this process is not where the ring was made, as far as both are known. Nobody could tell
    /// then whether it lives, nor could it tell that of others.
    pub(crate) fn is_of_another(&self) -> Option<Namespace> {
        let word = |at: usize| self.words[HOME_AT + at].load(Ordering::Relaxed);
        let shown = || Namespaces {
            pid: word(PID_NAMESPACE),
            time: word(TIME_NAMESPACE),
        };
        // A process that keeps the book believes that alone.
        let home = self.making().map_or_else(shown, |making| making.namespaces);
        home.differ(Namespaces::of_this_process())
    }

    /// Writes again what the book says of the ring's making if something else stands here, and returns how many words did.
    pub(super) fn mend_home(&self) -> u64 {
        self.making().map_or(0, |making| self.show_making(&making))
    }

    /// Has the segment say how the ring was made, and returns how many words said something else.
    pub(crate) fn show_making(&self, making: &Making) -> u64 {
        let Namespaces { pid, time } = making.namespaces;
        let mut mended = 0;
        for (at, number) in [
            (START, making.start),
            (PID_NAMESPACE, pid),
            (TIME_NAMESPACE, time),
            (TICKS, making.made.0),
            (MONOTONIC, making.made.1 as u64),
        ] {
            let home = &self.words[HOME_AT + at];
            // Relaxed: the book's copy counts.
            if home.load(Ordering::Relaxed) != number {
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

/// How the ring `name` was made, as its drainer's book says. `None` when there is no book of ours.
pub(crate) fn making(name: &str) -> Option<Making> {
    name::is_well_formed(name)
        .then(|| book::making(name))
        .flatten()
}

/// The process that made the ring `name`, as its drainer's book says, or else the segment.
pub(super) fn maker(name: &str) -> Result<Identity, AttachError> {
    match making(name) {
        Some(making) => Ok(making.maker(name)),
        None => Ok(peek(name)?.maker),
    }
}

impl Making {
    /// The process that made the ring `name`, as it is seen from this process's time namespace.
    pub(crate) fn maker(&self, name: &str) -> Identity {
        maker_of(name, self.start, self.namespaces)
    }
}

fn maker_of(ring: &str, start: u64, namespaces: Namespaces) -> Identity {
    let is_shifted = namespaces.differ(Namespaces::of_this_process()) == Some(Namespace::Time);
    Identity {
        pid: name::maker(ring).unwrap_or(0),
        start: if is_shifted { 0 } else { start },
        // Not written down: a maker that runs another program still holds its ring in no one's way.
        image: 0,
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

/// Where the ring `name` says that it comes from, read without mapping it. Refuses what [`Segment::open`] refuses.
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
    Home {
        maker: maker_of(ring, words[START], namespaces),
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
        fn a_making_comes_back_as_it_was(words: [u64; Making::WORDS]) {
            prop_assert_eq!(Making::of_words(&words).to_words(), words);
        }

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
