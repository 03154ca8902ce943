//! The drainer dies while it deals with producers that are stopped, go on, or are dead.

use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::OnFull;

use crate::scene::{
    Books, FAILPOINTS, LONG, PLACES, Place, SHORT, arm, disarm, kill, let_go_on, log,
    nothing_else_in, numbers_of, start_victim, wait_for_stop,
};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, log_files, quiet, role_command, say,
    send, until,
};
use crate::tally::settled;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_both", parent_of_both),
    ("parent_of_many_dead", parent_of_many_dead),
];

pub fn trials() -> Vec<Trial> {
    trials![
        late_and_lost_records_of_one_slot_are_told_once_wherever_the_drainer_dies,
        late_and_lost_records_of_several_slots_are_told_once_wherever_the_drainer_dies,
        a_batch_that_went_to_many_files_leaves_none_of_them_when_the_drainer_dies,
    ]
}

/// Where a drainer dies. What it comes by in each turn, also idle, has large numbers: parked slots are looked at
/// every five milliseconds only, which it must live to see.
const STEPS: &[&str] = &[
    "park=kill@1",
    "park=kill@2",
    "unpark.half=kill@1",
    "unpark.half=kill@2",
    "orphan=kill@1",
    "orphan=kill@2",
    "drainer.written=kill@2",
    "drainer.written=kill@3",
    "checkpoint.half=kill@2",
    "drainer.checkpointed=kill@1",
    "drainer.checkpointed=kill@2",
    "release.slot=kill@5",
    "release.slots=kill@50",
    "drainer.released=kill@50",
];

/// Whether holes are parked before their owners go on or die. An orphan is made of one that is not.
fn parks(step: &str) -> bool {
    !step.starts_with("orphan")
}

/// The record at which a victim stops, and how many it logs if it is let go on.
const AT: u64 = 2;
const RECORDS: u64 = 3;

/// Where victims stop.
fn places() -> impl Iterator<Item = &'static Place> {
    PLACES.iter().filter(|place| place.begun)
}

fn name(place: &Place, goes_on: bool) -> String {
    let end = if goes_on { "goes-on" } else { "dies" };
    format!("{}-{end}", place.name.replace('.', "-"))
}

/// `folder length parks`
fn parent_of_both(arguments: &[String]) {
    let [folder, length, parks] = arguments else {
        panic!("three arguments");
    };
    let parks = parks == "true";
    let patience = if parks { 1 } else { 60_000 };
    let logger = quiet(folder)
        .slots(512)
        .process_name("parent")
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .stall_timeout(Duration::from_millis(patience))
        .init_parent()
        .unwrap();
    say(logger.name());
    let mut other = Actor::start("burster", &["other", length, "30"]);
    other.hear("ready");
    let mut logged = 0;
    let mut go_on = || {
        other.tell("go");
        other.hear("done");
        logged += 30;
    };
    let stopped = |goes_on| {
        let start = move |place: &Place| {
            let failpoints = format!("{}=stop@{AT}", place.name);
            start_victim(&name(place, goes_on), length, RECORDS, &failpoints)
        };
        let victims: Vec<_> = places().map(start).collect();
        victims.iter().for_each(wait_for_stop);
        victims
    };
    let (patient, doomed) = (stopped(true), stopped(false));
    if parks {
        go_on();
        let slots = if length == LONG { 5 } else { 1 };
        let holes = 2 * places().filter(|place| place.leaves_a_hole()).count() as u64;
        until("all holes are parked", || {
            logger.stats().parked >= holes * slots
        });
    }
    patient.into_iter().for_each(let_go_on);
    doomed.into_iter().for_each(kill);
    go_on();
    // Not a flush: that is over only when a drainer has come to the end of its loop.
    until("all is delivered or lost", || {
        let stats = logger.stats();
        stats.parked == 0 && stats.delivered + stats.lost >= stats.attempted
    });
    disarm();
    other.finish();
    let stats = settled(&logger, 0);
    say(&format!(
        "{} {} {} {} {logged}",
        stats.drainer_restarts, stats.late, stats.lost, stats.dropped
    ));
}

fn check(length: &str) {
    for step in STEPS {
        let folder = Folder::new();
        let mut command = role_command(
            "parent_of_both",
            &[folder.text(), length, &parks(step).to_string()],
        );
        command.env(FAILPOINTS, step);
        let [restarts, late, lost, dropped, logged] = numbers_of(command, &folder);
        assert!(restarts > 0, "{step}: nobody died");
        let is_late = |place: &Place| place.leaves_a_hole() && parks(step);
        let late_of = places().filter(|place| is_late(place)).count() as u64;
        let lost_of = places().filter(|place| place.loses_its_record()).count() as u64;
        assert_eq!((late, lost, dropped), (late_of, lost_of, 0), "{step}");
        let length = length.parse().unwrap();
        let mut books = Books::read(&folder);
        books.check("other", logged, length, &[], false);
        for place in places() {
            let stopped = [AT - 1];
            let late = if is_late(place) { &stopped[..] } else { &[] };
            books.check(&name(place, true), RECORDS, length, late, false);
            let delivered = AT - 1 + u64::from(place.published);
            let lost = place.loses_its_record();
            books.check(&name(place, false), delivered, length, &[], lost);
        }
        books.close();
    }
}

fn late_and_lost_records_of_one_slot_are_told_once_wherever_the_drainer_dies() {
    check(SHORT);
}

fn late_and_lost_records_of_several_slots_are_told_once_wherever_the_drainer_dies() {
    check(LONG);
}

const DEAD: u64 = 8;

/// `folder`: many producers die while nobody looks, so that the drainer speaks of all of them in one batch, and
/// each word goes to a file of its own.
fn parent_of_many_dead(arguments: &[String]) {
    let logger = quiet(&arguments[0])
        .process_name("parent")
        .max_file_size(1)
        .backup_count(100_000)
        .init_parent()
        .unwrap();
    say(logger.name());
    let start = |index| {
        start_victim(
            &format!("victim-{index}"),
            SHORT,
            RECORDS,
            "claim.begun=stop@2",
        )
    };
    let victims: Vec<_> = (0..DEAD).map(start).collect();
    victims.iter().for_each(wait_for_stop);
    log("parent", 0, 20);
    logger.flush(Duration::from_secs(60)).unwrap();
    arm("drainer.written=kill@1");
    let drainer = drainers_of(logger.name())[0];
    send(drainer, Signal::STOP);
    victims.into_iter().for_each(kill);
    send(drainer, Signal::KILL);
    until("some have died", || logger.stats().drainer_restarts > 4);
    disarm();
    let stats = settled(&logger, 1);
    assert_eq!((stats.lost, stats.delivered), (DEAD, DEAD + 1));
}

fn a_batch_that_went_to_many_files_leaves_none_of_them_when_the_drainer_dies() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_many_dead", &[folder.text()]);
    let ring = parent.hear("shmlog-");
    parent.finish();
    assert_nothing_remains(&format!("shmlog-{ring}"));
    nothing_else_in(&folder);
    let mut books = Books::read(&folder);
    books.check("parent", 1, 20, &[], false);
    for index in 0..DEAD {
        books.check(&format!("victim-{index}"), 1, 20, &[], true);
    }
    books.close();
    let files = log_files(folder.path()).len() as u64;
    assert_eq!(files, 1 + 2 * DEAD + 1, "a record each, and the numbers");
}
