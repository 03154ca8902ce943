//! The drainer is killed from outside, hundreds of times, at moments that nobody chose, while several
//! processes write a million records.

use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use shmlog::{OnFull, ShmLogger};

use crate::scene::{SHORT, numbers_of};
use crate::support::{
    Actor, Folder, Role, drainers_of, quiet, role_command, say, until, wait_for_end,
};
use crate::tally::{Dice, Log, number, settled};
use crate::trials;

pub const ROLES: &[Role] = &[("parent_of_the_often_killed", parent_of_the_often_killed)];

pub fn trials() -> Vec<Trial> {
    trials![a_million_records_arrive_once_and_in_order_though_the_drainer_is_killed_all_the_time]
}

const RECORDS: u64 = 1_000_000;
const WRITERS: u64 = 4;

/// See `SHMLOG_TEST_KILLS` in `main.rs`.
fn kills() -> u64 {
    std::env::var("SHMLOG_TEST_KILLS").map_or(500, |kills| kills.parse().unwrap())
}

/// Records of each writer between one kill and the next.
fn burst() -> u64 {
    RECORDS / WRITERS / kills()
}

fn name(writer: u64) -> String {
    format!("writer-{writer}")
}

/// Kills the drainer of a ring, one that was not killed before.
fn kill_drainer(logger: &ShmLogger, last: &mut u32) {
    let next = || {
        let drainers = drainers_of(logger.name());
        drainers.into_iter().find(|drainer| drainer != last)
    };
    let mut found = None;
    while found.is_none() {
        found = next();
    }
    *last = found.unwrap();
    kill_process(Pid::from_raw(*last as i32).unwrap(), Signal::KILL).unwrap();
    wait_for_end(*last);
}

/// `folder`
fn parent_of_the_often_killed(arguments: &[String]) {
    // Files of many batches, and some hundred rotations.
    let logger = quiet(&arguments[0])
        .slots(512)
        .process_name("parent")
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .max_file_size(300_000)
        .backup_count(100_000)
        .stall_timeout(Duration::from_secs(60))
        .init_parent()
        .unwrap();
    say(logger.name());
    let burst = burst();
    let start = |writer| {
        let mut actor = Actor::start("burster", &[&name(writer), SHORT, &burst.to_string()]);
        actor.hear("ready");
        actor
    };
    let mut writers: Vec<Actor> = (0..WRITERS).map(start).collect();
    let (mut dice, mut last) = (Dice::new(kills()), 0);
    for round in 0..kills() {
        writers.iter_mut().for_each(|writer| writer.tell("go"));
        let all = burst * WRITERS;
        let moment = round * all + dice.below(all);
        until("so many are delivered", || {
            logger.stats().delivered >= moment
        });
        for _ in 0..dice.below(30) {
            dice.dawdle();
        }
        kill_drainer(&logger, &mut last);
    }
    for mut writer in writers {
        (0..kills()).for_each(|_| drop(writer.hear("done")));
        writer.finish();
    }
    let stats = settled(&logger, 0);
    say(&format!(
        "{} {} {} {} {}",
        stats.attempted, stats.delivered, stats.dropped, stats.lost, stats.drainer_restarts
    ));
}

fn a_million_records_arrive_once_and_in_order_though_the_drainer_is_killed_all_the_time() {
    let folder = Folder::new();
    let parent = role_command("parent_of_the_often_killed", &[folder.text()]);
    let [attempted, delivered, dropped, lost, restarts] = numbers_of(parent, &folder);
    let records = burst() * WRITERS * kills();
    assert_eq!(
        [attempted, delivered, dropped, lost],
        [records, records, 0, 0]
    );
    assert!(restarts >= kills(), "{restarts} restarts");
    let log = Log::read(&folder);
    assert!(log.words.is_empty(), "{:?}", log.words);
    assert_eq!(log.records.len() as u64, records);
    log.assert_in_order();
    assert!(log.records.iter().all(|record| !record.late));
    let of = log.by_process();
    assert_eq!(of.len() as u64, WRITERS);
    for (who, records) in &of {
        let each = burst() * kills();
        assert!(
            records.iter().map(number).eq(0..each),
            "{who}: each record once and in order"
        );
    }
}
