//! Who is alive: the drainer's picture of the registry.
//!
//! The picture is renewed now and then, not at every look. A picture that is out of date errs in one
//! direction only: it calls a process alive that has just died, which costs a moment's patience.
//!
//! An entry says who its owner is, and any member can write any entry. So the owner counts as alive only if that process
//! has the ring mapped (`segment/identity/mapping.rs`), which is looked at when an entry is seen first and once a second.
//! Where the system does not let the drainer look (a process that is not dumpable, or of another user beside a drainer
//! without that right), what the entry says is believed as long as the process lives and started when it should have.

mod programs;

use crate::ring::IDLE;
use crate::segment::process::Namespace;
use crate::segment::{self, Backing, Identity, Segment, State, Tag, Watch};
use crate::sync::Ordering;

/// What is known about one process.
struct Known {
    state: State,
    identity: Identity,
    /// When it entered, by its own account.
    entered: u64,
    name: String,
    watch: Watch,
    gone: bool,
}

impl Known {
    fn note_gone(&mut self) {
        self.watch.note_gone();
        self.gone = true;
    }

    fn look_closely(&mut self) {
        self.watch.look_closely();
        self.gone = self.watch.is_gone();
    }
}

/// What is known about one thread that will write nothing more.
#[derive(Clone, Copy)]
struct Departed {
    state: State,
    /// The tail when its departure was noticed: all that it claimed lies below.
    tail: u64,
    /// The parked slots have been swept since, so whatever it published late has been read.
    swept: bool,
}

/// The processes and threads of a ring, and which of them are proven dead.
pub(super) struct Members {
    segment: &'static Segment,
    /// By what a member is known to have the ring mapped.
    ring: Option<Backing>,
    /// Start times are others here than for the members: a drainer that was started again after its parent had left
    /// their time namespace. They are not compared then.
    is_shifted: bool,
    parent: Identity,
    /// The parent itself, not what the registry says of it.
    parent_watch: Watch,
    parent_gone: bool,
    /// Living processes whose entry another one has got by damage.
    strays: Vec<Known>,
    /// Entries that were found damaged.
    damage: u64,
    members: Vec<Option<Known>>,
    departed: Vec<Option<Departed>>,
    /// Those whose departure was noticed since the last call of [`take_departures`](Members::take_departures).
    departures: Vec<usize>,
    /// Entries of threads whose process was not in the registry at the last look.
    unowned: Vec<Option<State>>,
    /// The member whose program is looked at next.
    next_closely: usize,
}

impl Members {
    pub(super) fn new(segment: &'static Segment, parent: Identity) -> Members {
        let entries = segment.entries();
        let ring = segment.backing();
        let is_shifted = segment.is_of_another() == Some(Namespace::Time);
        let seen_from_here = Identity {
            start: if is_shifted { 0 } else { parent.start },
            ..parent
        };
        Members {
            segment,
            ring,
            is_shifted,
            parent,
            parent_watch: Watch::of_member(seen_from_here, ring),
            parent_gone: false,
            strays: Vec::new(),
            damage: 0,
            members: (0..entries).map(|_| None).collect(),
            departed: vec![None; entries],
            departures: Vec::new(),
            unowned: vec![None; entries],
            next_closely: 0,
        }
    }

    /// Looks at all entries again: who came, who went. `tail` reads the tail, and is asked after a
    /// departure has been seen: all that the process that left has claimed lies below.
    pub(super) fn renew(&mut self, tail: &mut dyn FnMut() -> u64) {
        self.parent_gone = self.parent_watch.is_gone();
        self.strays.retain_mut(|known| !known.watch.is_gone());
        for index in 0..self.members.len() {
            self.renew_member(index);
        }
        for index in 0..self.departed.len() {
            let state = self.segment.producer(index).state().load();
            let known = self.departed[index].is_some_and(|departed| departed.state == state);
            if !known {
                let left = state.tag() != Tag::Free
                    && (!self.may_still_write(index, state) || self.is_unowned(index, state));
                self.departed[index] = None;
                if left {
                    self.note_departure(index, state, tail());
                }
            }
        }
    }

    fn note_departure(&mut self, index: usize, state: State, tail: u64) {
        self.departures.push(index);
        self.departed[index] = Some(Departed {
            state,
            tail,
            swept: false,
        });
    }

