//! More processes than entries, than descriptors, than anybody has: each record once, and entries come back.

#![allow(unsafe_code)]

use std::collections::HashSet;
use std::io::Read;
use std::sync::Barrier;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use shmlog::{OnFull, info};

use crate::forking::{fork, wait};
use crate::support::{Actor, Folder, Role, assert_nothing_remains, assert_says, quiet, say, send, until};
use crate::tally::{Log, settled};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_a_multitude", parent_of_a_multitude),
    ("parent_short_of_descriptors", parent_short_of_descriptors),
    ("parent_short_of_entries", parent_short_of_entries),
];

pub fn trials() -> Vec<Trial> {
    trials![
        sixty_four_entries_serve_thousands_of_children_that_log_once_and_end,
        where_descriptors_are_few_dead_members_are_recognised_all_the_same,
        who_finds_no_entry_is_counted_and_the_log_says_of_what_there_was_too_little,
    ]
}

/// How many children there are. `SHMLOG_TEST_CHILDREN` asks for more: `.ci/run` for 100,000.
fn multitude() -> u64 {
    let asked = std::env::var("SHMLOG_TEST_CHILDREN");
    asked.map_or(3_000, |number| number.parse().unwrap())
}

const ENTRIES: u64 = 64;
/// Children at a time. Those of before may still have entries as processes when these come.
const TROOP: u64 = 24;

/// `folder children`
fn parent_of_a_multitude(arguments: &[String]) {
    let logger = quiet(&arguments[0])
        .max_producers(ENTRIES)
        .slots(1024)
        .init_parent()
        .unwrap();
    say(logger.name());
    let children: u64 = arguments[1].parse().unwrap();
    for first in (0..children).step_by(TROOP as usize) {
        let troop = first..children.min(first + TROOP);
        let troop: Vec<_> = troop.map(|n| fork(|| info!("{n} {}", std::process::id()))).collect();
        troop.into_iter().for_each(wait);
        until("their entries are back", || logger.stats().producers.is_empty());
    }
    let stats = settled(&logger, 0);
    assert_eq!((stats.dropped, stats.lost, stats.delivered), (0, 0, children));
}

fn sixty_four_entries_serve_thousands_of_children_that_log_once_and_end() {
    let (folder, children) = (Folder::new(), multitude());
    let arguments = [folder.text(), &children.to_string()];
    let mut parent = Actor::start("parent_of_a_multitude", &arguments);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let log = Log::read(&folder);
    log.assert_in_order();
    assert_eq!(log.words, []);
    let mut seen = HashSet::new();
    for record in &log.records {
        let (number, pid) = record.message.split_once(' ').unwrap();
        assert_eq!(pid, record.pid.to_string(), "{record:?}");
        assert!(seen.insert(number.parse::<u64>().unwrap()), "twice: {record:?}");
    }
    assert_eq!(seen.len() as u64, children);
    assert!(seen.iter().all(|number| *number < children));
}

const CROWD: usize = 60;
/// Fewer than the crowd, and little more than the drainer keeps for other things.
const DESCRIPTORS: u64 = 48;

/// `folder`: its children are killed, and remain as zombies.
fn parent_short_of_descriptors(arguments: &[String]) {
    let limit = Rlimit {
        current: Some(DESCRIPTORS),
        maximum: Some(DESCRIPTORS),
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let logger = quiet(&arguments[0]).max_file_size(2000).init_parent().unwrap();
    say(logger.name());
    // Held open by us: nobody hears its end.
    let (mut end, _held) = std::io::pipe().unwrap();
    let child = |number| {
        fork(|| {
            set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
            info!("{number}");
            let _ = end.read(&mut [0]);
        })
    };
    let children: Vec<_> = (0..CROWD).map(child).collect();
    until("all have logged", || logger.stats().delivered == CROWD as u64);
    logger.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(logger.stats().producers.len(), CROWD, "the living are not taken for dead");
    for child in &children {
        send(*child as u32, Signal::KILL);
    }
    let stats = settled(&logger, 0);
    assert_eq!((stats.dropped, stats.lost), (0, 0));
    assert_eq!(stats.sink_errors, 0, "there was one left for each log file");
    for child in children {
        let mut status = 0;
        // SAFETY: `status` is there to be written.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!((waited, status), (child, libc::SIGKILL));
    }
}

fn where_descriptors_are_few_dead_members_are_recognised_all_the_same() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_short_of_descriptors", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let mut numbers: Vec<usize> = folder.records().iter().map(|r| r.message.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..CROWD).collect::<Vec<_>>());
}

/// `folder what`
fn parent_short_of_entries(arguments: &[String]) {
    let logger = quiet(&arguments[0])
        .max_producers(2)
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .init_parent()
        .unwrap();
    say(logger.name());
    if arguments[1] == "threads" {
        let barrier = Barrier::new(4);
        let log = || {
            info!("thread");
            barrier.wait();
        };
        std::thread::scope(|scope| (0..4).for_each(|_| _ = scope.spawn(log)));
    } else {
        // The parent is one process, and its child the other; that one's child is too many.
        wait(fork(|| {
            info!("child");
            wait(fork(|| info!("grandchild")));
        }));
    }
    let stats = settled(&logger, 0);
    let expected = if arguments[1] == "threads" { 2 } else { 1 };
    assert_eq!((stats.dropped, stats.lost), (expected, 0));
}

fn who_finds_no_entry_is_counted_and_the_log_says_of_what_there_was_too_little() {
    for (what, dropped) in [("threads", 2), ("processes", 1)] {
        let folder = Folder::new();
        let mut parent = Actor::start("parent_short_of_entries", &[folder.text(), what]);
        let ring = parent.hear("");
        parent.finish();
        assert_nothing_remains(&ring);
        let log = Log::read(&folder);
        assert_eq!(log.records.len(), if dropped == 2 { 2 } else { 1 });
        let said = log.words.iter().map(|word| &*word.message);
        let said: Vec<&str> = said.filter(|text| text.contains("found no entry:")).collect();
        let count = |text: &str| text.split(' ').next().unwrap().parse::<u64>().unwrap();
        assert_eq!(said.iter().map(|text| count(text)).sum::<u64>(), dropped, "{said:?}");
        let why = format!("all 2 of {what} are taken");
        said.iter().for_each(|text| assert_says(text, &["no entry", &why, "raise max_producers"]));
    }
}
