//! The shared bytes: what lies where.
//!
//! Everything is a 64-bit word in the byte order of the machine. A *line* is 128 bytes (16 words), so that
//! words which different processes write often never share a cache line, nor a pair that is fetched together.
//!
//! ```text
//!  line 0      READY (magic and layout version, stored last)  │ geometry
//!  line 1      settings: what every member must know to write a record │ seal of geometry and settings
//!  line 2      tail                                            producers, fetch_add
//!  line 3      head, flushed                                   drainer
//!  line 4      phase, stop                                     drainer, parent
//!  line 5      drops, those of threads without an entry, why   producers, when something was dropped
//!  line 6      what the drainer counted
//!  lines 7-10  why the drainer could not start: length, text   drainer, once
//!  lines 11-30 the sinks, as the drainer sees them: see outlets.rs
//!  line 31     nothing
//!  lines 32-47 where the ring comes from: see home.rs          parent, once
//!  lines 48-49 drops of threads whose entry was given back     drainer
//!  lines 50-62 the filter: see filter.rs                       the process that changes it
//!  ── page ──
//!  members     max_producers × 2 lines     one per process
//!  producers   max_producers × 4 lines     one per thread: its lease │ who it is │ its drops │ the drainer's
//!  sites       site_slots × 1 line         call sites: hash, seal, place of the text; the drainer's counts
//!  site text   site_bytes                  what call sites say, append-only
//!  parked      a word per slot             drainer
//!  walked      two words per slot          producers, when they met a slot that was not free
//!  trail       a word per 64 slots         drainer, for observers: see ring/follow.rs
//!  ── page ──
//!  slots       slots × slot_size
//! ```
//!
//! Who opens a segment computes all of this from the geometry, which is checked against [`Limits`] and the
//! size of the file, and copies it: nothing that a member writes later can move a boundary.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::drops::{DROP_WORDS, OWN_DROP_WORDS};
use crate::level::Level;
use crate::words::WORD;

/// First word of a segment that may be used. The low byte is the layout version: any change of this file,
/// of the protocol or of the record format raises it, and so does any change of the files beside the segment (book, orders),
/// which have no reader that got past this word.
///
/// 9: the drainer's book and its orders say how the ring was made.
pub(crate) const READY: u64 = u64::from_be_bytes(*b"shmlog\0\x09");

/// The part of [`READY`] that every version shares.
pub(crate) const MAGIC: u64 = READY & !0xff;

/// Words in a line.
pub(crate) const LINE: usize = 16;
/// Words in a page.
const PAGE: usize = 512;

pub(crate) const GEOMETRY_AT: usize = 1;
pub(crate) const SETTINGS_AT: usize = LINE;
/// A sum over geometry and settings: see [`seal`].
pub(crate) const SEAL_AT: usize = SETTINGS_AT + Settings::WORDS;
pub(crate) const TAIL_AT: usize = 2 * LINE;
pub(crate) const HEAD_AT: usize = 3 * LINE;
pub(crate) const FLUSHED_AT: usize = 3 * LINE + 1;
pub(crate) const PHASE_AT: usize = 4 * LINE;
// 4 * LINE + 1 is free: once the parent asked for the end there.
pub(crate) const DROPS_AT: usize = 5 * LINE;
pub(crate) const DROPS_UNREGISTERED_AT: usize = 5 * LINE + 1;
pub(crate) const REFUSALS_AT: usize = DROPS_UNREGISTERED_AT + Level::ALL.len();
pub(crate) const COUNTS_AT: usize = 6 * LINE;
// From 7 * LINE on four lines are free: once the drainer said there why it could not start.
pub(crate) const OUTLETS_AT: usize = 11 * LINE;
/// Sinks that are shown to observers, and the words of one.
pub(crate) const OUTLETS_SHOWN: usize = 10;
pub(crate) const OUTLET_WORDS: usize = 2 * LINE;
pub(crate) const HOME_AT: usize = 32 * LINE;
/// Words of where the ring comes from.
pub(crate) const HOME_WORDS: usize = 16 * LINE;
pub(crate) const DROPPED_BY_LEFT_AT: usize = 48 * LINE;
pub(crate) const FILTER_AT: usize = 50 * LINE;
/// Words of each of the two buffers behind the filter's own.
pub(crate) const FILTER_BUFFER_WORDS: usize = 6 * LINE;
pub(crate) const HEADER_WORDS: usize = 2 * PAGE;

pub(crate) const MEMBER_WORDS: usize = 2 * LINE;
pub(crate) const PRODUCER_WORDS: usize = 4 * LINE;
pub(crate) const SITE_WORDS: usize = LINE;
/// Slots to a word of the trail.
const TRAIL_SLOTS: usize = 64;
/// Words per slot in the table of the walked.
pub(crate) const WALKED_WORDS: usize = 2;
/// Sinks with files that a ring may have.
pub(crate) const FILE_SINKS: usize = 8;
/// Words of an announced file: the length of its name in bytes, then the name.
pub(crate) const ANNOUNCED_WORDS: usize = 3 * LINE;
/// Files of one sink that may stand announced at a time.
pub(crate) const ANNOUNCED_FILES: usize = 7;
/// Where in a checkpoint the places of the sinks begin, and the words of one.
pub(crate) const CHECKPOINT_PLACES_AT: usize = 3 * LINE;
pub(crate) const CHECKPOINT_PLACE_WORDS: usize = 3 * LINE;
/// Where in a checkpoint its accounts begin, one per registry entry, and the words of one.
pub(crate) const CHECKPOINT_ACCOUNTS_AT: usize =
    CHECKPOINT_PLACES_AT + FILE_SINKS * CHECKPOINT_PLACE_WORDS;
