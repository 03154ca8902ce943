//! The wall clock is set back an hour, and put right again, while a program logs. A real clock may not be set, and
//! has no namespace: a file says how far it is off.

use std::fs;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{ShmLogger, info};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, log_files, quiet, role_command, say, until,
};
use crate::tally::{Log, settled};
use crate::trials;

pub const ROLES: &[Role] = &[("through_steps_of_the_clock", through_steps_of_the_clock)];

pub fn trials() -> Vec<Trial> {
    trials![
        a_wall_clock_set_back_an_hour_disorders_nothing_and_times_are_right_again,
        when_the_clock_was_set_back_the_newest_files_are_kept,
    ]
}

pub const SHIFT: &str = "shift";
/// Where the clock stands, one after the other: in nanoseconds from where it should.
const STEPS: [i64; 3] = [0, -3_600_000_000_000, 0];
const RECORDS: u64 = 600;

/// Date and time of the last record in a folder.
fn last_time(folder: &Path) -> String {
    let last = log_files(folder).pop().unwrap();
    let text = fs::read_to_string(folder.join(last)).unwrap();
    time_of(text.lines().last().unwrap_or_default())
}

/// Date and time, without the offset from UTC that some lines have.
fn time_of(line: &str) -> String {
    line.chars().take("2026-11-22 17:45:12.123456".len()).collect()
}

/// Sets the clock of who was started with this file as its `SHMLOG_WALL_SHIFT`.
pub fn set_clock(folder: &Path, by: i64) {
    // In one piece: it may be read at any moment.
    let (new, shift) = (folder.join("shift.new"), folder.join(SHIFT));
    fs::write(&new, by.to_string()).unwrap();
    fs::rename(new, shift).unwrap();
}

/// `folder backups`
fn through_steps_of_the_clock(arguments: &[String]) {
    let folder = Path::new(&arguments[0]);
    let logger = quiet(&arguments[0])
        .max_file_size(8_000)
        .backup_count(arguments[1].parse().unwrap())
        .init_parent()
        .unwrap();
    say(logger.name());
    let mut number = 0;
    let mut log = |logger: &ShmLogger, records: u64| {
        (number..number + records).for_each(|n| info!("{n}"));
        number += records;
        logger.flush(Duration::from_secs(60)).unwrap();
    };
    log(&logger, RECORDS);
    for steps in STEPS.windows(2) {
        let before = last_time(folder);
        set_clock(folder, steps[1]);
        let log = std::cell::RefCell::new(&mut log);
        until("records have the time that the clock shows", || {
            log.borrow_mut()(&logger, 1);
            let minutes = |time: &str| {
                let part = |at: usize| time[at..at + 2].parse::<i64>().unwrap();
                (part(8) * 24 + part(11)) * 60 + part(14)
            };
            let moved = minutes(&last_time(folder)) - minutes(&before);
            // The day may be the first or last of a month.
            let (moved, step) = (moved.rem_euclid(1440), (steps[1] - steps[0]) / 60_000_000_000);
            (step.rem_euclid(1440) - 5..step.rem_euclid(1440) + 10).contains(&moved)
        });
        log.borrow_mut()(&logger, RECORDS);
    }
    settled(&logger, 1);
    say(&number.to_string());
}

/// The log, and how many records it should hold.
fn log_through_steps(folder: &Folder, backups: &str) -> u64 {
    set_clock(folder.path(), STEPS[0]);
    let mut command = role_command("through_steps_of_the_clock", &[folder.text(), backups]);
    command.env("SHMLOG_WALL_SHIFT", folder.path().join(SHIFT)).env("TZ", "UTC");
    let mut parent = Actor::from_command(command);
    let ring = parent.hear("");
    let logged = parent.hear("").parse().unwrap();
    parent.finish();
    assert_nothing_remains(&ring);
    logged
}

fn numbers(folder: &Folder) -> Vec<u64> {
    let log = Log::read(folder);
    // The files in the order of their names, too.
    log.assert_in_order();
    assert_eq!(log.words, []);
    log.records.iter().map(|line| line.message.parse().unwrap()).collect()
}

fn a_wall_clock_set_back_an_hour_disorders_nothing_and_times_are_right_again() {
    let folder = Folder::new();
    let logged = log_through_steps(&folder, "1000000");
    assert_eq!(numbers(&folder), (0..logged).collect::<Vec<_>>());
    assert!(log_files(folder.path()).len() > 20, "files were begun all the while");
    let text = folder.log_text();
    let times: Vec<String> = text.lines().map(time_of).collect();
    let back = times.windows(2).filter(|pair| pair[1] < pair[0]);
    assert_eq!(back.count(), 1, "once back, and never else");
}

fn when_the_clock_was_set_back_the_newest_files_are_kept() {
    let folder = Folder::new();
    let logged = log_through_steps(&folder, "3");
    let kept = numbers(&folder);
    assert_eq!(log_files(folder.path()).len(), 3);
    assert_eq!(kept, (logged - kept.len() as u64..logged).collect::<Vec<_>>());
}
