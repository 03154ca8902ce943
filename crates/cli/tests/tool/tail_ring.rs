//! `tail` of live rings.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use libtest_mimic::Trial;
use rustix::process::Signal;
use serde_json::Value;

use crate::scene::{Robot, printed};
use crate::support::{Role, assert_nothing_remains, send, until};
use crate::tool::{self, shmlog};
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![
        the_last_records_of_a_ring_are_shown_though_the_drainer_has_taken_them,
        what_is_filtered_out_is_not_counted_among_the_last,
        what_comes_is_shown_once_and_in_order_until_the_ring_ends,
        a_ring_that_is_not_there_is_waited_for_and_so_is_the_next_of_its_program,
        who_was_stopped_for_too_long_says_what_it_has_missed,
        who_follows_maps_the_ring_for_reading_only_and_does_not_keep_it_alive,
        who_follows_a_program_that_is_killed_is_told_how_to_save_what_it_left,
        who_follows_a_ring_that_is_cut_off_ends_with_an_error_that_names_it,
    ]
}

/// Messages of JSON lines.
fn messages(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| line["message"].as_str().unwrap().to_owned())
        .collect()
}

fn the_last_records_of_a_ring_are_shown_though_the_drainer_has_taken_them() {
    let mut robot = Robot::start("tail-last");
    robot.tell("info 100000");
    robot.tell("flush");
    let text = printed(&mut shmlog(&[
        "tail",
        "tail-last",
        "--output",
        "json",
        "-n",
        "1000",
    ]));
    let expected: Vec<String> = (99_000..100_000).map(|n| format!("reading {n}")).collect();
    assert_eq!(messages(&text), expected);
    let all = printed(&mut shmlog(&[
        "tail",
        "tail-last",
        "--output",
        "json",
        "-n",
        "all",
    ]));
    let all = messages(&all);
    // Seven eighths of the ring, at least, and no gap.
    assert!(all.len() > 50_000, "{}", all.len());
    let number = |message: &String| message.split(' ').nth(1).unwrap().parse::<u64>().unwrap();
    assert!(all.iter().map(number).is_sorted_by(|a, b| a + 1 == *b));
    let text = printed(&mut shmlog(&["tail", "tail-last", "-n", "1"]));
    assert!(
        text.contains("INFO") && text.contains("arm/") && text.contains("reading 99999"),
        "{text}"
    );
    robot.finish();
}

fn what_is_filtered_out_is_not_counted_among_the_last() {
    let mut robot = Robot::start("tail-filtered");
    robot.tell("warn 5");
    robot.tell("info 500");
    let tail = |filter: &[&str]| {
        let arguments = [&["tail", "tail-filtered", "--output", "json"], filter].concat();
        messages(&printed(&mut shmlog(&arguments)))
    };
    assert_eq!(tail(&["-l", "warn", "-n", "2"]), ["limit 3", "limit 4"]);
    assert_eq!(tail(&["--grep", "torque=1$"]), ["limit 1"]);
    assert_eq!(tail(&["--grep", "reading 4.7", "-n", "1"]), ["reading 497"]);
    assert_eq!(tail(&["-t", "can"]).len(), 0);
    assert_eq!(tail(&["--proc", "arm"]).len(), 10);
    assert_eq!(tail(&["--proc", "tail-filtered"]).len(), 0);
    robot.finish();
}

/// A tail that follows.
struct Tail {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Tail {
    fn start(ring: &str, more: &[&str]) -> Tail {
        Tail::with(&[&["tail", ring, "-f"], more].concat())
    }

