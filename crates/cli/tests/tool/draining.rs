//! `drain`: a drainer that the parent does not start.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::sink::TextFile;
use shmlog::{Level, ShmLogger};

use crate::scene::complained;
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, listen, say, send, until,
    wait_for_end,
};
use crate::tool::{self, shmlog};
use crate::trials;

pub const ROLES: &[Role] = &[("served", served)];

pub fn trials() -> Vec<Trial> {
    trials![
        a_parent_waits_for_its_drainer_and_loses_nothing,
        sinks_of_the_service_take_the_place_of_the_programs,
        a_drainer_that_is_killed_is_started_again_and_one_whose_service_is_killed_goes_on,
        a_program_that_does_not_ask_for_it_is_not_drained,
        what_the_service_cannot_open_is_an_error_of_the_program,
    ]
}

/// `folder program`: a parent that wants a drainer from outside, and logs as many records as it is told.
fn served(arguments: &[String]) {
    let [folder, program] = arguments else {
        panic!("two arguments");
    };
    let builder = ShmLogger::builder()
        .console(false)
        .sink(TextFile::new(folder));
    let builder = builder
        .level(Level::Info)
        .process_name(program)
        .recover(false);
    let logger = match builder.env(false).external_drainer(true).init_parent() {
        Ok(logger) => logger,
        Err(error) => return say(&format!("refused {error}")),
    };
    say(&format!("ring {}", logger.name()));
    let mut number = 0;
    loop {
        let told = listen();
        let Ok(count) = told.parse::<u64>() else {
            return;
        };
        for _ in 0..count {
            shmlog::info!("record {number}");
            number += 1;
        }
        say("logged");
    }
}

/// The service.
struct Service {
    child: Child,
    said: BufReader<std::process::ChildStderr>,
}

impl Service {
    fn start(arguments: &[&str]) -> Service {
        let mut command = tool::command(&["drain"]);
        command.args(arguments).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        let mut service = Service { child, said };
        service.hear("waiting for");
        service
    }

    /// Waits until it says so.
    fn hear(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(
                self.said.read_line(&mut line).unwrap() > 0,
                "{words:?} was never said"
            );
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn assert_all(folder: &Folder, count: usize) {
    let records = folder
        .records()
        .into_iter()
        .filter(|line| line.sequence.is_some());
    let messages: Vec<String> = records.map(|line| line.message).collect();
    let expected: Vec<String> = (0..count)
        .map(|number| format!("record {number}"))
        .collect();
    assert!(
        messages == expected,
        "{} of {count}: {:?}",
        messages.len(),
        messages.last()
    );
}

fn a_parent_waits_for_its_drainer_and_loses_nothing() {
    let folder = Folder::new();
    let mut parent = Actor::start("served", &[folder.text(), "served-first"]);
    let mut service = Service::start(&["served-first", "--once"]);
    let ring = parent.hear("ring");
    parent.tell("5000");
    parent.hear("logged");
    parent.finish();
    service.hear("is over");
    assert!(service.child.wait().unwrap().success());
    assert_all(&folder, 5000);
    assert_nothing_remains(&ring);
}

fn sinks_of_the_service_take_the_place_of_the_programs() {
    let (folder, other) = (Folder::new(), Folder::new());
    let sink = format!("file:{}", other.text());
    let mut service = Service::start(&["served-else", "--once", "--sink", &sink]);
    let mut parent = Actor::start("served", &[folder.text(), "served-else"]);
    let ring = parent.hear("ring");
    parent.tell("100");
    parent.hear("logged");
    parent.finish();
    service.hear("is over");
    service.child.wait().unwrap();
    assert_all(&other, 100);
    assert_all(&folder, 0);
    assert_nothing_remains(&ring);
}

fn the_drainer_of(ring: &str, but: u32) -> u32 {
    let found = || {
        let mut all = drainers_of(ring).into_iter();
        all.find(|drainer| *drainer != but)
    };
    until("there is a drainer", || found().is_some());
    found().unwrap()
}

fn a_drainer_that_is_killed_is_started_again_and_one_whose_service_is_killed_goes_on() {
    let folder = Folder::new();
    let service = Service::start(&["served-killed"]);
    let mut parent = Actor::start("served", &[folder.text(), "served-killed"]);
    let ring = parent.hear("ring");
    let first = the_drainer_of(&ring, 0);
    parent.tell("3000");
    parent.hear("logged");
    send(first, Signal::KILL);
    wait_for_end(first);
    parent.tell("3000");
    parent.hear("logged");
    let second = the_drainer_of(&ring, first);
    service.kill();
    parent.tell("3000");
    parent.hear("logged");
    assert_eq!(the_drainer_of(&ring, first), second);
    parent.finish();
    assert_nothing_remains(&ring);
    assert_all(&folder, 9000);
}

fn a_program_that_does_not_ask_for_it_is_not_drained() {
    let robot = crate::scene::Robot::start("undrained");
    let error = shmlog::drain(&robot.ring, &[]).unwrap_err().to_string();
    assert!(error.contains("external_drainer(true)"), "{error}");
    robot.finish();
    let said = complained(&mut shmlog(&["flush", "undrained"]));
    assert!(said.contains("no ring \"undrained\""), "{said}");
}

fn what_the_service_cannot_open_is_an_error_of_the_program() {
    let folder = Folder::new();
    let mut wrong = Service::start(&["served-wrongly", "--sink", "file:/dev/null/logs"]);
    let mut parent = Actor::start("served", &[folder.text(), "served-wrongly"]);
    wrong.hear("/dev/null/logs");
    // It goes on for others; one comes that can do it.
    let mut service = Service::start(&["served-wrongly", "--once"]);
    let ring = parent.hear("ring");
    parent.finish();
    service.hear("is over");
    service.child.wait().unwrap();
    assert_nothing_remains(&ring);
    wrong.kill();
}
