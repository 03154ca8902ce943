//! Records of several runs, each claimed by itself: what they leave free for others, and their bounded waiting for
//! room between two runs, with a drainer that makes it, stands still or dies.

use std::sync::Arc;

use loom::thread;

use super::{Memory, Seen, Written, bounded, exhaustively};
use crate::ring::{Patience, Refused};
use crate::sync::{before_step, die_at_step};

/// Writes a record of so many runs of a slot each, the further ones of which must leave `leave` slots free: the runs
/// that got into the ring, and whether all did. As `producer/write.rs` does it.
fn write_long(memory: &Memory, producer: usize, runs: usize, leave: u64) -> (Vec<Written>, bool) {
    let (pen, ring, mut patience) = (memory.pen(producer), memory.ring(), Patience::new());
    let mut written = Vec::new();
    while written.len() < runs {
        let first = written.is_empty();
        match pen.write_run(8, if first { 0 } else { leave }, first) {
            Ok(run) => {
                written.push(run);
                patience.earn();
            }
            Err(_) if first || !patience.await_head(&ring, pen.cached_head()) => break,
            Err(_) => {}
        }
    }
    let is_whole = written.len() == runs;
    (written, is_whole)
}

#[test]
fn a_record_longer_than_the_ring_waits_for_the_drainer_or_ends_and_nobody_hangs() {
    static WHOLE: Seen = Seen::new("a record that waited and went on");
    static CUT: Seen = Seen::new("a record that used up its looks");
    bounded(3, || {
        let memory = Arc::new(Memory::new(2, 1));
        let shared = memory.clone();
        let writer = thread::spawn(move || write_long(&shared, 0, 3, 0));
        let mut drainer = memory.drainer();
        drainer.work(3);
        let (published, is_whole) = writer.join().unwrap();
        WHOLE.note(is_whole);
        CUT.note(!is_whole && !published.is_empty());
        drainer.finish();
        drainer.assert_exactly_once(&published, 0);
        // Begun once, in however many runs.
        assert_eq!(memory.begun(0), (1, 0));
        assert!(drainer.orphans.is_empty());
    });
    WHOLE.assert_seen();
    CUT.assert_seen();
}

#[test]
fn while_the_drainer_stands_a_record_ends_after_as_many_looks_as_it_has_earned() {
    exhaustively(|| {
        let memory = Memory::new(2, 1);
        let (published, is_whole) = write_long(&memory, 0, 3, 0);
        assert_eq!((published.len(), is_whole), (2, false));
        let mut drainer = memory.drainer();
        drainer.finish();
        drainer.assert_exactly_once(&published, 0);
    });
}

#[test]
fn further_runs_leave_the_last_slots_to_others_who_get_them_whatever_comes_between() {
    static BETWEEN: Seen = Seen::new("a slot taken between two runs");
    bounded(3, || {
        let memory = Arc::new(Memory::new(4, 2));
        let shared = memory.clone();
        let long = thread::spawn(move || write_long(&shared, 0, 4, 1));
        // As one of a higher level, to which the last slot is reserved.
        let other = memory.pen(1).write(8);
        let (runs, is_whole) = long.join().unwrap();
        assert!(!is_whole && other.is_ok(), "{runs:?}, {other:?}");
        let other = other.unwrap();
        BETWEEN.note(runs.iter().any(|run| run.sequence > other.sequence));
        let mut drainer = memory.drainer();
        drainer.finish();
        drainer.assert_exactly_once(&[runs, vec![other]].concat(), 0);
    });
    BETWEEN.assert_seen();
}

/// Steps of a record of three runs with looks in between, and some beyond.
const STEPS: u64 = 45;

#[test]
fn who_dies_at_any_step_of_a_long_record_leaves_whole_runs_and_a_ring_that_goes_on() {
    static AMID: Seen = Seen::new("a death behind the first run");
    for step in 0..STEPS {
        exhaustively(move || {
            let memory = Memory::new(2, 2);
            let lived = die_at_step(step, || write_long(&memory, 0, 3, 0));
            memory.bury(0);
            let mut drainer = memory.drainer();
            drainer.patient = false;
            drainer.work(6);
            AMID.note(lived.is_none() && !drainer.taken.is_empty());
            let other = memory.pen(1).write(8);
            drainer.finish();
            memory.assert_clean();
            assert!(other.is_ok(), "{other:?}");
        });
    }
    AMID.assert_seen();
}

#[test]
fn who_stops_at_any_step_of_a_long_record_blocks_nobody_and_goes_on_with_it() {
    static WENT_ON: Seen = Seen::new("a record that was whole in the end");
    for step in 0..STEPS {
        exhaustively(move || {
            let memory = Arc::new(Memory::new(2, 2));
            let shared = memory.clone();
            let meanwhile = move || {
                let mut drainer = shared.drainer();
                drainer.patient = false;
                drainer.work(6);
                drainer.release();
                // Room for it, unless what was claimed before the stop is parked.
                let other = shared.pen(1).write(8);
                assert!(other.is_ok() || drainer.reader.parked() > 0, "{other:?}");
                drainer.work(6);
            };
            let (runs, is_whole) = before_step(step, meanwhile, || write_long(&memory, 0, 3, 0));
            WENT_ON.note(is_whole);
            assert!(is_whole || runs.len() < 3);
            let mut drainer = memory.drainer();
            drainer.patient = false;
            drainer.finish();
            memory.assert_clean();
        });
    }
    WENT_ON.assert_seen();
}

#[test]
fn a_look_needs_a_head_that_moved_and_each_one_is_paid_for() {
    exhaustively(|| {
        let memory = Memory::new(2, 1);
        let (pen, ring, mut drainer) = (memory.pen(0), memory.ring(), memory.drainer());
        let mut patience = Patience::new();
        let looks = crate::ring::patience::LOOKS;
        assert!(
            !patience.await_head(&ring, pen.cached_head()),
            "nothing moved"
        );
        patience.earn();
        pen.write(8).unwrap();
        assert_eq!(pen.write_run(40, 0, false), Err(Refused::Full(1)));
        assert!(drainer.turn());
        drainer.release();
        assert!(
            patience.await_head(&ring, pen.cached_head()),
            "{looks} looks and one"
        );
        assert!(
            !patience.await_head(&ring, pen.cached_head()),
            "all are used up"
        );
        let mut none = Patience::none();
        none.earn();
        pen.cached_head().set(0);
        assert!(!none.await_head(&ring, pen.cached_head()));
        drainer.finish();
    });
}
