//! The segment: one shared mapping with everything that the members of a ring share.
//!
//! [`layout`] says what lies where; `opening.rs` makes and opens segments, this file removes them and hands out their
//! parts. How memory is mapped is the platform's business: `linux.rs`, or `portable.rs` for other systems (and
//! for Linux with the feature `portable`).

mod announced;
mod book;
pub(crate) mod channel;
mod drops;
mod environment;
mod error;
mod filter;
pub(crate) mod guest;
mod header;
mod home;
mod identity;
mod kept;
mod layout;
mod map;
mod missing;
mod name;
pub(crate) mod object;
mod opening;
mod outlets;
mod pages;
#[cfg(any(not(target_os = "linux"), feature = "portable"))]
#[path = "portable.rs"]
mod platform;
#[cfg(all(target_os = "linux", not(feature = "portable")))]
#[path = "linux.rs"]
mod platform;
pub(crate) mod private;
pub(crate) mod process;
mod refusal;
mod registry;
mod role;
pub(crate) mod signals;
mod standard_error;
mod started;
pub(crate) mod terminal;
pub(crate) mod truncation;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

pub(crate) use announced::Announced;
pub(crate) use book::Origin;
pub(crate) use drops::{DROP_WORDS, DropWords};
pub use drops::{DropReason, Drops};
pub use error::{AttachError, CreateError};
pub(crate) use filter::{FilterWord, OFF as FILTER_OFF, SharedFilter, TooLong};
#[cfg(fuzzing)]
pub(crate) use header::validate_header;
pub(crate) use home::{Home, Making, making, peek};
pub(crate) use identity::heirs::Heir;
pub(crate) use identity::mapping::Backing;
pub(crate) use identity::watch::{Watch, thread_is_gone};
pub(crate) use identity::{Identity, image_of};
pub(crate) use kept::Kept;
pub(crate) use layout::{
    CHECKPOINT_ACCOUNT_WORDS, CHECKPOINT_ACCOUNTS_AT, CHECKPOINT_PLACE_WORDS, CHECKPOINT_PLACES_AT,
    FILE_SINKS, Geometry, Limits, SITE_WORDS, Settings,
};
pub(crate) use map::words_of_file;
pub(crate) use name::{announce, environment, inherited, restore};
pub(crate) use opening::check_owner;
pub(crate) use outlets::OutletNumbers;
pub(crate) use pages::LockRefusal;
pub(crate) use platform::{CAN_LOCK, DrainLock};
pub(crate) use refusal::Refusal;
pub(crate) use registry::{Member, Producer, State, Tag};
pub(crate) use role::Role;
pub(crate) use standard_error::say;
pub(crate) use started::Started;

use crate::sync::{AtomicU64, Ordering, load_acquire};
use crate::words::WORD;
use layout::Layout;

/// How far a ring has come in its life. Stored by its drainer, but for the first, for members and observers: neither a drainer nor
/// its supervisor decides anything by it, since any member may write there.
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
    /// The drainer could not start; its parent knows why.
    Failed = 5,
}

/// What the drainer counts for all to read; words of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Count {
    /// Records delivered, of all producers.
    Delivered = 0,
    /// Records that died with their producer, or in the drainer's memory while a file could not be written.
    Lost = 1,
    /// Records delivered late.
    Late = 2,
    /// Slots parked now.
    Parked = 3,
    /// Sequences that no producer could fill any more.
    Orphaned = 4,
    /// The most slots that were ever taken at a time.
    HighWater = 5,
    /// Records attempted by producers whose entry has been given back.
    AttemptedByLeft = 6,
    /// Drainers started after the first.
    Restarts = 7,
    /// Errors of sinks.
    SinkErrors = 8,
    /// Of the drops of threads without an entry, how many the log has told of.
    ReportedUnregistered = 9,
    /// Odd while the drainer moves numbers from entries to the sums.
    Changes = 10,
    /// Missing records that the log has told of in its last words; 0 before.
    ToldInTheEnd = 11,
}

