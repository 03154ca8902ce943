//! Coming and going, and failing, again and again: nothing of it adds up.

use std::fs;
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{AttachError, CreateError, InitError, ShmLogger, info};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, assert_says, listen, perform, quiet, role_command,
    say, segments_made_by, until,
};
use crate::tally::settled;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_a_wanderer", parent_of_a_wanderer),
    ("wanderer", wanderer),
    ("parent_of_the_persistent", parent_of_the_persistent),
    ("persistent", persistent),
    ("without_a_supervisor", without_a_supervisor),
];

pub fn trials() -> Vec<Trial> {
    let mut all = trials![
        a_process_that_makes_rings_of_its_own_in_between_takes_no_further_entries_in_the_first,
        who_is_refused_for_want_of_an_entry_may_ask_as_often_as_it_likes,
        a_drainer_that_nobody_can_watch_over_is_ended_and_the_error_says_so,
    ];
    if !cfg!(feature = "portable") {
        all.extend(trials![a_ring_that_cannot_be_made_leaves_no_folder]);
    }
    all
}

const WANDERINGS: usize = 40;

/// `outer inner`: two folders.
fn parent_of_a_wanderer(arguments: &[String]) {
    // The two of us, and two more that must do.
    let logger = quiet(&arguments[0]).max_producers(4).init_parent().unwrap();
    say(logger.name());
    let mut child = Actor::start("wanderer", &[&arguments[1]]);
    child.hear("back");
    let pid = child.pid();
    let entries = || {
        let stats = logger.stats();
        stats.producers.iter().filter(|producer| producer.pid == pid).count()
    };
    until("its earlier entries are given back", || entries() == 1);
    child.tell("end");
    child.finish();
    let stats = settled(&logger, 0);
    assert_eq!((stats.dropped, stats.lost), (0, 0));
}

/// `folder`: in and out of the ring it was given.
fn wanderer(arguments: &[String]) {
    let logger = ShmLogger::attach().unwrap();
    let outer = logger.name().to_owned();
    for number in 0..WANDERINGS {
        // The thread's entry of before may not be back yet: it is asked for until it is.
        let before = logger.stats().delivered;
        until("an entry is free", || {
            let _ = ShmLogger::attach_to(&outer).unwrap();
            info!("outer {number}");
            logger.flush(Duration::from_secs(60)).unwrap();
            logger.stats().delivered > before
        });
        let inner = quiet(&arguments[0]).max_producers(4).init_parent().unwrap();
        info!("inner {number}");
        drop(inner);
    }
    let _ = ShmLogger::attach_to(&outer).unwrap();
    let _ = ShmLogger::attach_to(&outer).unwrap();
    let before = logger.stats().delivered;
    until("an entry is free", || {
        info!("back");
        logger.flush(Duration::from_secs(60)).unwrap();
        logger.stats().delivered > before
    });
    say("back");
    listen();
}

fn a_process_that_makes_rings_of_its_own_in_between_takes_no_further_entries_in_the_first() {
    let (outer, inner) = (Folder::new(), Folder::new());
    let mut parent = Actor::start("parent_of_a_wanderer", &[outer.text(), inner.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let mut expected: Vec<_> = (0..WANDERINGS).map(|n| format!("outer {n}")).collect();
    expected.push("back".to_owned());
    assert_eq!(outer.messages(), expected);
    // Backups are limited to ten: the last of the inner ones are there.
    let last = inner.messages();
    assert_eq!(last.last().unwrap(), &format!("inner {}", WANDERINGS - 1));
}

/// `folder`
fn parent_of_the_persistent(arguments: &[String]) {
    let logger = quiet(&arguments[0]).max_producers(2).init_parent().unwrap();
    say(logger.name());
    let mut first = Actor::start("persistent", &["1"]);
    first.hear("attached");
    let mut second = Actor::start("persistent", &["300"]);
    second.hear("refused");
    first.tell("end");
    first.finish();
    second.tell("now");
    second.hear("attached");
    second.tell("end");
    second.finish();
    let stats = settled(&logger, 0);
    assert_eq!((stats.dropped, stats.lost), (0, 0));
}

/// `tries`: is refused so often but once, and then tries until it is not.
fn persistent(arguments: &[String]) {
    let tries: usize = arguments[0].parse().unwrap();
    for _ in 1..tries {
        let error = ShmLogger::attach().unwrap_err();
        assert!(matches!(error, AttachError::TooManyMembers { max: 2 }), "{error:?}");
        assert_says(&error.to_string(), &["all 2 places", "max_producers"]);
    }
    if tries > 1 {
        let ring = std::env::var("SHMLOG_RING").unwrap();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        assert!(maps.matches(&ring).count() <= 1, "mapped again and again:\n{maps}");
        say("refused");
        listen();
    }
    until("there is an entry", || ShmLogger::attach().is_ok());
    info!("attached");
    say("attached");
    listen();
}

fn who_is_refused_for_want_of_an_entry_may_ask_as_often_as_it_likes() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_the_persistent", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    assert_eq!(folder.records().len(), 2);
}

/// `folder`: no thread of std's can be started here, for want of so much stack.
fn without_a_supervisor(arguments: &[String]) {
    for _ in 0..2 {
        let error = quiet(&arguments[0]).init_parent().unwrap_err();
        assert!(matches!(error, InitError::Supervisor(_)), "{error:?}");
        assert_says(&error.to_string(), &["thread", "watches over the drainer", "ulimit"]);
        assert_eq!(segments_made_by(std::process::id()), [""; 0]);
        assert_eq!(std::env::var_os("SHMLOG_RING"), None);
        // No drainer is left, neither running nor as a zombie: we have no children.
        assert!(rustix::process::wait(rustix::process::WaitOptions::NOHANG).is_err());
    }
}

fn a_drainer_that_nobody_can_watch_over_is_ended_and_the_error_says_so() {
    let folder = Folder::new();
    let mut command = role_command("without_a_supervisor", &[folder.text()]);
    command.env("RUST_MIN_STACK", (1_u64 << 46).to_string());
    Actor::from_command(command).finish();
}

fn a_ring_that_cannot_be_made_leaves_no_folder() {
    let folder = Folder::new();
    let kept = folder.path().join("kept");
    fs::create_dir(&kept).unwrap();
    for new in ["kept/new/newer", "kept", "new"] {
        let path = folder.path().join(new);
        // More than any machine has.
        let huge = quiet(path.to_str().unwrap()).slots(1 << 26).slot_size(4096);
        let error = huge.init_parent().unwrap_err();
        let no_space = matches!(error, InitError::Segment(CreateError::NoSpace { .. }));
        assert!(no_space, "{error:?}");
    }
    assert_eq!(fs::read_dir(&kept).unwrap().count(), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // And a good one makes it.
    perform("extremes", &[folder.path().join("good/one").to_str().unwrap()]);
}
