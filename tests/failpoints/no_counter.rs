//! Where the kernel does not keep time by the processor's counter, records are stamped with the kernel's own clock, and
//! have right times all the same. No machine can be made to lose its counter for a test: a file says that it has.

use std::fs;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::{ShmLogger, info};

use crate::forking::{fork, wait};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, perform, quiet, role_command, say,
    send,
};
use crate::tally::Log;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_that_knows_the_time", parent_that_knows_the_time),
    ("child_that_knows_the_time", child_that_knows_the_time),
];

pub fn trials() -> Vec<Trial> {
    trials![
        without_a_trusted_counter_the_kernels_clock_stamps_and_times_are_right,
        what_the_kernel_keeps_time_by_decides_and_times_are_right,
    ]
}

const RECORDS: u64 = 1000;
const PACE: Duration = Duration::from_micros(100);
/// Where the segment says which clock all stamp with, in bytes; and the clocks (`src/clock.rs`).
const CLOCK_AT: u64 = (16 + 2) * 8;
const COUNTER: u64 = 1;
const MONOTONIC: u64 = 2;

/// Microseconds of the day, UTC.
fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_micros() as u64 % DAY_US
}

const DAY_US: u64 = 86_400_000_000;

/// Records over a tenth of a second, which say between which times they were logged: each tells when the one before it
/// had been.
fn log_with_times() {
    let mut after = now_us();
    let begin = Instant::now();
    for record in 0..RECORDS {
        while begin.elapsed() < PACE * record as u32 {
            std::hint::spin_loop();
        }
        let before = now_us();
        info!("{before} {after}");
        after = now_us();
    }
    info!("{after} {after}");
}

fn parent_that_knows_the_time(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    let segment = fs::File::open(format!("/dev/shm/{}", logger.name())).unwrap();
    let mut word = [0; 8];
    segment.read_exact_at(&mut word, CLOCK_AT).unwrap();
    say(&format!("{} {}", u64::from_ne_bytes(word), logger.name()));
    info!("{0} {0}", now_us());
    // The drainer places a stamp by its distance from its own last look at the clocks: the longer ago that is, the more
    // a wrong rate shows.
    let drainer = drainers_of(logger.name())[0];
    send(drainer, Signal::STOP);
    log_with_times();
    send(drainer, Signal::CONT);
    wait(fork(log_with_times));
    perform("child_that_knows_the_time", &[]);
}

fn child_that_knows_the_time(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    log_with_times();
}

/// Microseconds of the day of a line of a file.
fn time_of(line: &str) -> u64 {
    let time = line.split(' ').nth(1).unwrap();
    let part = |range: std::ops::Range<usize>| time[range].parse::<u64>().unwrap();
    ((part(0..2) * 60 + part(3..5)) * 60 + part(6..8)) * 1_000_000 + part(9..15)
}

/// By how much `later` is later, over midnight too.
fn later(later: u64, earlier: u64) -> i64 {
    let half = DAY_US / 2;
    (later + DAY_US + half - earlier) as i64 % DAY_US as i64 - half as i64
}

/// The clock that is used where the kernel names `source` as its own, once all times were found right.
fn clock_with_right_times(source: &str) -> u64 {
    let folder = Folder::new();
    let file = folder.path().join("clocksource");
    fs::write(&file, source).unwrap();
    let mut command = role_command("parent_that_knows_the_time", &[folder.text()]);
    command.env("SHMLOG_CLOCKSOURCE", file).env("TZ", "UTC");
    let mut parent = Actor::from_command(command);
    let heard = parent.hear("");
    let (clock, ring) = heard.split_once(' ').unwrap();
    parent.finish();
    assert_nothing_remains(ring);
    let log = Log::read(&folder);
    log.assert_in_order();
    assert_eq!(log.records.len() as u64, 1 + 3 * (RECORDS + 1));
    let text = folder.log_text();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2) {
        let numbers = |line: &str| {
            let (_, message) = line.split_once(" - ").unwrap();
            let (before, after) = message.split_once(' ').unwrap();
            (
                before.parse::<u64>().unwrap(),
                after.parse::<u64>().unwrap(),
            )
        };
        let ((before, _), (_, after)) = (numbers(pair[0]), numbers(pair[1]));
        let time = time_of(pair[0]);
        // The wall clock may be slewed by its keeper meanwhile: ten milliseconds are far more than that, and far less
        // than what the wrong clock, or the wrong rate, would make of it.
        assert!(later(time, before) > -10_000, "{}", pair[0]);
        assert!(later(after, time) > -10_000, "{} {after}", pair[0]);
    }
    clock.parse().unwrap()
}

fn without_a_trusted_counter_the_kernels_clock_stamps_and_times_are_right() {
    assert_eq!(clock_with_right_times("hpet\n"), MONOTONIC);
}

fn what_the_kernel_keeps_time_by_decides_and_times_are_right() {
    let source = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let source = fs::read_to_string(source).unwrap_or_default();
    let is_counter = ["tsc", "arch_sys_counter"].contains(&source.trim());
    let clock = if is_counter { COUNTER } else { MONOTONIC };
    assert_eq!(clock_with_right_times(&source), clock);
}
