//! The segment: one shared mapping with everything that the members of a ring share.
//!
//! [`layout`] says what lies where; this file makes, opens and removes segments and hands out their parts.
//! How memory is mapped is the platform's business: `linux.rs`, or `portable.rs` for other systems (and for
//! Linux with the feature `portable`).

mod error;
mod layout;
mod map;
mod name;
#[cfg(any(not(target_os = "linux"), feature = "portable"))]
#[path = "portable.rs"]
mod platform;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
#[path = "linux.rs"]
mod platform;
pub(crate) mod process;
mod registry;

use std::io;
use std::path::PathBuf;

use zerocopy::transmute;

pub use error::{AttachError, CreateError};
pub(crate) use layout::{
    CHECKPOINT_ACCOUNT_WORDS, CHECKPOINT_ACCOUNTS_AT, Geometry, Limits, SITE_WORDS, Settings,
};
pub(crate) use name::{announce, environment, inherited, restore};
pub(crate) use platform::DrainLock;
pub(crate) use process::{Identity, Watch};
pub(crate) use registry::{Producer, State, Tag};

use crate::sync::{AtomicU64, Ordering};
use crate::words::{load_bytes, store_bytes};
use layout::{Flaw, Layout, READY};

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
        let parts = [
            layout.members,
            layout.producers,
            layout.sites,
            layout.site_text,
            layout.checkpoints,
            layout.parked,
            layout.slots,
            layout.words,
        ];
        assert!(parts.is_sorted());
        assert!(layout.slots + (geometry.slots * geometry.slot_size) as usize / 8 <= layout.words);
    }
}

/// What the parent stores to ask for the end: nothing that is written by mistake.
const STOP: u64 = u64::from_be_bytes(*b"stop now");

/// How far a ring has come in its life. Stored by its drainer, but for the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Phase {
    /// Made; its drainer has not reported yet.
    Starting = 0,
    /// The drainer works.
    Running = 1,
    /// The parent has left, all it logged is delivered, and the drainer works on for the others.
    Lingering = 2,
    /// The drainer is about to end; who attaches now must go again.
    Closing = 3,
    /// Everything is delivered, the segment has no name any more, and the drainer has ended.
    Done = 4,
    /// The drainer could not start; [`Segment::failure`] says why.
    Failed = 5,
}

/// What the drainer counts for everybody to read; words of one line.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(crate) enum Count {
    /// Records delivered, of all producers.
    Delivered = 0,
    /// Records that died with their producer.
    Lost = 1,
    /// Records delivered late.
    Late = 2,
    /// Slots parked now.
    Parked = 3,
    /// Sequences that nobody could fill any more.
    Orphaned = 4,
    /// Records dropped by producers whose entry has been given back.
    DroppedByLeft = 5,
    /// Records attempted by producers whose entry has been given back.
    AttemptedByLeft = 6,
    /// Drainers started after the first.
    Restarts = 7,
    /// Errors of sinks.
    SinkErrors = 8,
    /// Of the drops of threads without an entry, how many the log has told of.
    ReportedUnregistered = 9,
}

/// A segment that is mapped into this process, for good.
pub(crate) struct Segment {
    name: String,
    geometry: Geometry,
    settings: Settings,
    layout: Layout,
    words: &'static [AtomicU64],
}

impl Segment {
    /// Makes a segment that is not ready yet: whoever opens it is refused until [`Segment::set_ready`].
    pub(crate) fn create(geometry: Geometry, settings: Settings) -> Result<Segment, CreateError> {
        debug_assert!(geometry.is_allowed());
        let layout = Layout::of(&geometry);
        let name = name::unguessable().map_err(CreateError::Name)?;
        let words = platform::create(&name, layout.bytes())?;
        let segment = Segment {
            name,
            geometry,
            settings,
            layout,
            words,
        };
        segment.format();
        Ok(segment)
    }

    /// Writes what a fresh segment of zeros needs, but for [`READY`].
    fn format(&self) {
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
        mended
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
        self.format();
        crate::ring::Ring::from(self).format();
        self.set_ready();
    }

