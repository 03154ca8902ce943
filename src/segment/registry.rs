//! The registry: an entry per process (member) and an entry per thread (producer).
//!
//! An entry goes `FREE → CLAIMING → ACTIVE → LEAVING → FREE`. Members and threads take an entry with one
//! compare-and-swap that also says who they are, so one that dies halfway can be recognised; only the drainer
//! gives an entry back, after it has delivered all that the entry's owner wrote. So as long as a record of
//! a producer stands in the ring, its entry describes that producer and no other.

use super::Segment;
use super::drops::{DropReason, DropWords, Drops, OWN_DROP_WORDS};
use super::identity::Identity;
use super::layout::{LINE, MEMBER_WORDS, PRODUCER_WORDS};
use crate::boundary::floor_char_boundary;
use crate::clock::Clock;
use crate::level::Level;
use crate::sync::{AtomicU64, Ordering, load_acquire};
use crate::words::{WORD, load_bytes, store_bytes};

/// What an entry is doing; the low byte of its state word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    /// Without an owner.
    Free = 0,
    /// Taken; its owner is writing down who it is.
    Claiming = 1,
    /// In use.
    Active = 2,
    /// Its owner will not use it any more (a producer's: its thread has ended).
    Leaving = 3,
}

impl Tag {
    /// The tag of a state word; one that no code of ours wrote counts as `Leaving`, so the drainer clears it.
    fn of(state: u64) -> Tag {
        match state as u8 {
            0 => Tag::Free,
            1 => Tag::Claiming,
            2 => Tag::Active,
            _ => Tag::Leaving,
        }
    }
}

/// A state word: tag (8 bits), generation (24 bits, counts the owners), owner (32 bits: a member's pid, a
/// producer's member).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(u64);

impl State {
    pub(crate) fn tag(self) -> Tag {
        Tag::of(self.0)
    }

    pub(crate) fn owner(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn generation(self) -> u64 {
        (self.0 >> 8) & 0xff_ffff
    }

    /// Owner and generation: the same for all states of one owner, and for no other's.
    pub(crate) fn owner_bits(self) -> u64 {
        self.0 >> 8
    }

    /// Whether `other` is a state of the same owner, whatever it does.
    pub(crate) fn is_same_owner(self, other: State) -> bool {
        self.owner_bits() == other.owner_bits()
    }

    /// Whether this state can come after `before`: of the same owner, or of one of the next few.
    pub(crate) fn follows(self, before: State) -> bool {
        let later = self.generation().wrapping_sub(before.generation()) & 0xff_ffff;
        self.is_same_owner(before) || (1..=4096).contains(&later)
    }

    fn with_tag(self, tag: Tag) -> State {
        State((self.0 & !0xff) | tag as u64)
    }

    fn claimed_by(self, owner: u32) -> State {
        let generation = (self.generation() + 1) & 0xff_ffff;
        State((u64::from(owner) << 32) | (generation << 8) | Tag::Claiming as u64)
    }
}

/// The state word of an entry and the transitions of it.
#[derive(Clone, Copy)]
pub(crate) struct StateWord<'a>(&'a AtomicU64);

impl StateWord<'_> {
    /// The state as it was a moment ago. Acquire, label `[entry]`: what its owner wrote down is visible.
    pub(crate) fn load(self) -> State {
        State(load_acquire(self.0))
    }

    fn try_claim(self, owner: u32) -> bool {
        let seen = self.load();
        seen.tag() == Tag::Free
            && self
                .0
                // [entry] Acquire: the drainer's clean-up of the last owner is visible.
                .compare_exchange(
                    seen.0,
                    seen.claimed_by(owner).0,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// `[entry]` Release: who sees the new tag sees everything that was written down before.
    fn set(self, tag: Tag) {
        let state = State(self.0.load(Ordering::Relaxed)).with_tag(tag);
        self.0.store(state.0, Ordering::Release);
    }
}

/// Where in a member's entry its words are.
mod member_word {
    pub(super) const STATE: usize = 0;
    pub(super) const START: usize = 1;
    pub(super) const NAME_LEN: usize = 2;
    pub(super) const NAME: std::ops::Range<usize> = 3..19;
    pub(super) const IMAGE: usize = 19;
    pub(super) const ENTERED: usize = 20;
}

/// One process's entry.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a>(&'a [AtomicU64]);

impl<'a> Member<'a> {
    pub(crate) fn state(&self) -> StateWord<'a> {
        StateWord(&self.0[member_word::STATE])
    }

    /// Who the member is, by its own account.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            pid: self.state().load().owner(),
            start: self.0[member_word::START].load(Ordering::Relaxed),
            image: self.0[member_word::IMAGE].load(Ordering::Relaxed),
        }
    }

    /// When the member entered, by the monotonic clock in nanoseconds: of two programs of one process, which was later.
    pub(crate) fn entered(&self) -> u64 {
        self.0[member_word::ENTERED].load(Ordering::Relaxed)
    }

    pub(crate) fn name(&self) -> String {
        load_name(&self.0[member_word::NAME], &self.0[member_word::NAME_LEN])
    }

    /// Writes again what is known of its owner. Only the drainer does this, to an entry that is damaged.
    pub(crate) fn restore(&self, state: State, identity: Identity, entered: u64) {
        self.store_identity(identity, entered);
        // [entry] Release: as `set`.
        self.state().0.store(state.0, Ordering::Release);
    }

    /// Gives the entry back. Only the drainer does this.
    pub(crate) fn clear(&self) {
        self.store_identity(Identity::of_pid(0), 0);
        self.state().set(Tag::Free);
    }

    /// Relaxed: ordered by the state word, which is stored next.
    fn store_identity(&self, identity: Identity, entered: u64) {
        self.0[member_word::START].store(identity.start, Ordering::Relaxed);
        self.0[member_word::IMAGE].store(identity.image, Ordering::Relaxed);
        self.0[member_word::ENTERED].store(entered, Ordering::Relaxed);
    }
}