pub(crate) const CHECKPOINT_ACCOUNT_WORDS: usize = 6;

const _: () = assert!(COUNTS_AT + LINE <= OUTLETS_AT);
const _: () = assert!(OUTLETS_AT + OUTLETS_SHOWN * OUTLET_WORDS <= HOME_AT);
const _: () = assert!(HOME_AT + HOME_WORDS <= DROPPED_BY_LEFT_AT);
const _: () = assert!(DROPPED_BY_LEFT_AT + DROP_WORDS <= FILTER_AT);
const _: () = assert!(FILTER_AT + LINE + 2 * FILTER_BUFFER_WORDS <= HEADER_WORDS);
const _: () = assert!(REFUSALS_AT < COUNTS_AT);
const _: () = assert!(OWN_DROP_WORDS <= LINE);
// The drainer's table and the producers' share no line.
const _: () = assert!(*Limits::SLOTS.start() as usize >= LINE);
const _: () = assert!(GEOMETRY_AT + size_of::<Geometry>() / WORD <= SETTINGS_AT);
const _: () = assert!(SETTINGS_AT + size_of::<Settings>() / WORD < TAIL_AT);

/// The sizes that a segment was made with. All else follows from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(crate) struct Geometry {
    /// Slots in the ring: a power of two.
    pub(crate) slots: u64,
    /// Bytes in a slot: a power of two.
    pub(crate) slot_size: u64,
    /// Threads that can be registered at once; as many processes can.
    pub(crate) max_producers: u64,
    /// Call sites that can be stored.
    pub(crate) site_slots: u64,
    /// Bytes for the text of call sites, a multiple of 8.
    pub(crate) site_bytes: u64,
}

/// The allowed sizes. The builder and an attaching process check against the same numbers.
pub(crate) struct Limits;

impl Limits {
    pub(crate) const SLOTS: std::ops::RangeInclusive<u64> = 16..=1 << 26;
    pub(crate) const SLOT_SIZE: std::ops::RangeInclusive<u64> = 64..=4096;
    pub(crate) const PRODUCERS: std::ops::RangeInclusive<u64> = 1..=16_384;
    const SITE_SLOTS: std::ops::RangeInclusive<u64> = 1..=1 << 20;
    const SITE_BYTES: std::ops::RangeInclusive<u64> = 8..=1 << 30;
}

impl Geometry {
    /// Words of the geometry.
    pub(crate) const WORDS: usize = size_of::<Geometry>() / WORD;

    pub(crate) fn is_allowed(&self) -> bool {
        Limits::SLOTS.contains(&self.slots)
            && self.slots.is_power_of_two()
            && Limits::SLOT_SIZE.contains(&self.slot_size)
            && self.slot_size.is_power_of_two()
            && Limits::PRODUCERS.contains(&self.max_producers)
            && Limits::SITE_SLOTS.contains(&self.site_slots)
            && self.site_slots.is_power_of_two()
            && Limits::SITE_BYTES.contains(&self.site_bytes)
            && self.site_bytes.is_multiple_of(WORD as u64)
    }
}

/// What every member must know to write a record. Written once, before [`READY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(crate) struct Settings {
    /// The lowest level that is recorded of targets that the filter says nothing of, as a number.
    pub(crate) level: u64,
    /// How long a full ring is waited for, in nanoseconds; 0 drops at once.
    pub(crate) block_ns: u64,
    /// Number of the [`Clock`](crate::clock::Clock).
    pub(crate) clock: u64,
    /// By level: slots that a record of it must leave free, for those of higher ones.
    pub(crate) leave: [u64; Level::ALL.len()],
    /// Other than 0: every member and the drainer lock the pages in memory.
    pub(crate) lock_memory: u64,
    /// Other than 0: the pages are to be huge.
    pub(crate) huge_pages: u64,
}

/// What stands behind the settings when they and the geometry are whole.
pub(crate) fn seal(geometry: &Geometry, settings: &Settings) -> u64 {
    let geometry: [u64; Geometry::WORDS] = zerocopy::transmute!(*geometry);
    let settings: [u64; Settings::WORDS] = zerocopy::transmute!(*settings);
    let words = geometry.into_iter().chain(settings);
    words.fold(READY, |sum, word| {
        (sum.rotate_left(5) ^ word).wrapping_mul(0x2545_f491_4f6c_dd1d)
    })
}

/// Why a file's first words are not those of a segment that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    NotASegment,
    Version(u8),
    Damaged,
}

/// Words that [`validate`] looks at.
pub(crate) const HEAD_WORDS: usize = SEAL_AT + 1;

