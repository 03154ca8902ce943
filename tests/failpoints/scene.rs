//! What the tests here share: the places, victims that die or stop at them, and what a log must hold after it.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, waitpid};
use shmlog::{ShmLogger, info};

use crate::support::{
    Actor, Folder, Line, Role, assert_nothing_remains, listen, role_command, say, send,
};
use crate::tally::{Log, number};

pub const ROLES: &[Role] = &[("victim", victim), ("burster", burster)];

/// What arms the failpoints.
pub const FAILPOINTS: &str = "SHMLOG_FAILPOINTS";

/// One step of a producer, and what becomes of a record whose producer gets no further.
pub struct Place {
    pub name: &'static str,
    /// It had begun: dead here, it is lost (or delivered, if it is published).
    pub begun: bool,
    /// It had its sequence: stopped here, it is parked and late (unless it is published).
    pub claimed: bool,
    pub published: bool,
}

impl Place {
    /// A hole stands in the ring.
    pub fn leaves_a_hole(&self) -> bool {
        self.claimed && !self.published
    }

    pub fn loses_its_record(&self) -> bool {
        self.begun && !self.published
    }
}

const fn place(name: &'static str, begun: bool, claimed: bool, published: bool) -> Place {
    Place {
        name,
        begun,
        claimed,
        published,
    }
}

/// In the order of a claim.
pub const PLACES: &[Place] = &[
    place("claim.looked", false, false, false),
    place("claim.floor", false, false, false),
    place("claim.begun", true, false, false),
    place("claim.claimed", true, true, false),
    place("claim.checked", true, true, false),
    place("publish.half", true, true, false),
    place("publish.written", true, true, false),
    place("publish.published", true, true, true),
];

/// The messages of a record of one slot, and of one of several.
pub const SHORT: &str = "20";
pub const LONG: &str = "600";

/// The text of a record's message: nobody else's, and as long as is asked for.
pub fn text(who: &str, number: u64, length: usize) -> String {
    let seed = who.bytes().map(usize::from).sum::<usize>() + number as usize;
    let letter = |i: usize| char::from(b'a' + ((seed + i) % 26) as u8);
    (0..length).map(letter).collect()
}

/// Logs record `number` of `who`.
pub fn log(who: &str, number: u64, length: usize) {
    info!("{who} {number} {}", text(who, number, length));
}

/// Starts a process that logs `records` records of `length` letters, with `failpoints`.
pub fn start_victim(who: &str, length: &str, records: u64, failpoints: &str) -> Child {
    role_command("victim", &[who, length, &records.to_string()])
        .env(FAILPOINTS, failpoints)
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// `who length records`
fn victim(arguments: &[String]) {
    let [who, length, records] = arguments else {
        panic!("three arguments");
    };
    let (length, records) = (length.parse().unwrap(), records.parse().unwrap());
    let _logger = start_logger(who);
    (0..records).for_each(|number| log(who, number, length));
}

/// `who length burst`: logs `burst` records for each `go`.
fn burster(arguments: &[String]) {
    let [who, length, burst] = arguments else {
        panic!("three arguments");
    };
    let (length, burst) = (length.parse().unwrap(), burst.parse::<u64>().unwrap());
    let _logger = start_logger(who);
    let mut next = 0;
    say("ready");
    while listen() == "go" {
        (next..next + burst).for_each(|number| log(who, number, length));
        next += burst;
        say("done");
    }
}

/// Attaches as a child of that name, which dies with its parent.
pub fn start_logger(who: &str) -> ShmLogger {
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    ShmLogger::builder().process_name(who).attach().unwrap()
}

/// Arms what drainers are started from now on.
#[allow(unsafe_code)]
pub fn arm(failpoints: &str) {
    // SAFETY: the environment of this process is read and changed by Rust alone, under its lock; the C
    // library starts processes here, with an environment that is handed to it.
    unsafe { std::env::set_var(FAILPOINTS, failpoints) };
}

/// Lets drainers that are started from now on live.
pub fn disarm() {
    arm("");
}

/// A log without what differs from one run to the next: stamps, and numbers of processes and threads.
pub fn normalised(log: &str) -> String {
    let mut all = String::with_capacity(log.len());
    for line in log.split_inclusive('\n') {
        let Some((head, message)) = line.split_once(" - ").filter(|_| !line.starts_with(' '))
        else {
            all += line;
            continue;
        };
        for word in head.split(' ').skip(2) {
            all += word.split_once('[').map_or(word, |(name, _)| name);
            all.push(' ');
        }
        all += message;
    }
    all
}

/// Asserts that a folder holds log files and nothing else, none of them empty.
pub fn nothing_else_in(folder: &Folder) {
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        assert_eq!(path.extension().unwrap(), "log", "{path:?}");
        assert!(entry.metadata().unwrap().len() > 0, "{path:?} is empty");
    }
}

