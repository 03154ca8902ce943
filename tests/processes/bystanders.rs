//! Who keeps a ring: processes that only look like members or heirs do not, and entries that speak of them come back.

#![allow(unsafe_code)]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use memmap2::MmapRaw;
use shmlog::{ShmLogger, info};

use crate::forking::fork;
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, listen, quiet, role_by, role_command, role_of_nobody, say,
    until,
};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("maps_a_namesake", maps_a_namesake),
    ("parent_with_entries", parent_with_entries),
    ("parent_of_one_that_execs_often", parent_of_one_that_execs_often),
    ("execs_often", execs_often),
    ("parent_of_a_fork_that_execs", parent_of_a_fork_that_execs),
    ("parent_of_one_that_changes_rights", parent_of_one_that_changes_rights),
];

pub fn trials() -> Vec<Trial> {
    let mut all = trials![
        a_member_that_execs_often_without_randomised_addresses_uses_up_no_entries,
        a_forked_child_that_logs_nothing_and_begins_another_program_is_not_waited_for,
    ];
    if !cfg!(feature = "portable") {
        all.extend(trials![
            another_users_file_of_the_rings_name_keeps_no_ring,
            entries_of_processes_that_do_not_map_the_ring_are_given_back_and_keep_no_ring,
            a_member_that_becomes_another_user_is_a_member_still,
            a_member_that_its_drainer_may_not_look_into_is_a_member_still,
        ]);
    }
    all
}

/// `ring`: maps a file of its own whose path names the ring, to be written, and stays.
fn maps_a_namesake(arguments: &[String]) {
    let folder = Folder::new();
    let path = folder.path().join(&arguments[0]);
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(&path).unwrap();
    file.set_len(4096).unwrap();
    let _map = MmapRaw::map_raw(&file).unwrap();
    say("mapped");
    listen();
}

fn another_users_file_of_the_rings_name_keeps_no_ring() -> Result<(), Ignored> {
    if !rustix::process::geteuid().is_root() {
        return Err(Ignored("only root can start a process of another user"));
    }
    let folder = Folder::new();
    let mut parent = Actor::start("host_of_others", &[folder.text()]);
    let ring = parent.hear("");
    let (_program, command) = role_of_nobody("maps_a_namesake", &[&ring]);
    let mut stranger = Actor::from_command(command);
    stranger.hear("mapped");
    parent.finish();
    assert_nothing_remains(&ring);
    stranger.finish();
    Ok(())
}

const ENTRIES: usize = 16;
/// Bytes of a segment's header, of an entry, and of it those before the name.
const HEADER: usize = 8192;
const ENTRY: usize = 256;
const BEFORE_NAME: usize = 24;
const NAME: &str = "the-first-to-have-an-entry";

/// `folder`
fn parent_with_entries(arguments: &[String]) {
    let logger = quiet(&arguments[0]).max_producers(ENTRIES as u64).process_name(NAME);
    let logger = logger.init_parent().unwrap();
    info!("the parent");
    logger.flush(Duration::from_secs(60)).unwrap();
    say(logger.name());
    while listen() == "log" {
        info!("something to do");
    }
}

/// A state word as it stands in an entry of a process: taken (1) or in use (2), by its first owner.
fn state(pid: u32, tag: u64) -> [u8; 8] {
    (u64::from(pid) << 32 | 1 << 8 | tag).to_ne_bytes()
}

fn entries_of_processes_that_do_not_map_the_ring_are_given_back_and_keep_no_ring() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_with_entries", &[folder.text()]);
    let ring = parent.hear("");
    let path = format!("/dev/shm/{ring}");
    let segment = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    // Not in the header, where the maker's name stands too.
    let places = (HEADER..bytes.len()).find(|at| bytes[*at..].starts_with(NAME.as_bytes()));
    let first = places.unwrap() - BEFORE_NAME;
    let mut stranger = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    // A kernel's thread where there is one, and two processes that do not have the ring mapped.
    let strangers = [2, stranger.id(), std::process::id()];
    for entry in 1..ENTRIES {
        let pid = strangers[entry % 3];
        let tag = 1 + (entry as u64 / 3) % 2;
        segment.write_all_at(&state(pid, tag), (first + entry * ENTRY) as u64).unwrap();
    }
    let tag = |entry: usize| {
        let mut word = [0; 8];
        segment.read_exact_at(&mut word, (first + entry * ENTRY) as u64).unwrap();
        u64::from_ne_bytes(word) as u8
    };
    parent.tell("log");
    until("the entries are free again", || (1..ENTRIES).all(|entry| tag(entry) == 0));
    assert_eq!(tag(0), 2, "the parent's own stays");
    // And those of which the drainer learns when it wants to end already.
    for entry in 1..ENTRIES {
        let pid = strangers[entry % 3];
        segment.write_all_at(&state(pid, 1), (first + entry * ENTRY) as u64).unwrap();
    }
    parent.finish();
    assert_nothing_remains(&ring);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

const EXECS: usize = 40;

