//! Locked memory and huge pages: had where the system allows them, and told of by a warning where it does not.

use std::fs;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, capabilities, remove_capability_from_bounding_set, set_capabilities,
};
use shmlog::{Level, ShmLogger, info};

use crate::forking::{fork, wait};
use crate::host::configured;
use crate::support::{
    Actor, Folder, Line, Role, assert_nothing_remains, assert_says, drainers_of, listen, say,
};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_with_wishes", parent_with_wishes),
    ("child_with_wishes", child_with_wishes),
];

pub fn trials() -> Vec<Trial> {
    trials![
        locked_memory_is_locked_in_parent_drainer_attached_and_forked_child,
        who_may_not_lock_says_so_once_with_the_limit_and_logs,
        without_the_wish_nothing_is_locked_and_nothing_said,
        huge_pages_are_had_or_the_log_says_why_not,
        a_ring_that_is_smaller_than_a_huge_page_says_so,
    ]
}

/// KiB that a process has of something: `VmLck` in its status, `ShmemPmdMapped` in its mappings of shared memory.
fn kib(pid: u32, file: &str, what: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    lines
        .map(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().unwrap())
        .sum()
}

/// Gives up what lets root lock any number of bytes, for what is started from here on too, and allows 64 KiB. Who has
/// no such right has nothing to give up.
fn may_not_lock() {
    let _ = remove_capability_from_bounding_set(rustix::thread::CapabilitySet::IPC_LOCK);
    let mut mine = capabilities(None).unwrap();
    mine.effective.remove(CapabilitySet::IPC_LOCK);
    mine.permitted.remove(CapabilitySet::IPC_LOCK);
    set_capabilities(None, mine).unwrap();
    let limit = Rlimit {
        current: Some(64 << 10),
        maximum: Some(64 << 10),
    };
    setrlimit(Resource::Memlock, limit).unwrap();
}

/// Says how much this process has locked, and how much it maps in huge pages.
fn say_numbers(who: &str) {
    let pid = std::process::id();
    let (locked, huge) = (
        kib(pid, "status", "VmLck"),
        kib(pid, "smaps", "ShmemPmdMapped"),
    );
    say(&format!("{who} {locked} {huge}"));
}

/// `folder settings limited?`
fn parent_with_wishes(arguments: &[String]) {
    let [folder, settings, limited] = arguments else {
        panic!("a folder, settings, and whether locking is limited");
    };
    if limited == "limited" {
        may_not_lock();
    }
    let logger = configured(folder, settings).init_parent().unwrap();
    let size = fs::metadata(format!("/dev/shm/{}", logger.name())).unwrap();
    say(&format!("{} {}", logger.name(), size.len() / 1024));
    info!("from the parent");
    info!("and once more");
    say_numbers("parent");
    let drainer = drainers_of(logger.name())[0];
    let (locked, huge) = (
        kib(drainer, "status", "VmLck"),
        kib(drainer, "smaps", "ShmemPmdMapped"),
    );
    say(&format!("drainer {locked} {huge}"));
    wait(fork(|| {
        info!("from the forked");
        info!("and once more");
        say_numbers("forked");
    }));
    let mut child = Actor::start("child_with_wishes", &[]);
    say(&format!("attached {}", child.hear("attached")));
    child.tell("go");
    child.finish();
    logger.flush(Duration::from_secs(60)).unwrap();
}

fn child_with_wishes(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    info!("from the attached");
    std::thread::spawn(|| info!("and from a thread of it"))
        .join()
        .unwrap();
    say_numbers("attached");
    listen();
}

/// What came of the wishes.
struct Outcome {
    /// KiB locked, and KiB in huge pages: of parent, drainer, forked and attached child.
    numbers: [(u64, u64); 4],
    /// KiB of the ring.
    size: u64,
    /// What was logged, and what was warned of.
    records: Vec<Line>,
    warnings: Vec<Line>,
}

