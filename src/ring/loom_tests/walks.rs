//! Claimers that cannot have their whole run and walk away, behind the floor of a producer that never moves: no
//! look at the floors could ever settle what they leave.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use loom::thread;

use super::{Memory, Seen, bounded, exhaustively};
use crate::ring::Refused;
use crate::sync::{before_step, die_at_step};

/// The producer that never moves.
const STOPPED: usize = 2;

/// A ring of two slots for two producers and one that has stopped before anything was claimed.
fn behind_a_floor() -> Memory {
    let memory = Memory::new(2, 3);
    memory.lower_floor(STOPPED, 0);
    memory
}

#[test]
fn a_hole_overshot_behind_a_floor_that_never_moves_is_settled_without_parking() {
    static OVERSHOT: Seen = Seen::new("a sequence claimed before its slot was released");
    bounded(3, || {
        let memory = Arc::new(behind_a_floor());
        let first = memory.pen(0).write(8).unwrap();
        // Room for one more, and both see it.
        let writers = [0, 1].map(|producer| {
            let memory = memory.clone();
            thread::spawn(move || memory.pen(producer).write(8).ok())
        });
        let written = writers.map(|writer| writer.join().unwrap());
        let published: Vec<_> = written.into_iter().flatten().chain([first]).collect();
        let mut drainer = memory.drainer();
        drainer.patient = false;
        while drainer.turn() {
            assert_eq!(drainer.reader.parked(), 0);
            drainer.release();
        }
        OVERSHOT.note(drainer.orphans == [2]);
        drainer.finish();
        drainer.assert_exactly_once(&published, 0);
    });
    OVERSHOT.assert_seen();
}

#[test]
fn what_is_parked_while_its_claimer_walks_away_comes_back_behind_a_floor_that_never_moves() {
    static WALKED: Seen = Seen::new("a claimer that had gone when the drainer came");
    static PARKED: Seen = Seen::new("a sequence parked while its claimer was walking away");
    bounded(3, || {
        let memory = Arc::new(behind_a_floor());
        let mut published = vec![memory.pen(0).write(8).unwrap()];
        let shared = memory.clone();
        // Finds two slots free by its old look at the ring, one of which is taken.
        let walker = thread::spawn(move || shared.pen(1).believe(2).write(40).ok());
        let mut drainer = memory.drainer();
        drainer.patient = false;
        drainer.work(4);
        PARKED.note(drainer.reader.parked() > 0);
        published.extend(walker.join().unwrap());
        drainer.finish();
        WALKED.note(!drainer.orphans.is_empty());
        drainer.assert_exactly_once(&published, 0);
    });
    WALKED.assert_seen();
    PARKED.assert_seen();
}

#[test]
fn two_laps_walked_away_from_before_the_drainer_looks_leave_nothing_parked() {
    exhaustively(|| {
        let memory = behind_a_floor();
        let mut drainer = memory.drainer();
        drainer.patient = false;
        let published = [8, 8].map(|bytes| memory.pen(0).write(bytes).unwrap());
        // Each by its old look at the ring; none of the slots is released.
        let overshoot = || memory.pen(1).believe(8).write(8);
        assert_eq!(overshoot(), Err(Refused::Overtaken(3)));
        assert!(drainer.turn() && drainer.turn());
        drainer.release();
        assert_eq!(overshoot(), Err(Refused::Overtaken(5)));
        while drainer.turn() {
            assert_eq!(drainer.reader.parked(), 0);
            drainer.release();
        }
        assert_eq!(drainer.orphans, [2, 3, 4, 5]);
        drainer.assert_exactly_once(&published, 0);
    });
}

/// Steps of a claim that walks away twice, and some beyond.
const STEPS: u64 = 25;

#[test]
fn who_stops_anywhere_while_it_walks_away_leaves_nothing_parked_once_it_goes_on() {
    static PARKED: Seen = Seen::new("what the walker had claimed, parked");
    static KEPT: Seen = Seen::new("word of it, not overwritten by others of later laps");
    for step in 0..STEPS {
        exhaustively(move || {
            let memory = Arc::new(behind_a_floor());
            memory.pen(0).write(8).unwrap();
            memory.pen(0).write(8).unwrap();
            let parked = Rc::new(Cell::new(0));
            let (shared, seen) = (memory.clone(), parked.clone());
            let meanwhile = move || {
                let mut drainer = shared.drainer();
                drainer.patient = false;
                drainer.work(6);
                seen.set(drainer.reader.parked());
            };
            let walker = before_step(step, meanwhile, || memory.pen(1).believe(8).write(8));
            let mut drainer = memory.drainer();
            drainer.patient = false;
            // Round and round, over what is parked.
            for _ in 0..6 {
                let _ = memory.pen(0).write(8);
                while drainer.turn() {}
                drainer.release();
            }
            KEPT.note(drainer.reader.parked() > 0);
            drainer.finish();
            memory.assert_clean();
            PARKED.note(walker.is_err() && parked.get() > 0);
        });
    }
    PARKED.assert_seen();
    KEPT.assert_seen();
}

#[test]
fn a_signal_handler_that_walks_away_inside_a_claim_leaves_nothing_parked() {
    static NESTED: Seen = Seen::new("a handler that walked away inside a claim");
    for step in 0..STEPS {
        exhaustively(move || {
            let memory = Arc::new(behind_a_floor());
            memory.pen(0).write(8).unwrap();
            let shared = memory.clone();
            let handler = move || _ = shared.pen(1).believe(2).write(40);
            let outer = before_step(step, handler, || memory.pen(1).write(8));
            let mut drainer = memory.drainer();
            drainer.patient = false;
            while drainer.turn() {
                assert_eq!(drainer.reader.parked(), 0);
                drainer.release();
            }
            memory.assert_clean();
            NESTED.note(outer.is_ok() && memory.begun(1) == (1, 1));
        });
    }
    NESTED.assert_seen();
}

#[test]
fn who_dies_while_it_walks_away_keeps_nothing_parked_longer_than_the_stopped_one_stands() {
    static HALF: Seen = Seen::new("a death between the words of one run");
    for step in 0..STEPS {
        exhaustively(move || {
            let memory = Memory::new(2, 3);
            let stopped = memory.pen(STOPPED).claim(8).unwrap();
            let walked = die_at_step(step, || memory.pen(1).believe(8).write(40));
            let mut drainer = memory.drainer();
            drainer.patient = false;
            drainer.work(6);
            memory.bury(1);
            drainer.sweep();
            HALF.note(walked.is_none() && drainer.reader.parked() == 2);
            let published = [stopped.publish()];
            drainer.finish();
            drainer.assert_exactly_once(&published, 0);
        });
    }
    HALF.assert_seen();
}

#[test]
fn a_drainer_that_dies_among_the_walked_is_followed_by_one_that_settles_them() {
    static DIED: Seen = Seen::new("a death");
    for step in 0..60 {
        exhaustively(move || {
            let memory = behind_a_floor();
            let published = [8, 8].map(|bytes| memory.pen(0).write(bytes).unwrap());
            assert!(memory.pen(1).believe(8).write(8).is_err());
            let mut drainer = memory.drainer();
            drainer.patient = false;
            let lived = die_at_step(step, || drainer.work(6));
            DIED.note(lived.is_none());
            drainer.restart();
            drainer.finish();
            drainer.assert_at_least_once(&published);
        });
    }
    DIED.assert_seen();
}
