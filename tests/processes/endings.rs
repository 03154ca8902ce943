//! How a program ends: whatever way its parent takes, all that was logged is in the file and nothing remains.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process_group};
use shmlog::{OnFull, ShmLogger, info};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, listen, quiet, role_command, say,
    until, wait_for_end,
};
use crate::tally::{Log, Tally, number};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("leaver", leaver),
    ("heir", heir),
    ("dropper", dropper),
    ("early_dropper", early_dropper),
    ("late_heir", late_heir),
    ("guardian_of_a_sleeper", guardian_of_a_sleeper),
    ("interrupted", interrupted),
    ("tireless", tireless),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_parent_that_exits_leaves_a_log_that_its_children_go_on_with,
        a_parent_that_panics_leaves_a_log_that_its_children_go_on_with,
        a_parent_that_is_killed_leaves_a_log_that_its_children_go_on_with,
        a_parent_that_is_terminated_leaves_a_log_that_its_children_go_on_with,
        a_parent_that_is_interrupted_leaves_a_log_that_its_children_go_on_with,
        a_parent_that_leaves_right_after_its_children_leaves_a_whole_log,
        a_signal_to_the_whole_group_costs_no_record_that_was_logged,
        a_dropped_logger_leaves_the_drainer_to_the_children,
        a_child_that_has_not_attached_yet_still_can_when_the_logger_is_dropped,
        a_child_that_never_attaches_does_not_keep_the_drainer,
    ]
}

const OF_PARENT: u64 = 500;
const HALF: u64 = 1000;
const HEIRS: [&str; 2] = ["heir-0", "heir-1"];

fn log_some(folder: &str, who: &str, count: u64) {
    let tally = Tally::of(folder, who);
    (0..count).for_each(|_| tally.count(|n| info!("{who} {n}")));
}

/// Starts heirs and leaves: at once, or when they have ended, or as it is told by a signal.
fn leaver(arguments: &[String]) {
    let [folder, way] = arguments else { panic!() };
    let builder = quiet(folder).on_full(OnFull::Block(Duration::from_secs(60)));
    let _logger = builder.process_name("leaver").init_parent().unwrap();
    say(_logger.name());
    let start = |who| {
        let mut command = role_command("heir", &[folder, who]);
        if way == "last" {
            command.stdin(Stdio::null()).stdout(Stdio::null());
        }
        command.spawn().unwrap()
    };
    let mut heirs = HEIRS.map(start);
    if way == "last" {
        for heir in &mut heirs {
            assert!(heir.wait().unwrap().success());
        }
    }
    log_some(folder, "leaver", OF_PARENT);
    match &**way {
        "exit" | "last" => std::process::exit(7),
        "panic" => panic!("as it was told"),
        _ => {
            say("ready");
            loop {
                std::thread::park();
            }
        }
    }
}

/// Logs one half, and the other when its input ends.
fn heir(arguments: &[String]) {
    let [folder, who] = arguments else { panic!() };
    let _logger = ShmLogger::builder().process_name(&**who).attach().unwrap();
    log_some(folder, who, HALF);
    say(&format!("half {}", std::process::id()));
    assert_eq!(listen(), "");
    log_some(folder, who, HALF);
}

/// Asserts that all that was tallied is in the log, once and in order.
fn check(folder: &Folder, names: &[&str]) {
    let log = Log::read(folder);
    log.assert_in_order();
    let of = log.by_process();
    assert_eq!(of.len(), names.len());
    for who in names {
        let tally = Tally::of(folder.text(), who);
        let numbers: Vec<u64> = of[*who].iter().map(number).collect();
        let count = numbers.len() as u64;
        assert!(numbers.iter().copied().eq(0..count), "{who}");
        assert!(
            (tally.returned()..=tally.attempted()).contains(&count),
            "{who}: {count} of {} to {}",
            tally.returned(),
            tally.attempted()
        );
    }
}

