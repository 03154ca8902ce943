//! A record of many runs finds the ring full between two of them: how often its call looks for room, how long it
//! sleeps, and what becomes of it when its process is killed or stopped while it waits.

use std::process::{Child, Command};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::{Builder, OnFull, ShmLogger};

use crate::scene::{
    FAILPOINTS, arm, disarm, kill, let_go_on, log, start_victim, text, wait_for_death,
    wait_for_stop,
};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, quiet, role_by, say,
    send,
};
use crate::tally::{CUT, Log, settled, wait_until_stopped};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_who_looks", parent_of_who_looks),
    ("parent_of_who_naps", parent_of_who_naps),
    ("one_beside_a_slow_drainer", one_beside_a_slow_drainer),
    ("one_on_one_processor", one_on_one_processor),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_call_that_must_not_wait_looks_for_room_as_often_as_is_said_and_no_more,
        a_call_that_may_sleep_is_killed_or_stopped_in_its_sleep_and_holds_up_nobody,
        all_runs_of_a_record_together_sleep_no_longer_than_the_ring_allows,
        on_one_processor_a_call_does_not_look_for_what_only_the_drainer_can_make,
    ]
}

/// As many as four of the longest runs take. The fourth one would not leave a slot for the word that the record is cut off.
const SLOTS: u64 = 64;
const RUNS: u64 = 3;
/// What the documentation says: looks of any record, and of each run of it that is in the ring.
const LOOKS: u64 = 256 + 64 * RUNS;

const LENGTH: usize = 100_000;

fn small(folder: &str, on_full: OnFull) -> Builder {
    quiet(folder).slots(SLOTS).process_name("parent").on_full(on_full)
}

fn stop_drainer(logger: &ShmLogger) -> u32 {
    let drainer = drainers_of(logger.name())[0];
    send(drainer, Signal::STOP);
    wait_until_stopped(drainer);
    drainer
}

/// A victim that finds the ring empty and the drainer stopped, and what is done with it before that goes on.
fn meet_stopped(logger: &ShmLogger, who: &str, failpoints: &str, end: impl FnOnce(Child)) {
    logger.flush(Duration::from_secs(60)).unwrap();
    let drainer = stop_drainer(logger);
    end(start_victim(who, &LENGTH.to_string(), 1, failpoints));
    send(drainer, Signal::CONT);
    let stats = settled(logger, 1);
    assert_eq!((stats.dropped, stats.lost, stats.parked), (0, 0, 0), "{who}: {stats:?}");
}

/// The parent's first record.
fn begin() -> u64 {
    log("parent", 0, 20);
    1
}

fn end_well(mut victim: Child) {
    assert!(victim.wait().unwrap().success());
}

/// Others log while a victim stands: ten laps of the ring.
fn log_on(logger: &ShmLogger, next: &mut u64) {
    logger.flush(Duration::from_secs(60)).unwrap();
    for _ in 0..10 {
        for _ in 0..SLOTS / 2 {
            log("parent", *next, 20);
            *next += 1;
        }
        logger.flush(Duration::from_secs(60)).unwrap();
    }
    assert_eq!(logger.stats().dropped, 0);
}

/// `folder`
fn parent_of_who_looks(arguments: &[String]) {
    let logger = small(&arguments[0], OnFull::Drop).init_parent().unwrap();
    say(logger.name());
    // Registered: numbers settle by how many are.
    let mut logged = begin();
    let look = |action: &str, at: u64| format!("wait.look={action}@{at}");
    meet_stopped(&logger, "patient", &look("kill", LOOKS + 1), end_well);
    meet_stopped(&logger, "killed", &look("kill", LOOKS), wait_for_death);
    let drainer = stop_drainer(&logger);
    let stopped = start_victim("stopped", &LENGTH.to_string(), 1, &look("stop", 3));
    wait_for_stop(&stopped);
    send(drainer, Signal::CONT);
    log_on(&logger, &mut logged);
    let_go_on(stopped);
    assert_eq!(settled(&logger, 1).dropped, 0);
    say(&logged.to_string());
}

/// `folder`
fn parent_of_who_naps(arguments: &[String]) {
    let patience = OnFull::Block(Duration::from_secs(60));
    let logger = small(&arguments[0], patience).init_parent().unwrap();
    say(logger.name());
    let mut logged = begin();
    meet_stopped(&logger, "killed", "wait.nap=kill@3", wait_for_death);
    for (who, end) in [("stopped", let_go_on as fn(Child)), ("doomed", kill)] {
        let drainer = stop_drainer(&logger);
        let victim = start_victim(who, &LENGTH.to_string(), 1, "wait.nap=stop@3");
        wait_for_stop(&victim);
        send(drainer, Signal::CONT);
        log_on(&logger, &mut logged);
        end(victim);
        assert_eq!(settled(&logger, 1).dropped, 0);
    }
    say(&logged.to_string());
}