    fn with(arguments: &[&str]) -> Tail {
        let mut command = tool::command(arguments);
        command.args(["--output", "json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Tail { child, out }
    }

    fn message(&mut self) -> String {
        let mut line = String::new();
        assert!(self.out.read_line(&mut line).unwrap() > 0, "it has ended");
        messages(&line).remove(0)
    }

    /// Its last words, and whether all was well.
    fn end(self) -> (String, bool) {
        let output = self.child.wait_with_output().unwrap();
        (
            String::from_utf8(output.stderr).unwrap(),
            output.status.success(),
        )
    }
}

fn what_comes_is_shown_once_and_in_order_until_the_ring_ends() {
    let mut robot = Robot::start("tail-follow");
    robot.tell("warn 3");
    let mut tail = Tail::start("tail-follow", &["-n", "2"]);
    assert_eq!([tail.message(), tail.message()], ["limit 1", "limit 2"]);
    for _ in 0..20 {
        robot.tell("info 1000");
        for n in 0..1000 {
            assert_eq!(tail.message(), format!("reading {n}"));
        }
    }
    let ring = robot.ring.clone();
    robot.finish();
    let (said, is_well) = tail.end();
    assert!(
        is_well && said == format!("shmlog: the ring {ring} has ended\n"),
        "{said}"
    );
}

fn a_ring_that_is_not_there_is_waited_for_and_so_is_the_next_of_its_program() {
    let mut tail = Tail::with(&["tail", "-F", "tail-again"]);
    let mut said = BufReader::new(tail.child.stderr.take().unwrap());
    let mut hear = move |word: &str| {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(line.contains(word), "{word}: {line}");
    };
    hear("waiting for a ring \"tail-again\"");
    for run in 0..2 {
        let mut robot = Robot::start("tail-again");
        robot.tell("info 3");
        for n in 0..3 {
            assert_eq!(tail.message(), format!("reading {n}"), "{run}");
        }
        robot.finish();
        hear("has ended");
        hear("waiting for a ring");
    }
    // The reader goes.
    drop(tail.out);
    assert!(tail.child.wait().unwrap().success());
}

fn who_was_stopped_for_too_long_says_what_it_has_missed() {
    let mut robot = Robot::start("tail-slow");
    robot.tell("info 1");
    let mut tail = Tail::start("tail-slow", &["-n", "1"]);
    tail.message();
    send(tail.child.id(), Signal::STOP);
    for _ in 0..20 {
        robot.tell("info 20000");
        robot.tell("flush");
    }
    robot.tell("warn 1");
    send(tail.child.id(), Signal::CONT);
    let mut overtaken = Vec::new();
    loop {
        let message = tail.message();
        match &*message {
            "limit 0" => break,
            message if message.starts_with("overtaken") => overtaken.push(message.to_owned()),
            _ => {}
        }
    }
    assert!(!overtaken.is_empty());
    robot.finish();
    tail.end();
}

fn who_follows_maps_the_ring_for_reading_only_and_does_not_keep_it_alive() {
    let mut robot = Robot::start("tail-harmless");
    robot.tell("info 1");
    let mut tail = Tail::start("tail-harmless", &["-n", "all"]);
    tail.message();
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", tail.child.id())).unwrap();
    let lines: Vec<&str> = maps
        .lines()
        .filter(|line| line.contains(&robot.ring))
        .collect();
    assert!(
        !lines.is_empty() && lines.iter().all(|line| line.contains(" r--s ")),
        "{lines:?}"
    );
    // The parent waits for the drainer, which must not wait for the observer.
    send(tail.child.id(), Signal::STOP);
    let ring = robot.ring.clone();
    robot.finish();
    assert_nothing_remains(&ring);
    send(tail.child.id(), Signal::CONT);
    assert!(tail.end().1);
}

fn who_follows_a_ring_that_is_cut_off_ends_with_an_error_that_names_it() {
    let mut robot = Robot::start("tail-cut");
    robot.tell("info 1");
    let mut tail = Tail::start("tail-cut", &["-n", "all"]);
    tail.message();
    robot.cut_off();
    let ring = robot.ring.clone();
    let output = tail.child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("the ring {ring} was cut off")), "{said}");
    robot.give_up();
}

fn who_follows_a_program_that_is_killed_is_told_how_to_save_what_it_left() {
    let mut robot = Robot::start("tail-killed");
    robot.tell("info 1");
    let mut tail = Tail::start("tail-killed", &["-n", "all"]);
    tail.message();
    let (_folder, ring) = robot.kill_all();
    let (said, is_well) = tail.end();
    assert!(
        !is_well && said.contains(&format!("`shmlog recover {ring}`")),
        "{said}"
    );
    shmlog::recover(&ring).unwrap();
    until("it is gone", || {
        !shmlog::observe::rings()
            .iter()
            .any(|other| other.name == ring)
    });
}
