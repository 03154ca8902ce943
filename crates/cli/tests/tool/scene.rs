//! A parent with a ring and a child in it, that do as they are told: what most tests of the tool look at.

use std::time::Duration;

use rustix::process::Signal;
use shmlog::{Level, OnFull, ShmLogger};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, listen, quiet, role_command, say,
    send, until, wait_for_end,
};

pub const ROLES: &[Role] = &[("robot", robot), ("arm", arm)];

pub fn trials() -> Vec<libtest_mimic::Trial> {
    Vec::new()
}

/// What a robot does when its ring is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Waits,
    Drops,
}

/// `folder program policy`: a parent of that name, whose child `arm` it tells what it hears.
fn robot(arguments: &[String]) {
    let [folder, program, policy] = arguments else {
        panic!("three arguments");
    };
    let on_full = match &**policy {
        "Drops" => OnFull::Drop,
        _ => OnFull::Block(Duration::from_secs(60)),
    };
    let builder = quiet(folder)
        .level(Level::Info)
        .process_name(program)
        .on_full(on_full)
        .env(false);
    let logger = builder.init_parent().unwrap();
    say(&format!("ring {}", logger.name()));
    let mut arm = Actor::from_command(role_command("arm", &[]));
    say(&format!("arm {} {}", arm.pid(), arm.hear("pid")));
    loop {
        let told = listen();
        match &*told {
            "" => return,
            "flush" => logger.flush(Duration::from_secs(60)).unwrap(),
            told => {
                arm.tell(told);
                arm.hear("did");
            }
        }
        say(&format!("did {told}"));
    }
}

/// A child: `info n` and `debug n` log so many records, of the targets `imu` and `can`.
fn arm(_: &[String]) {
    let _logger = ShmLogger::builder().process_name("arm").attach().unwrap();
    say(&format!("pid {}", std::process::id()));
    loop {
        let told = listen();
        let (what, count) = told.split_once(' ').unwrap_or((&told, "1"));
        let count: u64 = count.parse().unwrap_or(1);
        match what {
            "" => return,
            "info" => (0..count).for_each(|n| shmlog::info!(target: "imu", "reading {n}")),
            "debug" => (0..count).for_each(|n| shmlog::debug!(target: "can", "frame {n}")),
            "warn" => {
                (0..count).for_each(|n| shmlog::warn!(target: "imu", torque = n; "limit {n}"))
            }
            other => panic!("{other:?}"),
        }
        say(&format!("did {told}"));
    }
}

/// A running robot.
pub struct Robot {
    pub folder: Folder,
    pub ring: String,
    /// Of the child.
    pub arm: u32,
    actor: Actor,
}

impl Robot {
    /// One of a program name of its own, that loses nothing.
    pub fn start(program: &str) -> Robot {
        Robot::of(program, Policy::Waits)
    }

    /// One that does so when its ring is full.
    pub fn of(program: &str, policy: Policy) -> Robot {
        let folder = Folder::new();
        let policy = format!("{policy:?}");
        let mut actor = Actor::start("robot", &[folder.text(), program, &policy]);
        let ring = actor.hear("ring");
        let arm = actor.hear("arm");
        let arm = arm.split(' ').next().unwrap().parse().unwrap();
        Robot {
            folder,
            ring,
            arm,
            actor,
        }
    }

    /// Has it, or its child, do something, and waits until it has.
    pub fn tell(&mut self, what: &str) {
        self.actor.tell(what);
        self.actor.hear("did");
    }

    pub fn pid(&self) -> u32 {
        self.actor.pid()
    }

    /// Has it end in order.
    pub fn finish(self) -> Folder {
        self.actor.finish();
        assert_nothing_remains(&self.ring);
        self.folder
    }

    /// Cuts the ring's file off, as any process of the user can do. The drainer stands still, and does not end the ring.
    pub fn cut_off(&self) {
        for drainer in drainers_of(&self.ring) {
            send(drainer, Signal::STOP);
            until("the drainer stops", || {
                let stat = std::fs::read_to_string(format!("/proc/{drainer}/stat")).unwrap();
                let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
                state.starts_with('T')
            });
        }
        let file = std::fs::File::options().write(true).open(self.path());
        file.unwrap().set_len(0).unwrap();
    }

    fn path(&self) -> String {
        format!("/dev/shm/{}", self.ring)
    }

    /// Kills all of it, and takes away what it leaves of a ring that was cut off.
    pub fn give_up(self) {
        let (_folder, ring) = self.kill_all();
        for entry in std::fs::read_dir("/dev/shm").unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(&ring)) {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }

    /// Kills all of it at once: parent, child, drainer.
    pub fn kill_all(mut self) -> (Folder, String) {
        let mut all = vec![self.actor.pid(), self.arm];
        all.extend(drainers_of(&self.ring));
        // Stopped first, so that nothing is done about the others' death.
        all.iter().for_each(|&pid| send(pid, Signal::STOP));
        all.iter().for_each(|&pid| send(pid, Signal::KILL));
        self.actor.wait();
        all.into_iter().for_each(wait_for_end);
        (self.folder, self.ring)
    }
}

/// What a command printed, as text.
pub fn printed(command: &mut assert_cmd::Command) -> String {
    let assert = command.assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

/// What a command that fails says.
pub fn complained(command: &mut assert_cmd::Command) -> String {
    let assert = command.assert().failure().code(1);
    String::from_utf8(assert.get_output().stderr.clone()).unwrap()
}
