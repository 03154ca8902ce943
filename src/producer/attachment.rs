//! This process's tie to a ring: which one, since when, and who we are in it.
//!
//! Everything here is about a process, not a thread, and nothing here blocks: threads and signal handlers
//! come by on their first record, in whatever state the process is.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use super::filter;
use super::unlocked::Untold;
use super::without;
use crate::clock::Clock;
use crate::level::Level;
use crate::record::SiteTable;
use crate::ring::Ring;
use crate::segment::process::Namespace;
use crate::segment::{self, AttachError, Identity, Phase, Refusal, Segment, Tag};

/// A drainer that lives has written the phase anew within this time, whatever a member wrote there.
const MENDED_WITHIN: Duration = Duration::from_millis(250);

/// A ring that this process logs into. Made once and kept for good, like the mapping behind it.
pub(crate) struct Attachment {
    pub(crate) segment: Segment,
    pub(crate) ring: Ring<'static>,
    pub(crate) sites: SiteTable<'static>,
    pub(crate) clock: Clock,
    /// How long a full ring is waited for, in nanoseconds; 0 drops at once.
    pub(crate) block_ns: u64,
    /// It is waited for as long as a drainer may yet make room.
    pub(super) is_patient: bool,
    /// No drainer will, ever.
    pub(super) is_forsaken: AtomicBool,
    /// By level: slots that must be left free.
    leave: [u64; Level::ALL.len()],
    /// The same for the further runs of a record that was let in.
    leave_within_record: [u64; Level::ALL.len()],
    /// Name under which this process enters.
    process_name: String,
    /// `generation << 16 | 1 + index` of our entry among the members; another generation's is not ours.
    member: AtomicU64,
    /// The one that this process, or one that it was forked from, made before.
    made_before: OnceLock<&'static Attachment>,
    /// Whether this process has to say that its pages are not locked.
    pub(super) unlocked: Untold,
}