/// Where in a producer's entry its words are: a line for its thread's hot words, two for its cold ones, one
/// for the drainer's.
mod producer_word {
    use super::LINE;
    pub(super) const FLOOR: usize = 0;
    pub(super) const BEGUN: usize = 1;
    pub(super) const BEGUN_NESTED: usize = 2;
    pub(super) const STATE: usize = LINE;
    pub(super) const TID: usize = LINE + 1;
    pub(super) const NAME_LEN: usize = LINE + 2;
    pub(super) const NAME: std::ops::Range<usize> = LINE + 3..LINE + 11;
    pub(super) const DROPPED_AT: usize = LINE + 11;
    pub(super) const DROPS: usize = 2 * LINE;
    pub(super) const DELIVERED: usize = 3 * LINE;
    pub(super) const REPORTED: usize = 3 * LINE + 1;
    pub(super) const LATE: usize = 3 * LINE + 2;
    pub(super) const BYTES: usize = 3 * LINE + 3;
    pub(super) const LAST: usize = 3 * LINE + 4;
}

/// One thread's entry.
#[derive(Clone, Copy)]
pub(crate) struct Producer<'a>(&'a [AtomicU64]);

impl<'a> Producer<'a> {
    pub(crate) fn state(&self) -> StateWord<'a> {
        StateWord(&self.0[producer_word::STATE])
    }

    /// The oldest sequence that the thread may own; the ring's floor.
    pub(crate) fn floor(&self) -> &'a AtomicU64 {
        &self.0[producer_word::FLOOR]
    }

    /// Records begun in the normal course, and by interrupting signal handlers.
    pub(crate) fn begun_words(&self) -> (&'a AtomicU64, &'a AtomicU64) {
        (
            &self.0[producer_word::BEGUN],
            &self.0[producer_word::BEGUN_NESTED],
        )
    }

    /// Records begun in all.
    pub(crate) fn begun(&self) -> u64 {
        let (begun, nested) = self.begun_words();
        begun
            .load(Ordering::Relaxed)
            .wrapping_add(nested.load(Ordering::Relaxed))
    }

    pub(crate) fn tid(&self) -> u32 {
        self.0[producer_word::TID].load(Ordering::Relaxed) as u32
    }

    pub(crate) fn name(&self) -> String {
        load_name(
            &self.0[producer_word::NAME],
            &self.0[producer_word::NAME_LEN],
        )
    }

    /// The words in which dropped records are counted.
    pub(crate) fn drop_words(&self) -> DropWords<'a> {
        DropWords(&self.0[producer_word::DROPS..][..OWN_DROP_WORDS])
    }

    /// Counts a dropped record.
    pub(crate) fn count_drop(&self, why: DropReason, level: Level) {
        self.drop_words().count(why, level);
    }

    /// Records dropped, by level and reason.
    pub(crate) fn drops(&self) -> Drops {
        self.drop_words().load()
    }

    /// Records attempted: begun, or refused before.
    pub(crate) fn attempted(&self) -> u64 {
        let refused = self.drops().because(DropReason::RingFull);
        self.begun().wrapping_add(refused)
    }

    /// The tail at the first drop that was not yet reported.
    pub(crate) fn dropped_at(&self) -> &'a AtomicU64 {
        &self.0[producer_word::DROPPED_AT]
    }

    /// Records delivered; the drainer's word.
    pub(crate) fn delivered(&self) -> &'a AtomicU64 {
        &self.0[producer_word::DELIVERED]
    }

    /// How many of the dropped the log has told of; the drainer's word.
    pub(crate) fn reported(&self) -> &'a AtomicU64 {
        &self.0[producer_word::REPORTED]
    }

    /// Of the delivered, those that were late; the drainer's word.
    pub(crate) fn late(&self) -> &'a AtomicU64 {
        &self.0[producer_word::LATE]
    }

    /// Bytes of the delivered, as they stood in the ring; the drainer's word.
    pub(crate) fn bytes(&self) -> &'a AtomicU64 {
        &self.0[producer_word::BYTES]
    }

    /// Ticks of the last that was delivered, 0 if there is none; the drainer's word.
    pub(crate) fn last(&self) -> &'a AtomicU64 {
        &self.0[producer_word::LAST]
    }

    /// The thread's last act.
    pub(crate) fn leave(&self) {
        self.state().set(Tag::Leaving);
    }

    /// Gives the entry back. Only the drainer does this.
    pub(crate) fn clear(&self) {
        self.reset();
        self.state().set(Tag::Free);
    }

    fn reset(&self) {
        let hot = &self.0[..LINE];
        let counts = &self.0[producer_word::DROPS..];
        for word in hot.iter().chain(counts).chain([self.dropped_at()]) {
            word.store(0, Ordering::Relaxed);
        }
        self.floor().store(u64::MAX, Ordering::Relaxed);
    }
}

