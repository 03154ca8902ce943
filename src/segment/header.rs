//! The first words of a segment: written once, by its maker, and again by its drainer if another process wrote
//! over them, so that members can still come.

#[cfg(any(test, fuzzing))]
use std::sync::OnceLock;

use zerocopy::transmute;

use super::Segment;
#[cfg(any(test, fuzzing))]
use super::layout::Layout;
use super::layout::{self, Geometry, READY, Settings};
#[cfg(any(test, fuzzing))]
use crate::sync::AtomicU64;
use crate::sync::Ordering;

impl Segment {
    /// Writes what a fresh segment of zeros needs, but for [`READY`].
    pub(super) fn format(&self) {
        for (at, word) in self.header().into_iter().skip(1) {
            self.words[at].store(word, Ordering::Relaxed);
        }
        self.format_registry();
    }

    /// The words that never change, and their places: [`READY`], geometry, settings and their seal.
    fn header(&self) -> [(usize, u64); 2 + Geometry::WORDS + Settings::WORDS] {
        let geometry: [u64; Geometry::WORDS] = transmute!(self.geometry);
        let settings: [u64; Settings::WORDS] = transmute!(self.settings);
        let mut header = [(0, READY); 2 + Geometry::WORDS + Settings::WORDS];
        let seal = [layout::seal(&self.geometry, &self.settings)];
        let words = geometry.into_iter().chain(settings).chain(seal);
        let places = (layout::GEOMETRY_AT..).take(Geometry::WORDS);
        let places = places.chain(layout::SETTINGS_AT..);
        for (place, word) in header[1..].iter_mut().zip(places.zip(words)) {
            *place = word;
        }
        header
    }

    /// Writes those words again that say something else by now, and returns how many did.
    pub(crate) fn mend_header(&self) -> u64 {
        let mut mended = 0;
        for (at, word) in self.header() {
            // Relaxed: it is our own copy that counts.
            if self.words[at].load(Ordering::Relaxed) != word {
                // [ready] Release, for the first; the others were written long ago.
                self.words[at].store(word, Ordering::Release);
                mended += 1;
            }
        }
        mended + self.mend_home()
    }

    /// A segment in private memory, ready, for tests and fuzzing.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn private(name: &str, geometry: Geometry, settings: Settings) -> Segment {
        let layout = Layout::of(&geometry);
        let words: Vec<_> = (0..layout.words).map(|_| AtomicU64::new(0)).collect();
        let segment = Segment {
            name: name.to_owned(),
            geometry,
            settings,
            layout,
            words: words.leak(),
            book: OnceLock::new(),
            book_file: OnceLock::new(),
            handle: None,
        };
        segment.begin_anew();
        segment
    }

    /// Makes a private segment what it was when it was made.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn begin_anew(&self) {
        for word in self.words {
            word.store(0, Ordering::Relaxed);
        }
        self.book().erase();
        self.format();
        crate::ring::Ring::from(self).format();
        self.set_ready();
    }

    /// All words.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn all_words(&self) -> &'static [AtomicU64] {
        self.words
    }
}

/// For the fuzz target: whatever is accepted, its parts lie within the file.
#[cfg(fuzzing)]
pub(crate) fn validate_header(bytes: &[u8]) {
    let mut words = [0; layout::HEAD_WORDS];
    let (whole, rest) = bytes.as_chunks::<8>();
    for (word, bytes) in words.iter_mut().zip(whole) {
        *word = u64::from_le_bytes(*bytes);
    }
    // The fuzzer does not find the seal: half of the inputs get the right one.
    if !rest.is_empty() {
        let (mut geometry, mut settings) = ([0; Geometry::WORDS], [0; Settings::WORDS]);
        words[0] = READY;
        geometry.copy_from_slice(&words[layout::GEOMETRY_AT..][..Geometry::WORDS]);
        settings.copy_from_slice(&words[layout::SETTINGS_AT..][..Settings::WORDS]);
        words[layout::SEAL_AT] = layout::seal(&transmute!(geometry), &transmute!(settings));
    }
    let length = bytes.len() as u64 * 1000;
    if let Ok((geometry, _)) = layout::validate(&words, length) {
        let layout = Layout::of(&geometry);
        assert!(layout.bytes() as u64 <= length);
        assert!(layout.borders().is_sorted());
        assert!(layout.slots + (geometry.slots * geometry.slot_size) as usize / 8 <= layout.words);
    }
}
