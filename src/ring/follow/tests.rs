//! The follower beside producers and a drainer, in private memory.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64 as Count};

use super::*;
use crate::ring::{Floors, IDLE, Lease, Next, Reader, claim};

struct Memory {
    tail: AtomicU64,
    head: AtomicU64,
    slots: Vec<AtomicU64>,
    parked: Vec<AtomicU64>,
    walked: Vec<AtomicU64>,
    trail: Vec<AtomicU64>,
    floors: Vec<AtomicU64>,
    counts: Vec<[AtomicU64; 2]>,
}

const SLOTS: usize = 256;

impl Memory {
    fn new(producers: usize) -> Memory {
        let words = |n: usize, value| (0..n).map(|_| AtomicU64::new(value)).collect::<Vec<_>>();
        let memory = Memory {
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            slots: words(SLOTS * 8, 0),
            parked: words(SLOTS, 0),
            walked: words(2 * SLOTS, 0),
            trail: words(SLOTS / 64, 0),
            floors: words(producers, IDLE),
            counts: (0..producers)
                .map(|_| [AtomicU64::new(0), AtomicU64::new(0)])
                .collect(),
        };
        memory.ring().format();
        memory
    }

    fn ring(&self) -> Ring<'_> {
        let (slots, parked) = (&self.slots, &self.parked);
        Ring::new(&self.tail, &self.head, slots, parked, &self.walked)
    }

    fn trail(&self) -> Trail<'_> {
        Trail::new(&self.trail, SLOTS as u64)
    }

    fn reader(&self) -> Reader<'_> {
        let floors = Floors::new(&self.floors, 1);
        Reader::resume(self.ring(), floors, self.trail(), None)
    }

    fn lease(&self, producer: usize) -> Lease<'_> {
        let [begun, begun_nested] = &self.counts[producer];
        Lease {
            floor: &self.floors[producer],
            begun,
            begun_nested,
        }
    }

    /// Writes the `number`th record of a producer, if there is room: its bytes follow from the two.
    fn write(&self, producer: usize, number: u64, cached_head: &Cell<u64>) -> bool {
        let bytes = payload(producer as u64, number);
        let claimed = claim(
            &self.ring(),
            &self.lease(producer),
            cached_head,
            bytes.len(),
            0,
            true,
        );
        claimed
            .map(|claim| claim.publish((producer as u64) << 32 | number, &bytes))
            .is_ok()
    }
}

fn payload(producer: u64, number: u64) -> Vec<u8> {
    let length = 1 + (number * 7 + producer) as usize % 300;
    (0..length)
        .map(|at| (number as usize * 31 + producer as usize + at * 5) as u8)
        .collect()
}

/// Who wrote a run, and which of its records it is, if the bytes are those.
fn whose(run: &Run, bytes: &[u8]) -> (u64, u64) {
    let (producer, number) = (run.tag >> 32, run.tag & 0xffff_ffff);
    assert_eq!(bytes, payload(producer, number), "{run:?}");
    (producer, number)
}

fn drain(reader: &mut Reader<'_>) -> u64 {
    let mut runs = 0;
    loop {
        match reader.next() {
            Next::Run(_) => runs += 1,
            Next::Walked => {}
            Next::Hole(_) => {
                let _ = reader.inspect(&|_| true);
                break;
            }
            Next::Empty | Next::Unreleased => break,
        }
    }
    reader.release();
    runs
}

#[test]
fn what_was_given_back_is_read_for_as_long_as_nobody_claims_it_and_begins_where_a_run_does() {
    let memory = Memory::new(1);
    let (mut reader, cached_head) = (memory.reader(), Cell::new(0));
    for number in 0..1000 {
        assert!(memory.write(0, number, &cached_head));
        drain(&mut reader);
    }
    let mut follower = Follower::at_oldest(memory.ring(), memory.trail());
    let (mut batch, mut seen) = (Batch::default(), Vec::new());
    loop {
        assert_eq!(follower.take(&mut batch), 0);
        if batch.is_empty() {
            break;
        }
        seen.extend(batch.runs().map(|(run, bytes, _)| whose(&run, bytes).1));
    }
    assert_eq!(seen.last(), Some(&999));
    assert!(seen.is_sorted_by(|a, b| a + 1 == *b), "{seen:?}");
    // Runs of three slots on average, the first stretch incomplete, an eighth left out.
    assert!(seen.len() > SLOTS / 8, "{}", seen.len());
}