    /// The entries of threads that were found to have ended since the last call.
    pub(super) fn take_departures(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.departures)
    }

    fn renew_member(&mut self, index: usize) {
        let entry = self.segment.member(index);
        let state = entry.state().load();
        if self.is_damaged(index, state) {
            return self.mend_member(index, state);
        }
        match state.tag() {
            Tag::Free => self.members[index] = None,
            // The process that took it writes down its identity; if it died at that, its pid is all there is to go by.
            Tag::Claiming => self.watch(index, state, Identity::of_pid(state.owner())),
            Tag::Active => self.watch(index, state, entry.identity()),
            // No code of ours writes this.
            Tag::Leaving => entry.clear(),
        }
    }

    /// Whether the process of a thread's entry was missing in the registry at the last look and is at this one.
    /// Once may be: it entered between our looks at the two entries. Twice is damage, and no process would ever
    /// give the entry back.
    fn is_unowned(&mut self, index: usize, state: State) -> bool {
        let owner = self.members.get(state.owner() as usize);
        let missing = owner.is_none_or(Option::is_none).then_some(state);
        let before = std::mem::replace(&mut self.unowned[index], missing);
        missing.is_some() && before == missing
    }

    /// Whether the state of an entry is none that can follow the one that we know: its owner lives, and it is
    /// another's whose turn has not come.
    fn is_damaged(&mut self, index: usize, state: State) -> bool {
        let Some(known) = &mut self.members[index] else {
            return false;
        };
        let follows = state.follows(known.state) && state.tag() != Tag::Leaving;
        !follows && !known.watch.is_gone()
    }

    /// Gives an entry back to the living process that it was taken from, unless another living process has
    /// entered there meanwhile.
    fn mend_member(&mut self, index: usize, state: State) {
        self.damage += 1;
        let entry = self.segment.member(index);
        let newcomer = matches!(state.tag(), Tag::Claiming | Tag::Active)
            && !self.watch_over(entry.identity()).is_gone();
        if newcomer {
            if self.strays.len() < self.members.len() {
                self.strays.extend(self.members[index].take());
            }
            self.watch(index, state, entry.identity());
        } else if let Some(known) = &self.members[index] {
            entry.restore(known.state, known.identity, known.entered);
        }
    }

    /// Watches the owner of an entry, which is gone from the start if it does not have the ring mapped. This process has,
    /// to drain it, and is no member.
    fn watch_over(&self, identity: Identity) -> Watch {
        let seen_from_here = Identity {
            start: if self.is_shifted { 0 } else { identity.start },
            ..identity
        };
        let mut watch = Watch::of_member(seen_from_here, self.ring);
        if self.ring.is_some() && identity.pid == std::process::id() {
            watch.note_gone();
        }
        watch
    }

    /// Entries found damaged since the last call.
    pub(super) fn take_damage(&mut self) -> u64 {
        std::mem::take(&mut self.damage)
    }

    fn watch(&mut self, index: usize, state: State, identity: Identity) {
        let known = &self.members[index];
        let is_new = known.as_ref().is_none_or(|known| known.state != state);
        if is_new {
            let entry = self.segment.member(index);
            self.members[index] = Some(Known {
                state,
                identity,
                entered: entry.entered(),
                name: entry.name(),
                watch: self.watch_over(identity),
                gone: false,
            });
        }
        if let Some(known) = &mut self.members[index] {
            known.gone = known.watch.is_gone();
        }
        if is_new {
            self.end_former_programs(identity, segment::image_of);
        }
    }

    /// Whether the thread of a producer's entry may have claimed something that it can still write. Only proof
    /// makes this `false`; and a process that is still writing down its identity has claimed nothing, whatever stands in
    /// its floor.
    pub(super) fn is_alive(&self, producer: usize) -> bool {
        let state = self.segment.producer(producer).state().load();
        let departed = self.departed[producer].is_some_and(|departed| departed.state == state);
        let claims = !matches!(state.tag(), Tag::Free | Tag::Claiming);
        claims && !departed && self.may_still_write(producer, state)
    }

    fn may_still_write(&self, producer: usize, state: State) -> bool {
        match state.tag() {
            Tag::Free => false,
            // Its thread's last act; but a damaged word must not cost a live producer its claims.
            Tag::Leaving => {
                let floor = self.segment.producer(producer).floor();
                // [floor]: pairs with the stores in claim and Claim::drop.
                floor.load(Ordering::Acquire) != IDLE && self.member_lives(state)
            }
            Tag::Claiming | Tag::Active => self.member_lives(state),
        }
    }

    fn member_lives(&self, producer: State) -> bool {
        // One that has not been looked at yet counts as alive; one that cannot be does not.
        let known = self.members.get(producer.owner() as usize);
        known.is_some_and(|known| known.as_ref().is_none_or(|known| !known.gone))
    }

    /// Looks whether threads of living processes have ended without giving their entry back.
    pub(super) fn look_for_lost_threads(&mut self, tail: &mut dyn FnMut() -> u64) {
        for index in 0..self.departed.len() {
            let producer = self.segment.producer(index);
            let state = producer.state().load();
            let member = self
                .members
                .get(state.owner() as usize)
                .and_then(Option::as_ref);
            if let (Tag::Active | Tag::Leaving, None, Some(member)) =
                (state.tag(), self.departed[index], member)
                && !member.gone
                && segment::thread_is_gone(member.identity.pid, producer.tid())
                // Asked once more: the entry may have changed hands while we looked.
                && producer.state().load() == state
            {
                self.note_departure(index, state, tail());
            }
        }
    }

    /// The parked slots have just been swept, with a picture not older than the last [`renew`](Self::renew).
    pub(super) fn note_sweep(&mut self) {
        for departed in self.departed.iter_mut().flatten() {
            departed.swept = true;
        }
    }

    /// A thread all of whose records have been released: its entry may be given back.
    pub(super) fn next_to_clear(&self, head: u64) -> Option<usize> {
        self.departed.iter().position(|departed| {
            departed.is_some_and(|departed| {
                departed.swept && head.wrapping_sub(departed.tail) as i64 >= 0
            })
        })
    }

    /// A thread's account is settled; its entry is given back as soon as that is certain to be remembered.
    pub(super) fn note_settled(&mut self, index: usize) {
        self.departed[index] = None;
    }

    /// Gives a thread's entry back.
    pub(super) fn clear_producer(&mut self, index: usize) {
        self.segment.producer(index).clear();
        self.departed[index] = None;
    }

    /// Gives back the entries of dead processes that have no thread left in the registry.
    pub(super) fn clear_members(&mut self) {
        for index in 0..self.members.len() {
            if self.members[index].as_ref().is_some_and(|known| known.gone)
                && !self.has_threads(index)
            {
                self.segment.member(index).clear();
                self.members[index] = None;
            }
        }
    }

    fn has_threads(&self, member: usize) -> bool {
        (0..self.departed.len()).any(|producer| {
            let state = self.segment.producer(producer).state().load();
            state.tag() != Tag::Free && state.owner() as usize == member
        })
    }

    /// Whether any member but the parent is alive.
    pub(super) fn others_live(&self) -> bool {
        // An entry that says no more than the parent's pid is the parent's.
        self.living()
            .any(|known| !known.identity.may_be(self.parent))
    }

    /// Whether the parent is proven dead.
    pub(super) fn parent_is_gone(&self) -> bool {
        self.parent_gone
    }

    /// Whether this process has entered, with the program that it runs now.
    pub(super) fn includes(&self, pid: u32) -> bool {
        self.living().any(|known| known.identity.pid == pid)
    }

    fn living(&self) -> impl Iterator<Item = &Known> {
        let all = self.members.iter().flatten().chain(&self.strays);
        all.filter(|known| !known.gone)
    }

    /// Name and pid of the process that a producer's entry belongs to.
    pub(super) fn process_of(&mut self, producer: State) -> (String, u32) {
        let index = producer.owner() as usize;
        if index >= self.members.len() {
            return ("?".to_owned(), 0);
        }
        // Always: what is known may be from when the process had not yet written down its name.
        self.renew_member(index);
        match &self.members[index] {
            Some(known) => (known.name.clone(), known.identity.pid),
            None => ("?".to_owned(), 0),
        }
    }
}
