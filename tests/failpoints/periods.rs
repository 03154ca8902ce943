//! Files of hours and days, while the wall clock passes these, is set by the season, and is set back by hand. A real
//! clock may not be set: a file says how far it is off (see `clock_steps`).

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::{OnFull, ShmLogger, info};

use crate::clock_steps::{SHIFT, set_clock};
use crate::closed_files::{names, with_files};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, parse_log, role_command, say, send,
    until,
};
use crate::tally::settled;
use crate::trials;

pub const ROLES: &[Role] = &[("through_periods", through_periods)];

pub fn trials() -> Vec<Trial> {
    trials![
        each_hour_has_a_file_when_the_clock_is_set_by_the_season_and_by_hand,
        each_day_has_a_file_from_its_hour_on_though_the_drainer_is_killed_in_it,
        a_year_that_the_clock_was_wrong_by_costs_one_file,
    ]
}

/// In Berlin, without asking for its file: some machines have none.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const HOUR_S: i64 = 3_600;
/// 2026-10-25 01:00 UTC: 03:00 becomes 02:00.
const AUTUMN_S: i64 = 1_792_890_000;
const RECORDS: u64 = 50;

/// How far the real clock is from a time.
fn shift_to(time_s: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    time_s * 1_000_000_000 - now.as_nanos() as i64
}

/// `folder options kill times…`: goes through these times, in seconds since 1970, logs at each, and then has the
/// drainer killed if asked to.
fn through_periods(arguments: &[String]) {
    let [folder, options, kill, times @ ..] = arguments else {
        panic!("three arguments and times");
    };
    let logger = with_files(folder, options)
        .process_name("app")
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .init_parent()
        .unwrap();
    say(logger.name());
    for (step, time) in times.iter().enumerate() {
        let time: i64 = time.parse().unwrap();
        set_clock(folder.as_ref(), shift_to(time));
        settle(&logger, folder.as_ref(), time);
        (0..RECORDS).for_each(|_| info!("{step}"));
        logger.flush(Duration::from_secs(60)).unwrap();
        if kill == "kill" {
            let before = logger.stats().drainer_restarts;
            drainers_of(logger.name()).into_iter().for_each(|drainer| send(drainer, Signal::KILL));
            until("there is another", || logger.stats().drainer_restarts > before);
        }
    }
    settled(&logger, 1);
}

/// Waits until records have the time that the clock shows.
fn settle(logger: &ShmLogger, folder: &Path, time_s: i64) {
    let tries = Cell::new(0);
    until("records have the time that the clock shows", || {
        let mark = format!("settling {time_s} {}", tries.replace(tries.get() + 1));
        info!("{mark}");
        logger.flush(Duration::from_secs(60)).unwrap();
        let last = names(folder).into_iter().rfind(|name| name.ends_with(".log")).unwrap();
        let text = fs::read_to_string(folder.join(last)).unwrap();
        let line = text.lines().rfind(|line| line.ends_with(&mark));
        line.is_some_and(|line| {
            let shown = chrono::DateTime::from_timestamp(time_s, 0).unwrap();
            let shown = shown.with_timezone(&chrono::Local);
            // The next minute may have begun.
            let minutes = [0, 1].map(|more| shown + chrono::TimeDelta::minutes(more));
            minutes.iter().any(|time| line.starts_with(&time.format("%Y-%m-%d %H:%M").to_string()))
        })
    });
}

/// The steps of which there are records in each file. Each is named after the hour of its first record, if `well_named`.
fn steps_in_files(well_named: bool, options: &str, kill: bool, times: &[i64]) -> Vec<Vec<usize>> {
    let folder = Folder::new();
    set_clock(folder.path(), shift_to(times[0]));
    let times: Vec<String> = times.iter().map(i64::to_string).collect();
    let mut arguments = vec![folder.text(), options, if kill { "kill" } else { "live" }];
    arguments.extend(times.iter().map(String::as_str));
    let mut command = role_command("through_periods", &arguments);
    command.env("SHMLOG_WALL_SHIFT", folder.path().join(SHIFT)).env("TZ", BERLIN);
    let mut parent = Actor::from_command(command);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let names = names(folder.path()).into_iter().filter(|name| name != SHIFT);
    let mut sequences = Vec::new();
    let steps_in = |name: String| {
        let text = fs::read_to_string(folder.path().join(&name)).unwrap();
        // `2026-10-25 02`, and `app_20261025_02`.
        let hour: String = text.chars().take(13).filter(|c| *c != '-').collect();
        let is_named = name.starts_with(&format!("app_{}", hour.replace(' ', "_")));
        assert!(is_named || !well_named, "{name} begins with {hour}");
        let lines = parse_log(&text);
        sequences.extend(lines.iter().filter_map(|line| line.sequence));
        let mut steps: Vec<usize> = lines.iter().filter_map(|line| line.message.parse().ok()).collect();
        steps.dedup();
        steps
    };
    let steps: Vec<_> = names.map(steps_in).collect();
    // By the names of the files, too.
    assert!(sequences.is_sorted_by(|a, b| a < b));
    steps
}

fn each_hour_has_a_file_when_the_clock_is_set_by_the_season_and_by_hand() {
    let times = [
        // 02:30 for the first time, and 02:35 for the second.
        AUTUMN_S - HOUR_S / 2,
        AUTUMN_S + HOUR_S / 2 + 300,
        // 03:10, then set back to 02:40: that goes with it, and 03:20 not.
        AUTUMN_S + HOUR_S + 600,
        AUTUMN_S + HOUR_S - 1_200,
        AUTUMN_S + HOUR_S + 1_200,
        // Again, but by some seconds and not past a full hour.
        AUTUMN_S + HOUR_S + 1_190,
        AUTUMN_S + 24 * HOUR_S,
    ];
    let steps = steps_in_files(true, "rotate=hourly", false, &times);
    assert_eq!(steps, [vec![0], vec![1], vec![2, 3], vec![4, 5], vec![6]]);
}

fn each_day_has_a_file_from_its_hour_on_though_the_drainer_is_killed_in_it() {
    // 03:00 of the day before, in summer time.
    let three = AUTUMN_S - 24 * HOUR_S;
    let times = [
        three - 24 * HOUR_S,
        three + 29 * 60,
        three + 31 * 60,
        three + 12 * HOUR_S,
        // 03:29 and 03:31 of the day of the change, which has an hour more.
        three + 25 * HOUR_S + 29 * 60,
        three + 25 * HOUR_S + 31 * 60,
    ];
    let expected = [vec![0], vec![1], vec![2, 3, 4], vec![5]];
    for kill in [false, true] {
        let steps = steps_in_files(true, "rotate=daily@03:30", kill, &times);
        assert_eq!(steps, expected, "killed: {kill}");
    }
}

fn a_year_that_the_clock_was_wrong_by_costs_one_file() {
    let day = 24 * HOUR_S;
    let wrong = AUTUMN_S + 365 * day;
    let times = [AUTUMN_S, wrong, AUTUMN_S + 600, AUTUMN_S + day, AUTUMN_S + 2 * day];
    let steps = steps_in_files(false, "rotate=daily", false, &times);
    assert_eq!(steps, [vec![0], vec![1, 2], vec![3], vec![4]]);
}