#[test]
fn a_parked_run_comes_late_and_what_nobody_filled_does_not_come() {
    let memory = Memory::new(2);
    let (mut reader, cached_head) = (memory.reader(), Cell::new(0));
    let mut follower = Follower::at_head(memory.ring(), memory.trail());
    let mut batch = Batch::default();
    let bytes = payload(1, 7);
    let ring = memory.ring();
    let held = claim(&ring, &memory.lease(1), &cached_head, bytes.len(), 0, true).unwrap();
    let dead = claim(&ring, &memory.lease(0), &cached_head, 8, 0, true).unwrap();
    // Its floor is cleared: no producer can fill it.
    drop(dead);
    assert!(memory.write(0, 1, &cached_head));
    follower.take(&mut batch);
    assert!(batch.is_empty());
    while matches!(reader.next(), Next::Hole(_)) {
        if reader.inspect(&|_| true) == crate::ring::Hole::Owned {
            reader.park();
        }
    }
    reader.release();
    let mut seen = Vec::new();
    follower.take(&mut batch);
    seen.extend(
        batch
            .runs()
            .map(|(run, bytes, late)| (whose(&run, bytes), late)),
    );
    assert_eq!(seen, [((0, 1), false)]);
    held.publish(1 << 32 | 7, &bytes);
    follower.take(&mut batch);
    seen.extend(
        batch
            .runs()
            .map(|(run, bytes, late)| (whose(&run, bytes), late)),
    );
    assert!(reader.sweep(&|_| true).is_some());
    reader.release();
    while reader.sweep(&|_| true).is_some() {
        reader.release();
    }
    assert_eq!(follower.take(&mut batch), 0);
    assert!(batch.is_empty());
    assert_eq!(seen, [((0, 1), false), ((1, 7), true)]);
    follower.take(&mut batch);
    assert!(batch.is_empty() && follower.parked.is_empty());
}

