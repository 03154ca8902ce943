//! A second drainer is started for a ring that has one.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use shmlog::{OnFull, ShmLogger};

use crate::scene::{Books, SHORT, arm, log};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, quiet, say, until, wait_for_end,
};
use crate::tally::settled;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_two_drainers", parent_of_two_drainers),
    ("parent_of_a_usurper", parent_of_a_usurper),
    ("parent_of_one_that_died_last", parent_of_one_that_died_last),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_second_drainer_ends_at_once_and_changes_nothing,
        a_drainer_that_comes_before_its_parents_own_works_alone,
        no_drainer_is_started_for_a_ring_that_the_last_one_removed,
    ]
}

const VARIABLE: &str = "SHMLOG_DRAINER";
const ROUNDS: u64 = 20;

/// What a running drainer was told.
fn orders_of(drainer: u32) -> Vec<u8> {
    let environment = fs::read(format!("/proc/{drainer}/environ")).unwrap();
    let prefix = format!("{VARIABLE}=");
    let mut variables = environment.split(|&byte| byte == 0);
    let orders = variables.find_map(|variable| variable.strip_prefix(prefix.as_bytes()));
    orders.unwrap().to_vec()
}

fn start_drainer(orders: &[u8]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .env(VARIABLE, std::ffi::OsStr::from_bytes(orders))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// A parent with a small ring, whose child is ready to write.
fn parent_and_other(folder: &str) -> (ShmLogger, Actor) {
    let logger = quiet(folder)
        .slots(64)
        .process_name("parent")
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .init_parent()
        .unwrap();
    say(logger.name());
    let mut other = Actor::start("burster", &["other", SHORT, "5000"]);
    other.hear("ready");
    (logger, other)
}

/// `folder`: starts a second drainer when all is quiet, and while a child writes.
fn parent_of_two_drainers(arguments: &[String]) {
    let (logger, mut other) = parent_and_other(&arguments[0]);
    let first = drainers_of(logger.name());
    let [drainer] = first[..] else {
        panic!("{first:?}");
    };
    let orders = orders_of(drainer);
    for round in 0..ROUNDS {
        other.tell("go");
        log("parent", round, 20);
        assert_ends_at_once(start_drainer(&orders));
        other.hear("done");
        logger.flush(Duration::from_secs(60)).unwrap();
        let before = (everything_in(&arguments[0]), logger.stats());
        assert_ends_at_once(start_drainer(&orders));
        assert_eq!((everything_in(&arguments[0]), logger.stats()), before);
    }
    assert_eq!(drainers_of(logger.name()), first);
    other.finish();
    assert_eq!(settled(&logger, 1).drainer_restarts, 0);
}

fn assert_ends_at_once(mut drainer: Child) {
    wait_for_end(drainer.id());
    assert_eq!(drainer.wait().unwrap().code(), Some(1));
}

/// Names and contents.
fn everything_in(folder: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut all: Vec<_> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    all.sort();
    all
}

/// `folder`: kills the drainer, and starts one before the supervisor does.
fn parent_of_a_usurper(arguments: &[String]) {
    let (logger, mut other) = parent_and_other(&arguments[0]);
    let orders = orders_of(drainers_of(logger.name())[0]);
    let mut usurpers = Vec::new();
    for round in 0..ROUNDS {
        other.tell("go");
        let drainers = drainers_of(logger.name());
        for drainer in drainers {
            // One that found the ring taken may have ended meanwhile.
            let _ = kill_process(Pid::from_raw(drainer as i32).unwrap(), Signal::KILL);
        }
        // Whoever comes first has the ring; both kinds come to have it, by and by.
        usurpers.push(start_drainer(&orders));
        usurpers.push(start_drainer(&orders));
        log("parent", round, 20);
        other.hear("done");
    }
    logger.flush(Duration::from_secs(60)).unwrap();
    other.finish();
    settled(&logger, 1);
    until("the supervisor has tried", || {
        logger.stats().drainer_restarts > 0
    });
    drop(logger);
    for mut usurper in usurpers {
        usurper.wait().unwrap();
    }
}

/// `folder`: its drainer dies between its last deed and saying so.
fn parent_of_one_that_died_last(arguments: &[String]) {
    arm("drainer.removed=kill@1");
    let logger = quiet(&arguments[0])
        .process_name("parent")
        .init_parent()
        .unwrap();
    say(logger.name());
    (0..ROUNDS).for_each(|number| log("parent", number, 20));
    drop(logger);
    until("the supervisor has ended", || {
        let threads = fs::read_dir("/proc/self/task").unwrap();
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm"));
        // Names are cut after 15 bytes.
        !threads
            .filter_map(|task| name(task.ok()?).ok())
            .any(|name| name.trim() == "shmlog-supervis")
    });
}

/// Plays a parent, and looks for what it has written, and the other so many records.
fn check(role: &str, by_other: u64) {
    let folder = Folder::new();
    let mut parent = Actor::start(role, &[folder.text()]);
    let ring = parent.hear("shmlog-");
    parent.finish();
    assert_nothing_remains(&format!("shmlog-{ring}"));
    let mut books = Books::read(&folder);
    books.check("parent", ROUNDS, 20, &[], false);
    books.check("other", by_other, 20, &[], false);
    books.close();
}

fn a_second_drainer_ends_at_once_and_changes_nothing() {
    check("parent_of_two_drainers", ROUNDS * 5000);
}

fn a_drainer_that_comes_before_its_parents_own_works_alone() {
    check("parent_of_a_usurper", ROUNDS * 5000);
}

fn no_drainer_is_started_for_a_ring_that_the_last_one_removed() {
    check("parent_of_one_that_died_last", 0);
}