/// A segment that is mapped into this process, for good.
pub(crate) struct Segment {
    name: String,
    geometry: Geometry,
    settings: Settings,
    layout: Layout,
    words: &'static [AtomicU64],
    /// The drainer's, in the process that drains the ring.
    book: OnceLock<book::Book>,
    /// The book's file, of the maker and of the drainers: it may lose its name.
    book_file: OnceLock<platform::Anchor>,
    /// The file, of those who must go on without its name: the maker and the drainers.
    handle: Option<platform::Handle>,
}

impl Segment {
    /// The name under which others find it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Makes this process the only drainer of the ring for as long as the returned lock lives; `None` when
    /// another one is at work.
    pub(crate) fn lock_for_draining(&self) -> io::Result<Option<DrainLock>> {
        match &self.handle {
            Some(handle) => handle.lock(&self.name),
            None => platform::lock(&self.name),
        }
    }

    /// The segment's file, for a drainer that is to be started.
    pub(crate) fn to_pass_on(&self) -> io::Result<OwnedFd> {
        match &self.handle {
            Some(handle) => handle.to_pass_on(&self.name),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Whether others still find it by its name.
    pub(crate) fn has_name(&self) -> bool {
        let handle = self.handle.as_ref();
        handle.is_none_or(|handle| handle.has_name(&self.name))
    }

    /// Gives it its name again.
    pub(crate) fn put_name_back(&self) -> io::Result<()> {
        let handle = self.handle.as_ref();
        handle.map_or(Ok(()), |handle| handle.put_name_back(&self.name))
    }

    /// Takes its name away, for good, unless something else has that by now, and the files beside it. Who has it mapped keeps
    /// it.
    pub(crate) fn remove(&self) {
        self.remove_book();
        match self.has_name() {
            true => remove(&self.name),
            false => private::remove_all(&self.name),
        }
    }

    /// Lets go of its file: the ring has ended.
    pub(crate) fn close(&self) {
        self.close_book();
        if let Some(handle) = &self.handle {
            handle.close();
        }
    }

    /// The file behind this mapping, by which others are known to have it mapped too; `None` where that cannot be known.
    pub(crate) fn backing(&self) -> Option<Backing> {
        Backing::of(self.words.as_ptr().addr())
    }

    /// Gives the memory of the slots back to the system. Only for the last user of the ring.
    pub(crate) fn give_back_slots(&self) {
        if let Some(handle) = &self.handle {
            handle.give_back(self.layout.slots, self.layout.words);
        }
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

    pub(crate) fn walked(&self) -> &'static [AtomicU64] {
        let words = layout::WALKED_WORDS * self.geometry.slots as usize;
        &self.words[self.layout.walked..][..words]
    }

    /// Where runs begin, for observers; see `ring/follow.rs`.
    pub(crate) fn trail(&self) -> &'static [AtomicU64] {
        let words = layout::trail_words(self.geometry.slots);
        &self.words[self.layout.trail..][..words]
    }

    /// The table of call sites: entries of [`SITE_WORDS`] words.
    pub(crate) fn sites(&self) -> &'static [AtomicU64] {
        &self.words[self.layout.sites..self.layout.site_text]
    }

    /// The text of the call sites; its first word counts the words in use.
    pub(crate) fn site_text(&self) -> &'static [AtomicU64] {
        &self.words[self.layout.site_text..][..self.geometry.site_bytes as usize / WORD]
    }

    /// The sequence below which every sink is done. `[flushed]` Acquire.
    pub(crate) fn flushed(&self) -> u64 {
        load_acquire(&self.words[layout::FLUSHED_AT])
    }

    /// `[flushed]` Release: the sinks' work happens before.
    pub(crate) fn set_flushed(&self, sequence: u64) {
        self.words[layout::FLUSHED_AT].store(sequence, Ordering::Release);
    }

    /// `[phase]` A drainer that closes and a member that enters at the same moment each store first, then fence
    /// (`[close]`), then look at the other; at least one of them sees the other.
    pub(crate) fn phase(&self) -> Phase {
        match load_acquire(&self.words[layout::PHASE_AT]) {
            0 => Phase::Starting,
            1 => Phase::Running,
            2 => Phase::Lingering,
            3 => Phase::Closing,
            4 => Phase::Done,
            _ => Phase::Failed,
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        // [phase], [close]: see `phase`.
        self.words[layout::PHASE_AT].store(phase as u64, Ordering::SeqCst);
    }

    /// Whether, as it is said here, nothing written from now on will be read.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase(), Phase::Done | Phase::Failed)
    }

    /// Whether the ring has ended: a phase says so, and the name is gone, which no member can take away by writing into the segment.
    pub(crate) fn has_ended(&self) -> bool {
        self.is_over() && !self.has_its_name()
    }

    /// Whether anything has its name.
    pub(crate) fn has_its_name(&self) -> bool {
        platform::exists(&self.name)
    }

    /// Counts every drop of all producers, so that the drainer need not look at all producers to see one.
    pub(crate) fn drops(&self) -> &'static AtomicU64 {
        &self.words[layout::DROPS_AT]
    }

    /// Records dropped by producers whose entry has been given back; the drainer's words.
    pub(crate) fn dropped_by_left(&self) -> DropWords<'static> {
        DropWords(&self.words[layout::DROPPED_BY_LEFT_AT..][..DROP_WORDS])
    }

    /// One of the drainer's counts.
    pub(crate) fn count(&self, count: Count) -> &'static AtomicU64 {
        &self.words[layout::COUNTS_AT + count as usize]
    }
}

