//! MCAP files that may not become longer, that others write to, and folders that take no new one: as with text files, what can
//! be written is written, and what cannot be had is said once.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::ShmLogger;

use crate::disk_scene::log_some;
use crate::full_files::{by_nobody, drainer_of, files_may_be};
use crate::mcap_files::{mcap_files, messages};
use crate::mcap_scene::recorder;
use crate::support::{drainers_of, send, wait_for_end, Actor, Folder, Role, assert_nothing_remains, assert_says, say};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("recorder_of_a_folder_that_is_closed", recorder_of_a_folder_that_is_closed),
    ("recorder_with_short_files", recorder_with_short_files),
    ("recorder_beside_a_stranger", recorder_beside_a_stranger),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_file_goes_on_while_its_folder_takes_no_other_and_costs_no_message,
        a_file_that_is_as_long_as_files_may_be_is_followed_by_another,
        a_file_that_others_write_to_is_left_as_it_is_and_each_message_stands_once,
        a_successor_leaves_the_file_of_a_killed_drainer_to_others_who_have_written_to_it,
    ]
}

/// Logs in batches.
fn log(logger: &ShmLogger, next: &mut u64, count: u64) {
    for _ in 0..count / 100 {
        log_some(next, 100);
        logger.flush(Duration::from_secs(60)).unwrap();
    }
}

/// Plays a role to its end; returns the drainer's own words in the files, in which each message must stand once.
fn words_beside_all(mut parent: Actor, folder: &Folder) -> String {
    let said = parent.hear("");
    parent.finish();
    let (ring, logged) = said.split_once(' ').unwrap();
    assert_nothing_remains(ring);
    let logged: u64 = logged.parse().unwrap();
    let (mut numbers, mut words) = (Vec::new(), String::new());
    for text in mcap_files(folder.path()).iter().flat_map(|file| messages(file)) {
        let number = text.strip_prefix("app ").and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        match number {
            Some(number) => numbers.push(number),
            None => words += &format!("{text}\n"),
        }
    }
    assert!(numbers.into_iter().eq(0..logged), "{words}");
    words
}

/// `folder`
fn recorder_of_a_folder_that_is_closed(arguments: &[String]) {
    let folder = Path::new(&arguments[0]);
    let spec = format!("mcap:{}?max_size=30000&keep=1000&compression=none", arguments[0]);
    let logger = recorder(&spec).init_parent().unwrap();
    let mut next = 0;
    log(&logger, &mut next, 500);
    let files = mcap_files(folder).len();
    assert!(files > 1);
    let allow = |mode| fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    log(&logger, &mut next, 2_000);
    assert_eq!(mcap_files(folder).len(), files);
    allow(0o755);
    while mcap_files(folder).len() == files {
        log(&logger, &mut next, 100);
    }
    log(&logger, &mut next, 300);
    assert_eq!((logger.stats().lost, logger.stats().sink_errors), (0, 0));
    say(&format!("{} {next}", logger.name()));
}

fn a_file_goes_on_while_its_folder_takes_no_other_and_costs_no_message() {
    let (folder, around) = (Folder::new(), Folder::new());
    let parent = Actor::from_command(by_nobody(&folder, &around, "recorder_of_a_folder_that_is_closed"));
    let words = words_beside_all(parent, &folder);
    assert_says(&words, &["Permission denied (os error 13); the log goes on in", "MCAP files can be begun again"]);
    assert_eq!(words.lines().count(), 2, "each is said once: {words}");
}

/// `folder`
fn recorder_with_short_files(arguments: &[String]) {
    let spec = format!("mcap:{}?keep=1000", arguments[0]);
    let logger = recorder(&spec).init_parent().unwrap();
    files_may_be(Some(drainer_of(logger.name())), 50_000);
    let mut next = 0;
    log(&logger, &mut next, 2_000);
    assert_eq!(logger.stats().lost, 0);
    say(&format!("{} {next}", logger.name()));
}

fn a_file_that_is_as_long_as_files_may_be_is_followed_by_another() {
    let folder = Folder::new();
    let parent = Actor::start("recorder_with_short_files", &[folder.text()]);
    let words = words_beside_all(parent, &folder);
    let files = mcap_files(folder.path());
    assert!(files.len() > 1, "{files:?}");
    for file in &files {
        assert!(fs::metadata(file).unwrap().len() <= 50_000);
    }
    assert_says(&words, &["cannot grow beyond", "(ulimit -f)"]);
}

/// `folder fate`, of the drainer
fn recorder_beside_a_stranger(arguments: &[String]) {
    let logger = recorder(&format!("mcap:{}", arguments[0])).init_parent().unwrap();
    let mut next = 0;
    log(&logger, &mut next, 100);
    let file = mcap_files(Path::new(&arguments[0])).pop().unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(file).unwrap();
    file.write_all(b"a mark\n").unwrap();
    if arguments[1] == "killed" {
        let drainer = drainers_of(logger.name())[0];
        send(drainer, Signal::KILL);
        wait_for_end(drainer);
    }
    log(&logger, &mut next, 100);
    say(&format!("{} {next}", logger.name()));
}

fn a_file_that_others_write_to_is_left_as_it_is_and_each_message_stands_once() {
    let folder = Folder::new();
    let words = words_beside_a_mark(&folder, "lives");
    assert_says(&words, &["was written to from outside; messages in it: 100"]);
}

fn a_successor_leaves_the_file_of_a_killed_drainer_to_others_who_have_written_to_it() {
    words_beside_a_mark(&Folder::new(), "killed");
}

fn words_beside_a_mark(folder: &Folder, fate: &str) -> String {
    let parent = Actor::start("recorder_beside_a_stranger", &[folder.text(), fate]);
    let words = words_beside_all(parent, folder);
    let files = mcap_files(folder.path());
    assert_eq!(files.len(), 2);
    assert!(fs::read(&files[0]).unwrap().ends_with(b"a mark\n"));
    words
}
