//! Claim, publish, read, release; the full ring; walking away; signal handlers.

use std::sync::Arc;

use loom::thread;

use super::{Memory, Seen, Written, bounded, exhaustively};
use crate::ring::Refused;
use crate::ring::sequence::IDLE;
use crate::sync::before_step;

/// Has a thread write `records` records of `bytes` bytes.
fn producer(
    memory: &Arc<Memory>,
    index: usize,
    records: usize,
    bytes: usize,
) -> thread::JoinHandle<Vec<Result<Written, Refused>>> {
    let memory = memory.clone();
    thread::spawn(move || {
        let pen = memory.pen(index);
        (0..records).map(|_| pen.write(bytes)).collect()
    })
}

/// The published ones, and how many were refused as full and as overtaken.
fn sort(
    results: impl IntoIterator<Item = Result<Written, Refused>>,
) -> (Vec<Written>, usize, usize) {
    let (mut published, mut full, mut overtaken) = (Vec::new(), 0, 0);
    for result in results {
        match result {
            Ok(written) => published.push(written),
            Err(Refused::Full(_)) => full += 1,
            Err(Refused::Overtaken(_)) => overtaken += 1,
        }
    }
    (published, full, overtaken)
}

#[test]
fn one_record_reaches_the_drainer_whole_whenever_it_looks() {
    exhaustively(|| {
        let memory = Arc::new(Memory::new(2, 1));
        let writer = producer(&memory, 0, 1, 8);
        let mut drainer = memory.drainer();
        drainer.work(2);
        let (published, ..) = sort(writer.join().unwrap());
        drainer.finish();
        drainer.assert_exactly_once(&published, 0);
        assert_eq!((published.len(), drainer.orphans.len()), (1, 0));
    });
}

#[test]
fn records_of_two_producers_arrive_once_each_with_their_own_bytes_in_order() {
    static IN_TIME: Seen = Seen::new("a record taken while producers were writing");
    bounded(2, || {
        let memory = Arc::new(Memory::new(4, 2));
        let (a, b) = (producer(&memory, 0, 2, 8), producer(&memory, 1, 1, 16));
        let mut drainer = memory.drainer();
        drainer.work(3);
        IN_TIME.note(!drainer.taken.is_empty());
        let results = a.join().unwrap().into_iter().chain(b.join().unwrap());
        let (published, full, overtaken) = sort(results);
        drainer.finish();
        drainer.assert_exactly_once(&published, 0);
        assert_eq!((published.len(), full, overtaken), (3, 0, 0));
        assert!(drainer.orphans.is_empty());
    });
    IN_TIME.assert_seen();
}

#[test]
fn a_slot_is_written_again_only_after_the_drainer_has_read_it() {
    // One of two slots is taken. Both producers find room for one record each, so one of them gets a
    // sequence of the next lap, whose slot the drainer is about to give back.
    static REUSED: Seen = Seen::new("a slot taken as soon as it was free, before the head moved");
    static OVERTAKEN: Seen = Seen::new("a producer that walked away and came back");
    bounded(3, || {
        let memory = Arc::new(Memory::new(2, 2));
        let first = memory.pen(0).write(8);
        let (a, b) = (producer(&memory, 0, 1, 8), producer(&memory, 1, 1, 8));
        let mut drainer = memory.drainer();
        drainer.work(1);
        let results = [first]
            .into_iter()
            .chain(a.join().unwrap())
            .chain(b.join().unwrap());
        let (published, ..) = sort(results);
        drainer.finish();
        drainer.assert_exactly_once(&published, 0);
        REUSED.note(published.iter().any(|written| written.sequence == 2));
        OVERTAKEN.note(!drainer.orphans.is_empty());
    });
    REUSED.assert_seen();
    OVERTAKEN.assert_seen();
}

#[test]
fn a_lone_producer_that_finds_room_finds_it_free() {
    static FULL: Seen = Seen::new("a full ring");
    static ROOM: Seen = Seen::new("room that the drainer made meanwhile");
    bounded(3, || {
        let memory = Arc::new(Memory::new(2, 1));
        let writer = producer(&memory, 0, 3, 8);
        let mut drainer = memory.drainer();
        drainer.work(2);
        let (published, full, overtaken) = sort(writer.join().unwrap());
        drainer.finish();
        drainer.assert_exactly_once(&published, 0);
        // No other thread claims and nothing is parked: a sequence is never given up.
        assert_eq!((overtaken, drainer.orphans.len()), (0, 0));
        assert_eq!(memory.begun(0), (published.len() as u64, 0));
        FULL.note(full > 0);
        ROOM.note(full == 0);
    });
    FULL.assert_seen();
    ROOM.assert_seen();
}