/// Plays a parent to its end, which leaves nothing but logs: the numbers that it said.
pub fn numbers_of<const N: usize>(parent: Command, folder: &Folder) -> [u64; N] {
    let mut parent = Actor::from_command(parent);
    let ring = parent.hear("shmlog-");
    let numbers = parent.hear("");
    parent.finish();
    assert_nothing_remains(&format!("shmlog-{ring}"));
    nothing_else_in(folder);
    let numbers: Vec<u64> = numbers.split(' ').map(|n| n.parse().unwrap()).collect();
    numbers.try_into().expect("as many numbers")
}

/// Waits until a child of ours has stopped.
pub fn wait_for_stop(child: &Child) {
    let pid = Pid::from_child(child);
    let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
    assert!(status.stopped(), "ended in place of stopping: {status:?}");
}

/// Lets a stopped child go on, to a good end.
pub fn let_go_on(mut child: Child) {
    send(child.id(), Signal::CONT);
    assert!(child.wait().unwrap().success());
}

/// Kills a child.
pub fn kill(mut child: Child) {
    child.kill().unwrap();
    wait_for_death(child);
}

/// Waits for a child that is to be killed.
pub fn wait_for_death(mut child: Child) {
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{status}");
}

/// A log, to be checked process by process.
pub struct Books {
    of: HashMap<String, Vec<Line>>,
    lost: HashMap<String, u64>,
    words: Vec<Line>,
}

impl Books {
    /// Reads a log in which nothing may be out of order.
    pub fn read(folder: &Folder) -> Books {
        let log = Log::read(folder);
        log.assert_in_order();
        Books {
            of: log.by_process(),
            lost: log.said("lost: it ended while writing"),
            words: log.words,
        }
    }

    /// Asserts that the records of `who` are these, whole and in order; `late` ones are marked. One more is
    /// `lost` and said to be so, once, or none.
    pub fn check(&mut self, who: &str, records: u64, length: usize, late: &[u64], lost: bool) {
        let found = self.of.remove(who).unwrap_or_default();
        let numbers: Vec<u64> = found.iter().map(number).collect();
        assert_eq!(numbers, (0..records).collect::<Vec<_>>(), "of {who}");
        for (number, record) in (0..).zip(&found) {
            let expected = format!("{who} {number} {}", text(who, number, length));
            assert_eq!(record.message, expected);
            assert_eq!(record.late, late.contains(&number), "{record:?}");
        }
        let name = format!(" of {who}[");
        let said = self
            .words
            .iter()
            .filter(|word| word.message.contains(&name));
        assert_eq!(said.count(), usize::from(lost), "said of {who}");
        assert_eq!(self.lost.remove(who), lost.then_some(1), "{who}");
    }

    /// Asserts that nobody is left that was not checked, and that the drainer said nothing else.
    pub fn close(self) {
        assert!(self.of.is_empty(), "{:?}", self.of.keys());
        assert!(self.lost.is_empty(), "{:?}", self.lost);
        // And the numbers, once some are lost.
        let known = ["lost: it ended while writing", "in the end: ", "so far: "];
        let other = |word: &&Line| !known.iter().any(|known| word.message.contains(known));
        assert_eq!(self.words.iter().find(other), None);
    }
}