#[test]
fn beside_producers_at_full_speed_nothing_torn_is_seen_and_who_is_overtaken_knows_it() {
    const EACH: u64 = 200_000;
    let memory = Memory::new(2);
    let (done, written) = (AtomicBool::new(false), Count::new(0));
    std::thread::scope(|scope| {
        let producers: Vec<_> = (0..2)
            .map(|producer| {
                let (memory, written) = (&memory, &written);
                scope.spawn(move || {
                    let cached_head = Cell::new(0);
                    for number in 0..EACH {
                        let ok = memory.write(producer, number, &cached_head);
                        written.fetch_add(ok.into(), std::sync::atomic::Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let follower = scope.spawn(|| {
            let mut follower = Follower::at_head(memory.ring(), memory.trail());
            let (mut batch, mut last) = (Batch::default(), [None; 2]);
            let (mut seen, mut overtaken, mut idle) = (0_u64, 0, false);
            loop {
                overtaken += follower.take(&mut batch);
                for (run, bytes, late) in batch.runs() {
                    let (producer, number) = whose(&run, bytes);
                    assert!(!late, "nobody was stopped");
                    let last = &mut last[producer as usize];
                    assert!(last.is_none_or(|last| last < number));
                    *last = Some(number);
                    seen += 1;
                }
                if batch.is_empty() && idle {
                    break (seen, overtaken);
                }
                idle = batch.is_empty() && done.load(std::sync::atomic::Ordering::Acquire);
            }
        });
        let mut reader = memory.reader();
        let mut drained = 0;
        while !producers.iter().all(|producer| producer.is_finished()) {
            drained += drain(&mut reader);
        }
        drained += drain(&mut reader);
        done.store(true, std::sync::atomic::Ordering::Release);
        let (seen, overtaken) = follower.join().unwrap();
        assert_eq!(drained, written.load(std::sync::atomic::Ordering::Relaxed));
        assert!(
            seen <= drained && (seen == drained || overtaken > 0),
            "{seen} {drained} {overtaken}"
        );
    });
}

/// A run of several slots that is parked, and what the others do meanwhile.
struct Held<'m> {
    memory: &'m Memory,
    reader: Reader<'m>,
    claim: crate::ring::Claim<'m>,
    bytes: Vec<u8>,
    others: u64,
}

impl<'m> Held<'m> {
    fn park(memory: &'m Memory) -> Held<'m> {
        let (mut reader, cached_head) = (memory.reader(), Cell::new(0));
        let bytes = payload(1, 40);
        let (ring, lease) = (memory.ring(), memory.lease(1));
        let claim = claim(&ring, &lease, &cached_head, bytes.len(), 0, true).unwrap();
        assert!(memory.write(0, 1, &cached_head));
        while matches!(reader.next(), Next::Hole(_)) {
            if reader.inspect(&|_| true) == crate::ring::Hole::Owned {
                reader.park();
            }
        }
        reader.release();
        Held {
            memory,
            reader,
            claim,
            bytes,
            others: 0,
        }
    }

    /// Another one writes a slot, or walks away from it.
    fn others_go_on(&mut self) {
        self.others += 1;
        let (ring, lease) = (self.memory.ring(), self.memory.lease(2));
        let claimed = crate::ring::claim_once(&ring, &lease, &Cell::new(0), 1, 0, true);
        if let Ok(claim) = claimed {
            claim.publish(2 << 32 | self.others, &[7]);
        }
        drain(&mut self.reader);
    }

    /// The run comes late, and is given back.
    fn come(mut self) -> (Reader<'m>, Vec<u8>) {
        self.claim.publish(1 << 32 | 40, &self.bytes);
        assert!(self.reader.sweep(&|_| true).is_some());
        self.reader.release();
        (self.reader, self.bytes)
    }
}

/// All runs that the follower meets, each of which must be whole; and how many it missed.
fn all_whole(follower: &mut Follower<'_>, late: &[u8]) -> (Vec<(u64, u64)>, u64) {
    let (mut batch, mut met, mut missed) = (Batch::default(), Vec::new(), 0);
    loop {
        missed += follower.take(&mut batch);
        if batch.is_empty() {
            return (met, missed);
        }
        for (run, bytes, _) in batch.runs() {
            let producer = run.tag >> 32;
            let whole = [payload(0, 1), late.to_vec(), vec![7]];
            assert_eq!(bytes, whole[producer as usize], "{run:?}");
            met.push((run.sequence, producer));
        }
    }
}

#[test]
fn a_late_run_whose_slots_have_gone_to_different_laps_is_missed_and_not_torn() {
    let memory = Memory::new(3);
    let mut follower = Follower::at_head(memory.ring(), memory.trail());
    let mut held = Held::park(&memory);
    // The tail comes to rest amid the run's slots, a lap later.
    let tail = || memory.tail.load(Ordering::Relaxed);
    while tail() <= SLOTS as u64 {
        held.others_go_on();
        all_whole(&mut follower, &[]);
    }
    let (mut reader, bytes) = held.come();
    let cached_head = Cell::new(0);
    for _ in 0..8 {
        let (ring, lease) = (memory.ring(), memory.lease(2));
        let claimed = crate::ring::claim_once(&ring, &lease, &cached_head, 1, 0, true);
        if let Ok(claim) = claimed {
            claim.publish(2 << 32 | 1, &[7]);
        }
        drain(&mut reader);
    }
    let (met, missed) = all_whole(&mut follower, &bytes);
    assert!(
        missed > 0 && met.iter().all(|(_, producer)| *producer == 2),
        "{met:?}"
    );
}

#[test]
fn a_late_run_that_was_given_back_is_not_taken_for_one_of_the_next_lap() {
    let memory = Memory::new(3);
    let mut held = Held::park(&memory);
    let tail = || memory.tail.load(Ordering::Relaxed);
    while tail() < SLOTS as u64 - 20 {
        held.others_go_on();
    }
    let mut follower = Follower::at_head(memory.ring(), memory.trail());
    while tail() < SLOTS as u64 + 30 {
        held.others_go_on();
    }
    let (_, bytes) = held.come();
    let (met, _) = all_whole(&mut follower, &bytes);
    assert!(
        !met.is_empty() && met.iter().all(|(_, producer)| *producer == 2),
        "{met:?}"
    );
}