#[test]
fn a_full_ring_refuses_and_keeps_what_it_holds_until_there_is_room_again() {
    exhaustively(|| {
        let memory = Memory::new(2, 1);
        let (pen, mut drainer) = (memory.pen(0), memory.drainer());
        let mut published = vec![pen.write(8).unwrap()];
        assert_eq!(
            pen.write(40),
            Err(Refused::Full(1)),
            "a run of two, room for one"
        );
        published.push(pen.write(16).unwrap());
        assert_eq!(pen.write(8), Err(Refused::Full(2)));
        assert_eq!((memory.begun(0), memory.floor(0)), ((2, 0), IDLE));
        assert!(drainer.turn() && drainer.turn());
        assert_eq!(
            pen.write(8),
            Err(Refused::Full(2)),
            "read, but not released"
        );
        drainer.release();
        published.push(pen.write(40).unwrap());
        drainer.finish();
        drainer.assert_exactly_once(&published, 0);
    });
}

#[test]
fn who_finds_only_slots_that_are_not_free_walks_away_and_the_ring_goes_on() {
    exhaustively(|| {
        let memory = Memory::new(2, 3);
        let (a, b) = (
            memory.pen(0).claim(8).unwrap(),
            memory.pen(1).claim(8).unwrap(),
        );
        let mut drainer = memory.drainer();
        drainer.patient = false;
        drainer.work(2);
        assert_eq!(drainer.reader.parked(), 2);
        let pen = memory.pen(2);
        // Tries 2 and 3, whose slots are parked.
        assert_eq!(pen.write(8), Err(Refused::Overtaken(3)));
        assert_eq!((memory.begun(2), memory.floor(2)), ((1, 0), IDLE));
        let mut published = vec![b.publish(), a.publish()];
        drainer.work(2);
        drainer.sweep();
        published.push(pen.write(8).unwrap());
        assert_eq!(published[2].sequence, 4);
        drainer.finish();
        drainer.assert_exactly_once(&published, 0);
        assert_eq!(drainer.taken.iter().filter(|taken| taken.late).count(), 2);
        // 2 and 3 were void from the start: their slots were still parked when the drainer came by.
        assert!(drainer.orphans.is_empty());
    });
}

#[test]
fn a_claim_given_up_becomes_an_orphan_and_its_slot_comes_back() {
    exhaustively(|| {
        let memory = Memory::new(2, 1);
        let (pen, mut drainer) = (memory.pen(0), memory.drainer());
        let given_up = pen.claim(8).unwrap().give_up();
        let published = [pen.write(8).unwrap()];
        drainer.work(4);
        assert_eq!(drainer.orphans, [given_up]);
        drainer.assert_exactly_once(&published, 0);
        let again = [published[0], pen.write(40).unwrap()];
        drainer.finish();
        drainer.assert_exactly_once(&again, 0);
    });
}

#[test]
fn a_claim_inside_another_of_the_same_thread_leaves_the_floor_alone() {
    exhaustively(|| {
        let memory = Memory::new(4, 1);
        let (pen, mut drainer) = (memory.pen(0), memory.drainer());
        let outer = pen.claim(8).unwrap();
        assert_eq!((outer.sequence(), memory.floor(0)), (0, 0));
        let inner = pen.claim(8).unwrap();
        assert_eq!((inner.sequence(), memory.floor(0)), (1, 0));
        let inner = inner.publish();
        assert_eq!(memory.floor(0), 0, "the outer claim is still protected");
        drainer.work(4);
        assert_eq!((drainer.taken.len(), drainer.orphans.len()), (0, 0));
        let outer = outer.publish();
        assert_eq!(memory.floor(0), IDLE);
        assert_eq!(memory.begun(0), (1, 1));
        drainer.finish();
        drainer.assert_exactly_once(&[outer, inner], 0);
    });
}

/// A record of 8 bytes takes 10 steps or so; beyond them the handler is not run.
const STEPS: u64 = 13;

#[test]
fn a_signal_handler_may_log_before_every_step_of_the_call_that_it_interrupts() {
    static HANDLED: Seen = Seen::new("a handler's record");
    static NESTED: Seen = Seen::new("a handler's record, begun inside a claim");
    for step in 0..STEPS {
        bounded(2, move || {
            let memory = Arc::new(Memory::new(4, 1));
            let shared = memory.clone();
            let writer = thread::spawn(move || {
                let inner = std::rc::Rc::new(std::cell::Cell::new(None));
                let (result, handlers) = (inner.clone(), shared.clone());
                let handler = move || result.set(Some(handlers.pen(0).write(16).unwrap()));
                let outer = before_step(step, handler, || shared.pen(0).write(8).unwrap());
                [Some(outer), inner.get()]
            });
            let mut drainer = memory.drainer();
            drainer.work(2);
            let published: Vec<Written> = writer.join().unwrap().into_iter().flatten().collect();
            drainer.finish();
            drainer.assert_exactly_once(&published, 0);
            assert!(drainer.orphans.is_empty());
            assert_eq!(memory.floor(0), IDLE);
            let (begun, nested) = memory.begun(0);
            assert_eq!(begun + nested, published.len() as u64);
            HANDLED.note(published.len() == 2);
            NESTED.note(nested > 0);
        });
    }
    HANDLED.assert_seen();
    NESTED.assert_seen();
}
