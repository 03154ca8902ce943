//! Files that may not become longer, and folders that take no new one: what can be written is written, and what cannot
//! be had is said once, by name.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use shmlog::info;

use crate::disk_scene::log_some;
use crate::host::configured;
use crate::support::{
    Actor, Folder, Line, Role, assert_nothing_remains, assert_says, drainers_of, log_files,
    parse_log, role_command, role_of_copy, say, until,
};
use crate::tally::number;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_a_folder_that_is_closed", parent_of_a_folder_that_is_closed),
    ("parent_with_short_files", parent_with_short_files),
    ("parent_that_stays_full", parent_that_stays_full),
    ("parent_under_a_limit", parent_under_a_limit),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_folder_that_takes_no_new_file_costs_no_record_and_when_it_does_again_the_log_goes_on_there,
        a_file_that_is_as_long_as_files_may_be_is_followed_by_another_and_no_line_is_torn,
        a_file_that_stays_full_to_the_end_keeps_no_torn_line,
        a_limit_below_the_rings_size_is_an_error_that_names_it_and_leaves_nothing,
    ]
}

const NOBODY: u32 = 65_534;
const SETTINGS: &str = "block process_name=app";

pub fn files_may_be(pid: Option<Pid>, bytes: u64) {
    let limit = Rlimit {
        current: Some(bytes),
        maximum: None,
    };
    prlimit(pid, Resource::Fsize, limit).unwrap();
}

pub fn drainer_of(ring: &str) -> Pid {
    Pid::from_raw(drainers_of(ring)[0] as i32).unwrap()
}

fn split(lines: &[Line]) -> (Vec<u64>, String) {
    let (records, own): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.sequence.is_some());
    let words = own.into_iter().map(|line| line.message.clone() + "\n");
    (records.into_iter().map(number).collect(), words.collect())
}

/// `folder`
fn parent_of_a_folder_that_is_closed(arguments: &[String]) {
    let folder = Path::new(&arguments[0]);
    let settings = format!("{SETTINGS} max_file_size=20000 backup_count=1000");
    let logger = configured(&arguments[0], &settings).init_parent().unwrap();
    let mut next = 0;
    log_some(&mut next, 300);
    logger.flush(Duration::from_secs(60)).unwrap();
    let files = log_files(folder).len();
    assert!(files > 1);
    let allow = |mode| fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    log_some(&mut next, 2_000);
    logger.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(log_files(folder).len(), files);
    allow(0o755);
    until("a new file is begun", || log_files(folder).len() > files || {
        info!("app -1 again");
        false
    });
    log_some(&mut next, 300);
    logger.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(logger.stats().lost, 0);
    say(&format!("{} {next}", logger.name()));
}

/// A role in the folder as a user whom rights concern. `around` takes a copy of this program.
pub fn by_nobody(folder: &Folder, around: &Folder, role: &str) -> Command {
    let mut command = match rustix::process::geteuid().is_root() {
        true => {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
            fs::set_permissions(around.path(), Permissions::from_mode(0o755)).unwrap();
            let (_, mut command) = role_of_copy(around, role, &[folder.text()]);
            command.uid(NOBODY).gid(NOBODY);
            command
        }
        false => role_command(role, &[folder.text()]),
    };
    command.env_remove("SHMLOG_RING");
    command
}

fn a_folder_that_takes_no_new_file_costs_no_record_and_when_it_does_again_the_log_goes_on_there() {
    let (folder, around) = (Folder::new(), Folder::new());
    let mut parent = Actor::from_command(by_nobody(&folder, &around, "parent_of_a_folder_that_is_closed"));
    let said = parent.hear("");
    parent.finish();
    let (ring, logged) = said.split_once(' ').unwrap();
    assert_nothing_remains(ring);
    let mut lines = parse_log(&folder.log_text());
    lines.retain(|line| line.message != "app -1 again");
    let (numbers, words) = split(&lines);
    assert!(numbers.into_iter().eq(0..logged.parse().unwrap()));
    assert_says(&words, &["Permission denied (os error 13); the log goes on in", "log files can be begun again"]);
    assert_eq!(words.lines().count(), 2, "each is said once: {words}");
}

