//! The main job: many processes and threads, every record once and in order.

use std::collections::HashMap;
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{OnFull, ShmLogger, info};

use crate::support::{Actor, Folder, Role, assert_nothing_remains, quiet, role_command, say};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_many", parent_of_many),
    ("one_of_many", one_of_many),
];

pub fn trials() -> Vec<Trial> {
    trials![every_record_of_eight_processes_with_four_threads_is_delivered_once_and_in_order]
}

const PROCESSES: usize = 8;
const THREADS: usize = 4;
const RECORDS: usize = 20_000;

fn parent_of_many(arguments: &[String]) {
    let logger = quiet(&arguments[0])
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .init_parent()
        .unwrap();
    say(logger.name());
    let mut children: Vec<_> = (0..PROCESSES)
        .map(|child| {
            role_command("one_of_many", &[&child.to_string()])
                .spawn()
                .unwrap()
        })
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    logger.flush(Duration::from_secs(60)).unwrap();
    let stats = logger.stats();
    say(&format!(
        "{} {} {} {}",
        stats.attempted, stats.delivered, stats.dropped, stats.lost
    ));
}

fn one_of_many(arguments: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    let child = &arguments[0];
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for record in 0..RECORDS {
                    info!("{child} {thread} {record}");
                }
            });
        }
    });
}

fn every_record_of_eight_processes_with_four_threads_is_delivered_once_and_in_order() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_many", &[folder.text()]);
    let ring = parent.hear("shmlog-");
    let stats = parent.hear("");
    parent.finish();
    let all = PROCESSES * THREADS * RECORDS;
    assert_eq!(stats, format!("{all} {all} 0 0"));

    let records = folder.records();
    assert_eq!(records.len(), all);
    assert!(
        records.is_sorted_by_key(|record| record.sequence),
        "sequences rise in the file"
    );
    assert!(
        records
            .windows(2)
            .all(|pair| pair[0].sequence != pair[1].sequence)
    );
    let mut next: HashMap<(usize, usize), usize> = HashMap::new();
    for record in &records {
        let numbers: Vec<usize> = record
            .message
            .split(' ')
            .map(|word| word.parse().unwrap())
            .collect();
        let expected = next.entry((numbers[0], numbers[1])).or_default();
        assert_eq!(
            numbers[2], *expected,
            "of thread {} of child {}",
            numbers[1], numbers[0]
        );
        *expected += 1;
    }
    assert_nothing_remains(&format!("shmlog-{ring}"));
}