/// Plays a parent, and checks what it logged itself: the records of the others, by name.
fn play(role: &str) -> impl Fn(&str) -> String {
    let folder = Folder::new();
    let mut parent = Actor::start(role, &[folder.text()]);
    let ring = parent.hear("");
    let logged: u64 = parent.hear("").parse().unwrap();
    parent.finish();
    assert_nothing_remains(&ring);
    let log = Log::read(&folder);
    log.assert_in_order();
    let of = log.by_process();
    assert_eq!(of["parent"].len() as u64, logged);
    move |who| {
        let records = &of[who];
        assert_eq!(records.len(), 1, "{who}");
        records[0].message.clone()
    }
}

/// Whether a record is whole; if not, that it is cut off and says so.
fn is_whole(message: &str, who: &str) -> bool {
    let all = format!("{who} 0 {}", text(who, 0, LENGTH));
    let cut = message.strip_suffix(CUT);
    assert!(all.starts_with(cut.unwrap_or(message)), "{who}");
    assert_eq!(cut.is_none(), message.len() == all.len(), "{who}");
    cut.is_none()
}

fn a_call_that_must_not_wait_looks_for_room_as_often_as_is_said_and_no_more() {
    let message = play("parent_of_who_looks");
    assert!(!is_whole(&message("patient"), "patient"));
    assert!(!is_whole(&message("killed"), "killed"));
    // It went on when there was room, as far as it got.
    is_whole(&message("stopped"), "stopped");
}

fn a_call_that_may_sleep_is_killed_or_stopped_in_its_sleep_and_holds_up_nobody() {
    let message = play("parent_of_who_naps");
    assert!(!is_whole(&message("killed"), "killed"));
    assert!(is_whole(&message("stopped"), "stopped"));
    assert!(!is_whole(&message("doomed"), "doomed"));
}

/// `folder`: the drainer takes ten milliseconds for whatever it reads, a ring at most.
fn one_beside_a_slow_drainer(arguments: &[String]) {
    arm("drainer.read=delay");
    let logger = small(&arguments[0], OnFull::Block(Duration::from_millis(25)));
    let logger = logger.init_parent().unwrap();
    disarm();
    say(logger.name());
    log("parent", 0, LENGTH);
    let stats = settled(&logger, 1);
    assert_eq!((stats.delivered, stats.dropped, stats.lost), (1, 0, 0), "{stats:?}");
    say("1");
}

fn all_runs_of_a_record_together_sleep_no_longer_than_the_ring_allows() {
    // None of its waits is longer than ten milliseconds, and it would take thirteen of them.
    let message = play("one_beside_a_slow_drainer");
    assert!(!is_whole(&message("parent"), "parent"));
}

/// `folder policy`
fn one_on_one_processor(arguments: &[String]) {
    let on_full = match &*arguments[1] {
        "drop" => OnFull::Drop,
        _ => OnFull::Block(Duration::from_secs(60)),
    };
    let logger = small(&arguments[0], on_full).init_parent().unwrap();
    say(logger.name());
    // Killed at its first look, if there is one.
    log("parent", 0, LENGTH);
    let stats = settled(&logger, 1);
    assert_eq!((stats.delivered, stats.dropped, stats.lost), (1, 0, 0), "{stats:?}");
    say("1");
}

/// Runs a command on one processor, before which all others there have to wait.
fn urgent() -> Result<Command, Ignored> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let first: String = allowed.unwrap().trim().chars().take_while(char::is_ascii_digit).collect();
    let mut command = Command::new("chrt");
    command.args(["-f", "50", "taskset", "-c", &first]);
    let mut attempt = Command::new("chrt");
    let attempt = attempt.args(["-f", "50", "taskset", "-c", &first, "true"]).output();
    match attempt {
        Ok(output) if output.status.success() => Ok(command),
        _ => Err(Ignored("this needs chrt, taskset, and the right to be scheduled first")),
    }
}

fn on_one_processor_a_call_does_not_look_for_what_only_the_drainer_can_make() -> Result<(), Ignored>
{
    for policy in ["drop", "block"] {
        let folder = Folder::new();
        let mut command = role_by(urgent()?, "one_on_one_processor", &[folder.text(), policy]);
        command.env(FAILPOINTS, "wait.look=kill");
        let mut parent = Actor::from_command(command);
        let ring = parent.hear("");
        parent.hear("1");
        parent.finish();
        assert_nothing_remains(&ring);
        let log = Log::read(&folder);
        assert_eq!(log.records.len(), 1);
        // Without waiting it is cut off, unless the drainer has another processor to itself.
        assert!(is_whole(&log.records[0].message, "parent") || policy == "drop");
    }
    Ok(())
}