fn leave(way: &str, signal: Option<Signal>) -> std::process::ExitStatus {
    let folder = Folder::new();
    let mut command = role_command("leaver", &[folder.text(), way]);
    // What a panic says is not for whoever reads the tests' output.
    command.stderr(Stdio::null());
    let mut leaver = Actor::from_command(command);
    let ring = leaver.hear("");
    let mut heirs = Vec::new();
    let words = HEIRS.len() + usize::from(signal.is_some());
    for _ in 0..words {
        let word = leaver.hear("");
        heirs.extend(
            word.strip_prefix("half ")
                .map(|pid| pid.parse::<u32>().unwrap()),
        );
    }
    assert_eq!(heirs.len(), HEIRS.len());
    if let Some(signal) = signal {
        leaver.signal(signal);
    }
    let status = leaver.child.wait().unwrap();
    // The heirs wait for the end of their input, which is the leaver's.
    assert_eq!(drainers_of(&ring).len(), 1);
    leaver.wait();
    heirs.into_iter().for_each(wait_for_end);
    assert_nothing_remains(&ring);
    check(&folder, &["leaver", HEIRS[0], HEIRS[1]]);
    for who in HEIRS {
        assert_eq!(Tally::of(folder.text(), who).returned(), 2 * HALF);
    }
    status
}

fn a_parent_that_exits_leaves_a_log_that_its_children_go_on_with() {
    assert_eq!(leave("exit", None).code(), Some(7));
}

fn a_parent_that_panics_leaves_a_log_that_its_children_go_on_with() {
    assert_eq!(leave("panic", None).code(), Some(101));
}

fn a_parent_that_is_killed_leaves_a_log_that_its_children_go_on_with() {
    let signal = Signal::KILL;
    assert_eq!(
        leave("signal", Some(signal)).signal(),
        Some(signal.as_raw())
    );
}

fn a_parent_that_is_terminated_leaves_a_log_that_its_children_go_on_with() {
    let signal = Signal::TERM;
    assert_eq!(
        leave("signal", Some(signal)).signal(),
        Some(signal.as_raw())
    );
}

fn a_parent_that_is_interrupted_leaves_a_log_that_its_children_go_on_with() {
    let signal = Signal::INT;
    assert_eq!(
        leave("signal", Some(signal)).signal(),
        Some(signal.as_raw())
    );
}

fn a_parent_that_leaves_right_after_its_children_leaves_a_whole_log() {
    for _ in 0..20 {
        let folder = Folder::new();
        let mut leaver = Actor::start("leaver", &[folder.text(), "last"]);
        let ring = leaver.hear("");
        assert_eq!(leaver.wait().code(), Some(7));
        assert_nothing_remains(&ring);
        check(&folder, &["leaver", HEIRS[0], HEIRS[1]]);
        assert_eq!(
            Log::read(&folder).records.len() as u64,
            OF_PARENT + 4 * HALF
        );
    }
}

/// A parent that logs, with children that log, until somebody ends them all.
fn interrupted(arguments: &[String]) {
    let folder = &arguments[0];
    let builder = quiet(folder).on_full(OnFull::Block(Duration::from_secs(60)));
    let logger = builder.process_name("leaver").init_parent().unwrap();
    say(logger.name());
    let start = |who| role_command("tireless", &[folder, who]).spawn().unwrap();
    let _children = HEIRS.map(start);
    log_some(folder, "leaver", u64::MAX);
}

fn tireless(arguments: &[String]) {
    let [folder, who] = arguments else { panic!() };
    let _logger = ShmLogger::builder().process_name(&**who).attach().unwrap();
    say(&std::process::id().to_string());
    log_some(folder, who, u64::MAX);
}

fn a_signal_to_the_whole_group_costs_no_record_that_was_logged() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::INT] {
        let folder = Folder::new();
        let mut command = role_command("interrupted", &[folder.text()]);
        command.process_group(0);
        let mut parent = Actor::from_command(command);
        let ring = parent.hear("");
        let children = [parent.hear(""), parent.hear("")];
        let names = ["leaver", HEIRS[0], HEIRS[1]];
        let tallies = names.map(|who| Tally::of(folder.text(), who));
        until("all of them log", || {
            tallies.iter().all(|tally| tally.returned() > 1000)
        });
        kill_process_group(Pid::from_raw(parent.pid() as i32).unwrap(), signal).unwrap();
        assert_eq!(parent.wait().signal(), Some(signal.as_raw()));
        for child in children {
            wait_for_end(child.parse().unwrap());
        }
        assert_nothing_remains(&ring);
        check(&folder, &names);
    }
}

