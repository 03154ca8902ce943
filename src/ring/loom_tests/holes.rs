//! Producers that stop or die inside a claim: holes, orphans, parked and late records.

use std::sync::Arc;

use loom::thread;

use super::{Memory, Seen, bounded, exhaustively};
use crate::ring::{Hole, Next};

/// The steps of a claim and publish, and some beyond, where the producer lives.
const STEPS: u64 = 13;

#[test]
fn a_hole_is_never_given_up_while_its_owner_may_still_publish() {
    exhaustively(|| {
        let memory = Arc::new(Memory::new(2, 1));
        let shared = memory.clone();
        let writer = thread::spawn(move || shared.pen(0).write(8).unwrap());
        let mut drainer = memory.drainer();
        drainer.turn();
        drainer.turn();
        let published = writer.join().unwrap();
        drainer.finish();
        assert!(drainer.orphans.is_empty());
        drainer.assert_exactly_once(&[published], 0);
    });
}

#[test]
fn no_hole_of_two_producers_that_race_is_given_up() {
    static WAITED: Seen = Seen::new("a hole whose owner was alive");
    bounded(2, || {
        let memory = Arc::new(Memory::new(4, 2));
        let writers = [0, 1].map(|producer| {
            let memory = memory.clone();
            thread::spawn(move || memory.pen(producer).write(8).unwrap())
        });
        let mut drainer = memory.drainer();
        for _ in 0..2 {
            if matches!(drainer.reader.next(), Next::Hole(_)) {
                WAITED.note(drainer.inspect() == Hole::Owned);
                break;
            }
            drainer.turn();
        }
        // What `next` handed out above was not taken: a new drainer reads it again.
        drainer.restart();
        let published = writers.map(|writer| writer.join().unwrap());
        drainer.finish();
        assert!(drainer.orphans.is_empty());
        drainer.taken.sort_by_key(|taken| taken.written.sequence);
        drainer.taken.dedup_by_key(|taken| taken.written);
        drainer.assert_exactly_once(&published, 0);
    });
    WAITED.assert_seen();
}

#[test]
fn a_producer_that_stops_anywhere_keeps_nobody_and_its_record_comes_late() {
    static LATE: Seen = Seen::new("a late record");
    static PASSED: Seen = Seen::new("a record that passed a parked one");
    bounded(2, || {
        let memory = Arc::new(Memory::new(4, 2));
        let writers = [0, 1].map(|producer| {
            let memory = memory.clone();
            thread::spawn(move || memory.pen(producer).write(8).unwrap())
        });
        let mut drainer = memory.drainer();
        drainer.patient = false;
        drainer.work(2);
        drainer.sweep();
        let published = writers.map(|writer| writer.join().unwrap());
        drainer.finish();
        assert!(drainer.orphans.is_empty());
        drainer.assert_exactly_once(&published, 0);
        let sequences = drainer.taken.iter().map(|taken| taken.written.sequence);
        LATE.note(drainer.taken.iter().any(|taken| taken.late));
        PASSED.note(!sequences.is_sorted());
    });
    LATE.assert_seen();
    PASSED.assert_seen();
}

#[test]
fn a_producer_that_is_late_by_laps_writes_into_nobody_elses_record() {
    // Two slots, the first of which is parked: the second producer goes round over the other one, and the
    // first publishes at any time, before, while and after its slot is looked at.
    static LATE: Seen = Seen::new("a late record");
    bounded(3, || {
        let memory = Arc::new(Memory::new(2, 2));
        let shared = memory.clone();
        let slow = thread::spawn(move || shared.pen(0).write(8).ok());
        let mut drainer = memory.drainer();
        drainer.patient = false;
        let pen = memory.pen(1);
        let mut published = Vec::new();
        for _ in 0..3 {
            published.extend(pen.write(16).ok());
            drainer.work(2);
            drainer.sweep();
        }
        published.extend(slow.join().unwrap());
        drainer.finish();
        drainer.assert_exactly_once(&published, 0);
        LATE.note(drainer.taken.iter().any(|taken| taken.late));
    });
    LATE.assert_seen();
}

