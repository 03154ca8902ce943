//! A parent for tests that are about something else: makes a ring, starts one child role, tells what came
//! of it.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use shmlog::{Builder, OnFull, Stats};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, listen, quiet, role_command, say,
};

pub const ROLES: &[Role] = &[("host", host)];

/// What became of the child, and of all that was logged, once everything is in the file.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub attempted: u64,
    pub delivered: u64,
    pub dropped: u64,
    pub lost: u64,
}

/// Plays `role` as the child of a parent with these settings (see [`configured`]), to the end of both.
pub fn host_child(folder: &Folder, settings: &str, role: &str, arguments: &[&str]) -> Outcome {
    let arguments = [&[folder.text(), settings, role], arguments].concat();
    let mut host = Actor::start("host", &arguments);
    let ring = host.hear("ring ");
    let numbers = host.hear("outcome ");
    let mut numbers = numbers.split(' ').map(|word| word.parse::<u64>().unwrap());
    let mut next = || numbers.next().unwrap();
    let outcome = Outcome {
        status: ExitStatus::from_raw(next() as i32),
        attempted: next(),
        delivered: next(),
        dropped: next(),
        lost: next(),
    };
    host.finish();
    assert_nothing_remains(&ring);
    outcome
}

/// As [`host_child`], for a child that ends well and all of whose records arrive.
pub fn host_good_child(folder: &Folder, settings: &str, role: &str, arguments: &[&str]) -> Outcome {
    let outcome = host_child(folder, settings, role, arguments);
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.delivered, outcome.attempted, "{outcome:?}");
    assert_eq!(outcome.lost, 0, "{outcome:?}");
    outcome
}

/// A quiet parent's settings, changed by words like `slots=64` or `block`.
pub fn configured(folder: &str, settings: &str) -> Builder {
    let mut builder = quiet(folder);
    for word in settings.split_ascii_whitespace() {
        let (key, value) = word.split_once('=').unwrap_or((word, "1"));
        let number = || value.parse::<u64>().unwrap();
        builder = match key {
            "slots" => builder.slots(number()),
            "slot_size" => builder.slot_size(number()),
            "block" => builder.on_full(OnFull::Block(Duration::from_secs(60))),
            "stall_ns" => builder.stall_timeout(Duration::from_nanos(number())),
            "level" => builder.level(value.parse().unwrap()),
            "console" => builder.console(number() == 1),
            "file" => builder.file(number() == 1),
            "max_file_size" => builder.max_file_size(number()),
            "backup_count" => builder.backup_count(number()),
            "queue_bytes" => builder.queue_bytes(number() as usize),
            "lock_memory" => builder.lock_memory(number() == 1),
            "huge_pages" => builder.huge_pages(number() == 1),
            "process_name" => builder.process_name(value),
            _ => panic!("no setting {key:?}"),
        };
    }
    builder
}

/// The numbers once they add up, for what the registry still has to count of a child that has just ended.
pub fn settled_stats(logger: &shmlog::ShmLogger) -> Stats {
    loop {
        logger.flush(Duration::from_secs(60)).unwrap();
        let stats = logger.stats();
        if stats.delivered + stats.dropped + stats.lost >= stats.attempted {
            return stats;
        }
        std::thread::yield_now();
    }
}

/// `folder settings role arguments…`
fn host(arguments: &[String]) {
    let [folder, settings, role, rest @ ..] = arguments else {
        panic!("a folder, settings and a role");
    };
    let logger = configured(folder, settings).init_parent().unwrap();
    say(&format!("ring {}", logger.name()));
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let mut child = role_command(role, &rest)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let status = child.wait().unwrap();
    let stats = settled_stats(&logger);
    say(&format!(
        "outcome {} {} {} {} {}",
        status.into_raw(),
        stats.attempted,
        stats.delivered,
        stats.dropped,
        stats.lost
    ));
    drop(logger);
    listen();
}
