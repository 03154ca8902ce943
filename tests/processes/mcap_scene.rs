//! Who logs into MCAP files in the tests, and what must be found there.

use std::collections::HashMap;
use std::time::Duration;

use shmlog::sink::SinkSpec;
use shmlog::{Builder, Level, OnFull, ShmLogger, critical, debug, error, info, trace, warn};

use crate::mcap_files::Said;
use crate::support::{Actor, Role, assert_nothing_remains, quiet, say};
use crate::tally::settled;

pub const ROLES: &[Role] = &[
    ("recorded_parent", recorded_parent),
    ("recorded_child", recorded_child),
];

pub fn recorder(spec: &str) -> Builder {
    let sink: SinkSpec = spec.parse().unwrap();
    let builder = quiet("").file(false).sink(sink).process_name("parent");
    builder.on_full(OnFull::Block(Duration::from_secs(60)))
}

/// What a process says with one of its numbers.
pub fn text(who: &str, number: u64) -> String {
    let odd = [
        "",
        "two\nlines",
        "naïve “漢字” \u{202e}\x1b[31m\0",
        "tab\tquote\"\\",
    ];
    let odd = odd[number as usize % odd.len()];
    format!("{who} {number} {odd}{}", "x".repeat(number as usize % 97))
}

/// Logs number after number, at all levels.
pub fn log_some(who: &str, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let text = text(who, number);
        match number % 6 {
            0 => trace!("{text}"),
            1 => debug!(target: "can::bus", "{text}"),
            2 => info!("{text}"),
            3 => warn!(joint = number, state = "at rest"; "{text}"),
            4 => error!(target: "", "{text}"),
            _ => critical!("{text}"),
        }
    }
}

/// Asserts that a message is what [`log_some`] logged, and returns its number.
pub fn check(said: &Said, who: &str) -> u64 {
    let number: u64 = said.message.split(' ').nth(1).unwrap().parse().unwrap();
    let mut expected = text(who, number);
    let (level, target) = match number % 6 {
        0 => ("DEBUG", ""),
        1 => ("DEBUG", "/can::bus"),
        2 => ("INFO", ""),
        3 => {
            expected += &format!(" joint={number} state=\"at rest\"");
            ("WARNING", "")
        }
        4 => ("ERROR", ""),
        _ => ("FATAL", ""),
    };
    assert_eq!(said.message, expected);
    assert_eq!(
        (&*said.level, &*said.name),
        (level, &*format!("{who}{target}"))
    );
    assert!(said.file == file!() && said.line > 0, "{said:?}");
    assert_eq!(said.times[0], said.times[1]);
    number
}

/// Checks the messages of all processes, and returns how many each has. The drainer's own words are left out.
pub fn check_all(all: &[Said]) -> HashMap<String, u64> {
    let mut next: HashMap<String, u64> = HashMap::new();
    for said in all.iter().filter(|said| said.name != "shmlog") {
        let who = said.name.split('/').next().unwrap();
        let expected = next.entry(who.to_owned()).or_default();
        assert_eq!(
            check(said, who),
            *expected,
            "{who}: each record once and in order"
        );
        *expected += 1;
    }
    for pair in all.windows(2) {
        assert!(
            pair[0].sequence < pair[1].sequence || pair[1].sequence == 0 || pair[0].sequence == 0
        );
    }
    next
}

/// `spec children records`
fn recorded_parent(arguments: &[String]) {
    let [spec, children, records] = arguments else {
        panic!("three arguments");
    };
    let logger = recorder(spec).init_parent().unwrap();
    say(logger.name());
    let child = |number| Actor::start("recorded_child", &[&format!("child-{number}"), records]);
    let children: Vec<Actor> = (0..children.parse().unwrap()).map(child).collect();
    log_some("parent", 0..records.parse().unwrap());
    children.into_iter().for_each(Actor::finish);
    let stats = settled(&logger, 1);
    assert_eq!((stats.lost, stats.dropped, stats.sink_errors), (0, 0, 0));
}

/// `name records`
fn recorded_child(arguments: &[String]) {
    let [name, records] = arguments else {
        panic!("two arguments");
    };
    let _logger = ShmLogger::builder()
        .level(Level::Trace)
        .process_name(&**name)
        .attach()
        .unwrap();
    log_some(name, 0..records.parse().unwrap());
}

/// Plays a parent with so many children, to the end of all.
pub fn record(spec: &str, children: u64, records: u64) {
    let arguments = [spec, &children.to_string(), &records.to_string()];
    let mut parent = Actor::start("recorded_parent", &arguments);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
}
