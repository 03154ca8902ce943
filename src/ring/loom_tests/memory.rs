//! What the tests share: a ring's memory, a producer, a drainer, and the naive answer.

use std::cell::Cell;
use std::collections::BTreeSet;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, Ordering};

use crate::ring::claim::Claim;
use crate::ring::sequence::{IDLE, free, next_in_slot};
use crate::ring::{Floors, Hole, Lease, Next, Reader, Refused, Ring, Run, Trail, claim};
use crate::sync::{AtomicU64, die_at_step};

/// Words in a slot: a single slot carries 16 bytes, a run of two 40.
const SLOT_WORDS: usize = 4;

/// All that the members of a ring share.
pub(super) struct Memory {
    tail: AtomicU64,
    head: AtomicU64,
    slots: Vec<AtomicU64>,
    parked: Vec<AtomicU64>,
    walked: Vec<AtomicU64>,
    trail: Vec<AtomicU64>,
    /// A producer's floor, and its two counts.
    producers: Vec<[AtomicU64; 2]>,
    floors: Vec<AtomicU64>,
    /// Producers that the kernel has said are dead.
    dead: Vec<AtomicBool>,
    /// A plain cell per slot: see the module.
    ghosts: Vec<UnsafeCell<()>>,
}

// SAFETY: the cells hold nothing and no code dereferences their pointers; they are there for loom to watch.
#[allow(unsafe_code)]
unsafe impl Sync for Memory {}

fn words(count: usize, value: u64) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(value)).collect()
}

impl Memory {
    pub(super) fn new(slots: usize, producers: usize) -> Memory {
        let memory = Memory {
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            slots: words(slots * SLOT_WORDS, 0),
            parked: words(slots, 0),
            walked: words(2 * slots, 0),
            trail: words(1, 0),
            producers: (0..producers)
                .map(|_| [AtomicU64::new(0), AtomicU64::new(0)])
                .collect(),
            floors: words(producers, IDLE),
            dead: (0..producers).map(|_| AtomicBool::new(false)).collect(),
            ghosts: (0..slots).map(|_| UnsafeCell::new(())).collect(),
        };
        memory.ring().format();
        memory
    }

    pub(super) fn ring(&self) -> Ring<'_> {
        let walked = &self.walked;
        Ring::new(&self.tail, &self.head, &self.slots, &self.parked, walked)
    }

    pub(super) fn pen(&self, producer: usize) -> Pen<'_> {
        Pen {
            memory: self,
            producer,
            cached_head: Cell::new(0),
            records: Cell::new(0),
        }
    }

    pub(super) fn drainer(&self) -> Drainer<'_> {
        Drainer {
            memory: self,
            reader: self.reader(),
            patient: true,
            taken: Vec::new(),
            mine: 0,
            orphans: Vec::new(),
        }
    }

    fn reader(&self) -> Reader<'_> {
        let trail = Trail::new(&self.trail, self.parked.len() as u64);
        Reader::resume(self.ring(), Floors::new(&self.floors, 1), trail, None)
    }

    pub(super) fn floor(&self, producer: usize) -> u64 {
        self.floors[producer].load(Ordering::Relaxed)
    }

    /// The floor that a producer would have if it had read the tail when that was `floor`.
    pub(super) fn lower_floor(&self, producer: usize, floor: u64) {
        self.floors[producer].store(floor, Ordering::Relaxed);
    }

    /// Records begun in the normal course, and by signal handlers.
    pub(super) fn begun(&self, producer: usize) -> (u64, u64) {
        let [begun, nested] = &self.producers[producer];
        (
            begun.load(Ordering::Relaxed),
            nested.load(Ordering::Relaxed),
        )
    }

    /// The kernel says that the producer is dead, and with that all it has done can be seen.
    pub(super) fn bury(&self, producer: usize) {
        self.dead[producer].store(true, Ordering::Release);
    }

    fn is_alive(&self, producer: usize) -> bool {
        !self.dead[producer].load(Ordering::Acquire)
    }

    fn ghost(&self, sequence: u64) -> &UnsafeCell<()> {
        &self.ghosts[sequence as usize % self.ghosts.len()]
    }

    /// Asserts that nothing is left over: every slot is free for the next sequence that will come to it.
    pub(super) fn assert_clean(&self) {
        let (ring, tail) = (self.ring(), self.tail.load(Ordering::Acquire));
        assert_eq!(self.head.load(Ordering::Acquire), tail, "head at the tail");
        for slot in 0..ring.slots.capacity {
            let next = next_in_slot(slot, tail, ring.slots.capacity);
            let state = ring.slot(slot)[0].load(Ordering::Acquire);
            assert_eq!(state, free(next), "state of slot {slot}, tail {tail}");
            assert_eq!(self.parked[slot as usize].load(Ordering::Acquire), 0);
        }
    }
}

