//! The segment's file is cut off under everybody, as any process of the same user can do: the drainer saves what is left and
//! says so, members that catch crashes go on without a log, and nothing remains.

use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::{AttachError, FlushError, ShmLogger, info};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, assert_says, drainers_of, listen, quiet, role_command,
    say, send, until, wait_for_end,
};
use crate::tally::wait_until_stopped;
use crate::trials;

pub const ROLES: &[Role] = &[("parent_cut_off", parent), ("member_cut_off", member)];

pub fn trials() -> Vec<Trial> {
    if cfg!(feature = "portable") {
        return Vec::new();
    }
    trials![
        a_ring_that_is_cut_off_loses_nothing_that_was_delivered_and_members_go_on_without,
        a_drainer_that_comes_to_a_ring_that_was_cut_off_saves_what_is_left_and_says_so,
        a_member_that_catches_no_crash_dies_of_a_ring_that_is_cut_off_and_nobody_else_does,
    ]
}

const BEFORE: u64 = 100;
/// More than the ring holds: everybody comes to what is lost.
const AFTER: u64 = 3000;
const SLOTS: u64 = 1024;

fn log(who: &str, records: std::ops::Range<u64>) {
    for n in records {
        info!("{who} {n}");
    }
}

/// Logs, is told when the ring is cut off, and logs on.
fn live(logger: &ShmLogger, who: &str) {
    log(who, 0..BEFORE);
    logger.flush(Duration::from_secs(60)).unwrap();
    say(logger.name());
    while listen() == "log" {
        log(who, BEFORE..BEFORE + AFTER);
        say("logged");
    }
}

/// `folder`
fn parent(arguments: &[String]) {
    let logger = quiet(&arguments[0]).slots(SLOTS).init_parent().unwrap();
    shmlog::install_crash_handler().unwrap();
    live(&logger, "parent");
    let error = logger.flush(Duration::from_secs(60)).unwrap_err();
    assert!(matches!(error, FlushError::Over), "{error}");
}

/// `name [catches]`
fn member(arguments: &[String]) {
    let logger = ShmLogger::builder().process_name(&*arguments[0]).attach().unwrap();
    if arguments.len() > 1 {
        shmlog::install_crash_handler().unwrap();
    }
    live(&logger, &arguments[0]);
}

struct Scene {
    folder: Folder,
    ring: String,
    parent: Actor,
    members: Vec<Actor>,
}

impl Scene {
    fn new(members: &[&[&str]]) -> Scene {
        let folder = Folder::new();
        let mut parent = Actor::start("parent_cut_off", &[folder.text()]);
        let ring = parent.hear("");
        let start = |arguments: &&[&str]| {
            let mut command = role_command("member_cut_off", arguments);
            command.env("SHMLOG_RING", &ring);
            let mut member = Actor::from_command(command);
            member.hear(&ring);
            member
        };
        let members = members.iter().map(start).collect();
        Scene {
            folder,
            ring,
            parent,
            members,
        }
    }

    /// Cuts the segment off behind so many bytes of a hundred.
    fn cut(&self, percent: u64) {
        let path = format!("/dev/shm/{}", self.ring);
        let file = OpenOptions::new().write(true).open(path).unwrap();
        let bytes = file.metadata().unwrap().len();
        file.set_len(bytes * percent / 100).unwrap();
    }

    /// All that was delivered before stands once in the log, which says what has happened.
    fn end(mut self, who: &[&str]) {
        self.parent.tell("end");
        self.parent.finish();
        assert_nothing_remains(&self.ring);
        let messages = self.folder.messages();
        for who in who {
            for n in 0..BEFORE {
                let message = format!("{who} {n}");
                let found = messages.iter().filter(|found| **found == message).count();
                assert_eq!(found, 1, "{message}");
            }
        }
        let said = messages.iter().filter(|message| message.contains("was cut off"));
        let said: Vec<&String> = said.collect();
        assert_eq!(said.len(), 1, "{said:?}");
        assert_says(said[0], &[&self.ring, "same user", "ends here"]);
        let damaged = messages.iter().any(|message| message.contains("writes where it must not"));
        assert!(!damaged, "no member is accused");
    }
}

fn a_ring_that_is_cut_off_loses_nothing_that_was_delivered_and_members_go_on_without() {
    for percent in [0, 3, 50, 99] {
        let mut scene = Scene::new(&[&["one", "catches"], &["two", "catches"]]);
        let drainer = drainers_of(&scene.ring)[0];
        scene.cut(percent);
        let error = ShmLogger::attach_to(&scene.ring).unwrap_err();
        // The drainer may have taken the name away by now.
        let named = matches!(
            error,
            AttachError::Damaged { .. } | AttachError::NotASegment { .. } | AttachError::Gone { .. } | AttachError::Removed { .. }
        );
        assert!(named, "{error:?}");
        for actor in scene.members.iter_mut().chain([&mut scene.parent]) {
            actor.tell("log");
            actor.hear("logged");
        }
        wait_for_end(drainer);
        std::mem::take(&mut scene.members).into_iter().for_each(Actor::finish);
        scene.end(&["parent", "one", "two"]);
    }
}

fn a_drainer_that_comes_to_a_ring_that_was_cut_off_saves_what_is_left_and_says_so() {
    for percent in [0, 50] {
        let mut scene = Scene::new(&[]);
        let drainer = drainers_of(&scene.ring)[0];
        send(drainer, Signal::STOP);
        wait_until_stopped(drainer);
        scene.cut(percent);
        send(drainer, Signal::KILL);
        wait_for_end(drainer);
        until("the next drainer has ended the ring", || {
            !std::path::Path::new("/dev/shm").join(&scene.ring).exists()
        });
        scene.parent.tell("log");
        scene.parent.hear("logged");
        scene.end(&["parent"]);
    }
}

fn a_member_that_catches_no_crash_dies_of_a_ring_that_is_cut_off_and_nobody_else_does() {
    let mut scene = Scene::new(&[&["careless"], &["careful", "catches"]]);
    scene.cut(0);
    for member in &mut scene.members {
        member.tell("log");
    }
    scene.parent.tell("log");
    scene.parent.hear("logged");
    let careful = scene.members.pop().unwrap();
    let mut careless = scene.members.pop().unwrap();
    assert_eq!(careless.wait().signal(), Some(Signal::BUS.as_raw()));
    careful.finish();
    scene.end(&["parent", "careless", "careful"]);
}
