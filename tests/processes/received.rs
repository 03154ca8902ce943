//! A parent whose workers log with key-values into a file and to a receiver, round by round; and what the receiver should
//! have of it. The file says which records there are.

use std::collections::HashMap;
use std::time::Duration;

use shmlog::sink::SinkSpec;
use shmlog::{Level, ShmLogger, log};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, listen, quiet, role_command, say, until,
};

pub const ROLES: &[Role] = &[
    ("parent_of_receiver", parent_of_receiver),
    ("worker_of_receiver", worker_of_receiver),
];

const WORKERS: [&str; 3] = ["left-arm", "rechts-über", "vision"];
const THREADS: [&str; 2] = ["imu", "encoder"];

/// `folder spec count`: at each line that it hears its workers log so many records each; `settle` waits until all receivers
/// have all.
fn parent_of_receiver(arguments: &[String]) {
    let [folder, spec, count] = arguments else {
        panic!("three arguments");
    };
    let spec: SinkSpec = spec.parse().unwrap();
    let logger = quiet(folder).sink(spec).init_parent().unwrap();
    say(&format!("ring {}", logger.name()));
    loop {
        match &*listen() {
            "" => return,
            "settle" => {
                logger.flush(Duration::from_secs(60)).unwrap();
                say("settled");
            }
            "long" => {
                shmlog::info!(target: "long", "{}", long_text());
                say("logged");
            }
            round => {
                let workers = WORKERS.map(|name| {
                    let mut worker = role_command("worker_of_receiver", &[name, round, count]);
                    worker.stdin(std::process::Stdio::null()).spawn().unwrap()
                });
                for mut worker in workers {
                    assert!(worker.wait().unwrap().success());
                }
                until("all is taken", || {
                    let stats = logger.stats();
                    stats.delivered == stats.attempted
                });
                say("logged");
            }
        }
    }
}

/// `name round count`
fn worker_of_receiver(arguments: &[String]) {
    let [name, round, count] = arguments else {
        panic!("three arguments");
    };
    let count: usize = count.parse().unwrap();
    let _logger = ShmLogger::builder().process_name(name).attach().unwrap();
    std::thread::scope(|scope| {
        for thread in THREADS {
            let body = move || {
                for number in 0..count {
                    let text = text_of(thread, number);
                    let level = Level::ALL[number % Level::ALL.len()];
                    log!(target: "a\"target\"]", level, round = round.as_str(), number, ratio = 0.5; "{text}");
                }
            };
            let thread = std::thread::Builder::new().name(thread.to_owned());
            thread.spawn_scoped(scope, body).unwrap();
        }
    });
}

/// The text of a record: with everything that some encoding has a meaning for, sometimes in lines, sometimes long.
fn text_of(thread: &str, number: usize) -> String {
    let mut text = format!("{thread} {number} = \"naïve\" [x] \\ \x1b[2J 🔌");
    if number % 3 == 1 {
        text.push_str("\nanother = line\n");
    }
    if number % 7 == 2 {
        text.push_str(&"long ".repeat(500));
    }
    text
}

/// A text that fits into no datagram.
pub fn long_text() -> String {
    "very long\n".repeat(100_000)
}

/// A record as a receiver got it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `None` for the drainer's own words.
    pub sequence: Option<u64>,
    pub severity: u32,
    pub level: String,
    pub process: String,
    pub pid: u32,
    pub thread: String,
    pub tid: u32,
    pub target: String,
    /// `file:line`, or nothing.
    pub place: String,
    pub message: String,
    /// The key-values.
    pub values: Vec<(String, String)>,
}

/// What a receiver makes of texts: whether it escapes them, and what it makes of names of processes and of keys.
pub struct Manner {
    pub text: fn(&str) -> String,
    pub process: fn(&str) -> String,
    pub key: fn(&str) -> String,
}

/// The parent at work.
pub struct Scene {
    pub folder: Folder,
    pub actor: Actor,
    ring: String,
    rounds: usize,
    count: usize,
    /// That are over.
    troubles: usize,
}

impl Scene {
    /// Starts a parent whose workers log `count` records a round in each of their threads.
    pub fn begin(spec: &str, count: usize) -> Scene {
        let folder = Folder::new();
        let arguments = [folder.text(), spec, &count.to_string()];
        let mut actor = Actor::start("parent_of_receiver", &arguments);
        let ring = actor.hear("ring ");
        Scene {
            folder,
            actor,
            ring,
            rounds: 0,
            count,
            troubles: 0,
        }
    }

    /// A round, up to where the drainer has all of it.
    pub fn log(&mut self) {
        self.actor.tell(&format!("round-{}", self.rounds));
        self.actor.hear("logged");
        self.rounds += 1;
    }

    /// Waits until nothing waits for the receiver.
    pub fn settle(&mut self) {
        self.actor.tell("settle");
        self.actor.hear("settled");
    }

