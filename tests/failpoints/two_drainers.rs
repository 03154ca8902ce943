//! A second drainer is started for a ring that has one.

use std::fs::{self, File};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sendmsg, socketpair,
};
use rustix::process::{Pid, Signal, kill_process};
use shmlog::{OnFull, ShmLogger};

use crate::scene::{Books, SHORT, arm, log};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, quiet, say, segments_made_by, until,
    wait_for_end,
};
use crate::tally::settled;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_two_drainers", parent_of_two_drainers),
    ("parent_of_the_served", parent_of_the_served),
    ("service", service),
    ("parent_of_one_that_died_last", parent_of_one_that_died_last),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_second_drainer_ends_at_once_and_changes_nothing,
        of_the_drainers_of_two_services_one_works_and_the_end_of_the_ring_ends_both,
        no_drainer_is_started_for_a_ring_that_the_last_one_removed,
    ]
}

const ROUNDS: u64 = 20;

/// What a running drainer was told: it keeps the file in memory.
fn orders_of(drainer: u32) -> File {
    let descriptors = fs::read_dir(format!("/proc/{drainer}/fd")).unwrap();
    let is_orders = |entry: &fs::DirEntry| {
        let leads_to = fs::read_link(entry.path()).unwrap_or_default();
        leads_to.to_string_lossy().contains("shmlog-orders")
    };
    let orders = descriptors.map(Result::unwrap).find(is_orders).unwrap();
    File::open(orders.path()).unwrap()
}

/// Starts a drainer as its parent does: see drainer/orders.rs. Returns our end of its channel too.
fn start_drainer(ring: &str, orders: &File) -> (Child, OwnedFd) {
    let unix = AddressFamily::UNIX;
    let (ours, theirs) =
        socketpair(unix, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let path = format!("/dev/shm/{ring}");
    let segment = File::options().read(true).write(true).open(path).unwrap();
    let files = [orders.as_fd(), segment.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
    // Not the first, with the segment.
    let message = [IoSlice::new(&[8])];
    sendmsg(&ours, &message, &mut control, SendFlags::empty()).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("SHMLOG_DRAINER", "0").stdin(theirs);
    (command.stdout(Stdio::null()).spawn().unwrap(), ours)
}

/// A parent with a small ring, whose child is ready to write.
fn parent_and_other(folder: &str) -> (ShmLogger, Actor) {
    let logger = quiet(folder)
        .slots(64)
        .process_name("parent")
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .init_parent()
        .unwrap();
    say(logger.name());
    let mut other = Actor::start("burster", &["other", SHORT, "5000"]);
    other.hear("ready");
    (logger, other)
}

/// `folder`: starts a second drainer when all is quiet, and while a child writes.
fn parent_of_two_drainers(arguments: &[String]) {
    let (logger, mut other) = parent_and_other(&arguments[0]);
    let first = drainers_of(logger.name());
    let [drainer] = first[..] else {
        panic!("{first:?}");
    };
    let orders = orders_of(drainer);
    for round in 0..ROUNDS {
        other.tell("go");
        log("parent", round, 20);
        assert_ends_at_once(start_drainer(logger.name(), &orders).0);
        other.hear("done");
        logger.flush(Duration::from_secs(60)).unwrap();
        let before = (everything_in(&arguments[0]), logger.stats());
        assert_ends_at_once(start_drainer(logger.name(), &orders).0);
        assert_eq!((everything_in(&arguments[0]), logger.stats()), before);
    }
    assert_eq!(drainers_of(logger.name()), first);
    other.finish();
    assert_eq!(settled(&logger, 1).drainer_restarts, 0);
}

fn assert_ends_at_once(mut drainer: Child) {
    wait_for_end(drainer.id());
    assert_eq!(drainer.wait().unwrap().code(), Some(1));
}

/// Names and contents.
fn everything_in(folder: &str) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut all: Vec<_> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    all.sort();
    all
}

/// `folder`: a ring that two services drain, whose drainers are killed: whoever is first has the ring.
fn parent_of_the_served(arguments: &[String]) {
    let builder = quiet(&arguments[0]).slots(64).process_name("parent");
    let builder = builder.on_full(OnFull::Block(Duration::from_secs(60)));
    let services = std::thread::spawn(|| {
        let mine = || segments_made_by(std::process::id());
        let has_orders = || mine().iter().any(|name| name.contains(".orders-"));
        until("there are orders", has_orders);
        let ring = mine().into_iter().find(|name| !name.contains('.')).unwrap();
        ["one", "two"].map(|_| Actor::start("service", &[&ring]))
    });
    let logger = builder.external_drainer(true).init_parent().unwrap();
    let services = services.join().unwrap();
    say(logger.name());
    let mut other = Actor::start("burster", &["other", SHORT, "5000"]);
    other.hear("ready");
    for round in 0..ROUNDS {
        other.tell("go");
        for drainer in drainers_of(logger.name()) {
            // One that found the ring taken may have ended meanwhile.
            let _ = kill_process(Pid::from_raw(drainer as i32).unwrap(), Signal::KILL);
        }
        log("parent", round, 20);
        other.hear("done");
    }
    logger.flush(Duration::from_secs(60)).unwrap();
    other.finish();
    drop(logger);
    services.into_iter().for_each(Actor::finish);
}

/// `ring`: drains it to its end.
fn service(arguments: &[String]) {
    shmlog::drain(&arguments[0], &[]).unwrap();
}

/// `folder`: its drainer dies between its last deed and saying so.
fn parent_of_one_that_died_last(arguments: &[String]) {
    arm("drainer.removed=kill@1");
    let logger = quiet(&arguments[0])
        .process_name("parent")
        .init_parent()
        .unwrap();
    say(logger.name());
    (0..ROUNDS).for_each(|number| log("parent", number, 20));
    drop(logger);
    until("the supervisor has ended", || {
        let threads = fs::read_dir("/proc/self/task").unwrap();
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm"));
        // Names are cut after 15 bytes.
        !threads
            .filter_map(|task| name(task.ok()?).ok())
            .any(|name| name.trim() == "shmlog-supervis")
    });
}

/// Plays a parent, and looks for what it has written, and the other so many records.
fn check(role: &str, by_other: u64) {
    let folder = Folder::new();
    let mut parent = Actor::start(role, &[folder.text()]);
    let ring = parent.hear("shmlog-");
    parent.finish();
    assert_nothing_remains(&format!("shmlog-{ring}"));
    let mut books = Books::read(&folder);
    books.check("parent", ROUNDS, 20, &[], false);
    books.check("other", by_other, 20, &[], false);
    books.close();
}

fn a_second_drainer_ends_at_once_and_changes_nothing() {
    check("parent_of_two_drainers", ROUNDS * 5000);
}

fn of_the_drainers_of_two_services_one_works_and_the_end_of_the_ring_ends_both() {
    check("parent_of_the_served", ROUNDS * 5000);
}

fn no_drainer_is_started_for_a_ring_that_the_last_one_removed() {
    check("parent_of_one_that_died_last", 0);
}
