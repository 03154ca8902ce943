//! Many short lives over few registry entries: whose record it was stays right, and entries come back.

use std::collections::HashSet;
use std::process::Child;
use std::sync::Barrier;

use libtest_mimic::Trial;
use shmlog::{AttachError, ShmLogger, info};

use crate::support::{Actor, Folder, Role, assert_nothing_remains, quiet, role_command, say};
use crate::tally::{Log, settled};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_waves_of_threads", parent_of_waves_of_threads),
    ("parent_of_a_rush_of_threads", parent_of_a_rush_of_threads),
    ("parent_of_short_lives", parent_of_short_lives),
    ("short_life", short_life),
];

pub fn trials() -> Vec<Trial> {
    trials![
        eight_entries_serve_any_number_of_threads_that_follow_one_another,
        a_rush_of_threads_over_eight_entries_is_delivered_or_counted,
        eight_entries_serve_hundreds_of_processes_that_follow_one_another,
    ]
}

const ENTRIES: u64 = 8;
const WAVES: usize = 250;
/// Records of each thread or process.
const EACH: u64 = 3;

/// One thread's life: its name and number are in its records.
fn thread_of(name: &str, barrier: Option<&Barrier>) {
    let tid = rustix::thread::gettid().as_raw_pid();
    for number in 0..EACH {
        info!("{name} {tid} {number}");
        // All of a wave hold an entry at the same time.
        if let (0, Some(barrier)) = (number, barrier) {
            barrier.wait();
        }
    }
}

fn parent_of_waves_of_threads(arguments: &[String]) {
    let logger = quiet(&arguments[0])
        .max_producers(ENTRIES)
        .init_parent()
        .unwrap();
    say(logger.name());
    for wave in 0..WAVES {
        let barrier = Barrier::new(ENTRIES as usize);
        std::thread::scope(|scope| {
            for n in 0..ENTRIES {
                let barrier = &barrier;
                let name = format!("t{wave}.{n}");
                let thread = std::thread::Builder::new().name(name.clone());
                thread
                    .spawn_scoped(scope, move || thread_of(&name, Some(barrier)))
                    .unwrap();
            }
        });
        let stats = settled(&logger, 0);
        assert_eq!(stats.delivered, (wave as u64 + 1) * ENTRIES * EACH);
        assert_eq!((stats.dropped, stats.lost), (0, 0));
    }
}

/// Asserts that each record was attributed to the thread that wrote it, and returns their number.
fn check_threads(folder: &Folder) -> u64 {
    let log = Log::read(folder);
    log.assert_in_order();
    let mut seen = HashSet::new();
    for record in &log.records {
        let words: Vec<&str> = record.message.split(' ').collect();
        assert_eq!(words[0], record.thread, "{record:?}");
        assert_eq!(words[1], record.tid.to_string(), "{record:?}");
        assert!(seen.insert(record.message.clone()), "twice: {record:?}");
    }
    log.records.len() as u64
}

fn eight_entries_serve_any_number_of_threads_that_follow_one_another() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_waves_of_threads", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    assert_eq!(check_threads(&folder), WAVES as u64 * ENTRIES * EACH);
}

const RUSH: u64 = 4000;

fn parent_of_a_rush_of_threads(arguments: &[String]) {
    let logger = quiet(&arguments[0])
        .max_producers(ENTRIES)
        .init_parent()
        .unwrap();
    say(logger.name());
    std::thread::scope(|scope| {
        for lane in 0..4 {
            scope.spawn(move || {
                for n in 0..RUSH / 4 {
                    let name = format!("r{lane}.{n}");
                    let thread = std::thread::Builder::new().name(name.clone());
                    let thread = thread.spawn(move || thread_of(&name, None));
                    thread.unwrap().join().unwrap();
                }
            });
        }
    });
    let stats = settled(&logger, 0);
    assert_eq!(stats.attempted, RUSH * EACH);
    assert_eq!(stats.lost, 0);
    // And after all that there is room again.
    std::thread::Builder::new()
        .name("last".to_owned())
        .spawn(|| thread_of("last", None))
        .unwrap()
        .join()
        .unwrap();
    let after = settled(&logger, 0);
    assert_eq!(after.delivered, stats.delivered + EACH);
    say(&format!("{} {}", after.delivered, after.dropped));
}

fn a_rush_of_threads_over_eight_entries_is_delivered_or_counted() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_a_rush_of_threads", &[folder.text()]);
    let ring = parent.hear("");
    let stats = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let delivered = check_threads(&folder);
    let dropped = (RUSH + 1) * EACH - delivered;
    assert_eq!(stats, format!("{delivered} {dropped}"));
    let told: u64 = Log::read(&folder)
        .words
        .iter()
        .filter_map(|word| {
            word.message
                .split_once(" dropped of threads that found no entry")
        })
        // `1 record`, `2 records`
        .map(|(count, _)| count.split(' ').next().unwrap())
        .map(|count| count.parse::<u64>().unwrap())
        .sum();
    assert_eq!(told, dropped);
}

const PROCESSES: usize = 300;

fn parent_of_short_lives(arguments: &[String]) {
    let logger = quiet(&arguments[0])
        .max_producers(ENTRIES)
        .init_parent()
        .unwrap();
    say(logger.name());
    let mut running: Vec<Child> = Vec::new();
    for n in 0..PROCESSES {
        if running.len() == 4 {
            assert!(running.remove(0).wait().unwrap().success());
        }
        let who = format!("p{n}");
        running.push(role_command("short_life", &[&who]).spawn().unwrap());
    }
    for mut child in running {
        assert!(child.wait().unwrap().success());
    }
    let stats = settled(&logger, 0);
    assert_eq!(stats.delivered, PROCESSES as u64 * EACH);
    assert_eq!((stats.dropped, stats.lost), (0, 0));
}

fn short_life(arguments: &[String]) {
    let who = &arguments[0];
    let attach = || ShmLogger::builder().process_name(&**who).attach();
    let _logger = loop {
        match attach() {
            // Those before us have ended, but the drainer has not seen it yet.
            Err(AttachError::TooManyMembers { .. }) => std::thread::yield_now(),
            attached => break attached.unwrap(),
        }
    };
    let pid = std::process::id();
    (0..EACH).for_each(|number| info!("{who} {number} {pid}"));
}

fn eight_entries_serve_hundreds_of_processes_that_follow_one_another() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_short_lives", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let log = Log::read(&folder);
    log.assert_in_order();
    let of = log.by_process();
    assert_eq!(of.len(), PROCESSES);
    for (who, records) in of {
        let pid = records[0].pid;
        let messages = (0..EACH).map(|number| format!("{who} {number} {pid}"));
        assert!(
            records
                .iter()
                .map(|record| &record.message)
                .eq(messages.collect::<Vec<_>>().iter()),
            "{records:?}"
        );
    }
}