    /// Logs a round for nobody, and waits until the file says that nobody is there.
    pub fn log_in_vain(&mut self) {
        self.log();
        self.wait_until_said("in memory, which has room for");
    }

    /// Waits until nothing waits for a receiver that is there again, and the file says so.
    pub fn settle_anew(&mut self) {
        self.settle();
        self.wait_until_said("takes records again");
        self.troubles += 1;
    }

    /// Once more than there were troubles.
    fn wait_until_said(&self, words: &str) {
        until("the file says so", || {
            self.folder.log_text().matches(words).count() > self.troubles
        });
    }

    /// Records of the workers so far.
    pub fn logged(&self) -> usize {
        self.rounds * WORKERS.len() * THREADS.len() * self.count
    }

    /// Ends it; returns what stands in the file.
    pub fn end(self) -> (Folder, Expected) {
        let logged = self.logged();
        self.actor.finish();
        assert_nothing_remains(&self.ring);
        let expected = Expected {
            logged,
            rounds: self.rounds,
            count: self.count,
        };
        (self.folder, expected)
    }
}

/// What a receiver should have.
pub struct Expected {
    logged: usize,
    rounds: usize,
    count: usize,
}

impl Expected {
    /// Asserts that the records of the workers have all arrived, each once, as they are in the file and as they were logged.
    pub fn check(&self, folder: &Folder, seen: &[Seen], manner: &Manner) {
        let lines = folder
            .records()
            .into_iter()
            .filter(|line| line.target != "long");
        let lines: HashMap<u64, _> = lines
            .filter_map(|line| Some((line.sequence?, line)))
            .collect();
        let records: Vec<&Seen> = seen.iter().filter(|seen| seen.sequence.is_some()).collect();
        assert_eq!((lines.len(), records.len()), (self.logged, self.logged));
        let mut texts = Vec::new();
        for record in records {
            let line = &lines[&record.sequence.unwrap()];
            let level = line.level.as_str();
            assert_eq!(record.level, level, "{record:?}");
            assert_eq!(record.severity, severity(line.level), "{record:?}");
            assert_eq!(record.pid, line.pid);
            assert_eq!(record.tid, line.tid);
            assert_eq!(record.thread, line.thread);
            assert_eq!(record.target, "a\"target\"]");
            assert!(
                record.place.starts_with("tests/processes/received.rs:"),
                "{record:?}"
            );
            let of = |key: &str| {
                let key = (manner.key)(key);
                let mut values = record.values.iter();
                values.find(|(known, _)| *known == key).unwrap().1.clone()
            };
            assert_eq!((record.values.len(), &*of("ratio")), (3, "0.5"));
            let text = (
                record.process.clone(),
                of("round"),
                of("number"),
                record.message.clone(),
            );
            texts.push(text);
        }
        texts.sort();
        let mut expected = Vec::new();
        for round in 0..self.rounds {
            for process in WORKERS {
                for thread in THREADS {
                    for number in 0..self.count {
                        expected.push((
                            (manner.process)(process),
                            format!("round-{round}"),
                            number.to_string(),
                            (manner.text)(&text_of(thread, number)),
                        ));
                    }
                }
            }
        }
        expected.sort();
        assert!(texts == expected, "{texts:#?}");
    }
}

/// Asserts that they came in the order of the ring.
pub fn assert_in_order(seen: &[Seen]) {
    let sequences: Vec<u64> = seen.iter().filter_map(|seen| seen.sequence).collect();
    assert!(sequences.is_sorted(), "{sequences:?}");
}

/// The drainer's own words among the lines of a file that begin with the name of a sink, or with its number of records.
pub fn said_of(folder: &Folder, sink: &str) -> Vec<String> {
    let own = folder
        .records()
        .into_iter()
        .filter(|line| line.sequence.is_none());
    own.map(|line| line.message)
        .filter(|message| message.contains(sink))
        .collect()
}

fn severity(level: Level) -> u32 {
    match level {
        Level::Critical => 2,
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// One field after the other, as the journal is sent them and as it exports them, up to an empty line.
pub fn take_fields(rest: &mut &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
        let line = &rest[..end];
        *rest = &rest[end + 1..];
        if line.is_empty() {
            break;
        }
        let (name, value) = match line.iter().position(|byte| *byte == b'=') {
            Some(equals) => (&line[..equals], line[equals + 1..].to_vec()),
            None => {
                let (length, after) = rest.split_first_chunk().unwrap();
                let (value, after) = after.split_at(u64::from_le_bytes(*length) as usize);
                *rest = after.strip_prefix(b"\n").unwrap();
                (line, value.to_vec())
            }
        };
        fields.push((String::from_utf8(name.to_vec()).unwrap(), value));
    }
    fields
}