    /// All words.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn all_words(&self) -> &'static [AtomicU64] {
        self.words
    }

    /// Says that everything is written. `[ready]` Release, pairs with the load in [`Segment::open`].
    pub(crate) fn set_ready(&self) {
        self.words[0].store(READY, Ordering::Release);
    }

    /// Opens the segment `name` after finding it ours, ready, of this version and whole.
    pub(crate) fn open(name: &str) -> Result<Segment, AttachError> {
        let named = || name.to_owned();
        if !name::is_well_formed(name) {
            return Err(AttachError::BadName { name: named() });
        }
        let opened = platform::Opened::open(name)?;
        let mut first = [0_u64; layout::HEAD_WORDS];
        if opened.first_words(&mut first).is_err() {
            return Err(AttachError::NotASegment { name: named() });
        }
        let flaw = |flaw| match flaw {
            Flaw::NotASegment => AttachError::NotASegment { name: named() },
            Flaw::Version(found) => AttachError::Version {
                name: named(),
                found,
            },
            Flaw::Damaged => AttachError::Damaged { name: named() },
        };
        let (geometry, settings) = layout::validate(&first, opened.bytes).map_err(flaw)?;
        let segment = Segment::map(name, opened, geometry, settings)?;
        // [ready] Acquire: pairs with set_ready.
        if segment.words[0].load(Ordering::Acquire) != READY {
            return Err(AttachError::Damaged { name: named() });
        }
        Ok(segment)
    }

    /// Opens the segment `name`, of which one knows what it was made with: its drainer, whatever the header
    /// says by now.
    pub(crate) fn open_known(
        name: &str,
        geometry: Geometry,
        settings: Settings,
    ) -> Result<Segment, AttachError> {
        if !name::is_well_formed(name) {
            return Err(AttachError::BadName { name: name.into() });
        }
        let opened = platform::Opened::open(name)?;
        if !geometry.is_allowed() || opened.bytes < Layout::of(&geometry).bytes() as u64 {
            return Err(AttachError::Damaged { name: name.into() });
        }
        Segment::map(name, opened, geometry, settings)
    }

    fn map(
        name: &str,
        opened: platform::Opened,
        geometry: Geometry,
        settings: Settings,
    ) -> Result<Segment, AttachError> {
        let named = || name.to_owned();
        let layout = Layout::of(&geometry);
        let words = opened
            .map(layout.bytes())
            .map_err(|source| AttachError::Open {
                name: named(),
                source,
            })?;
        Ok(Segment {
            name: named(),
            geometry,
            settings,
            layout,
            words,
        })
    }

    /// The name under which others find it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The path of a file that belongs to this segment and lives as long.
    pub(crate) fn companion(&self, what: &str) -> PathBuf {
        platform::companion(&self.name, what)
    }

    /// Makes this process the only drainer of the ring for as long as the returned lock lives; `None` when
    /// another one is at work.
    pub(crate) fn lock_for_draining(&self) -> io::Result<Option<DrainLock>> {
        platform::lock(&self.name)
    }

    /// Gives the memory of the slots back to the system. Only for the last user of the ring.
    pub(crate) fn give_back_slots(&self) {
        platform::give_back(&self.name, self.layout.slots, self.layout.words);
    }

    /// Brings all pages into this process's page table: needed once more in a child made by fork.
    pub(crate) fn prefault(&self) {
        platform::prefault(self.words);
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// What the maker set for all members.
    pub(crate) fn settings(&self) -> Settings {
        self.settings
    }

    pub(crate) fn tail(&self) -> &'static AtomicU64 {
        &self.words[layout::TAIL_AT]
    }

    pub(crate) fn head(&self) -> &'static AtomicU64 {
        &self.words[layout::HEAD_AT]
    }

    pub(crate) fn slots(&self) -> &'static [AtomicU64] {
        let words = (self.geometry.slots * self.geometry.slot_size) as usize / 8;
        &self.words[self.layout.slots..][..words]
    }

    pub(crate) fn parked(&self) -> &'static [AtomicU64] {
        &self.words[self.layout.parked..][..self.geometry.slots as usize]
    }

    /// The table of call sites: entries of [`SITE_WORDS`] words.
    pub(crate) fn sites(&self) -> &'static [AtomicU64] {
        &self.words[self.layout.sites..self.layout.site_text]
    }

    /// The text of the call sites; its first word counts the words in use.
    pub(crate) fn site_text(&self) -> &'static [AtomicU64] {
        &self.words[self.layout.site_text..self.layout.checkpoints]
    }

    /// The sequence below which every sink is done. `[flushed]` Acquire.
    pub(crate) fn flushed(&self) -> u64 {
        self.words[layout::FLUSHED_AT].load(Ordering::Acquire)
    }

    /// `[flushed]` Release: the sinks' work happens before.
    pub(crate) fn set_flushed(&self, sequence: u64) {
        self.words[layout::FLUSHED_AT].store(sequence, Ordering::Release);
    }

    /// `[phase]` SeqCst, with [`Segment::set_phase`]: a drainer that closes and a member that enters at the
    /// same moment each store first and look at the other then; at least one of them sees the other.
    pub(crate) fn phase(&self) -> Phase {
        match self.words[layout::PHASE_AT].load(Ordering::SeqCst) {
            0 => Phase::Starting,
            1 => Phase::Running,
            2 => Phase::Lingering,
            3 => Phase::Closing,
            4 => Phase::Done,
            _ => Phase::Failed,
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.words[layout::PHASE_AT].store(phase as u64, Ordering::SeqCst);
    }

    /// Whether nothing written from now on will be read.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase(), Phase::Done | Phase::Failed)
    }

    /// The parent has asked the drainer to end. `[stop]` Acquire.
    pub(crate) fn is_stopping(&self) -> bool {
        self.words[layout::STOP_AT].load(Ordering::Acquire) == STOP
    }

    /// `[stop]` Release: what the parent logged before is in the ring for whoever sees this.
    pub(crate) fn ask_to_stop(&self) {
        self.words[layout::STOP_AT].store(STOP, Ordering::Release);
    }

    /// Counts every drop of everybody, so that the drainer need not look at all producers to see one.
    pub(crate) fn drops(&self) -> &'static AtomicU64 {
        &self.words[layout::DROPS_AT]
    }

    /// Counts the records of threads that found no free entry.
    pub(crate) fn drops_unregistered(&self) -> &'static AtomicU64 {
        &self.words[layout::DROPS_UNREGISTERED_AT]
    }

    /// One of the drainer's counts.
    pub(crate) fn count(&self, count: Count) -> &'static AtomicU64 {
        &self.words[layout::COUNTS_AT + count as usize]
    }

    /// Counts the drainer's checkpoints; 0 before the first.
    pub(crate) fn checkpoint_serial(&self) -> &'static AtomicU64 {
        &self.words[layout::CHECKPOINT_SERIAL_AT]
    }

    /// The words of the checkpoint of this serial, until the one after the next.
    pub(crate) fn checkpoint(&self, serial: u64) -> &'static [AtomicU64] {
        let words = self.layout.checkpoint_words;
        &self.words[self.layout.checkpoints + (serial & 1) as usize * words..][..words]
    }

    /// Leaves word that a log file of this name is about to be made.
    pub(crate) fn announce_file(&self, name: &str) {
        let words = &self.words[layout::ANNOUNCED_AT..][..layout::ANNOUNCED_WORDS];
        // Void while the name changes: a name that is half one and half another would be worse than none.
        words[0].store(0, Ordering::Release);
        let len = store_bytes(&words[1..], name.as_bytes());
        let mark = (mark_of(&name.as_bytes()[..len]) << 16) | len as u64;
        words[0].store(mark, Ordering::Release);
    }

    /// The log file that was announced last, made or not. Nothing if the words are damaged.
    pub(crate) fn announced_file(&self) -> String {
        let words = &self.words[layout::ANNOUNCED_AT..][..layout::ANNOUNCED_WORDS];
        let mark = words[0].load(Ordering::Acquire);
        let mut name = Vec::new();
        load_bytes(&words[1..], (mark & 0xffff) as usize, &mut name);
        let name = String::from_utf8(name).unwrap_or_default();
        if mark >> 16 == mark_of(name.as_bytes()) & (u64::MAX >> 16) {
            name
        } else {
            String::new()
        }
    }

    /// Why the drainer could not start.
    pub(crate) fn failure(&self) -> String {
        load_text(&self.words[layout::FAILURE_AT..][..layout::FAILURE_WORDS])
    }

    /// Leaves word why the drainer could not start.
    pub(crate) fn fail(&self, why: &str) {
        let words = &self.words[layout::FAILURE_AT..][..layout::FAILURE_WORDS];
        let len = store_bytes(&words[1..], why.as_bytes());
        words[0].store(len as u64, Ordering::Release);
        self.set_phase(Phase::Failed);
    }

    /// Whether its name still leads to anything.
    pub(crate) fn has_name(&self) -> bool {
        platform::exists(&self.name)
    }
}

/// FNV-1a, to tell a name from damage.
fn mark_of(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |mark, &byte| {
        (mark ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Text behind a word with its length.
fn load_text(words: &[AtomicU64]) -> String {
    let len = usize::try_from(words[0].load(Ordering::Acquire)).unwrap_or(usize::MAX);
    let mut text = Vec::new();
    load_bytes(&words[1..], len, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Takes a segment's name away. Who has it mapped keeps it. One that is gone already is no trouble.
pub(crate) fn remove(name: &str) {
    let _ = platform::remove(name);
}

/// A word that reads 0 in every child made by fork, and what was stored in every other process.
pub(crate) fn word_wiped_on_fork() -> io::Result<&'static AtomicU64> {
    map::wiped_on_fork().map(|page| &page[0])
}