/// `folder`
fn parent_of_one_that_execs_often(arguments: &[String]) {
    let logger = quiet(&arguments[0]).max_producers(ENTRIES as u64).init_parent().unwrap();
    say(logger.name());
    let mut command = Command::new("setarch");
    command.arg("-R");
    let status = role_by(command, "execs_often", &["0"]).status().unwrap();
    assert!(status.success());
    let stats = logger.stats();
    assert_eq!((stats.dropped, stats.lost), (0, 0));
}

/// `round`: attaches as a program that knows nothing of the one before, logs, and begins the next.
fn execs_often(arguments: &[String]) {
    let round: usize = arguments[0].parse().unwrap();
    let logger = std::cell::OnceCell::new();
    until("there is an entry", || ShmLogger::attach().is_ok_and(|attached| logger.set(attached).is_ok()));
    info!("round {round}");
    logger.get().unwrap().flush(Duration::from_secs(60)).unwrap();
    if round + 1 < EXECS {
        let error = role_command("execs_often", &[&(round + 1).to_string()]).exec();
        panic!("{error}");
    }
}

fn a_member_that_execs_often_without_randomised_addresses_uses_up_no_entries() -> Result<(), Ignored> {
    let fixed = Command::new("setarch").args(["-R", "true"]).status();
    if !fixed.is_ok_and(|status| status.success()) {
        return Err(Ignored("addresses stay randomised: setarch -R is not there, or not allowed"));
    }
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_one_that_execs_often", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let records = folder.records();
    let expected: Vec<String> = (0..EXECS).map(|round| format!("round {round}")).collect();
    assert_eq!(folder.messages(), expected);
    assert!(records.iter().all(|record| record.pid == records[0].pid), "one process all the while");
    Ok(())
}

/// `folder`: leaves the ring to a forked child, which has it in its memory and begins another program when told so.
fn parent_of_a_fork_that_execs(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    info!("the parent");
    fork(|| {
        assert_eq!(listen(), "exec");
        panic!("{}", Command::new("cat").env_remove("SHMLOG_RING").exec());
    });
    say(logger.name());
}

fn a_forked_child_that_logs_nothing_and_begins_another_program_is_not_waited_for() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_a_fork_that_execs", &[folder.text()]);
    let ring = parent.hear("");
    // Its drainer has seen the child: it would have ended with the parent, which waits for one or the other.
    assert!(parent.child.wait().unwrap().success());
    assert_eq!(crate::support::drainers_of(&ring).len(), 1);
    parent.tell("exec");
    assert_nothing_remains(&ring);
    // It has the other end still, and reads from it until now.
    drop(parent);
    assert_eq!(folder.messages(), ["the parent"]);
}

const NOBODY: u32 = 65_534;

/// `folder change`: leaves the ring to a forked child, which becomes another user, or lets nobody look into it.
fn parent_of_one_that_changes_rights(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    let child = fork(|| {
        let failed = match &*arguments[1] {
            // SAFETY: takes three numbers; what this process does afterwards any user may do.
            "user" => unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) },
            // SAFETY: takes numbers, and changes what others may read of this process.
            _ => unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) },
        };
        assert_eq!(failed, 0);
        info!("before the parent has gone");
        assert_eq!(listen(), "log");
        info!("after the parent has gone");
    });
    until("the child has entered", || {
        logger.stats().producers.iter().any(|producer| producer.pid == child as u32)
    });
}

fn play_changed_rights(folder: &Folder, mut parent: Actor) {
    let ring = parent.hear("");
    assert!(parent.child.wait().unwrap().success());
    let drainer = crate::support::drainers_of(&ring);
    assert_eq!(drainer.len(), 1);
    // The drainer looks again once a second; it must have looked before it is seen not to end.
    let looked = || fs::read_to_string(format!("/proc/{}/io", drainer[0])).unwrap();
    let reads = |io: &str| -> u64 {
        let line = io.lines().find_map(|line| line.strip_prefix("syscr: "));
        line.unwrap().parse().unwrap()
    };
    let before = reads(&looked());
    until("the drainer has looked around", || reads(&looked()) > before + 10);
    parent.tell("log");
    assert_nothing_remains(&ring);
    assert_eq!(folder.messages(), ["before the parent has gone", "after the parent has gone"]);
}

fn a_member_that_becomes_another_user_is_a_member_still() -> Result<(), Ignored> {
    if !rustix::process::geteuid().is_root() {
        return Err(Ignored("only root can become another user"));
    }
    let folder = Folder::new();
    let parent = Actor::start("parent_of_one_that_changes_rights", &[folder.text(), "user"]);
    play_changed_rights(&folder, parent);
    Ok(())
}

fn a_member_that_its_drainer_may_not_look_into_is_a_member_still() -> Result<(), Ignored> {
    if !rustix::process::geteuid().is_root() {
        return Err(Ignored("only root can start a drainer that has no rights over its members"));
    }
    let folder = Folder::new();
    std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let arguments = [folder.text(), "dumpable"];
    let (_program, command) = role_of_nobody("parent_of_one_that_changes_rights", &arguments);
    play_changed_rights(&folder, Actor::from_command(command));
    Ok(())
}
