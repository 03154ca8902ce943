//! Who gets the last slots of a ring that is full, how long the others wait, and what the numbers say of it.

use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::{DropReason, Level, OnFull, ShmLogger, debug, error, warn};

use crate::overflow::stop_drainer;
use crate::support::{Actor, Folder, Role, assert_nothing_remains, listen, quiet, say, send};
use crate::tally::{Log, settled};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_storms", parent_of_storms),
    ("one_who_storms", one_who_storms),
    ("one_who_waits_in_vain", one_who_waits_in_vain),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_storm_of_debug_does_not_cost_one_error_nor_one_warning,
        without_reserved_slots_it_does,
        whoever_waits_for_room_sleeps_and_gives_up_in_the_end,
    ]
}

const SLOTS: u64 = 1024;
const STORMERS: u64 = 3;
/// Of each level that has slots of its own: so many that all of them fit into half of those.
const URGENT: u64 = 10;
const STORM: u64 = 40_000;

fn one_who_storms(arguments: &[String]) {
    let who = &arguments[0];
    let _logger = ShmLogger::builder().process_name(&**who).attach().unwrap();
    say("ready");
    while !listen().is_empty() {
        for urgent in 0..URGENT {
            (0..STORM / URGENT).for_each(|n| debug!("{n}"));
            warn!("{who} warns {urgent}");
            error!("{who} fails {urgent}");
        }
        say("done");
    }
}

/// Arguments: folder, how many slots are reserved for warnings and above ("" for as many as usual). The first
/// storm meets a drainer that stands still, the second one that works.
fn parent_of_storms(arguments: &[String]) {
    let [folder, reserved] = arguments else {
        panic!("a folder and a number of slots");
    };
    let mut builder = ShmLogger::builder().slots(SLOTS).level(Level::Debug);
    builder = builder
        .console(false)
        .file(true)
        .file_path(folder)
        .recover(false);
    if !reserved.is_empty() {
        let reserved = reserved.parse().unwrap();
        builder = builder.reserved_slots(Level::Warn, reserved);
        builder = builder.reserved_slots(Level::Error, reserved);
    }
    let logger = builder.init_parent().unwrap();
    say(logger.name());
    let mut stormers = Vec::from_iter((0..STORMERS).map(|who| {
        let mut actor = Actor::start("one_who_storms", &[&format!("stormer{who}")]);
        actor.hear("ready");
        actor
    }));
    let drainer = stop_drainer(logger.name());
    storm(&mut stormers);
    send(drainer, Signal::CONT);
    logger.flush(Duration::from_secs(60)).unwrap();
    storm(&mut stormers);
    stormers.into_iter().for_each(Actor::finish);
    let stats = settled(&logger, 0);
    let of = |level| stats.drops.at(level);
    assert!(of(Level::Debug) > STORMERS * STORM - SLOTS);
    assert_eq!(stats.drops.because(DropReason::NoEntry), 0);
    assert_eq!(
        stats.drops.total(),
        of(Level::Debug) + of(Level::Warn) + of(Level::Error)
    );
    assert_eq!(stats.drops.total(), stats.dropped);
    assert_eq!(stats.slots, SLOTS);
    assert!(stats.high_water > SLOTS / 2 && stats.high_water <= SLOTS);
    say(&format!("{} {}", of(Level::Warn), of(Level::Error)));
    say(&format!("in the end: {stats}"));
}

fn storm(stormers: &mut [Actor]) {
    stormers.iter_mut().for_each(|actor| actor.tell("storm"));
    for actor in stormers {
        actor.hear("done");
    }
}

/// The warnings and the errors that were dropped, and the log.
fn storms(reserved: &str) -> (String, Log) {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_storms", &[folder.text(), reserved]);
    let ring = parent.hear("");
    let dropped = parent.hear("");
    let numbers = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let log = Log::read(&folder);
    log.assert_in_order();
    let said: Vec<_> = log
        .words
        .iter()
        .filter(|word| word.message.starts_with("in the end: "))
        .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(
        said[0].message,
        numbers,
        "what stats() says"
    );
    (dropped, log)
}

fn a_storm_of_debug_does_not_cost_one_error_nor_one_warning() {
    let (dropped, log) = storms("");
    assert_eq!(dropped, "0 0");
    for what in ["warns", "fails"] {
        let all = log.records.iter().filter(|line| line.message.contains(what));
        assert_eq!(all.count() as u64, 2 * STORMERS * URGENT, "{what}");
    }
}

fn without_reserved_slots_it_does() {
    let (dropped, _) = storms("0");
    let dropped: Vec<u64> = dropped.split(' ').map(|n| n.parse().unwrap()).collect();
    assert!(dropped[0] > URGENT && dropped[1] > URGENT, "{dropped:?}");
}

fn voluntary_switches() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

fn one_who_waits_in_vain(arguments: &[String]) {
    let logger = quiet(&arguments[0])
        .slots(16)
        .on_full(OnFull::Block(Duration::from_millis(50)))
        .init_parent()
        .unwrap();
    say(logger.name());
    debug!("registered");
    logger.flush(Duration::from_secs(60)).unwrap();
    let drainer = stop_drainer(logger.name());
    let mut n = 0;
    while logger.stats().dropped == 0 {
        debug!("{n}");
        n += 1;
    }
    let before = voluntary_switches();
    for _ in 0..4 {
        debug!("in vain");
    }
    let slept = voluntary_switches() - before;
    send(drainer, Signal::CONT);
    assert_eq!(logger.stats().dropped, 5);
    // Naps grow to a millisecond: some fifty in each wait. Who spins would be switched off the core only when its
    // time is up, which is no voluntary switch.
    assert!(slept >= 4 * 10, "{slept}");
}

fn whoever_waits_for_room_sleeps_and_gives_up_in_the_end() {
    let folder = Folder::new();
    let mut parent = Actor::start("one_who_waits_in_vain", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
}
