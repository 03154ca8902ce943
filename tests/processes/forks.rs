//! Children made by fork without exec: nothing is handed over, and everything is told apart.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::io::{PipeReader, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{ShmLogger, info, warn};

use crate::forking::{fork, wait};
use crate::host::settled_stats;
use crate::support::{Actor, Folder, Role, assert_nothing_remains, drainers_of, quiet, say};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("family_by_fork", family_by_fork),
    ("fork_of_a_child", fork_of_a_child),
    ("drops_of_copies", drops_of_copies),
    ("orphans_by_fork", orphans_by_fork),
    ("forks_amid_heavy_logging", forks_amid_heavy_logging),
    ("ring_of_a_fork", ring_of_a_fork),
];

pub fn trials() -> Vec<Trial> {
    trials![
        children_by_fork_their_threads_and_their_children_log_under_their_own_ids,
        a_child_by_fork_of_an_attached_process_logs_too,
        a_child_by_fork_that_drops_its_copy_of_the_logger_ends_nothing,
        a_child_by_fork_that_outlives_the_parents_logger_logs_on,
        forks_amid_heavy_logging_of_other_threads_lose_nothing,
        a_child_by_fork_makes_a_ring_of_its_own,
    ]
}

fn log_self(what: &str) {
    // SAFETY: gettid has no arguments.
    let tid = unsafe { libc::gettid() };
    info!("{what} {} {tid}", std::process::id());
}

fn family_by_fork(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    log_self("parent");
    let children: Vec<_> = (0..3).map(|_| fork(child_of_the_family)).collect();
    log_self("parent");
    children.into_iter().for_each(wait);
    log_self("parent");
    let stats = settled_stats(&logger);
    assert_eq!((stats.dropped, stats.lost), (0, 0));
}

fn child_of_the_family() {
    log_self("child");
    let threads: Vec<_> = (0..2)
        .map(|_| std::thread::spawn(|| log_self("thread")))
        .collect();
    let grandchild = fork(|| {
        log_self("grandchild");
        wait(fork(|| log_self("great-grandchild")));
        log_self("grandchild");
    });
    for thread in threads {
        thread.join().unwrap();
    }
    wait(grandchild);
    log_self("child");
}

fn children_by_fork_their_threads_and_their_children_log_under_their_own_ids() {
    let folder = Folder::new();
    let mut actor = Actor::start("family_by_fork", &[folder.text()]);
    let (ring, parent) = (actor.hear("shmlog-"), actor.pid());
    actor.finish();
    assert_nothing_remains(&format!("shmlog-{ring}"));
    let mut counts: HashMap<String, HashMap<u32, usize>> = HashMap::new();
    for record in folder.records() {
        let ids = format!(" {} {}", record.pid, record.tid);
        let who = record.message.strip_suffix(&ids);
        let who = who.unwrap_or_else(|| panic!("{record:?}")).to_owned();
        *counts
            .entry(who)
            .or_default()
            .entry(record.pid)
            .or_default() += 1;
    }
    assert_eq!(counts["parent"], HashMap::from([(parent, 3)]));
    for (who, processes, records) in [
        ("child", 3, 2),
        ("thread", 3, 2),
        ("grandchild", 3, 2),
        ("great-grandchild", 3, 1),
    ] {
        assert_eq!(counts[who].len(), processes, "{who}");
        assert!(counts[who].values().all(|count| *count == records));
    }
    assert_eq!(counts["thread"].keys().len(), 3);
    assert!(
        counts["thread"]
            .keys()
            .all(|pid| counts["child"].contains_key(pid))
    );
}

fn fork_of_a_child(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    // Forked before the first record: there is no entry to inherit.
    wait(fork(|| log_self("early")));
    log_self("between");
    wait(fork(|| {
        log_self("late");
        // Attached already, and again as itself.
        let _ = ShmLogger::attach().unwrap();
        log_self("late");
    }));
}

fn a_child_by_fork_of_an_attached_process_logs_too() {
    let folder = Folder::new();
    crate::host::host_good_child(&folder, "", "fork_of_a_child", &[]);
    let records = folder.records();
    for record in &records {
        let ids = format!(" {} {}", record.pid, record.tid);
        assert!(record.message.ends_with(&ids), "{record:?}");
    }
    let who = |word: &str| {
        records
            .iter()
            .filter(|r| r.message.starts_with(word))
            .count()
    };
    assert_eq!((who("early"), who("between"), who("late")), (1, 1, 2));
}

fn drops_of_copies(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    let ring = logger.name().to_owned();
    say(&ring);
    info!("before");
    let mut copy = Some(logger);
    wait(fork(|| {
        drop(copy.take());
        info!("from the child that dropped its copy");
    }));
    let logger = copy.unwrap();
    info!("after");
    logger.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(drainers_of(&ring).len(), 1);
    assert_eq!(logger.stats().drainer_restarts, 0);
    assert_eq!(std::env::var("SHMLOG_RING").unwrap(), ring);
}

