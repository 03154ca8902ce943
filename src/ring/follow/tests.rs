//! The follower beside producers and a drainer, in private memory.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64 as Count};

use super::*;
use crate::ring::{Floors, IDLE, Lease, Next, Reader, claim};
use crate::sync::AtomicU64;

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
        Ring::new(
            &self.tail,
            &self.head,
            slots,
            parked,
            &self.walked,
            &self.trail,
        )
    }

    fn reader(&self) -> Reader<'_> {
        Reader::resume(self.ring(), Floors::new(&self.floors, 1), None)
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
    let mut follower = Follower::at_oldest(memory.ring());
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
    let mut follower = Follower::at_head(memory.ring());
    let mut batch = Batch::default();
    let bytes = payload(1, 7);
    let ring = memory.ring();
    let held = claim(&ring, &memory.lease(1), &cached_head, bytes.len(), 0, true).unwrap();
    let dead = claim(&ring, &memory.lease(0), &cached_head, 8, 0, true).unwrap();
    // Its floor is cleared: nobody can fill it.
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
    assert!(reader.sweep(&|_| true).is_some());
    reader.release();
    while reader.sweep(&|_| true).is_some() {
        reader.release();
    }
    follower.take(&mut batch);
    seen.extend(
        batch
            .runs()
            .map(|(run, bytes, late)| (whose(&run, bytes), late)),
    );
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
            let mut follower = Follower::at_head(memory.ring());
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
