//! The drainer dies while files are begun, linked, compressed and synced, and so does each that is started in its
//! place: every record stands once in what is there in the end, compressed or not, and nothing half is left.

use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use shmlog::{OnFull, ShmLogger, info};

use crate::closed_files::{is_packed, latest, names, need_gzip, text, with_files};
use crate::scene::{FAILPOINTS, disarm};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, parse_log, role_command, say, until,
};
use crate::tally::{Dice, number, settled};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("compressing_parent", compressing_parent),
    ("often_killed_while_compressing", often_killed_while_compressing),
];

pub fn trials() -> Vec<Trial> {
    trials![
        each_record_stands_once_wherever_the_drainer_dies_while_it_compresses,
        each_record_stands_once_wherever_it_dies_while_it_begins_files_that_are_compressed,
        each_record_stands_once_though_it_is_killed_all_the_time_while_it_compresses,
    ]
}

/// How often the drainer has died before it is let live.
const DEATHS: u64 = 4;
const OPTIONS: &str = "max_size=2000&keep=100000&gzip=on&latest=on&sync=1ms";

fn start(folder: &str) -> ShmLogger {
    with_files(folder, OPTIONS)
        .process_name("app")
        .slots(64)
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .init_parent()
        .unwrap()
}

fn log(next: &mut u64, records: u64) {
    for number in *next..*next + records {
        info!("app {number} {}", "x".repeat(number as usize * 37 % 200));
    }
    *next += records;
}

fn finish(logger: ShmLogger, next: u64) {
    let stats = settled(&logger, 1);
    assert_eq!((stats.delivered, stats.dropped, stats.lost), (next, 0, 0));
    assert_eq!(stats.sink_errors, 0);
    say(&next.to_string());
}

/// `folder`
fn compressing_parent(arguments: &[String]) {
    let logger = start(&arguments[0]);
    say(logger.name());
    let mut next = 0;
    while logger.stats().drainer_restarts < DEATHS {
        assert!(next < 1_000_000, "it does not die");
        log(&mut next, 5);
        // Not to be waited for in vain: it may die before that again and again.
        let _ = logger.flush(Duration::from_millis(1));
    }
    disarm();
    // Lest an armed one die at the very end, and nothing be compressed.
    kill_drainer(&logger);
    log(&mut next, 200);
    finish(logger, next);
}

fn kill_drainer(logger: &ShmLogger) {
    let restarts = logger.stats().drainer_restarts;
    for drainer in drainers_of(logger.name()) {
        // It may have died by itself just now.
        let _ = kill_process(Pid::from_raw(drainer as i32).unwrap(), Signal::KILL);
    }
    until("there is another", || logger.stats().drainer_restarts > restarts);
}

/// `folder`
fn often_killed_while_compressing(arguments: &[String]) {
    let logger = start(&arguments[0]);
    say(logger.name());
    let (mut next, mut dice) = (0, Dice::new(7));
    for _ in 0..60 {
        log(&mut next, 20 + dice.below(60));
        (0..dice.below(300)).for_each(|_| dice.dawdle());
        kill_drainer(&logger);
    }
    log(&mut next, 200);
    finish(logger, next);
}

/// Plays a parent and looks at what it leaves.
fn check(role: &str, failpoints: &str) {
    let folder = Folder::new();
    let mut command = role_command(role, &[folder.text()]);
    command.env(FAILPOINTS, failpoints);
    let mut parent = Actor::from_command(command);
    let ring = parent.hear("");
    let logged = parent.hear("");
    let logged = logged.parse().unwrap_or_else(|_| panic!("{failpoints}: {logged:?}"));
    parent.finish();
    assert_nothing_remains(&ring);
    let lines = parse_log(&text(folder.path()));
    let sequences = lines.iter().map(|line| line.sequence);
    assert!(sequences.is_sorted_by(|a, b| a < b), "{failpoints}: in order, and no words");
    let numbers: Vec<u64> = lines.iter().map(number).collect();
    assert_eq!(numbers, (0..logged).collect::<Vec<_>>(), "{failpoints}");
    let names = names(folder.path());
    assert!(names.iter().any(|name| is_packed(name)), "{failpoints}: {names:?}");
    let last = names.last().unwrap();
    assert_eq!(latest(folder.path(), "app").as_deref(), Some(Path::new(last)), "{failpoints}");
}

fn check_steps(steps: &[&str]) -> Result<(), Ignored> {
    need_gzip()?;
    for step in steps {
        check("compressing_parent", step);
    }
    Ok(())
}

fn each_record_stands_once_wherever_the_drainer_dies_while_it_compresses() -> Result<(), Ignored> {
    check_steps(&[
        "gzip.begun=kill@1",
        "gzip.begun=kill@3",
        "gzip.half=kill@1",
        "gzip.half=kill@2",
        "gzip.written=kill@1",
        "gzip.written=kill@3",
        "gzip.renamed=kill@1",
        "gzip.renamed=kill@2",
        "gzip.removed=kill@1",
        "gzip.removed=kill@3",
        "sync.done=kill@1",
        "sync.done=kill@4",
    ])
}

fn each_record_stands_once_wherever_it_dies_while_it_begins_files_that_are_compressed()
-> Result<(), Ignored> {
    check_steps(&[
        "file.announced=kill@2",
        "file.announced=kill@3",
        "file.made=kill@2",
        "file.made=kill@4",
        "latest.made=kill@3",
        "latest.made=kill@5",
        "latest.there=kill@3",
        "latest.there=kill@4",
        "drainer.written=kill@3",
        "drainer.written=kill@9",
        "checkpoint.half=kill@4",
        "drainer.checkpointed=kill@3",
        "drainer.checkpointed=kill@8",
        "drainer.released=kill@5",
        // Lets the compressor catch up before each checkpoint, in which a file may have been closed.
        "drainer.written=delay,drainer.checkpointed=kill@6",
        "drainer.written=delay@2,checkpoint.half=kill@5",
    ])
}

fn each_record_stands_once_though_it_is_killed_all_the_time_while_it_compresses()
-> Result<(), Ignored> {
    need_gzip()?;
    check("often_killed_while_compressing", "");
    Ok(())
}