/// Takes a segment's name away, and the files beside it. Who has it mapped keeps it. One that is gone already is no trouble.
pub(crate) fn remove(name: &str) {
    private::remove_all(name);
    let _ = platform::remove(name);
}

/// Takes a segment's name and the files beside it away and gives all its memory back, also where it stays mapped. Only for the last
/// user of the ring.
pub(crate) fn discard(name: &str) {
    private::remove_all(name);
    let _ = platform::discard(name);
}

/// The user that the segment `name` belongs to, and its size in bytes. `None` where the system cannot tell, or it is gone.
pub(crate) fn owner(name: &str) -> Option<(u32, u64)> {
    platform::owner(name)
}

/// The names of all rings of all users; none where the system cannot list them.
pub(crate) fn names() -> Vec<String> {
    let mut names = platform::names();
    names.retain(|name| name::is_well_formed(name));
    names
}

/// The process that made the ring `name`, as far as the name tells.
pub(crate) fn maker(name: &str) -> Identity {
    Identity::of_pid(name::maker(name).unwrap_or(0))
}

/// Makes this process the only drainer of the ring `name`: [`Segment::lock_for_draining`] before it is mapped.
pub(crate) fn lock_for_draining(name: &str) -> io::Result<Option<DrainLock>> {
    platform::lock(name)
}

/// Whether the ring `name` has no drainer and will have none: its maker is gone, and no drainer works. Where that cannot
/// be told it is not so. Not for signal handlers.
pub(crate) fn is_forsaken(name: &str) -> bool {
    let has_maker = || home::maker(name).is_ok_and(|maker| !Watch::new(maker).is_gone());
    // The maker first: a drainer that it is starting must find the lock free.
    CAN_LOCK && !has_maker() && !matches!(lock_for_draining(name), Ok(None))
}

/// A segment's file and its book's, kept open without being mapped, by a service that starts drainers for it.
pub(crate) struct OpenFile {
    name: String,
    handle: platform::Handle,
    book: Option<platform::Anchor>,
}

impl OpenFile {
    pub(crate) fn of(name: &str) -> io::Result<OpenFile> {
        Ok(OpenFile {
            name: name.to_owned(),
            handle: platform::Handle::by_name(name)?,
            book: book::anchor(name),
        })
    }

    /// As [`Segment::book_to_pass_on`].
    pub(crate) fn book_to_pass_on(&self) -> Option<OwnedFd> {
        self.book.as_ref().and_then(platform::Anchor::to_pass_on)
    }

    /// As [`Segment::to_pass_on`].
    pub(crate) fn to_pass_on(&self) -> io::Result<OwnedFd> {
        self.handle.to_pass_on(&self.name)
    }

    /// As [`Segment::lock_for_draining`].
    pub(crate) fn lock_for_draining(&self) -> io::Result<Option<DrainLock>> {
        self.handle.lock(&self.name)
    }
}

/// A word that reads 0 in every child made by fork, and what was stored in every other process.
pub(crate) fn word_wiped_on_fork() -> io::Result<&'static AtomicU64> {
    map::wiped_on_fork().map(|page| &page[0])
}