/// A record that a producer has published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Written {
    pub(super) sequence: u64,
    /// Producer, number of the record, length: see [`payload`].
    pub(super) tag: u64,
}

/// The payload of the record of this tag: as long as the tag says, no two alike in any byte of a word.
fn payload(tag: u64) -> Vec<u8> {
    let seed = (tag >> 8) as u8;
    (0..tag as u8)
        .map(|i| seed.wrapping_mul(41).wrapping_add(i + 1))
        .collect()
}

/// A producer, who writes a record of given length at a time.
pub(super) struct Pen<'a> {
    memory: &'a Memory,
    producer: usize,
    cached_head: Cell<u64>,
    records: Cell<u64>,
}

/// A claim that its producer has not published yet.
pub(super) struct Owned<'a> {
    memory: &'a Memory,
    claim: Claim<'a>,
    written: Written,
}

impl<'a> Pen<'a> {
    pub(super) fn claim(&self, bytes: usize) -> Result<Owned<'a>, Refused> {
        self.claim_run(bytes, 0, true)
    }

    /// Claims a run that leaves so many slots free; `first` says that it begins a record.
    fn claim_run(&self, bytes: usize, leave: u64, first: bool) -> Result<Owned<'a>, Refused> {
        let memory = self.memory;
        let lease = Lease {
            floor: &memory.floors[self.producer],
            begun: &memory.producers[self.producer][0],
            begun_nested: &memory.producers[self.producer][1],
        };
        let record = self.records.replace(self.records.get() + 1);
        let tag = (self.producer as u64 + 1) << 12 | record << 8 | bytes as u64;
        let ring = memory.ring();
        let claim = claim(&ring, &lease, &self.cached_head, bytes, leave, first)?;
        let sequence = claim.sequence();
        for i in 0..ring.slots.shape.slots_for(bytes) as u64 {
            memory.ghost(sequence + i).with_mut(|_| ());
        }
        Ok(Owned {
            memory,
            claim,
            written: Written { sequence, tag },
        })
    }

    /// Has the producer take the head to be there: it sees room that there was, or will be, as if it had looked
    /// at the tail long before it claims.
    pub(super) fn believe(self, head: u64) -> Self {
        self.cached_head.set(head);
        self
    }

    /// The head as the producer saw it last.
    pub(super) fn cached_head(&self) -> &Cell<u64> {
        &self.cached_head
    }

    /// Writes one run of a record of several.
    pub(super) fn write_run(
        &self,
        bytes: usize,
        leave: u64,
        first: bool,
    ) -> Result<Written, Refused> {
        Ok(self.claim_run(bytes, leave, first)?.publish())
    }

    pub(super) fn write(&self, bytes: usize) -> Result<Written, Refused> {
        Ok(self.claim(bytes)?.publish())
    }

    /// Writes, unless the producer dies before its `steps`-th step; then it is buried. A death is `None`.
    pub(super) fn write_and_die(
        &self,
        bytes: usize,
        steps: u64,
    ) -> Option<Result<Written, Refused>> {
        let result = die_at_step(steps, || self.write(bytes));
        if result.is_none() {
            self.memory.bury(self.producer);
        }
        result
    }
}

impl Owned<'_> {
    pub(super) fn sequence(&self) -> u64 {
        self.written.sequence
    }

    pub(super) fn publish(self) -> Written {
        let slots = self
            .memory
            .ring()
            .slots
            .shape
            .slots_for(self.written.tag as u8 as usize) as u64;
        for i in 0..slots {
            self.memory
                .ghost(self.written.sequence + i)
                .with_mut(|_| ());
        }
        self.claim
            .publish(self.written.tag, &payload(self.written.tag));
        self.written
    }

    /// The producer stops for ever: its claim neither ends nor is published.
    pub(super) fn abandon(self) -> u64 {
        let sequence = self.written.sequence;
        std::mem::forget(self.claim);
        sequence
    }

    /// The producer drops the claim: a hole that no floor protects, and of which no word is left.
    pub(super) fn give_up(self) -> u64 {
        self.written.sequence
    }
}

/// A record that the drainer was handed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) written: Written,
    pub(super) late: bool,
    slots: u64,
    /// Whether its slots have been given back: then it may not be handed out again.
    released: bool,
}