/// `folder`
fn parent_with_short_files(arguments: &[String]) {
    let settings = format!("{SETTINGS} backup_count=1000");
    let logger = configured(&arguments[0], &settings).init_parent().unwrap();
    files_may_be(Some(drainer_of(logger.name())), 50_000);
    let mut next = 0;
    log_some(&mut next, 2_000);
    logger.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(logger.stats().lost, 0);
    say(&format!("{} {next}", logger.name()));
}

fn a_file_that_is_as_long_as_files_may_be_is_followed_by_another_and_no_line_is_torn() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_with_short_files", &[folder.text()]);
    let said = parent.hear("");
    parent.finish();
    let (ring, logged) = said.split_once(' ').unwrap();
    assert_nothing_remains(ring);
    let names = log_files(folder.path());
    assert!(names.len() > 4, "{names:?}");
    for name in &names {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(text.len() <= 50_000 && text.ends_with('\n'), "{name}");
        assert!(text.starts_with(|first: char| first.is_ascii_digit()), "{name}");
    }
    let (numbers, words) = split(&parse_log(&folder.log_text()));
    assert!(numbers.into_iter().eq(0..logged.parse().unwrap()));
    assert_says(&words, &["cannot grow beyond", "(ulimit -f)", &names[1]]);
}

/// `folder`
fn parent_that_stays_full(arguments: &[String]) {
    let logger = configured(&arguments[0], SETTINGS).init_parent().unwrap();
    let mut next = 0;
    log_some(&mut next, 100);
    logger.flush(Duration::from_secs(60)).unwrap();
    let bytes = Folder::log_text_of(arguments[0].as_ref()).len() as u64;
    let drainer = drainer_of(logger.name());
    // So much that a record fits in part; and no other file may be begun.
    files_may_be(Some(drainer), bytes + 500);
    let descriptors = Rlimit {
        current: Some(0),
        ..getrlimit(Resource::Nofile)
    };
    prlimit(Some(drainer), Resource::Nofile, descriptors).unwrap();
    log_some(&mut next, 100);
    until("it is met", || logger.stats().sink_errors > 0);
    say(logger.name());
}

fn a_file_that_stays_full_to_the_end_keeps_no_torn_line() {
    let folder = Folder::new();
    let mut command = role_command("parent_that_stays_full", &[folder.text()]);
    command.env_remove("SHMLOG_RING");
    let output = command.output().unwrap();
    // The drainer has no descriptor left by which it could complain.
    assert!(output.status.success());
    assert_nothing_remains(String::from_utf8(output.stdout).unwrap().trim());
    let text = folder.log_text();
    assert!(text.ends_with('\n'), "{:?}", text.lines().last());
    let (numbers, _) = split(&parse_log(&text));
    let there = numbers.len() as u64;
    assert!(numbers.into_iter().eq(0..there) && (101..110).contains(&there), "{there}");
}

/// `folder slots bytes`
fn parent_under_a_limit(arguments: &[String]) {
    let [folder, slots, bytes] = arguments else {
        panic!("three arguments");
    };
    let limit = Rlimit {
        current: Some(bytes.parse().unwrap()),
        maximum: None,
    };
    setrlimit(Resource::Fsize, limit).unwrap();
    match configured(folder, &format!("{SETTINGS} slots={slots}")).init_parent() {
        Ok(logger) => {
            let mut next = 0;
            log_some(&mut next, 20);
            logger.flush(Duration::from_secs(60)).unwrap();
            say(&format!("{} {next}", logger.name()));
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                text += &format!(": {error}");
                source = error.source();
            }
            say(&text);
        }
    }
}

fn a_limit_below_the_rings_size_is_an_error_that_names_it_and_leaves_nothing() {
    let folder = Folder::new();
    let play = |slots, bytes| {
        let mut parent = Actor::start("parent_under_a_limit", &[folder.text(), slots, bytes]);
        let said = parent.hear("");
        parent.finish();
        said
    };
    let said = play("65536", "1000000");
    let words = ["may not write files of more than 1000000", "RLIMIT_FSIZE", "ulimit -f unlimited"];
    assert_says(&said, &words);
    assert!(log_files(folder.path()).is_empty());
    // A ring that is small enough is made, and logs.
    let said = play("1024", "3000000");
    let (ring, logged) = said.split_once(' ').unwrap();
    assert_nothing_remains(ring);
    let (numbers, _) = split(&parse_log(&folder.log_text()));
    assert!(numbers.into_iter().eq(0..logged.parse().unwrap()));
}