#[test]
fn a_producer_that_dies_before_any_step_costs_at_most_its_own_record() {
    static DIED: Seen = Seen::new("a death");
    static ORPHAN: Seen = Seen::new("an orphan");
    static OUTLIVED: Seen = Seen::new("a record published by a producer that died at once");
    for (step, patient) in (0..STEPS).flat_map(|step| [(step, true), (step, false)]) {
        bounded(2, move || {
            let memory = Arc::new(Memory::new(2, 2));
            let shared = memory.clone();
            let mortal = thread::spawn(move || shared.pen(0).write_and_die(8, step));
            let mut drainer = memory.drainer();
            drainer.patient = patient;
            let survivor = memory.pen(1).write(8);
            drainer.work(2);
            let mortal = mortal.join().unwrap();
            let published: Vec<_> = survivor
                .ok()
                .into_iter()
                .chain(mortal.and_then(Result::ok))
                .collect();
            drainer.finish();
            let died = usize::from(mortal.is_none());
            drainer.assert_exactly_once(&published, died);
            DIED.note(mortal.is_none());
            ORPHAN.note(!drainer.orphans.is_empty());
            OUTLIVED.note(drainer.taken.len() > published.len());
        });
    }
    DIED.assert_seen();
    ORPHAN.assert_seen();
    OUTLIVED.assert_seen();
}

#[test]
fn the_slot_of_a_parked_producer_comes_back_once_it_is_dead() {
    exhaustively(|| {
        let memory = Memory::new(2, 2);
        let mut drainer = memory.drainer();
        drainer.patient = false;
        let abandoned = memory.pen(0).claim(40).unwrap().abandon();
        assert_eq!(abandoned, 0);
        drainer.work(4);
        drainer.sweep();
        assert_eq!(drainer.reader.parked(), 2, "stopped, for all we know");
        memory.bury(0);
        drainer.sweep();
        assert_eq!(drainer.reader.parked(), 0);
        memory.assert_clean();
        let published = [memory.pen(1).write(40).unwrap()];
        drainer.finish();
        drainer.assert_exactly_once(&published, 0);
    });
}

#[test]
fn a_run_of_two_slots_published_while_its_second_is_looked_at_comes_whole() {
    static HAZARD: Seen =
        Seen::new("a run that came late while the drainer stood at its second slot");
    static PARKED_WHOLE: Seen = Seen::new("a run that came late after both slots were parked");
    bounded(4, || {
        let memory = Arc::new(Memory::new(4, 2));
        let shared = memory.clone();
        let writer = thread::spawn(move || shared.pen(0).write(40).unwrap());
        let mut drainer = memory.drainer();
        drainer.patient = false;
        let single = memory.pen(1).write(8).unwrap();
        for _ in 0..3 {
            let (at, late) = (drainer.reader.cursor(), drainer.taken.len());
            drainer.turn();
            let now = drainer.taken.get(late).filter(|taken| taken.late);
            HAZARD.note(now.is_some_and(|taken| taken.written.sequence + 1 == at));
        }
        PARKED_WHOLE.note(drainer.reader.parked() == 2);
        drainer.sweep();
        let run = writer.join().unwrap();
        drainer.finish();
        assert!(drainer.orphans.is_empty(), "{:?}", drainer.orphans);
        drainer.assert_exactly_once(&[run, single], 0);
    });
    HAZARD.assert_seen();
    PARKED_WHOLE.assert_seen();
}

#[test]
fn the_slot_of_a_late_record_is_written_again_only_after_it_was_read() {
    static REUSED: Seen = Seen::new("the slot of the late record used at once");
    bounded(3, || {
        let memory = Arc::new(Memory::new(2, 2));
        let slow = memory.pen(0).claim(8).unwrap();
        let mut published = vec![memory.pen(1).write(8).unwrap()];
        let mut drainer = memory.drainer();
        drainer.patient = false;
        drainer.work(2);
        published.push(slow.publish());
        let shared = memory.clone();
        let writer = thread::spawn(move || shared.pen(1).write(8).ok());
        drainer.sweep();
        published.extend(writer.join().unwrap());
        drainer.finish();
        drainer.assert_exactly_once(&published, 0);
        REUSED.note(published.iter().any(|written| written.sequence == 2));
    });
    REUSED.assert_seen();
}

#[test]
fn runs_of_two_slots_go_round_a_ring_of_four_without_touching_each_other() {
    bounded(2, || {
        let memory = Arc::new(Memory::new(4, 2));
        let before = memory.pen(0).write(8).unwrap();
        let writers = [0, 1].map(|producer| {
            let memory = memory.clone();
            thread::spawn(move || memory.pen(producer).write(40).ok())
        });
        let mut drainer = memory.drainer();
        drainer.patient = false;
        drainer.work(3);
        let runs = writers.map(|writer| writer.join().unwrap());
        let published: Vec<_> = runs.into_iter().flatten().chain([before]).collect();
        drainer.finish();
        drainer.assert_exactly_once(&published, 0);
    });
}
