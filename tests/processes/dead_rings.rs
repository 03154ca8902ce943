//! Dead rings in all conditions: empty, written and not noted, in use after all, others', damaged.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::{RecoverError, info};

use crate::alone::{Scenes, beside, is_root, play, recovered_files, segment, succeed, trials_of};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, assert_says, drainers_of, listen, log_files, quiet,
    role_command, say, send, until, wait_for_end,
};
use crate::tally::Tally;

pub const ROLES: &[Role] = &[("lonely", lonely), ("scene_of_dead_rings", scene)];

const SCENES: Scenes = &[
    (
        "a_dead_ring_that_holds_nothing_unread_is_removed_without_a_file",
        removed_when_empty,
    ),
    (
        "a_batch_that_was_written_and_not_noted_stands_once",
        cut_back_to_the_checkpoint,
    ),
    (
        "a_folder_that_is_gone_is_not_made_again_and_the_new_parents_takes_the_records",
        saved_elsewhere,
    ),
    (
        "records_that_find_no_room_stay_in_the_ring_until_there_is",
        kept_until_there_is_room,
    ),
    (
        "a_ring_is_not_recovered_while_anybody_uses_it",
        refused_while_in_use,
    ),
    (
        "rings_of_other_versions_users_and_namespaces_are_left_alone",
        left_alone,
    ),
    (
        "what_a_member_forged_about_the_making_of_its_ring_keeps_no_dead_ring",
        recovered_by_the_book,
    ),
    (
        "a_damaged_ring_is_told_of_and_left_and_stops_nobody",
        told_of_and_left,
    ),
];

pub fn trials() -> Vec<Trial> {
    trials_of("dead_rings", "scene_of_dead_rings", SCENES)
}

fn scene(arguments: &[String]) {
    play(SCENES, arguments);
}

/// `folder`: a parent without children that has logged three records, all of them in the file.
fn lonely(arguments: &[String]) {
    let logger = quiet(&arguments[0]).process_name("lonely").init_parent().unwrap();
    for n in 0..3 {
        info!("lonely {n}");
    }
    logger.flush(Duration::from_secs(60)).unwrap();
    say(logger.name());
    if listen() == "log" {
        let drainer = drainers_of(logger.name())[0];
        send(drainer, Signal::STOP);
        crate::tally::wait_until_stopped(drainer);
        for n in 3..10 {
            info!("lonely {n}");
        }
        say("logged");
    }
    listen();
}

/// Kills a lonely parent and its drainer, the drainer first stopped so that neither outlives the other.
pub fn kill_with_drainer(parent: &mut Actor, ring: &str) {
    let drainer = drainers_of(ring)[0];
    send(drainer, Signal::STOP);
    crate::tally::wait_until_stopped(drainer);
    parent.signal(Signal::KILL);
    assert_eq!(parent.wait().signal(), Some(Signal::KILL.as_raw()));
    send(drainer, Signal::KILL);
    wait_for_end(drainer);
}

fn leave_lonely(folder: &Folder, unread: bool) -> String {
    let mut parent = Actor::start("lonely", &[folder.text()]);
    let ring = parent.hear("");
    if unread {
        parent.tell("log");
        parent.hear("logged");
    }
    kill_with_drainer(&mut parent, &ring);
    ring
}

fn removed_when_empty() {
    let folder = Folder::new();
    let ring = leave_lonely(&folder, false);
    let words = succeed(&folder);
    assert_eq!(words.len(), 1, "{words:?}");
    assert_says(&words[0].message, &[&ring, "nothing was left"]);
    assert_eq!(recovered_files(&folder), [""; 0]);
    assert_eq!(folder.records().iter().filter(|line| line.process == "lonely").count(), 3);
}

pub fn lonely_records(folders: &[&Folder]) -> Vec<String> {
    let lines = folders.iter().flat_map(|folder| folder.records());
    let lines = lines.filter(|line| line.process == "lonely");
    lines.map(|line| line.message).collect()
}

pub fn expected(count: u64) -> Vec<String> {
    (0..count).map(|n| format!("lonely {n}")).collect()
}

