//! The filter that all members log by: in the segment, so that a change by any of them counts for all at once.
//!
//! ```text
//!   word      generation 56 │ 0 4 │ has targets 1 │ least 3     what a log call looks at, on a line by itself
//!   buffers   two: sum over the word and the text │ bytes │ text  the one of the generation's lowest bit counts
//! ```
//!
//! `least` is the lowest level that any target may have, [`OFF`] for none: most calls look no further. Who changes the
//! filter writes the buffer that does not count, then the word. Of two at a time one comes later; if both have written the
//! same buffer, its sum tells, and it is written again. No process waits, and a killed one leaves the filter as it was.

use std::fmt;

use super::Segment;
use super::layout::{FILTER_AT, FILTER_BUFFER_WORDS, LINE};
use crate::clock::Clock;
use crate::filter::{directives, least_for};
use crate::hash::fnv1a;
use crate::level::Level;
use crate::sync::{AtomicU64, Ordering, load_acquire};
use crate::words::{WORD, store_bytes};

/// In `least`: no record of any level.
pub(crate) const OFF: u64 = 7;
const LEAST: u64 = 7;
const HAS_TARGETS: u64 = 8;
const GENERATION_AT: u32 = 8;

const SUM: usize = 0;
const LEN: usize = 1;
const TEXT: usize = 2;

/// The longest filter, in bytes.
pub(crate) const FILTER_BYTES: usize = (FILTER_BUFFER_WORDS - TEXT) * WORD;

/// Tries of a process that finds another one changing the filter, before it takes what the word says.
const TRIES: usize = 100;

/// What a log call looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FilterWord(pub(crate) u64);

impl FilterWord {
    /// The number of the lowest level that may pass, or [`OFF`].
    #[inline(always)]
    pub(crate) fn least(self) -> u64 {
        self.0 & LEAST
    }

    /// Whether it depends on the target.
    #[inline(always)]
    pub(crate) fn has_targets(self) -> bool {
        self.0 & HAS_TARGETS != 0
    }

    /// Another one for each filter that was set.
    #[inline(always)]
    pub(crate) fn generation(self) -> u64 {
        self.0 >> GENERATION_AT
    }

    fn of(generation: u64, text: &str) -> FilterWord {
        let all = || directives(text).filter_map(Result::ok);
        let least = all().map(|(_, least)| number(least)).min();
        let has_targets = all().any(|(target, _)| !target.is_empty());
        let flags = if has_targets { HAS_TARGETS } else { 0 };
        FilterWord(generation << GENERATION_AT | flags | least.unwrap_or(OFF))
    }
}

/// The number of a least level.
pub(crate) fn number(least: Option<Level>) -> u64 {
    least.map_or(OFF, |level| level as u64)
}

/// The filter is too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl TooLong {
    /// Whether a text with a level for all others is.
    pub(crate) fn is(text: &str) -> bool {
        text.len() > FILTER_BYTES
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a filter may have {FILTER_BYTES} bytes, the level of all others included"
        )
    }
}

/// The filter in a segment.
#[derive(Clone, Copy)]
pub(crate) struct SharedFilter {
    words: &'static [AtomicU64],
    /// The level of targets that no directive is for, if the filter does not say it.
    base: Option<Level>,
}

impl Segment {
    /// The filter.
    pub(crate) fn filter(&self) -> SharedFilter {
        SharedFilter {
            words: &self.words[FILTER_AT..][..LINE + 2 * FILTER_BUFFER_WORDS],
            base: Level::from_number(self.settings.level.min(255) as u8),
        }
    }
}

impl SharedFilter {
    /// What a log call looks at.
    pub(crate) fn word(&self) -> &'static AtomicU64 {
        &self.words[0]
    }

    fn load(&self) -> FilterWord {
        // [filter] Acquire: pairs with the exchange in `set`.
        FilterWord(load_acquire(self.word()))
    }

    fn buffer(&self, generation: u64) -> &'static [AtomicU64] {
        let at = LINE + (generation & 1) as usize * FILTER_BUFFER_WORDS;
        &self.words[at..][..FILTER_BUFFER_WORDS]
    }

    /// Calls `read` with the word and the text that belongs to it, or without a text if a member has written over it.
    /// Neither allocates nor waits.
    pub(crate) fn with<T>(&self, read: impl FnOnce(FilterWord, Option<&str>) -> T) -> T {
        let mut bytes = [0; FILTER_BYTES];
        for _ in 0..TRIES {
            let word = self.load();
            let len = copy(self.buffer(word.generation()), word, &mut bytes);
            if let Some(text) = len.and_then(|len| std::str::from_utf8(&bytes[..len]).ok()) {
                return read(word, Some(text));
            }
            std::hint::spin_loop();
        }
        read(self.load(), None)
    }

    /// The least level of a target, as a number, and of which generation.
    #[cold]
    pub(crate) fn least(&self, target: &str) -> (u64, u64) {
        self.with(|word, text| {
            let least = text.map_or(word.least(), |text| number(least_for(text, target)));
            (word.generation(), least)
        })
    }

    /// The whole text; empty if a member has written over it.
    pub(crate) fn text(&self) -> String {
        self.with(|_, text| text.unwrap_or_default().to_owned())
    }

    /// `text`, with the base level before it if it says none for all others.
    pub(crate) fn completed(base: Option<Level>, text: &str) -> String {
        let says_all = directives(text).any(|directive| matches!(directive, Ok(("", _))));
        if says_all {
            return text.to_owned();
        }
        let base = base.map_or("off".to_owned(), |level| level.as_str().to_lowercase());
        match text.trim().is_empty() {
            true => base,
            false => format!("{base},{text}"),
        }
    }

    /// Has all processes log by `text`, which must be directives.
    pub(crate) fn set(&self, text: &str) -> Result<(), TooLong> {
        let text = Self::completed(self.base, text);
        if TooLong::is(&text) {
            return Err(TooLong);
        }
        loop {
            let now = self.load();
            let next = FilterWord::of(after(now.generation()), &text);
            let buffer = self.buffer(next.generation());
            store_bytes(&buffer[TEXT..], text.as_bytes());
            buffer[LEN].store(text.len() as u64, Ordering::Relaxed);
            buffer[SUM].store(sum(next, text.as_bytes()), Ordering::Relaxed);
            // [filter] Release: pairs with the load in `load`.
            let set =
                self.word()
                    .compare_exchange(now.0, next.0, Ordering::AcqRel, Ordering::Relaxed);
            // Another one may have written the same buffer.
            if set.is_ok() && self.is_whole() {
                return Ok(());
            }
        }
    }

    /// Whether the word and its text belong together.
    pub(crate) fn is_whole(&self) -> bool {
        self.with(|word, text| {
            text.is_some_and(|text| FilterWord::of(word.generation(), text) == word)
        })
    }
}

