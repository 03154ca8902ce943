//! A member that gave up root and kept its mapping of the ring: what it forges there decides nothing about files, neither
//! when the ring is recovered nor when the drainer is started again.
//!
//! Only root can play this; for others the tests are ignored.

#![allow(unsafe_code)]

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::ShmLogger;

use crate::alone::{Scenes, beside, is_root, play, recovered_files, trials_of};
use crate::dead_rings::{expected, kill_with_drainer, lonely_records};
use crate::support::{
    Actor, Folder, Role, assert_says, drainers_of, listen, log_files, role_command, say, send, until,
    wait_for_end,
};

pub const ROLES: &[Role] = &[("renegade", renegade), ("scene_of_renegades", scene)];

const SCENES: Scenes = &[
    (
        "what_a_member_without_its_rights_forges_sends_no_recovered_record_elsewhere",
        forged_and_recovered,
    ),
    (
        "a_ring_whose_book_is_lost_is_recovered_and_no_file_is_touched",
        recovered_without_a_book,
    ),
    (
        "a_drainer_that_comes_after_a_forger_goes_on_in_its_own_file",
        forged_and_drained,
    ),
];

pub fn trials() -> Vec<Trial> {
    let all = trials_of("renegades", "scene_of_renegades", SCENES);
    all.into_iter().map(|trial| trial.with_ignored_flag(!is_root())).collect()
}

fn scene(arguments: &[String]) {
    play(SCENES, arguments);
}

const NOBODY: libc::uid_t = 65_534;

/// Where this process has the ring mapped.
fn mapping_of(ring: &str) -> (usize, usize) {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.contains(ring)).unwrap();
    let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
    let number = |text| usize::from_str_radix(text, 16).unwrap();
    (number(start), number(end))
}

/// Where a ring comes from, as the segment has it: word 516 is the length of the program's name, which stands from word 518 on.
/// The folder stood behind it once.
const LENGTH_AT: usize = 516;
const NAME_AT: usize = 518;

/// `folder`: attaches, gives up root, and has the ring say that it came from a program `other` with files in the folder.
fn renegade(arguments: &[String]) {
    let logger = ShmLogger::builder().process_name("lonely").attach().unwrap();
    let (start, end) = mapping_of(logger.name());
    // SAFETY: no memory is involved; all threads of this process change their user.
    assert_eq!(unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) }, 0);
    let folder = arguments[0].as_bytes();
    let mut text = [b"other", folder].concat();
    text.resize(text.len().next_multiple_of(8), 0);
    let text = text.chunks(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap()));
    let words = (NAME_AT..).zip(text).chain([(LENGTH_AT, 5)]);
    for (at, word) in words {
        assert!(start + at * 8 < end);
        let address = (start as *mut u64).wrapping_add(at);
        // SAFETY: the word lies within the mapping, which is never taken back and is only seen as atomics.
        unsafe { AtomicU64::from_ptr(address) }.store(word, Ordering::Relaxed);
    }
    for name in crate::alone::shared_memory() {
        let path = format!("/dev/shm/{name}");
        let read = File::open(&path).unwrap_err();
        let write = File::options().write(true).open(&path).unwrap_err();
        let refused = [read.kind(), write.kind()];
        assert_eq!(refused, [ErrorKind::PermissionDenied; 2], "{path}");
    }
    say("forged");
    listen();
}

/// A folder of root's alone with a file of another program in it.
fn victim() -> Folder {
    let folder = Folder::new();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    fs::write(folder.path().join(BYSTANDER), PRECIOUS).unwrap();
    folder
}

const BYSTANDER: &str = "other_20260101_000000_000000.log";
const PRECIOUS: &str = "of another program";

fn assert_spared(victim: &Folder) {
    assert_eq!(log_files(victim.path()), [BYSTANDER]);
    assert_eq!(victim.log_text(), PRECIOUS);
}

/// A parent of three records that are in its file, whose ring a renegade has forged.
fn forged(folder: &Folder, victim: &Folder) -> (Actor, String) {
    let mut parent = Actor::start("lonely", &[folder.text()]);
    let ring = parent.hear("");
    let mut command = role_command("renegade", &[victim.text()]);
    command.env("SHMLOG_RING", &ring);
    let mut renegade = Actor::from_command(command);
    renegade.hear("forged");
    renegade.finish();
    (parent, ring)
}

fn forged_and_recovered() {
    let (folder, victim) = (Folder::new(), victim());
    let (mut parent, ring) = forged(&folder, &victim);
    parent.tell("log");
    parent.hear("logged");
    kill_with_drainer(&mut parent, &ring);
    let before = log_files(folder.path());
    let recovered = shmlog::recover(&ring).unwrap();
    assert_eq!((recovered.records, recovered.lost), (7, 0));
    assert_eq!(recovered.program, "lonely");
    assert!(recovered.file.unwrap().starts_with(folder.path()));
    assert_eq!(log_files(folder.path()).len(), before.len() + 1);
    assert_eq!(lonely_records(&[&folder]), expected(10));
    assert_spared(&victim);
}

fn recovered_without_a_book() {
    let (folder, victim) = (Folder::new(), victim());
    let (mut parent, ring) = forged(&folder, &victim);
    parent.tell("log");
    parent.hear("logged");
    kill_with_drainer(&mut parent, &ring);
    fs::remove_file(beside(&ring, "book").unwrap()).unwrap();
    let before = folder.log_text();
    let (next, mut heard) = (Folder::new(), Vec::new());
    for line in crate::alone::succeed(&next) {
        heard.push(line.message);
    }
    assert_says(&heard.concat(), &["recovered", next.text()]);
    assert_eq!(recovered_files(&next).len(), 1);
    assert_eq!(folder.log_text(), before, "nothing is cut back");
    assert_says(&next.log_text(), &["lonely 9", "twice"]);
    assert_spared(&victim);
}

fn forged_and_drained() {
    let (folder, victim) = (Folder::new(), victim());
    let (mut parent, ring) = forged(&folder, &victim);
    let drainer = drainers_of(&ring)[0];
    send(drainer, Signal::KILL);
    wait_for_end(drainer);
    until("another drainer works", || drainers_of(&ring).iter().any(|&pid| pid != drainer));
    parent.tell("end");
    parent.finish();
    assert_eq!(lonely_records(&[&folder]), expected(3));
    assert_eq!(log_files(folder.path()).len(), 1);
    assert_spared(&victim);
}