fn cut_back_to_the_checkpoint() {
    let folder = Folder::new();
    let ring = leave_lonely(&folder, true);
    // As if the drainer had written its next batch, half a line of it, and died before its checkpoint.
    let file = folder.path().join(&log_files(folder.path())[0]);
    let whole = fs::read_to_string(&file).unwrap();
    let like_the_last = whole.lines().last().unwrap().replace("lonely 2", "lonely 3");
    let half = &like_the_last[..like_the_last.len() / 2];
    fs::write(&file, format!("{whole}{like_the_last}\n{half}")).unwrap();
    let recovered = shmlog::recover(&ring).unwrap();
    assert_eq!((recovered.records, recovered.lost), (7, 0));
    assert_eq!(fs::read_to_string(&file).unwrap(), whole);
    assert_eq!(lonely_records(&[&folder]), expected(10));
}

fn saved_elsewhere() {
    let (theirs, ours) = (Folder::new(), Folder::new());
    leave_lonely(&theirs, true);
    fs::remove_dir_all(theirs.path()).unwrap();
    let words = succeed(&ours);
    assert_says(&words[0].message, &["recovered 7 records", ours.text()]);
    assert!(!theirs.path().exists());
    assert_eq!(lonely_records(&[&ours]), expected(10)[3..]);
}

fn kept_until_there_is_room() {
    let full = Folder::new();
    let mount = |what: &[&str]| {
        let status = Command::new(what[0]).args(&what[1..]).arg(full.path()).status();
        assert!(status.unwrap().success());
    };
    mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs"]);
    let ring = leave_lonely(&full, true);
    let ballast = full.path().join("ballast");
    // Until there is no room for one more page.
    let _ = fs::write(&ballast, vec![0; 1 << 20]);
    for _ in 0..2 {
        let error = shmlog::recover(&ring).unwrap_err();
        assert!(matches!(error, RecoverError::File { .. }), "{error}");
        assert_says(&error.to_string(), &[&ring, "stay in shared memory"]);
        assert_eq!(recovered_files(&full), [""; 0]);
    }
    fs::remove_file(&ballast).unwrap();
    let recovered = shmlog::recover(&ring).unwrap();
    assert_eq!((recovered.records, recovered.lost), (7, 0));
    assert_eq!(lonely_records(&[&full]), expected(10));
    mount(&["umount"]);
}

fn assert_in_use(ring: &str) {
    let error = shmlog::recover(ring).unwrap_err();
    assert!(matches!(error, RecoverError::InUse { .. }), "{error}");
    assert!(segment(ring).exists());
}

fn refused_while_in_use() {
    // The parent alone, while its drainer is stopped or there is none.
    let folder = Folder::new();
    let mut parent = Actor::start("lonely", &[folder.text()]);
    let ring = parent.hear("");
    assert_in_use(&ring);
    parent.tell("go");
    parent.finish();
    assert_nothing_remains(&ring);

    // The drainer alone.
    let folder = Folder::new();
    let mut parent = Actor::start("lonely", &[folder.text()]);
    let ring = parent.hear("");
    let drainer = drainers_of(&ring)[0];
    send(drainer, Signal::STOP);
    crate::tally::wait_until_stopped(drainer);
    parent.signal(Signal::KILL);
    parent.wait();
    assert_in_use(&ring);
    assert_eq!(succeed(&folder), []);
    send(drainer, Signal::CONT);
    assert_nothing_remains(&ring);

    // A child alone: its parent and the drainer are killed.
    let folder = Folder::new();
    let mut parent = Actor::start("lonely", &[folder.text()]);
    let ring = parent.hear("");
    let mut command = role_command("doomed_child", &[folder.text(), "one"]);
    command.env("SHMLOG_RING", &ring);
    let mut child = Actor::from_command(command);
    let tally = Tally::of(folder.text(), "one");
    until("the child logs", || tally.returned() > 100);
    child.signal(Signal::STOP);
    crate::tally::wait_until_stopped(child.pid());
    kill_with_drainer(&mut parent, &ring);
    assert_in_use(&ring);
    assert_eq!(succeed(&folder), []);
    child.signal(Signal::KILL);
    child.wait();
    shmlog::recover(&ring).unwrap();
    assert_eq!(lonely_records(&[&folder]), expected(3));

    // Nobody but one who was given the name and has not attached yet.
    let folder = Folder::new();
    let mut parent = Actor::start("lonely", &[folder.text()]);
    let ring = parent.hear("");
    let mut heir = Command::new("sleep");
    heir.arg("1000").env("SHMLOG_RING", &ring);
    let mut heir = heir.spawn().unwrap();
    kill_with_drainer(&mut parent, &ring);
    assert_in_use(&ring);
    heir.kill().unwrap();
    heir.wait().unwrap();
    shmlog::recover(&ring).unwrap();
}

