//! A producer is stopped at each step of a claim, for as long as the others take for ten laps of the ring;
//! then it goes on, or is killed.

use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{OnFull, ShmLogger};

use crate::scene::{
    Books, LONG, PLACES, Place, SHORT, kill, let_go_on, log, start_victim, wait_for_stop,
};
use crate::support::{Actor, Folder, Role, assert_nothing_remains, quiet, say, until};
use crate::tally::settled;
use crate::trials;

pub const ROLES: &[Role] = &[("parent_of_the_stopped", parent_of_the_stopped)];

pub fn trials() -> Vec<Trial> {
    trials![
        a_producer_stopped_in_a_record_of_one_slot_blocks_nobody_and_is_late_or_lost,
        a_producer_stopped_in_a_record_of_several_slots_blocks_nobody_and_is_late_or_lost,
    ]
}

const SLOTS: u64 = 64;
/// The record at which a victim stops, and how many it logs if it is let go on.
const AT: u64 = 2;
const RECORDS: u64 = 4;

/// Each place, and whether the victim is let go on there.
fn cases() -> impl Iterator<Item = (&'static Place, bool)> {
    let with = |goes_on| PLACES.iter().map(move |place| (place, goes_on));
    with(true).chain(with(false))
}

fn name(place: &Place, goes_on: bool) -> String {
    let end = if goes_on { "goes-on" } else { "dies" };
    format!("{}-{end}", place.name.replace('.', "-"))
}

/// `folder length`
fn parent_of_the_stopped(arguments: &[String]) {
    let [folder, length] = arguments else {
        panic!("two arguments");
    };
    let logger = quiet(folder)
        .slots(SLOTS)
        .process_name("parent")
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .stall_timeout(Duration::from_millis(5))
        .init_parent()
        .unwrap();
    say(logger.name());
    // Ten laps between the two of us, were each record in one slot alone.
    let lap = (SLOTS * 10 / 2).to_string();
    let mut others = Others {
        length: length.parse().unwrap(),
        burst: SLOTS * 10 / 2,
        logged: 0,
        child: Actor::start("burster", &["other", length, &lap]),
    };
    others.child.hear("ready");
    others.log();
    let (mut late, mut lost) = (0, 0);
    for (place, goes_on) in cases() {
        let failpoints = format!("{}=stop@{AT}", place.name);
        let victim = start_victim(&name(place, goes_on), length, RECORDS, &failpoints);
        wait_for_stop(&victim);
        others.log();
        // All that the others wrote is in the file, while the victim stands.
        logger.flush(Duration::from_secs(60)).unwrap();
        let slots = if length == LONG { 5 } else { 1 };
        let holes = if place.leaves_a_hole() { slots } else { 0 };
        until("its slots are parked", || logger.stats().parked >= holes);
        assert_eq!(logger.stats().parked > 0, place.leaves_a_hole());
        if goes_on {
            let_go_on(victim);
            late += u64::from(place.leaves_a_hole());
        } else {
            kill(victim);
            lost += u64::from(place.loses_its_record());
        }
        let stats = settled(&logger, 2);
        let found = (stats.late, stats.lost, stats.dropped, stats.parked);
        assert_eq!(found, (late, lost, 0, 0), "{}", name(place, goes_on));
        others.log();
        assert_nothing_dropped(&logger);
    }
    others.child.finish();
    say(&others.logged.to_string());
}

fn assert_nothing_dropped(logger: &ShmLogger) {
    logger.flush(Duration::from_secs(60)).unwrap();
    let stats = logger.stats();
    assert_eq!((stats.dropped, stats.parked), (0, 0), "{stats:?}");
}

/// The parent and another child, who write at the same time.
struct Others {
    length: usize,
    burst: u64,
    /// By each of the two.
    logged: u64,
    child: Actor,
}

impl Others {
    fn log(&mut self) {
        self.child.tell("go");
        (self.logged..self.logged + self.burst).for_each(|n| log("parent", n, self.length));
        self.logged += self.burst;
        self.child.hear("done");
    }
}

fn check(length: &str) {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_the_stopped", &[folder.text(), length]);
    let ring = parent.hear("shmlog-");
    let logged = parent.hear("").parse().unwrap();
    parent.finish();
    assert_nothing_remains(&format!("shmlog-{ring}"));

    let length = length.parse().unwrap();
    let mut books = Books::read(&folder);
    books.check("parent", logged, length, &[], false);
    books.check("other", logged, length, &[], false);
    for (place, goes_on) in cases() {
        let who = name(place, goes_on);
        if goes_on {
            let stopped = [AT - 1];
            let late = if place.leaves_a_hole() { &stopped[..] } else { &[] };
            books.check(&who, RECORDS, length, late, false);
        } else {
            let delivered = AT - 1 + u64::from(place.published);
            books.check(&who, delivered, length, &[], place.loses_its_record());
        }
    }
    books.close();
}

fn a_producer_stopped_in_a_record_of_one_slot_blocks_nobody_and_is_late_or_lost() {
    check(SHORT);
}

fn a_producer_stopped_in_a_record_of_several_slots_blocks_nobody_and_is_late_or_lost() {
    check(LONG);
}
