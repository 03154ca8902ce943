//! Up to three producers die, each at some step of a claim: every combination of steps, records of one slot
//! and of several.
//!
//! In one half of the runs they die at once, whoever comes first. In the other they stop at their places one
//! after the other, so that all three are in the middle of a claim at the same time, and are killed then.

use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{OnFull, ShmLogger, Stats};

use crate::scene::{
    Books, LONG, PLACES, Place, SHORT, kill, log, start_victim, wait_for_death, wait_for_stop,
};
use crate::support::{Actor, Folder, Role, assert_nothing_remains, quiet, say};
use crate::tally::settled;
use crate::trials;

pub const ROLES: &[Role] = &[("parent_of_the_dying", parent_of_the_dying)];

pub fn trials() -> Vec<Trial> {
    trials![
        producers_that_die_in_a_record_of_one_slot_cost_that_record_and_nothing_else,
        producers_that_die_in_a_record_of_several_slots_cost_that_record_and_nothing_else,
        producers_that_stand_in_a_record_of_one_slot_together_and_die_cost_that_record_and_nothing_else,
        producers_that_stand_in_a_record_of_several_slots_together_and_die_cost_that_record_and_nothing_else,
    ]
}

/// The record at which a victim fails, and how many it would log.
const AT: u64 = 2;
const RECORDS: u64 = 4;

/// All combinations of one and two places, and every `k`th of three: see `SHMLOG_TEST_EVERY` in `main.rs`.
fn combinations() -> Vec<Vec<&'static Place>> {
    let every = std::env::var("SHMLOG_TEST_EVERY").map_or(1, |every| every.parse().unwrap());
    let one = || PLACES.iter();
    let singles = one().map(|a| vec![a]);
    let pairs = one().flat_map(|a| one().map(move |b| vec![a, b]));
    let triples = one().flat_map(|a| one().flat_map(move |b| one().map(move |c| vec![a, b, c])));
    singles.chain(pairs).chain(triples.step_by(every)).collect()
}

fn name(combination: usize, victim: usize) -> String {
    format!("victim-{combination}-{victim}")
}

fn delivered_of(place: &Place) -> u64 {
    AT - 1 + u64::from(place.published)
}

/// `folder length action`
fn parent_of_the_dying(arguments: &[String]) {
    let [folder, length, action] = arguments else {
        panic!("three arguments");
    };
    // Nobody's slot is parked here: only proof of death may free one.
    let logger = quiet(folder)
        .slots(256)
        .process_name("parent")
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .stall_timeout(Duration::from_secs(60))
        .init_parent()
        .unwrap();
    say(logger.name());
    let mut other = Bystander {
        length: length.parse().unwrap(),
        logged: 0,
    };
    let mut before = other.check(&logger, &Stats::default(), &[]);
    for (index, places) in combinations().iter().enumerate() {
        let start = |(victim, place): (usize, &&Place)| {
            let failpoints = format!("{}={action}@{AT}", place.name);
            start_victim(&name(index, victim), length, RECORDS, &failpoints)
        };
        if action == "kill" {
            let victims: Vec<_> = places.iter().enumerate().map(start).collect();
            victims.into_iter().for_each(wait_for_death);
        } else {
            let stop = |which| {
                let victim = start(which);
                wait_for_stop(&victim);
                other.log();
                victim
            };
            let victims: Vec<_> = places.iter().enumerate().map(stop).collect();
            victims.into_iter().for_each(kill);
        }
        before = other.check(&logger, &before, places);
    }
    say(&other.logged.to_string());
}

/// The parent itself, to whom nothing happens.
struct Bystander {
    length: usize,
    logged: u64,
}

impl Bystander {
    fn log(&mut self) {
        for _ in 0..2 {
            log("parent", self.logged, self.length);
            self.logged += 1;
        }
    }

    /// Asserts that the ring goes on and its numbers have grown by what the dead did.
    fn check(&mut self, logger: &ShmLogger, before: &Stats, places: &[&Place]) -> Stats {
        self.log();
        let stats = settled(logger, 1);
        let names: Vec<_> = places.iter().map(|place| place.name).collect();
        let lost = places.iter().filter(|place| place.loses_its_record());
        assert_eq!(
            stats.lost - before.lost,
            lost.count() as u64,
            "lost, of {names:?}"
        );
        assert_eq!((stats.dropped, stats.late), (0, 0), "{names:?}");
        let theirs: u64 = places.iter().map(|place| delivered_of(place)).sum();
        let ours = stats.producers[0].delivered;
        let ours_before = before.producers.first().map_or(0, |one| one.delivered);
        assert_eq!(ours, self.logged, "{names:?}");
        assert_eq!(
            stats.delivered - before.delivered,
            theirs + ours - ours_before,
            "delivered, of {names:?}"
        );
        stats
    }
}

fn check(length: &str, action: &str) {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_the_dying", &[folder.text(), length, action]);
    let ring = parent.hear("shmlog-");
    let logged = parent.hear("").parse().unwrap();
    parent.finish();
    assert_nothing_remains(&format!("shmlog-{ring}"));

    let length = length.parse().unwrap();
    let mut books = Books::read(&folder);
    books.check("parent", logged, length, &[], false);
    for (index, places) in combinations().iter().enumerate() {
        for (victim, place) in places.iter().enumerate() {
            let (who, lost) = (name(index, victim), place.loses_its_record());
            books.check(&who, delivered_of(place), length, &[], lost);
        }
    }
    books.close();
}

fn producers_that_die_in_a_record_of_one_slot_cost_that_record_and_nothing_else() {
    check(SHORT, "kill");
}

fn producers_that_die_in_a_record_of_several_slots_cost_that_record_and_nothing_else() {
    check(LONG, "kill");
}

fn producers_that_stand_in_a_record_of_one_slot_together_and_die_cost_that_record_and_nothing_else()
{
    check(SHORT, "stop");
}

fn producers_that_stand_in_a_record_of_several_slots_together_and_die_cost_that_record_and_nothing_else()
 {
    check(LONG, "stop");
}