/// Word 512 of a segment begins what its maker wrote of itself: its start, its pid namespace, two clocks; word 517 is the time
/// namespace.
const HOME_AT: u64 = 512;
/// Where the book has the pid namespace.
const NAMESPACE_IN_BOOK: u64 = 5;

/// Writes a word into a file of words, and returns what stood there.
fn overwrite(path: &Path, at: u64, word: u64) -> u64 {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut before = [0; 8];
    file.read_exact_at(&mut before, at * 8).unwrap();
    file.write_all_at(&word.to_ne_bytes(), at * 8).unwrap();
    u64::from_ne_bytes(before)
}

/// Makes the book one of another version, and returns the word that says so.
fn spoil_book(ring: &str) -> u64 {
    overwrite(&beside(ring, "book").unwrap(), 0, 7)
}

fn recovered_by_the_book() {
    let folder = Folder::new();
    let ring = leave_lonely(&folder, true);
    // Version, geometry, the maker's start, both namespaces, the clocks.
    for at in [0, 1, 3, HOME_AT, HOME_AT + 1, HOME_AT + 2, HOME_AT + 3, HOME_AT + 5] {
        overwrite(&segment(&ring), at, 1);
    }
    let recovered = shmlog::recover(&ring).unwrap();
    assert_eq!((recovered.records, recovered.lost), (7, 0));
    assert_eq!(recovered.program, "lonely");
    assert_eq!(lonely_records(&[&folder]), expected(10));
}

fn left_alone() {
    let folder = Folder::new();
    let ring = leave_lonely(&folder, true);
    let untouched = |folder: &Folder, ring: &str| {
        let before = fs::read(segment(ring)).unwrap();
        assert_eq!(succeed(folder), []);
        assert!(before == fs::read(segment(ring)).unwrap(), "not a bit is changed");
        shmlog::recover(ring).unwrap_err()
    };
    let book = beside(&ring, "book").unwrap();
    let version = spoil_book(&ring);
    let ready = overwrite(&segment(&ring), 0, 0);
    overwrite(&segment(&ring), 0, ready + 1);
    let error = untouched(&folder, &ring);
    let next = ready as u8 + 1;
    assert!(matches!(error, RecoverError::Version { found, .. } if found == next), "{error}");
    overwrite(&segment(&ring), 0, ready);
    overwrite(&book, 0, version);

    if is_root() {
        chown(segment(&ring), Some(65_534), Some(65_534)).unwrap();
        let error = untouched(&folder, &ring);
        assert!(matches!(error, RecoverError::Foreign { owner: 65_534, .. }), "{error}");
        chown(segment(&ring), Some(0), Some(0)).unwrap();
    }

    let namespace = overwrite(&book, NAMESPACE_IN_BOOK, 1);
    let error = untouched(&folder, &ring);
    assert!(matches!(error, RecoverError::Elsewhere { .. }), "{error}");
    overwrite(&book, NAMESPACE_IN_BOOK, namespace);

    shmlog::recover(&ring).unwrap();
    assert_eq!(lonely_records(&[&folder]), expected(10));
}

fn told_of_and_left() {
    let folder = Folder::new();
    let ring = leave_lonely(&folder, true);
    let book = beside(&ring, "book").unwrap();
    let version = spoil_book(&ring);
    let geometry = overwrite(&segment(&ring), 1, u64::MAX);
    let words = succeed(&folder);
    assert_eq!(words.len(), 1, "{words:?}");
    assert_says(&words[0].message, &["not recovered", &ring, "damaged"]);
    let error = shmlog::recover(&ring).unwrap_err();
    assert!(matches!(error, RecoverError::Damaged { .. }), "{error}");
    overwrite(&segment(&ring), 1, geometry);
    overwrite(&book, 0, version);
    // A tail that nobody can have reached: what is there comes through, and there is an end to it.
    let tail = overwrite(&segment(&ring), 32, 0);
    overwrite(&segment(&ring), 32, tail + (1 << 50));
    let recovered = shmlog::recover(&ring).unwrap();
    assert_eq!(recovered.records, 7);
    assert_says(&folder.log_text(), &["the ring is damaged"]);
    assert_eq!(lonely_records(&[&folder]), expected(10));
}