fn store_name(name: &str, words: &[AtomicU64], len: &AtomicU64) {
    let end = floor_char_boundary(name, words.len() * WORD);
    len.store(
        store_bytes(words, &name.as_bytes()[..end]) as u64,
        Ordering::Relaxed,
    );
}

fn load_name(words: &[AtomicU64], len: &AtomicU64) -> String {
    let len = usize::try_from(len.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    load_bytes(words, len, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Segment {
    /// Entries for processes, and as many for threads.
    pub(crate) fn entries(&self) -> usize {
        self.geometry.max_producers as usize
    }

    /// The entry of process `index`, which is below [`Segment::entries`].
    pub(crate) fn member(&self, index: usize) -> Member<'static> {
        let start = self.layout.members + index * MEMBER_WORDS;
        Member(&self.words[start..start + MEMBER_WORDS])
    }

    /// The entry of thread `index`, which is below [`Segment::entries`].
    pub(crate) fn producer(&self, index: usize) -> Producer<'static> {
        let start = self.layout.producers + index * PRODUCER_WORDS;
        Producer(&self.words[start..start + PRODUCER_WORDS])
    }

    /// All floors: the first words of the producers' entries, so many words apart.
    pub(crate) fn floors(&self) -> (&'static [AtomicU64], usize) {
        let words = self.entries() * PRODUCER_WORDS;
        (
            &self.words[self.layout.producers..][..words],
            PRODUCER_WORDS,
        )
    }

    /// Writes the floors of a fresh registry: zero would be a floor that protects everything.
    pub(super) fn format_registry(&self) {
        for index in 0..self.entries() {
            self.producer(index).reset();
        }
    }

    /// Enters a process. `None` when all entries are taken.
    pub(crate) fn enter_member(&self, identity: Identity, name: &str) -> Option<usize> {
        let index =
            (0..self.entries()).find(|&i| self.member(i).state().try_claim(identity.pid))?;
        let member = self.member(index);
        member.store_identity(identity, Clock::Monotonic.ticks());
        store_name(
            name,
            &member.0[member_word::NAME],
            &member.0[member_word::NAME_LEN],
        );
        member.state().set(Tag::Active);
        Some(index)
    }

    /// Enters a thread of the process `member`. `None` when all entries are taken.
    pub(crate) fn enter_producer(&self, member: usize, tid: u32, name: &str) -> Option<usize> {
        let owner = member as u32;
        let index = (0..self.entries()).find(|&i| self.producer(i).state().try_claim(owner))?;
        let producer = self.producer(index);
        producer.0[producer_word::TID].store(tid.into(), Ordering::Relaxed);
        store_name(
            name,
            &producer.0[producer_word::NAME],
            &producer.0[producer_word::NAME_LEN],
        );
        producer.state().set(Tag::Active);
        Some(index)
    }
}