/// The generation that follows. The first of a ring is not that of any other ring that this process has logged into,
/// whose verdicts still stand at the call sites: it is the time of its making.
fn after(generation: u64) -> u64 {
    let next = match generation {
        0 => Clock::Monotonic.ticks(),
        known => known.wrapping_add(1),
    };
    (next & (u64::MAX >> GENERATION_AT)).max(1)
}

/// Copies a buffer's text, and returns its length; `None` if it is not that of this word.
fn copy(buffer: &[AtomicU64], whose: FilterWord, into: &mut [u8; FILTER_BYTES]) -> Option<usize> {
    let len = usize::try_from(buffer[LEN].load(Ordering::Relaxed)).ok()?;
    let text = into.get_mut(..len)?;
    for (word, chunk) in buffer[TEXT..].iter().zip(text.chunks_mut(WORD)) {
        let word = word.load(Ordering::Relaxed).to_ne_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
    (buffer[SUM].load(Ordering::Relaxed) == sum(whose, text)).then_some(len)
}

/// Over both.
fn sum(whose: FilterWord, text: &[u8]) -> u64 {
    let bytes = whose.0.to_le_bytes();
    fnv1a(bytes.iter().chain(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn filter() -> SharedFilter {
        let words = (0..LINE + 2 * FILTER_BUFFER_WORDS).map(|_| AtomicU64::new(0));
        SharedFilter {
            words: Vec::leak(words.collect()),
            base: Some(Level::Warn),
        }
    }

    #[test]
    fn a_filter_is_read_as_it_was_set_and_its_word_says_the_lowest_level() {
        let filter = filter();
        filter.set("imu=debug,can=off").unwrap();
        assert_eq!(filter.text(), "warn,imu=debug,can=off");
        let word = filter.load();
        assert_eq!(
            (word.least(), word.has_targets()),
            (Level::Debug as u64, true)
        );
        assert_eq!(
            filter.least("imu::x"),
            (word.generation(), Level::Debug as u64)
        );
        assert_eq!(filter.least("can").1, OFF);
        assert_eq!(filter.least("arm").1, Level::Warn as u64);
        filter.set("error").unwrap();
        let later = filter.load();
        assert_eq!(
            (later.least(), later.has_targets()),
            (Level::Error as u64, false)
        );
        assert_ne!(later.generation(), word.generation());
        filter.set("off").unwrap();
        assert_eq!(filter.load().least(), OFF);
        filter.set("").unwrap();
        assert_eq!(filter.text(), "warn");
    }

    #[test]
    fn one_that_is_too_long_changes_nothing() {
        let filter = filter();
        filter.set("info").unwrap();
        assert_eq!(filter.set(&"a=info,".repeat(200)), Err(TooLong));
        assert_eq!(filter.text(), "info");
        let longest = format!("info,{}", "a".repeat(FILTER_BYTES - 5));
        filter.set(&longest).unwrap();
        assert_eq!(filter.text(), longest);
    }

    #[test]
    fn where_somebody_has_written_over_it_the_word_alone_counts() {
        let filter = filter();
        filter.set("warn,imu=debug").unwrap();
        for word in &filter.words[LINE..] {
            word.store(u64::MAX, Ordering::Relaxed);
        }
        assert!(!filter.is_whole());
        assert_eq!(filter.least("arm").1, Level::Debug as u64);
        assert_eq!(filter.text(), "");
        filter.set("info").unwrap();
        assert!(filter.is_whole());
        filter.word().fetch_or(LEAST, Ordering::Relaxed);
        assert!(!filter.is_whole());
    }

    #[test]
    fn several_that_change_it_at_once_leave_one_of_their_filters_and_readers_see_only_whole_ones() {
        let filter = filter();
        filter.set("warn").unwrap();
        let is_over = AtomicBool::new(false);
        let texts = ["error", "info,a=debug", "trace,bcd::efg=off,h=warn"];
        std::thread::scope(|threads| {
            let setters = texts.map(|text| {
                threads.spawn(move || (0..2_000).for_each(|_| filter.set(text).unwrap()))
            });
            threads.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let text = filter.text();
                    assert!(
                        text == "warn" || text.is_empty() || texts.contains(&&*text),
                        "{text}"
                    );
                }
            });
            for setter in setters {
                setter.join().unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        assert!(texts.contains(&&*filter.text()) && filter.is_whole());
    }
}