fn a_child_by_fork_that_drops_its_copy_of_the_logger_ends_nothing() {
    let folder = Folder::new();
    let mut actor = Actor::start("drops_of_copies", &[folder.text()]);
    let ring = actor.hear("shmlog-");
    actor.finish();
    assert_nothing_remains(&format!("shmlog-{ring}"));
    let messages = folder.messages();
    assert_eq!(
        messages,
        ["before", "from the child that dropped its copy", "after"]
    );
}

/// Waits for a byte, or for nobody to be left who could write one.
fn wait_for_word(pipe: &mut PipeReader) {
    assert_eq!(pipe.read(&mut [0]).unwrap(), 1);
}

fn orphans_by_fork(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let (mut ready, mut tell_ready) = std::io::pipe().unwrap();
    let child = fork(|| {
        info!("child before");
        tell_ready.write_all(b"x").unwrap();
        wait_for_word(&mut reader);
        for number in 0..1000 {
            info!("child after {number}");
        }
    });
    wait_for_word(&mut ready);
    info!("parent");
    drop(logger);
    warn!("goes nowhere");
    writer.write_all(b"x").unwrap();
    wait(child);
}

fn a_child_by_fork_that_outlives_the_parents_logger_logs_on() {
    let folder = Folder::new();
    let mut actor = Actor::start("orphans_by_fork", &[folder.text()]);
    let ring = actor.hear("shmlog-");
    actor.finish();
    assert_nothing_remains(&format!("shmlog-{ring}"));
    let messages = folder.messages();
    assert_eq!(messages[..2], ["child before", "parent"]);
    let expected: Vec<_> = (0..1000).map(|n| format!("child after {n}")).collect();
    assert_eq!(messages[2..], expected);
}

const FORKS: usize = 12;
const RECORDS: usize = 50;

fn forks_amid_heavy_logging(arguments: &[String]) {
    let logger = crate::host::configured(&arguments[0], "block")
        .init_parent()
        .unwrap();
    say(logger.name());
    let enough = AtomicBool::new(false);
    let log_until_enough = || {
        let mut number = 0;
        while !enough.load(Ordering::Relaxed) {
            info!("heavy {number} {}", "long ".repeat(number % 100));
            number += 1;
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(log_until_enough)).collect();
        for number in 0..FORKS {
            // So that each child inherits the entry of a thread that has logged.
            info!("main {number}");
            wait(fork(|| {
                for record in 0..RECORDS {
                    info!("fork {number} {record}");
                }
            }));
        }
        enough.store(true, Ordering::Relaxed);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
    let stats = settled_stats(&logger);
    assert_eq!((stats.dropped, stats.lost), (0, 0));
    say(&stats.attempted.to_string());
}

fn forks_amid_heavy_logging_of_other_threads_lose_nothing() {
    let folder = Folder::new();
    let mut actor = Actor::start("forks_amid_heavy_logging", &[folder.text()]);
    let ring = actor.hear("shmlog-");
    let attempted: usize = actor.hear("").parse().unwrap();
    let parent = actor.pid();
    actor.finish();
    assert_nothing_remains(&format!("shmlog-{ring}"));
    let records = folder.records();
    assert_eq!(records.len(), attempted);
    let mut next: HashMap<u32, usize> = HashMap::new();
    let mut forks = 0;
    for record in records {
        let message = record.message;
        let expected = next.entry(record.tid).or_default();
        if let Some(rest) = message.strip_prefix("fork ") {
            let (_, number) = rest.split_once(' ').unwrap();
            assert_eq!(number, expected.to_string());
            assert_ne!(record.pid, parent);
            forks += 1;
        } else if message.starts_with("main ") {
            assert_eq!(message, format!("main {expected}"));
        } else {
            let long = "long ".repeat(*expected % 100);
            assert_eq!(message, format!("heavy {expected} {long}"));
        }
        *expected += 1;
    }
    assert_eq!(forks, FORKS * RECORDS);
}

fn ring_of_a_fork(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    info!("outer");
    wait(fork(|| {
        info!("fork");
        let inner = quiet(&arguments[1]).init_parent().unwrap();
        say(inner.name());
        info!("fork within");
        assert!(quiet(&arguments[1]).init_parent().is_err());
        wait(fork(|| info!("fork of the fork")));
    }));
    info!("outer again");
}

fn a_child_by_fork_makes_a_ring_of_its_own() {
    let (outer, inner) = (Folder::new(), Folder::new());
    let mut actor = Actor::start("ring_of_a_fork", &[outer.text(), inner.text()]);
    let rings = [actor.hear("shmlog-"), actor.hear("shmlog-")];
    actor.finish();
    for ring in rings {
        assert_nothing_remains(&format!("shmlog-{ring}"));
    }
    assert_eq!(outer.messages(), ["outer", "fork", "outer again"]);
    assert_eq!(inner.messages(), ["fork within", "fork of the fork"]);
}
