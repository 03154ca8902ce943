//! Others write into the log files, or truncate them as `copytruncate` does, and the drainer dies at each step: what they
//! wrote stays, and each record stands once in the files of each encoding.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use shmlog::OnFull;
use shmlog::sink::{Json, Logfmt, TextFile};

use crate::scene::{FAILPOINTS, arm, disarm, log};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, quiet, role_command, say, send, until,
    wait_for_end,
};
use crate::tally::settled;
use crate::trials;

pub const ROLES: &[Role] = &[("parent_amid_strangers", parent_amid_strangers)];

pub fn trials() -> Vec<Trial> {
    trials![
        marks_of_others_stay_and_each_record_comes_once_wherever_the_drainer_dies,
        of_truncated_files_each_record_is_in_one_copy_wherever_the_drainer_dies,
    ]
}

const STEPS: &[&str] = &[
    "drainer.read=kill@3",
    // Of three sinks the first has written, two have, all have.
    "file.wrote=kill@4",
    "file.wrote=kill@5",
    "file.wrote=kill@6",
    "drainer.written=kill@3",
    "checkpoint.half=kill@2",
    "drainer.checkpointed=kill@2",
    "release.slot=kill@5",
];
const MARK: &str = "a mark by another program\n";
const KINDS: [&str; 3] = ["text", "json", "logfmt"];
const DEATHS: u64 = 4;
/// Where the copies of truncated files are gathered.
const COPIES: &str = "copies";

/// The one file of each sink.
fn files(folder: &Path) -> Vec<PathBuf> {
    let file = |kind: &&str| {
        let mut entries = fs::read_dir(folder.join(kind)).unwrap();
        entries.next().unwrap().unwrap().path()
    };
    KINDS.iter().map(file).collect()
}

fn append(path: &Path, text: &str) {
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn mark(folder: &Path) {
    files(folder).iter().for_each(|file| append(file, MARK));
}

/// As logrotate does, while nothing is written.
fn copy_and_truncate(folder: &Path) {
    for (file, kind) in files(folder).iter().zip(KINDS) {
        let text = fs::read_to_string(file).unwrap();
        append(&folder.join(COPIES).join(kind), &text);
        File::options().write(true).open(file).unwrap().set_len(0).unwrap();
    }
}

/// `folder failpoints truncate`
fn parent_amid_strangers(arguments: &[String]) {
    let [folder, failpoints, truncate] = arguments else {
        panic!("three arguments");
    };
    let folder = Path::new(folder);
    let logger = quiet("unused")
        .file(false)
        .sink(TextFile::new(folder.join("text")))
        .sink(Json::new(folder.join("json")))
        .sink(Logfmt::new(folder.join("logfmt")))
        .process_name("parent")
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .init_parent()
        .unwrap();
    let ring = logger.name().to_owned();
    let mut next = 0;
    let mut log_more = |count: u64| {
        (next..next + count).for_each(|number| log("parent", number, 100));
        next += count;
        next
    };
    log_more(20);
    logger.flush(Duration::from_secs(60)).unwrap();
    arm(failpoints);
    send(drainers_of(&ring)[0], Signal::KILL);
    let restarts = || logger.stats().drainer_restarts;
    until("there is one that will die", || restarts() > 0);
    for _ in 0..DEATHS {
        let before = restarts();
        let drainer = loop {
            // Some steps come without a record too.
            if let Some(drainer) = drainers_of(&ring).first() {
                break *drainer;
            }
        };
        if truncate == "truncate" && logger.flush(Duration::from_millis(100)).is_ok() {
            // It waits for records now.
            copy_and_truncate(folder);
        }
        mark(folder);
        while drainers_of(&ring).contains(&drainer) {
            log_more(3);
            let _ = logger.flush(Duration::from_millis(1));
        }
        wait_for_end(drainer);
        mark(folder);
        until("there is the next", || restarts() > before);
    }
    disarm();
    if let Some(drainer) = drainers_of(&ring).first() {
        // It may be about to die by itself.
        let _ = kill_process(Pid::from_raw(*drainer as i32).unwrap(), Signal::KILL);
    }
    let all = log_more(20);
    logger.flush(Duration::from_secs(60)).unwrap();
    let stats = settled(&logger, 1);
    assert_eq!((stats.delivered, stats.lost, stats.dropped), (all, 0, 0));
    say(&format!("{ring} {all}"));
}

/// The numbers of the records in a text of any encoding, in order.
fn numbers(text: &str) -> Vec<u64> {
    let number = |line: &str| {
        let rest = line.split_once("parent ").map(|(_, rest)| rest)?;
        let rest = rest.rsplit("parent ").next()?;
        rest.split(' ').next()?.parse().ok()
    };
    text.lines().filter_map(number).collect()
}

fn check(truncate: &str) {
    for step in STEPS {
        let folder = Folder::new();
        fs::create_dir(folder.path().join(COPIES)).unwrap();
        let arguments = [folder.text(), step, truncate];
        let mut command = role_command("parent_amid_strangers", &arguments);
        command.env_remove(FAILPOINTS);
        let mut parent = Actor::from_command(command);
        let said = parent.hear("");
        parent.finish();
        let (ring, logged) = said.split_once(' ').unwrap();
        assert_nothing_remains(ring);
        let logged: u64 = logged.parse().unwrap();
        for (file, kind) in files(folder.path()).iter().zip(KINDS) {
            let copy = fs::read_to_string(folder.path().join(COPIES).join(kind));
            let text = copy.unwrap_or_default() + &fs::read_to_string(file).unwrap();
            let found = numbers(&text);
            assert!(found.iter().copied().eq(0..logged), "{step} {kind}: {found:?}");
            let marks = text.lines().filter(|line| *line == MARK.trim_end()).count() as u64;
            assert_eq!(marks, 2 * DEATHS, "{step} {kind}");
        }
    }
}

fn marks_of_others_stay_and_each_record_comes_once_wherever_the_drainer_dies() {
    check("");
}

fn of_truncated_files_each_record_is_in_one_copy_wherever_the_drainer_dies() {
    check("truncate");
}