/// A drainer that keeps what it was handed and checks it.
pub(super) struct Drainer<'a> {
    memory: &'a Memory,
    pub(super) reader: Reader<'a>,
    /// Waits for the owner of a hole. The other kind parks it at once.
    pub(super) patient: bool,
    pub(super) taken: Vec<Taken>,
    /// Where in `taken` the records of the drainer begin that is alive.
    mine: usize,
    pub(super) orphans: Vec<u64>,
}

impl Drainer<'_> {
    /// One look at the cursor. `false` when there is nothing to do now.
    pub(super) fn turn(&mut self) -> bool {
        match self.reader.next() {
            Next::Run(run) => self.take(&run, false),
            Next::Empty => return false,
            Next::Unreleased => self.release(),
            Next::Walked => self.orphans.push(self.reader.cursor() - 1),
            Next::Hole(_) => return self.inspect() != Hole::Owned || !self.patient,
        }
        true
    }

    /// Looks into the hole at the cursor and does what is to be done about it.
    pub(super) fn inspect(&mut self) -> Hole {
        let memory = self.memory;
        let hole = self.reader.inspect(&|producer| memory.is_alive(producer));
        match hole {
            Hole::Published => {}
            Hole::Orphan => self.orphans.push(self.reader.cursor() - 1),
            Hole::Late(run) => {
                self.take(&run, true);
                self.release();
            }
            Hole::Owned if self.patient => {}
            Hole::Owned => self.reader.park(),
        }
        hole
    }

    pub(super) fn sweep(&mut self) {
        let memory = self.memory;
        while let Some(run) = self.reader.sweep(&|producer| memory.is_alive(producer)) {
            self.take(&run, true);
            self.release();
        }
    }

    fn take(&mut self, run: &Run, late: bool) {
        let mut bytes = Vec::new();
        for i in 0..run.slots {
            self.memory.ghost(run.sequence + i).with(|_| ());
        }
        self.reader.copy(run, &mut bytes);
        assert_eq!(bytes, payload(run.tag), "bytes of {run:?}");
        self.taken.push(Taken {
            written: Written {
                sequence: run.sequence,
                tag: run.tag,
            },
            late,
            slots: run.slots,
            released: false,
        });
    }

    pub(super) fn release(&mut self) {
        self.reader.release();
        for taken in &mut self.taken[self.mine..] {
            taken.released = true;
        }
    }

    /// `turns` looks, with a release after each.
    pub(super) fn work(&mut self, turns: usize) {
        for _ in 0..turns {
            if self.turn() {
                self.release();
            }
        }
    }

    /// The drainer died; another one takes up its work.
    pub(super) fn restart(&mut self) {
        self.reader = self.memory.reader();
        self.mine = self.taken.len();
    }

    /// Takes all that is left, after the producers have ended.
    pub(super) fn finish(&mut self) {
        for _ in 0..50 {
            let mut moved = false;
            while self.turn() {
                moved = true;
            }
            self.release();
            self.sweep();
            if !moved && self.reader.parked() == 0 {
                return;
            }
        }
        panic!("the drainer comes to no end");
    }

    /// Asserts that the records `published` were taken exactly once each, in order but for the late ones;
    /// those that died with their writer at most once; and nothing was both taken and given up.
    pub(super) fn assert_exactly_once(&self, published: &[Written], died: usize) {
        let mut taken: Vec<Written> = self.taken.iter().map(|taken| taken.written).collect();
        let in_time = self.taken.iter().filter(|taken| !taken.late);
        assert!(in_time.map(|taken| taken.written.sequence).is_sorted());
        taken.sort_unstable();
        let unique: BTreeSet<Written> = taken.iter().copied().collect();
        assert_eq!(unique.len(), taken.len(), "taken twice: {taken:?}");
        for written in published {
            assert!(
                unique.contains(written),
                "{written:?} lost, taken: {taken:?}"
            );
        }
        assert!(taken.len() <= published.len() + died, "{taken:?} too many");
        for taken in &self.taken {
            for sequence in taken.written.sequence..taken.written.sequence + taken.slots {
                assert!(!self.orphans.contains(&sequence), "{taken:?} given up");
            }
        }
        self.memory.assert_clean();
    }

    /// Asserts, where drainers died, that each of `published` was taken, and never again once released.
    pub(super) fn assert_at_least_once(&self, published: &[Written]) {
        for written in published {
            let mut times = self.taken.iter().filter(|taken| taken.written == *written);
            assert!(
                times.clone().count() > 0,
                "{written:?} lost: {:?}",
                self.taken
            );
            let last = times.next_back();
            assert!(times.all(|earlier| !earlier.released), "again: {last:?}");
        }
        for taken in &self.taken {
            assert!(
                published.contains(&taken.written),
                "{taken:?} was never written"
            );
        }
        self.memory.assert_clean();
    }
}