/// What a file of so many bytes that begins with these words was made with.
pub(crate) fn validate(
    words: &[u64; HEAD_WORDS],
    bytes: u64,
) -> Result<(Geometry, Settings), Flaw> {
    if words[0] & !0xff != MAGIC {
        return Err(Flaw::NotASegment);
    }
    if words[0] != READY {
        return Err(Flaw::Version(words[0] as u8));
    }
    let (mut geometry, mut settings) = ([0; Geometry::WORDS], [0; Settings::WORDS]);
    geometry.copy_from_slice(&words[GEOMETRY_AT..][..Geometry::WORDS]);
    settings.copy_from_slice(&words[SETTINGS_AT..][..Settings::WORDS]);
    let (geometry, settings): (Geometry, Settings) = (
        zerocopy::transmute!(geometry),
        zerocopy::transmute!(settings),
    );
    let leave_some = settings
        .leave
        .iter()
        .all(|&leave| leave <= geometry.slots / 2);
    let whole =
        geometry.is_allowed() && leave_some && bytes >= Layout::of(&geometry).bytes() as u64;
    if !whole || words[SEAL_AT] != seal(&geometry, &settings) {
        return Err(Flaw::Damaged);
    }
    Ok((geometry, settings))
}

impl Settings {
    /// Those of a ring on which tests and fuzzing depend for nothing in particular.
    #[cfg(any(test, fuzzing))]
    pub(crate) const PLAIN: Settings = Settings {
        level: 0,
        block_ns: 0,
        clock: 2,
        leave: [0; 6],
        lock_memory: 0,
        huge_pages: 0,
    };

    /// Words of the settings.
    pub(crate) const WORDS: usize = size_of::<Settings>() / WORD;
}

/// Words of the trail of a ring of so many slots.
pub(super) const fn trail_words(slots: u64) -> usize {
    (slots as usize).div_ceil(TRAIL_SLOTS)
}

/// Where the parts begin, in words, for a geometry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) members: usize,
    pub(crate) producers: usize,
    pub(crate) sites: usize,
    pub(crate) site_text: usize,
    pub(crate) parked: usize,
    pub(crate) walked: usize,
    pub(crate) trail: usize,
    pub(crate) slots: usize,
    /// Words in all, a multiple of a page.
    pub(crate) words: usize,
}

impl Layout {
    /// `geometry` must be allowed: then nothing here overflows.
    pub(crate) fn of(geometry: &Geometry) -> Layout {
        let threads = geometry.max_producers as usize;
        let members = HEADER_WORDS;
        let producers = members + threads * MEMBER_WORDS;
        let sites = producers + threads * PRODUCER_WORDS;
        let site_text = sites + geometry.site_slots as usize * SITE_WORDS;
        let parked = (site_text + geometry.site_bytes as usize / WORD).next_multiple_of(LINE);
        let walked = parked + geometry.slots as usize;
        let trail = walked + WALKED_WORDS * geometry.slots as usize;
        let slots = (trail + trail_words(geometry.slots)).next_multiple_of(PAGE);
        let slot_words = geometry.slot_size as usize / WORD;
        let words = (slots + geometry.slots as usize * slot_words).next_multiple_of(PAGE);
        Layout {
            members,
            producers,
            sites,
            site_text,
            parked,
            walked,
            trail,
            slots,
            words,
        }
    }

    /// Bytes in all.
    pub(crate) fn bytes(&self) -> usize {
        self.words * WORD
    }

    /// Where one part ends and the next begins, from the header on, in their order.
    #[cfg(any(test, fuzzing))]
    pub(super) fn borders(&self) -> [usize; 10] {
        [
            HEADER_WORDS,
            self.members,
            self.producers,
            self.sites,
            self.site_text,
            self.parked,
            self.walked,
            self.trail,
            self.slots,
            self.words,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Geometry = Geometry {
        slots: 1 << 16,
        slot_size: 128,
        max_producers: 256,
        site_slots: 4096,
        site_bytes: 512 << 10,
    };

    #[test]
    fn the_parts_follow_one_another_without_overlap() {
        let layout = Layout::of(&USUAL);
        assert!(layout.borders().is_sorted());
        assert_eq!(layout.slots % PAGE, 0);
        assert_eq!(layout.members % LINE + layout.producers % LINE, 0);
    }

    #[test]
    fn a_geometry_outside_the_limits_is_not_allowed() {
        assert!(USUAL.is_allowed());
        let broken = [
            Geometry {
                slots: 65_537,
                ..USUAL
            },
            Geometry {
                slots: 1 << 40,
                ..USUAL
            },
            Geometry {
                slot_size: 32,
                ..USUAL
            },
            Geometry {
                slot_size: 8192,
                ..USUAL
            },
            Geometry {
                max_producers: 0,
                ..USUAL
            },
            Geometry {
                site_slots: 0,
                ..USUAL
            },
            Geometry {
                site_bytes: 9,
                ..USUAL
            },
            Geometry {
                slots: u64::MAX,
                ..USUAL
            },
        ];
        for geometry in broken {
            assert!(!geometry.is_allowed(), "{geometry:?}");
        }
    }
}
