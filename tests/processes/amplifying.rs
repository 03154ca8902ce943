//! A member that makes much of little: records that it begins and never ends, a few bytes that ask for megabytes of
//! blanks, text whose every byte is six in JSON. It may lose its own records. The drainer's memory, the size of the log
//! and the time of the others stay within bounds.

use std::fmt;
use std::fs;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::sink::{Json, TextFile};
use shmlog::{OnFull, ShmLogger, info};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, listen, parse_log, quiet, role_command, say,
};
use crate::tally::CUT;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_an_amplifier", parent_of_an_amplifier),
    ("never_ends_a_record", never_ends_a_record),
    ("pads_its_records", pads_its_records),
    ("logs_control_characters", logs_control_characters),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_member_that_begins_records_and_ends_none_fills_no_memory_and_costs_the_others_no_flush,
        records_that_ask_for_megabytes_of_blanks_become_lines_of_kilobytes_and_say_so,
        a_message_of_control_characters_is_cut_where_its_line_would_be_too_long,
    ]
}

/// `folder role`: logs beside a member that plays the role, until that says that it is done; reports the peak of the
/// drainer's memory in bytes.
fn parent_of_an_amplifier(arguments: &[String]) {
    let [folder, role] = arguments else { panic!() };
    let logger = quiet(folder)
        .file(false)
        .sink(TextFile::new(folder))
        .sink(Json::new(format!("{folder}/json")))
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .init_parent()
        .unwrap();
    say(&format!("ring {}", logger.name()));
    let drainer = drainers_of(logger.name())[0];
    let mut member = Actor::start(role, &[]);
    member.hear("done");
    for number in 0..100 {
        info!("honest {number}.");
        logger.flush(Duration::from_secs(60)).expect("the others' records are delivered");
    }
    let status = fs::read_to_string(format!("/proc/{drainer}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    let segment = fs::metadata(format!("/dev/shm/{}", logger.name())).unwrap().len();
    assert_eq!(logger.stats().drainer_restarts, 0);
    say(&format!("peak {}", peak * 1024 - segment));
    member.child.kill().unwrap();
    member.wait();
}

/// What the drainer may take beside the segment and the queues of its sinks.
const MOST_MEMORY: u64 = 128 << 20;
/// What may wait for each of the two sinks.
const QUEUES: u64 = 2 * (16 << 20);

/// Plays it, and returns the lines of the text file that are the member's, and the JSON lines.
fn play(role: &str) -> (Vec<String>, String) {
    let folder = Folder::new();
    let mut parent = Actor::from_command(role_command("parent_of_an_amplifier", &[folder.text(), role]));
    let ring = parent.hear("ring ");
    let peak: u64 = parent.hear("peak ").parse().unwrap();
    parent.finish();
    assert_nothing_remains(&ring);
    assert!(peak <= MOST_MEMORY + QUEUES, "{role}: the drainer took {} MiB", peak >> 20);
    let messages = parse_log(&Folder::log_text_of(folder.path())).into_iter();
    let mut messages: Vec<String> = messages.filter(|line| line.sequence.is_some()).map(|line| line.message).collect();
    for number in 0..100 {
        let at = messages.iter().position(|message| *message == format!("honest {number}."));
        messages.remove(at.expect("an honest record"));
    }
    let json = fs::read_dir(folder.path().join("json")).unwrap();
    let json = json.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    (messages, json)
}

/// Text that says when it is written, and never comes to its end.
struct Endless(usize, Sender<()>);

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabyte = "endless ".repeat(1 << 17);
        for _ in 0..self.0 {
            f.write_str(&megabyte)?;
        }
        self.1.send(()).unwrap();
        loop {
            std::thread::park();
        }
    }
}

const ENDLESS: usize = 20;

fn never_ends_a_record(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    let (sender, begun) = channel();
    for _ in 0..ENDLESS {
        let sender = sender.clone();
        std::thread::spawn(move || info!("{}", Endless(10, sender)));
    }
    (0..ENDLESS).for_each(|_| begun.recv().unwrap());
    say("done");
    listen();
}

fn a_member_that_begins_records_and_ends_none_fills_no_memory_and_costs_the_others_no_flush() {
    let (messages, _) = play("never_ends_a_record");
    assert!(!messages.is_empty() && messages.len() <= ENDLESS, "{} records", messages.len());
    for message in messages {
        let text = message.strip_suffix(CUT).expect("each is marked");
        assert!(text.starts_with("endless ") && text.len() <= 10 << 20);
    }
}

const PADDED: usize = 500;

fn pads_its_records(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    for number in 0..PADDED {
        info!(
            "{number} {:\u{10ffff}>65535}{:\u{10ffff}<65535}{:065535}{:.65535}{:>65535}{:>65535}{:>65535}{:>65535}",
            "", "", 1, 0.5, "", "", "", ""
        );
    }
    say("done");
    listen();
}

fn records_that_ask_for_megabytes_of_blanks_become_lines_of_kilobytes_and_say_so() {
    let (messages, json) = play("pads_its_records");
    assert_eq!(messages.len(), PADDED);
    for (number, message) in messages.iter().enumerate() {
        assert!(message.starts_with(&format!("{number} \u{10ffff}")) && message.ends_with(CUT));
        assert!(message.len() < 10_000, "{} bytes", message.len());
    }
    assert!(json.lines().all(|line| line.len() < 10_000));
}

fn logs_control_characters(_: &[String]) {
    let logger = ShmLogger::attach().unwrap();
    let (control, feeds) = ("\x01".repeat(16 << 20), "\n".repeat(16 << 20));
    for text in [control, feeds] {
        info!("{text}");
        logger.flush(Duration::from_secs(60)).unwrap();
    }
    say("done");
    listen();
}

fn a_message_of_control_characters_is_cut_where_its_line_would_be_too_long() {
    let (messages, json) = play("logs_control_characters");
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().all(|message| message.ends_with(CUT)));
    let longest = json.lines().map(str::len).max().unwrap();
    assert!((30 << 20..33 << 20).contains(&longest), "{longest}");
}
