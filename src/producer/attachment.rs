//! This process's tie to a ring: which one, since when, and who we are in it.
//!
//! Everything here is about a process, not a thread, and nothing here blocks: threads and signal handlers
//! come by on their first record, in whatever state the process is.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering, fence};

use crate::clock::Clock;
use crate::level::Level;
use crate::record::SiteTable;
use crate::ring::Ring;
use crate::segment::{self, AttachError, Identity, Phase, Segment};

/// A ring that this process logs into. Made once and kept for good, like the mapping behind it.
pub(crate) struct Attachment {
    pub(crate) segment: Segment,
    pub(crate) ring: Ring<'static>,
    pub(crate) sites: SiteTable<'static>,
    pub(crate) clock: Clock,
    /// How long a full ring is waited for, in nanoseconds; 0 drops at once.
    pub(crate) block_ns: u64,
    /// By level: slots that must be left free.
    leave: [u64; Level::ALL.len()],
    level: Option<Level>,
    /// Name under which this process enters.
    process_name: String,
    /// `generation << 16 | 1 + index` of our entry among the members; another generation's is not ours.
    member: AtomicU64,
}

impl Attachment {
    /// Ties this process to `segment`, and enters it as a member.
    pub(crate) fn new(
        segment: Segment,
        process_name: String,
    ) -> Result<&'static Attachment, AttachError> {
        super::departure::prepare();
        let settings = segment.settings();
        let damaged = || AttachError::Damaged {
            name: segment.name().to_owned(),
        };
        let clock = Clock::from_number(settings.clock).ok_or_else(damaged)?;
        let attachment = Box::leak(Box::new(Attachment {
            ring: Ring::from(&segment),
            sites: SiteTable::new(segment.sites(), segment.site_text()),
            clock,
            block_ns: settings.block_ns,
            leave: settings.leave,
            level: Level::from_number(settings.level.min(255) as u8),
            process_name,
            member: AtomicU64::new(0),
            segment,
        }));
        let generation = generation().map_err(|source| AttachError::Open {
            name: attachment.segment.name().to_owned(),
            source,
        })?;
        match attachment.member(generation) {
            Some(_) => Ok(attachment),
            None if attachment.is_closed() => Err(AttachError::Gone {
                name: attachment.segment.name().to_owned(),
            }),
            None => Err(AttachError::TooManyMembers {
                max: attachment.segment.geometry().max_producers,
            }),
        }
    }

    /// Slots that a record of this level must leave free.
    #[inline]
    pub(crate) fn leave(&self, level: u8) -> u64 {
        self.leave.get(usize::from(level)).copied().unwrap_or(0)
    }

    fn is_closed(&self) -> bool {
        matches!(
            self.segment.phase(),
            Phase::Closing | Phase::Done | Phase::Failed
        )
    }

    /// Our entry among the members, entered at the first call in each generation, which is how a child made
    /// by fork gets its own. `None` when there is no room or the ring is about to end.
    pub(crate) fn member(&self, generation: u64) -> Option<usize> {
        let known = self.member.load(Ordering::Acquire);
        if known >> 16 == generation {
            return Some((known & 0xffff) as usize - 1);
        }
        if self.is_closed() {
            return None;
        }
        // A child made by fork sees none of the pages yet.
        self.segment.prefault();
        let index = self
            .segment
            .enter_member(Identity::of_this_process(), &self.process_name)?;
        // [close] With the fence in Drainer::may_end: we have entered; does it close? One sees the other.
        fence(Ordering::SeqCst);
        if self.is_closed() {
            self.segment.member(index).clear();
            return None;
        }
        let ours = generation << 16 | (index as u64 + 1);
        match self
            .member
            .compare_exchange(known, ours, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Some(index),
            Err(theirs) => {
                // Another thread of this process was faster: one entry is enough.
                self.segment.member(index).clear();
                (theirs >> 16 == generation).then(|| (theirs & 0xffff) as usize - 1)
            }
        }
    }
}

/// The ring that macros log into: null, or an attachment that was leaked. No lock, since a fork or a signal
/// handler could come while it is held.
static CURRENT: AtomicPtr<Attachment> = AtomicPtr::new(std::ptr::null_mut());

/// The lowest level that is recorded, as a number; [`OFF`] while there is no ring.
static THRESHOLD: AtomicU8 = AtomicU8::new(OFF);
const OFF: u8 = u8::MAX;

/// Whether a record of `level` would be recorded now.
#[inline]
pub(crate) fn is_enabled(level: Level) -> bool {
    // Relaxed: a level that changes is noticed soon, not at once.
    level as u8 >= THRESHOLD.load(Ordering::Relaxed)
}

/// Reads 0 in a child made by fork until it is given its own generation.
static GENERATION: OnceLock<&'static AtomicU64> = OnceLock::new();
/// The last generation handed out, in this process or in those it was forked from.
static LAST_GENERATION: AtomicU64 = AtomicU64::new(0);

/// The number of this process's present tie to a ring: changes with a fork, with every attaching and
/// detaching. What a thread knows from another generation is void. 0 when there is none yet.
#[inline]
pub(crate) fn known_generation() -> u64 {
    match GENERATION.get() {
        // Relaxed: a thread that comes late by an instant writes into the ring it knew.
        Some(word) => word.load(Ordering::Relaxed),
        None => 0,
    }
}

/// The present generation, begun if need be.
pub(crate) fn generation() -> std::io::Result<u64> {
    let word = generation_word()?;
    let fresh = match word.load(Ordering::Relaxed) {
        0 => LAST_GENERATION.fetch_add(1, Ordering::Relaxed) + 1,
        known => return Ok(known),
    };
    match word.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Ok(fresh),
        Err(faster) => Ok(faster),
    }
}

fn generation_word() -> std::io::Result<&'static AtomicU64> {
    match GENERATION.get() {
        Some(word) => Ok(word),
        None => {
            let word = segment::word_wiped_on_fork()?;
            Ok(GENERATION.get_or_init(|| word))
        }
    }
}

/// Voids what all threads know.
fn begin_generation() {
    if let Ok(word) = generation_word() {
        let fresh = LAST_GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
        word.store(fresh, Ordering::Relaxed);
    }
}

/// The present ring.
#[allow(unsafe_code)]
pub(crate) fn current() -> Option<&'static Attachment> {
    // [current] Acquire: pairs with the store in set_current.
    let attachment = CURRENT.load(Ordering::Acquire);
    // SAFETY: null, or made from a `&'static Attachment` by set_current; nobody makes a `&mut` of it.
    unsafe { attachment.as_ref() }
}

/// Whether this very process, and not one it was forked from, has entered `attachment`.
pub(crate) fn is_of_this_process(attachment: &Attachment) -> bool {
    let generation = known_generation();
    generation != 0 && attachment.member.load(Ordering::Acquire) >> 16 == generation
}

/// Makes `attachment` the ring that macros log into.
pub(crate) fn set_current(attachment: &'static Attachment) {
    // [current] Release: pairs with the load in current.
    CURRENT.store(std::ptr::from_ref(attachment).cast_mut(), Ordering::Release);
    let threshold = attachment.level.map_or(OFF, |level| level as u8);
    THRESHOLD.store(threshold, Ordering::Relaxed);
}

/// Begins anew: whatever ring there was, macros do not log into it any more.
pub(crate) fn detach() {
    THRESHOLD.store(OFF, Ordering::Relaxed);
    CURRENT.store(std::ptr::null_mut(), Ordering::Relaxed);
    begin_generation();
}
