//! Drainers that die before each one of their steps, and those that come after them.

use std::sync::Arc;

use loom::thread;

use super::{Drainer, Memory, Owned, Seen, bounded, exhaustively};
use crate::sync::die_at_step;

/// More steps than the drainers below make.
const STEPS: u64 = 90;

/// Has a drainer die before each step of `work` in turn; `test` gets the step.
fn at_each_step(test: impl Fn(u64) + Sync + Send + Copy + 'static) {
    for step in 0..STEPS {
        exhaustively(move || test(step));
    }
}

/// Two batches: read and release, read and release.
fn two_batches(drainer: &mut Drainer<'_>) {
    for _ in 0..2 {
        while drainer.turn() {}
        drainer.release();
        drainer.sweep();
    }
}

#[test]
fn a_drainer_that_dies_anywhere_loses_nothing_that_was_published() {
    at_each_step(|step| {
        let memory = Memory::new(4, 1);
        let pen = memory.pen(0);
        let mut published = vec![pen.write(8).unwrap(), pen.write(40).unwrap()];
        let mut drainer = memory.drainer();
        die_at_step(step, || two_batches(&mut drainer));
        drainer.restart();
        published.extend(pen.write(16));
        drainer.finish();
        drainer.assert_at_least_once(&published);
    });
}

#[test]
fn a_drainer_that_dies_while_a_record_is_parked_hands_it_down() {
    static DIED: Seen = Seen::new("a death");
    for early in [true, false] {
        at_each_step(move |step| {
            let memory = Memory::new(4, 3);
            let mut published = vec![memory.pen(0).write(8).unwrap()];
            let mut slow = Some(memory.pen(1).claim(40).unwrap());
            published.push(memory.pen(0).write(8).unwrap());
            let mut drainer = memory.drainer();
            drainer.patient = false;
            if early {
                two_batches(&mut drainer);
                published.extend(slow.take().map(Owned::publish));
            }
            let lived = die_at_step(step, || two_batches(&mut drainer));
            DIED.note(lived.is_none());
            drainer.restart();
            published.extend(memory.pen(2).write(8));
            two_batches(&mut drainer);
            published.extend(slow.map(Owned::publish));
            published.extend(memory.pen(2).write(8));
            drainer.finish();
            published.extend(memory.pen(2).write(40));
            drainer.finish();
            drainer.assert_at_least_once(&published);
        });
    }
    DIED.assert_seen();
}

#[test]
fn a_drainer_that_dies_at_the_second_slot_of_a_late_run_loses_nothing_of_it() {
    static LATE: Seen = Seen::new("the run, late");
    at_each_step(|step| {
        let memory = Memory::new(4, 2);
        let slow = memory.pen(0).claim(40).unwrap();
        let mut published = vec![memory.pen(1).write(8).unwrap()];
        let mut drainer = memory.drainer();
        drainer.patient = false;
        drainer.turn();
        published.push(slow.publish());
        die_at_step(step, || two_batches(&mut drainer));
        drainer.restart();
        published.extend(memory.pen(1).write(8));
        drainer.finish();
        drainer.assert_at_least_once(&published);
        LATE.note(drainer.taken.iter().any(|taken| taken.late));
        published.extend([40, 40].map(|bytes| memory.pen(1).write(bytes).unwrap()));
        drainer.finish();
        drainer.assert_at_least_once(&published);
    });
    LATE.assert_seen();
}

#[test]
fn a_slot_settled_by_a_drainer_that_died_at_it_stays_in_use() {
    // Two slots, the first one parked and then published. The drainer that gives it back dies, maybe between
    // the slot and its line in the table of the parked; before the next one comes, the slot is used again.
    static REUSED: Seen = Seen::new("the parked slot used again before the restart");
    for reuse in [true, false] {
        at_each_step(move |step| {
            let memory = Memory::new(2, 2);
            let slow = memory.pen(0).claim(8).unwrap();
            let mut published = vec![memory.pen(1).write(8).unwrap()];
            let mut drainer = memory.drainer();
            drainer.patient = false;
            two_batches(&mut drainer);
            published.push(slow.publish());
            die_at_step(step, || two_batches(&mut drainer));
            if reuse {
                let again = memory
                    .pen(1)
                    .write(8)
                    .unwrap_or_else(|_| memory.pen(1).write(8).unwrap());
                REUSED.note(again.sequence == 2);
                published.push(again);
            }
            drainer.restart();
            drainer.finish();
            drainer.assert_at_least_once(&published);
            published.extend([
                memory.pen(1).write(8).unwrap(),
                memory.pen(1).write(8).unwrap(),
            ]);
            drainer.finish();
            drainer.assert_at_least_once(&published);
        });
    }
    REUSED.assert_seen();
}

#[test]
fn the_next_drainer_may_park_a_sequence_older_than_those_it_took_over() {
    // A run of two, then a hole, whose owner's floor is as old as the run (it read the tail before the run was
    // claimed). The drainer parks the hole and dies while it gives back the run, having freed its first slot:
    // to its successor the second one looks like a hole that the same owner might fill.
    static OLDER: Seen = Seen::new("an older sequence parked after a younger one");
    for turns in 0..3 {
        at_each_step(move |step| {
            let memory = Memory::new(4, 2);
            let mut published = vec![memory.pen(0).write(40).unwrap()];
            let slow = memory.pen(1).claim(8).unwrap();
            memory.lower_floor(1, 0);
            let mut drainer = memory.drainer();
            drainer.patient = false;
            die_at_step(step, || two_batches(&mut drainer));
            drainer.restart();
            let before = drainer.reader.parked();
            drainer.work(turns);
            OLDER.note(before == 1 && drainer.reader.parked() == 2);
            published.push(slow.publish());
            drainer.finish();
            drainer.assert_at_least_once(&published);
            published.extend([40, 40].map(|bytes| memory.pen(0).write(bytes).unwrap()));
            drainer.finish();
            drainer.assert_at_least_once(&published);
        });
    }
    OLDER.assert_seen();
}

#[test]
fn a_drainer_that_dies_while_producers_write_loses_nothing() {
    static AGAIN: Seen = Seen::new("a record handed out twice");
    for (step, patient) in (0..40)
        .step_by(2)
        .flat_map(|step| [(step, true), (step, false)])
    {
        bounded(1, move || {
            let memory = Arc::new(Memory::new(2, 2));
            let first = memory.pen(0).write(8).ok();
            let writers = [0, 1].map(|producer| {
                let memory = memory.clone();
                thread::spawn(move || memory.pen(producer).write(8 + 8 * producer).ok())
            });
            let mut drainer = memory.drainer();
            drainer.patient = patient;
            die_at_step(step, || drainer.work(4));
            drainer.restart();
            drainer.patient = patient;
            drainer.work(1);
            let written = writers.map(|writer| writer.join().unwrap());
            let published: Vec<_> = written.into_iter().flatten().chain(first).collect();
            drainer.finish();
            drainer.assert_at_least_once(&published);
            AGAIN.note(drainer.taken.len() > published.len());
        });
    }
    AGAIN.assert_seen();
}