/// Drops its logger while its children wait, and only then lets them go on.
fn dropper(arguments: &[String]) {
    let folder = &arguments[0];
    let logger = quiet(folder).process_name("leaver").init_parent().unwrap();
    let ring = logger.name().to_owned();
    say(&ring);
    let mut heirs = HEIRS.map(|who| Actor::start("heir", &[folder, who]));
    heirs.iter_mut().for_each(|heir| {
        heir.hear("half ");
    });
    log_some(folder, "leaver", OF_PARENT);
    drop(logger);
    assert_eq!(drainers_of(&ring).len(), 1, "the children need it");
    info!("into the void: this process has no ring any more");
    let [one, two] = heirs;
    one.finish();
    assert_eq!(drainers_of(&ring).len(), 1, "the other child needs it");
    two.finish();
    drainers_of(&ring).into_iter().for_each(wait_for_end);
    until("the drainer is waited for", || {
        drainers_of(&ring).is_empty()
    });
}

fn a_dropped_logger_leaves_the_drainer_to_the_children() {
    let folder = Folder::new();
    let mut parent = Actor::start("dropper", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    check(&folder, &["leaver", HEIRS[0], HEIRS[1]]);
    assert_eq!(
        Log::read(&folder).records.len() as u64,
        OF_PARENT + 4 * HALF
    );
}

/// Leaves before its child has attached, so nobody waits for that child here.
#[allow(clippy::zombie_processes)]
fn early_dropper(arguments: &[String]) {
    let folder = &arguments[0];
    let logger = quiet(folder).init_parent().unwrap();
    say(logger.name());
    // Left to whoever inherits it: this process ends first, which is what the test is about.
    #[allow(clippy::zombie_processes)]
    let _child = role_command("late_heir", &[folder]).spawn().unwrap();
    drop(logger);
}

/// Attaches only when its input has ended.
fn late_heir(arguments: &[String]) {
    assert_eq!(listen(), "");
    let who = HEIRS[0];
    let _logger = ShmLogger::builder().process_name(who).attach().unwrap();
    log_some(&arguments[0], who, HALF);
    say(&format!("attached {}", std::process::id()));
}

fn a_child_that_has_not_attached_yet_still_can_when_the_logger_is_dropped() {
    for _ in 0..10 {
        let folder = Folder::new();
        let mut parent = Actor::start("early_dropper", &[folder.text()]);
        let ring = parent.hear("");
        assert!(parent.child.wait().unwrap().success());
        // Now the child's input ends: the logger was dropped, and its process gone, before it attached.
        parent.wait();
        wait_for_end(parent.hear("attached ").parse().unwrap());
        assert_nothing_remains(&ring);
        check(&folder, &HEIRS[..1]);
        assert_eq!(Log::read(&folder).records.len() as u64, HALF);
    }
}

/// Starts something that inherits the ring's name and knows nothing of it.
fn guardian_of_a_sleeper(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    let mut sleeper = Command::new("sleep");
    let mut sleeper = sleeper.arg("1000").stdout(Stdio::null()).spawn().unwrap();
    info!("leaver 0");
    drop(logger);
    say("dropped");
    listen();
    assert!(sleeper.try_wait().unwrap().is_none(), "it still sleeps");
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

fn a_child_that_never_attaches_does_not_keep_the_drainer() {
    let folder = Folder::new();
    let mut parent = Actor::start("guardian_of_a_sleeper", &[folder.text()]);
    let ring = parent.hear("");
    parent.hear("dropped");
    assert_nothing_remains(&ring);
    parent.tell("the drainer has ended");
    parent.finish();
    assert_eq!(folder.records().len(), 1);
}