impl Attachment {
    /// A tie to `segment`, not yet entered.
    pub(crate) fn new(
        segment: Segment,
        process_name: String,
    ) -> Result<&'static Attachment, AttachError> {
        let block_ns = segment.settings().block_ns;
        Attachment::make(segment, process_name, block_ns, false)
    }

    /// The same for a process of ours that waits for room whatever the ring's settings are.
    pub(crate) fn patient(
        segment: Segment,
        process_name: String,
    ) -> Result<&'static Attachment, AttachError> {
        Attachment::make(segment, process_name, u64::MAX, true)
    }

    fn make(
        segment: Segment,
        process_name: String,
        block_ns: u64,
        is_patient: bool,
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
            block_ns,
            is_patient,
            is_forsaken: AtomicBool::new(false),
            leave: settings.leave,
            leave_within_record: leave_within_record(&settings.leave),
            process_name,
            member: AtomicU64::new(0),
            made_before: OnceLock::new(),
            unlocked: Untold::nothing(),
            segment,
        }));
        attachment.remember();
        Ok(attachment)
    }

    /// Enters this process as a member.
    pub(crate) fn enter(&self) -> Result<(), AttachError> {
        let name = || self.segment.name().to_owned();
        let generation = generation().map_err(|source| AttachError::Open {
            name: name(),
            source,
        })?;
        let begin = Instant::now();
        let mut entered = self.member(generation);
        // Any member may have written that the ring is about to end: its drainer writes what is true, or takes the name away.
        while entered == Err(Refusal::Closing)
            && begin.elapsed() < MENDED_WITHIN
            && self.segment.has_its_name()
        {
            std::thread::sleep(Duration::from_millis(1));
            entered = self.member(generation);
        }
        match entered {
            Ok(_) => Ok(()),
            Err(Refusal::PidNamespace) => Err(AttachError::OtherNamespace { name: name() }),
            Err(Refusal::TimeNamespace) => Err(AttachError::OtherTimeNamespace { name: name() }),
            Err(Refusal::Processes) => Err(AttachError::TooManyMembers {
                max: self.segment.geometry().max_producers,
            }),
            Err(_) => Err(AttachError::Gone { name: name() }),
        }
    }

    /// The tie to the ring `name` that this process has made before under this name of its own: a thread that tries
    /// again and again does not map it again and again.
    pub(crate) fn known(name: &str, process_name: &str) -> Option<&'static Attachment> {
        let mut next = to_attachment(&LAST_MADE);
        while let Some(attachment) = next {
            if attachment.segment.name() == name && attachment.process_name == process_name {
                break;
            }
            next = attachment.made_before.get().copied();
        }
        next
    }

    /// Puts it where [`known`](Self::known) finds it.
    fn remember(&'static self) {
        let before = to_attachment(&LAST_MADE);
        let expected = before.map_or(std::ptr::null(), std::ptr::from_ref);
        if let Some(before) = before {
            let _ = self.made_before.set(before);
        }
        // Refused when another thread makes one at the same moment: then this one is made again when it is asked
        // for again, which costs no more than memory.
        // [made] Release: pairs with the load that takes it up again.
        let _ = LAST_MADE.compare_exchange(
            expected.cast_mut(),
            std::ptr::from_ref(self).cast_mut(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
    }

    /// Slots that a record of this level must leave free.
    #[inline]
    pub(crate) fn leave(&self, level: u8) -> u64 {
        self.leave.get(usize::from(level)).copied().unwrap_or(0)
    }

    /// The same for the further runs of a record.
    #[inline]
    pub(crate) fn leave_within_record(&self, level: u8) -> u64 {
        let leave = self.leave_within_record.get(usize::from(level));
        leave.copied().unwrap_or(0)
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(
            self.segment.phase(),
            Phase::Closing | Phase::Done | Phase::Failed
        )
    }

    /// Our entry among the members, entered at the first call in each generation, which is how a child made
    /// by fork gets its own.
    pub(crate) fn member(&self, generation: u64) -> Result<usize, Refusal> {
        // [member] Acquire: pairs with the exchange in `settle`.
        let known = self.member.load(Ordering::Acquire);
        if known >> 16 == generation {
            return Ok((known & 0xffff) as usize - 1);
        }
        if self.is_closed() {
            return Err(Refusal::Closing);
        }
        if let Some(index) = self.former_entry(known) {
            return self.settle(known, generation, index);
        }
        // A child made by fork may be in another one than its parent.
        match self.segment.is_of_another() {
            Some(Namespace::Pid) => return Err(Refusal::PidNamespace),
            Some(Namespace::Time) => return Err(Refusal::TimeNamespace),
            None => {}
        }
        // A child made by fork sees none of the pages yet, and none is locked.
        self.segment.prefault();
        let locked = self.segment.lock_pages();
        let index = self
            .segment
            .enter_member(Identity::of_this_process(), &self.process_name)
            .ok_or(Refusal::Processes)?;
        // [close] With the fence in Drainer::may_end: we have entered; does it close? One sees the other.
        fence(Ordering::SeqCst);
        if self.is_closed() {
            self.segment.member(index).clear();
            return Err(Refusal::Closing);
        }
        let settled = self.settle(known, generation, index)?;
        // Of several threads that entered at once, one tells.
        if settled == index {
            self.unlocked.note(locked);
        }
        Ok(settled)
    }

    /// The entry of this very process from before it detached: it logged into another ring meanwhile.
    fn former_entry(&self, known: u64) -> Option<usize> {
        let index = (known & 0xffff).checked_sub(1)? as usize;
        let entry = self.segment.member(index);
        let active = entry.state().load().tag() == Tag::Active;
        (active && entry.identity().is_this_process()).then_some(index)
    }

    /// Notes our entry in this generation, unless another thread was faster.
    fn settle(&self, known: u64, generation: u64, index: usize) -> Result<usize, Refusal> {
        let ours = generation << 16 | (index as u64 + 1);
        match self
            .member
            // [member] Release: a thread that finds our number finds the entry filled in.
            .compare_exchange(known, ours, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Ok(index),
            Err(theirs) => {
                // Another thread of this process was faster: one entry is enough.
                let theirs_index = (theirs & 0xffff) as usize - 1;
                if theirs_index != index {
                    self.segment.member(index).clear();
                }
                match theirs >> 16 == generation {
                    true => Ok(theirs_index),
                    false => Err(Refusal::Closing),
                }
            }
        }
    }
}

/// By level, what the further runs of a record must leave free: half of the slots that are reserved for the next level
/// that has some of its own are theirs too. A record that was let in gets on beside those that keep the ring full to
/// the limit of its level, and the other half remains for the higher levels, however many long records are under way.
/// One slot in any case: for the word that the record is cut off, should it be.
fn leave_within_record(leave: &[u64; Level::ALL.len()]) -> [u64; Level::ALL.len()] {
    std::array::from_fn(|level| {
        let (own, higher) = (leave[level], &leave[level..]);
        let next = higher.iter().copied().filter(|&slots| slots < own).max();
        (own - (own - next.unwrap_or(0)) / 2).max(1)
    })
}

/// The ring that macros log into: null, or an attachment that was leaked. No lock, since a fork or a signal
/// handler could come while it is held.
static CURRENT: AtomicPtr<Attachment> = AtomicPtr::new(std::ptr::null_mut());

/// The tie that was made last, and through it all others: null, or an attachment that was leaked.
static LAST_MADE: AtomicPtr<Attachment> = AtomicPtr::new(std::ptr::null_mut());

/// Before there is a word for it.
static NO_GENERATION: AtomicU64 = AtomicU64::new(0);
/// The word that reads 0 in a child made by fork until it is given its own generation, or [`NO_GENERATION`]. No
/// `OnceLock`: a fork could come while another thread fills it.
static GENERATION: AtomicPtr<AtomicU64> =
    AtomicPtr::new(std::ptr::from_ref(&NO_GENERATION).cast_mut());
/// The last generation handed out, in this process or in those it was forked from.
static LAST_GENERATION: AtomicU64 = AtomicU64::new(0);

/// The number of this process's present tie to a ring: changes with a fork, with every attaching and
/// detaching. What a thread knows from another generation is void. 0 when there is none yet.
#[inline]
pub(crate) fn known_generation() -> u64 {
    // [generation] Acquire: pairs with the exchange in generation_word. The word's own load is Relaxed: a thread that comes
    // late by an instant writes into the ring it knew.
    to_word(GENERATION.load(Ordering::Acquire)).load(Ordering::Relaxed)
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
    let none = std::ptr::from_ref(&NO_GENERATION).cast_mut();
    // [generation] Acquire: pairs with the exchange below.
    let present = GENERATION.load(Ordering::Acquire);
    if present != none {
        return Ok(to_word(present));
    }
    let word = std::ptr::from_ref(segment::word_wiped_on_fork()?).cast_mut();
    // [generation] Release: pairs with the loads. When another thread was faster, our page is left unused.
    let settled = GENERATION.compare_exchange(none, word, Ordering::AcqRel, Ordering::Acquire);
    Ok(to_word(settled.map_or_else(|faster| faster, |_| word)))
}

/// What [`GENERATION`] points to.
#[inline(always)]
#[allow(unsafe_code)]
fn to_word(pointer: *mut AtomicU64) -> &'static AtomicU64 {
    // SAFETY: loaded from GENERATION, or about to be found there: into which goes only what was made from a
    // `&'static AtomicU64`, in the beginning and by generation_word; nothing makes a `&mut` of it.
    unsafe { &*pointer }
}

