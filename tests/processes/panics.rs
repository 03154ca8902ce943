//! Panics, with the hook installed.

use std::fmt;
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{Level, info};

use crate::interrupting::assert_begins;
use crate::support::{Actor, Folder, Role, assert_nothing_remains, listen, quiet, say};
use crate::trials;

pub const ROLES: &[Role] = &[("panicker", panicker)];

pub fn trials() -> Vec<Trial> {
    trials![
        a_panic_is_logged_with_message_place_and_backtrace_and_the_earlier_hook_runs,
        a_panic_in_the_midst_of_a_long_record_ends_that_record,
    ]
}

struct Panicking;

impl fmt::Display for Panicking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&"long ".repeat(1000))?;
        panic!("while formatting");
    }
}

fn panicker(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    std::panic::set_hook(Box::new(|_| say("earlier hook")));
    // Twice: the second call must not log everything twice.
    shmlog::install_panic_hook();
    shmlog::install_panic_hook();
    if arguments[1] == "log call" {
        // The thread goes on: its end would end the record too.
        assert!(std::panic::catch_unwind(|| info!("{Panicking}")).is_err());
        info!("after");
        logger.flush(Duration::from_secs(60)).unwrap();
        say("flushed");
        listen();
        return;
    }
    let panicking = std::thread::Builder::new()
        .name("worker".to_owned())
        .spawn(|| panic!("first line\nsecond line"));
    assert!(panicking.unwrap().join().is_err());
    info!("after");
}

fn a_panic_is_logged_with_message_place_and_backtrace_and_the_earlier_hook_runs() {
    let folder = Folder::new();
    let mut actor = Actor::start("panicker", &[folder.text(), "plainly"]);
    let ring = actor.hear("");
    actor.hear("earlier hook");
    actor.finish();
    assert_nothing_remains(&ring);
    let records = folder.records();
    let [panic, after] = &records[..] else {
        panic!("two records expected: {records:#?}");
    };
    assert_eq!((panic.level, &*panic.target), (Level::Error, "panic"));
    assert_eq!(panic.thread, "worker");
    // The panic's own, not that of the hook.
    assert!(panic.place.starts_with(&format!("{}:", file!())), "{}", panic.place);
    let line = panic.place.rsplit(':').next().unwrap();
    assert!(panic.message.starts_with(&format!("panicked at {}:{line}:", file!())));
    let place = format!("panicked at {}:", file!());
    assert_begins(panic, &place);
    let lines: Vec<&str> = panic.message.lines().collect();
    let numbers = lines[0][place.len()..].split(':').take(2);
    assert!(
        numbers
            .into_iter()
            .all(|number| number.parse::<u32>().is_ok())
    );
    assert!(lines[0].ends_with(": first line"), "{}", lines[0]);
    assert_eq!(lines[1], "second line");
    let backtrace = lines[2..].join("\n");
    assert!(backtrace.contains("panics::panicker"), "{backtrace}");
    assert_eq!(after.message, "after");
}

fn a_panic_in_the_midst_of_a_long_record_ends_that_record() {
    let folder = Folder::new();
    let mut actor = Actor::start("panicker", &[folder.text(), "log call"]);
    let ring = actor.hear("");
    actor.hear("earlier hook");
    actor.hear("flushed");
    let records = folder.records();
    let [panic, cut, after] = &records[..] else {
        panic!("three records expected: {records:#?}");
    };
    assert_begins(panic, "panicked at ");
    assert_begins(cut, "long long ");
    assert!(cut.message.ends_with("‹cut off›"));
    assert_eq!(after.message, "after");
    actor.finish();
    assert_nothing_remains(&ring);
}
