//! Log files that were begun since the last checkpoint: announced before they are made, so that a successor
//! of the drainer finds them in its book.

use super::{Segment, layout};
use crate::hash::fnv1a;
use crate::sync::{AtomicU64, Ordering};
use crate::words::{load_bytes, store_bytes};

/// The log files of a sink that were begun since the last checkpoint.
#[derive(Clone, Copy)]
pub(crate) struct Announced {
    words: &'static [AtomicU64],
}

impl Segment {
    /// The files that the `sink`th sink with files has begun since the last checkpoint.
    pub(crate) fn announced(&self, sink: usize) -> Announced {
        assert!(
            sink < layout::FILE_SINKS,
            "no place for the files of sink {sink}"
        );
        Announced {
            words: self.announced_words(sink),
        }
    }
}

impl Announced {
    /// Leaves word that a log file of this name is about to be made, behind those announced before; an empty
    /// name takes the last one back.
    pub(crate) fn announce(self, name: &str) {
        let known = self.names().len();
        if name.is_empty() {
            return self.forget(known.saturating_sub(1));
        }
        // There is no place for more than the drainer begins between two checkpoints, unless a disk was full.
        if let Some(words) = self.places().nth(known) {
            let len = store_bytes(&words[1..], name.as_bytes());
            // [announced] Release: the name stands before its mark does.
            words[0].store(mark_of(&name.as_bytes()[..len]), Ordering::Release);
        }
    }

    /// The log files that were announced, made or not, in that order, up to one whose words are damaged.
    pub(crate) fn names(self) -> Vec<String> {
        let texts = self.places().map(load_marked);
        texts.take_while(|name| !name.is_empty()).collect()
    }

    /// Forgets what was announced but for the first `keep`.
    pub(crate) fn forget(self, keep: usize) {
        let places: Vec<_> = self.places().skip(keep).collect();
        // The last ones first, so that there is never a gap.
        for words in places.iter().rev() {
            // [announced] Release: in this order for a successor.
            words[0].store(0, Ordering::Release);
        }
    }

    fn places(self) -> impl Iterator<Item = &'static [AtomicU64]> {
        self.words.chunks_exact(layout::ANNOUNCED_WORDS)
    }
}

/// The length of a name, and 48 bits that tell it from damage.
fn mark_of(name: &[u8]) -> u64 {
    (fnv1a(name) << 16) | name.len() as u64
}

/// Text behind a word with its [mark](mark_of); nothing if that is not right.
fn load_marked(words: &[AtomicU64]) -> String {
    let mark = words[0].load(Ordering::Acquire);
    let mut text = Vec::new();
    load_bytes(&words[1..], (mark & 0xffff) as usize, &mut text);
    match mark_of(&text) == mark {
        true => String::from_utf8(text).unwrap_or_default(),
        false => String::new(),
    }
}