fn wish(settings: &str, limited: &str) -> Outcome {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_with_wishes", &[folder.text(), settings, limited]);
    let heard = parent.hear("");
    let (ring, size) = heard.split_once(' ').unwrap();
    let numbers = ["parent", "drainer", "forked", "attached"].map(|who| {
        let text = parent.hear(who);
        let (locked, huge) = text.split_once(' ').unwrap();
        (locked.parse().unwrap(), huge.parse().unwrap())
    });
    parent.finish();
    assert_nothing_remains(ring);
    let records = folder.records().into_iter();
    let (warnings, records) = records.partition(|line| line.level == Level::Warn);
    Outcome {
        numbers,
        size: size.parse().unwrap(),
        records,
        warnings,
    }
}

#[track_caller]
fn assert_all_logged(outcome: &Outcome) {
    let messages: Vec<&str> = outcome.records.iter().map(|line| &*line.message).collect();
    let all = [
        "from the parent",
        "and once more",
        "from the forked",
        "and once more",
        "from the attached",
        "and from a thread of it",
    ];
    assert_eq!(messages, all);
}

fn locked_memory_is_locked_in_parent_drainer_attached_and_forked_child() {
    let outcome = wish("lock_memory slots=1024", "free");
    assert_all_logged(&outcome);
    assert_eq!(outcome.warnings, []);
    let locked = outcome.numbers.map(|(locked, _)| locked);
    assert_eq!(locked, [outcome.size; 4]);
}

fn who_may_not_lock_says_so_once_with_the_limit_and_logs() {
    let outcome = wish("lock_memory slots=1024", "limited");
    assert_all_logged(&outcome);
    assert_eq!(outcome.numbers.map(|(locked, _)| locked), [0; 4]);
    let (needed, limit) = (format!("{} KiB", outcome.size), "RLIMIT_MEMLOCK is 64 KiB");
    for warning in &outcome.warnings {
        assert_says(
            &warning.message,
            &[&needed, limit, "ENOMEM", "ulimit -l", "LimitMEMLOCK="],
        );
    }
    // The drainer's own word, then one of each process, before its first record.
    let sequences: Vec<_> = outcome.warnings.iter().map(|line| line.sequence).collect();
    let mut pids: Vec<u32> = outcome.warnings.iter().map(|line| line.pid).collect();
    pids.dedup();
    assert_eq!(
        (pids.len(), sequences.len()),
        (4, 4),
        "{:?}",
        outcome.warnings
    );
    assert!(outcome.warnings[0].message.starts_with("of the drainer: "));
    for (warning, record) in outcome.warnings[1..].iter().zip(outcome.records.chunks(2)) {
        assert_eq!(warning.pid, record[0].pid);
        assert!(warning.sequence < record[0].sequence);
    }
}

fn without_the_wish_nothing_is_locked_and_nothing_said() {
    let outcome = wish("slots=1024", "limited");
    assert_all_logged(&outcome);
    assert_eq!(outcome.warnings, []);
    assert_eq!(outcome.numbers.map(|(locked, _)| locked), [0; 4]);
}

fn huge_pages_are_had_or_the_log_says_why_not() {
    let outcome = wish("huge_pages", "free");
    assert_all_logged(&outcome);
    match &outcome.warnings[..] {
        [] => {
            let page = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
            let page = page.unwrap().trim().parse::<u64>().unwrap() / 1024;
            // Whole ones only, from wherever the mapping begins.
            let least = (outcome.size / page - 1) * page;
            for (_, huge) in outcome.numbers {
                assert!(
                    huge >= least,
                    "{:?}, of {} KiB",
                    outcome.numbers,
                    outcome.size
                );
            }
        }
        [warning] => assert_says(
            &warning.message,
            &["huge_pages: ", " KiB are in small pages: "],
        ),
        warnings => panic!("{warnings:?}"),
    }
}

fn a_ring_that_is_smaller_than_a_huge_page_says_so() {
    let outcome = wish("huge_pages slots=1024", "free");
    assert_all_logged(&outcome);
    let [warning] = &outcome.warnings[..] else {
        panic!("{:?}", outcome.warnings);
    };
    let size = format!("{} KiB", outcome.size);
    // Or there are none at all, whatever the ring's size.
    let why = ["more slots", "no transparent huge pages"];
    assert_says(&warning.message, &[&size, "leave huge_pages out"]);
    assert!(
        why.iter().any(|why| warning.message.contains(why)),
        "{}",
        warning.message
    );
}