/// Voids what all threads know.
fn begin_generation() {
    if let Ok(word) = generation_word() {
        let fresh = LAST_GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
        word.store(fresh, Ordering::Relaxed);
    }
}

/// The present ring.
pub(crate) fn current() -> Option<&'static Attachment> {
    to_attachment(&CURRENT)
}

/// The ring that this process was tied to last, whether it still is or not.
pub(crate) fn last_made() -> Option<&'static Attachment> {
    to_attachment(&LAST_MADE)
}

/// What one of the two pointers below points to: [`CURRENT`] and [`LAST_MADE`], which no other code sees.
#[allow(unsafe_code)]
fn to_attachment(pointer: &'static AtomicPtr<Attachment>) -> Option<&'static Attachment> {
    // [current] Acquire: pairs with the stores in set_current and remember.
    let attachment = pointer.load(Ordering::Acquire);
    // SAFETY: null, or made from a `&'static Attachment` by set_current or remember, which are the only ones that
    // store into these two; no code makes a `&mut` of it.
    unsafe { attachment.as_ref() }
}

/// Whether this very process, and not one it was forked from, has entered `attachment`.
pub(crate) fn is_of_this_process(attachment: &Attachment) -> bool {
    let generation = known_generation();
    // [member] Acquire: as above.
    generation != 0 && attachment.member.load(Ordering::Acquire) >> 16 == generation
}

/// Makes `attachment` the ring that macros log into.
pub(crate) fn set_current(attachment: &'static Attachment) {
    // [current] Release: pairs with the load in current.
    CURRENT.store(std::ptr::from_ref(attachment).cast_mut(), Ordering::Release);
    filter::look_at(Some(attachment.segment.filter().word()));
    without::deliver();
}

/// Begins anew: whatever ring there was, macros do not log into it any more.
pub(crate) fn detach() {
    filter::look_at(None);
    CURRENT.store(std::ptr::null_mut(), Ordering::Relaxed);
    begin_generation();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_runs_may_use_half_of_what_is_reserved_for_the_next_level_and_no_more() {
        // Trace to critical: an eighth of 65,536 slots from warnings on, a sixteenth from errors on.
        let usual = [8192, 8192, 8192, 4096, 0, 0];
        assert_eq!(leave_within_record(&usual), [6144, 6144, 6144, 2048, 1, 1]);
        assert_eq!(leave_within_record(&[0; 6]), [1; 6]);
        let each = [50, 40, 30, 20, 10, 0];
        assert_eq!(leave_within_record(&each), [45, 35, 25, 15, 5, 1]);
    }
}
