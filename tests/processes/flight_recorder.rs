//! The flight recorder: what led to an error, of all processes, and nothing else.

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::{Level, ShmLogger, debug, error, info, warn};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, listen, quiet, role_command, say,
    send, until, wait_for_end,
};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("flight_parent", flight_parent),
    ("flight_child", flight_child),
    ("child_that_crashes", child_that_crashes),
];

pub fn trials() -> Vec<Trial> {
    trials![
        what_led_to_an_error_is_written_of_all_processes_in_order_and_nothing_else,
        the_last_words_of_a_crash_bring_what_led_to_it,
        a_killed_drainer_takes_what_was_kept_back_with_it_and_its_successor_says_so,
    ]
}

fn flight_parent(arguments: &[String]) {
    let builder = quiet(&arguments[0]).process_name("parent");
    let logger = builder.backtrace(10, Level::Error).init_parent().unwrap();
    say(&format!("ring {}", logger.name()));
    loop {
        match listen().as_str() {
            "" => break,
            "log" => (0..8).for_each(|n| info!("parent {n}")),
            "fail" => error!("bang"),
            "flush" => logger.flush(std::time::Duration::from_secs(60)).unwrap(),
            role => assert_eq!(
                role_command(role, &[]).status().unwrap().success(),
                role == "flight_child"
            ),
        }
        say("done");
    }
    assert_eq!(logger.stats().lost, 0);
}

fn flight_child(_: &[String]) {
    let _logger = ShmLogger::builder().process_name("child").attach().unwrap();
    (0..4).for_each(|n| warn!(step = n; "child"));
}

fn child_that_crashes(_: &[String]) {
    let _logger = ShmLogger::builder()
        .process_name("crashing")
        .attach()
        .unwrap();
    shmlog::install_crash_handler().unwrap();
    debug!("about to crash");
    std::process::abort();
}

/// Has a parent do these things, and returns its folder and its ring.
fn after(orders: &[&str]) -> Folder {
    let folder = Folder::new();
    let mut parent = Actor::start("flight_parent", &[folder.text()]);
    let ring = parent.hear("ring ");
    for order in orders {
        parent.tell(order);
        parent.hear("done");
    }
    parent.finish();
    assert_nothing_remains(&ring);
    folder
}

fn what_led_to_an_error_is_written_of_all_processes_in_order_and_nothing_else() {
    let folder = after(&[
        "log",
        "flight_child",
        "log",
        "flight_child",
        "fail",
        "fail",
        "log",
    ]);
    let records = folder.records();
    let (own, logged): (Vec<_>, Vec<_>) =
        records.iter().partition(|record| record.sequence.is_none());
    let messages: Vec<&str> = logged.iter().map(|record| &*record.message).collect();
    let parent = (2..8).map(|n| format!("parent {n}"));
    let child = (0..4).map(|n| format!("child step={n}"));
    let expected: Vec<String> = parent
        .chain(child)
        .chain(["bang", "bang"].map(str::to_owned))
        .collect();
    assert_eq!(messages, expected);
    assert!(logged.is_sorted_by_key(|record| record.sequence));
    assert_eq!(own.len(), 1, "{own:?}");
    assert!(
        own[0]
            .message
            .starts_with("22 records below ERROR were kept back"),
        "{own:?}"
    );
}

fn the_last_words_of_a_crash_bring_what_led_to_it() {
    let folder = after(&["log", "child_that_crashes"]);
    let messages = folder.messages();
    let at = messages
        .iter()
        .position(|message| message == "about to crash")
        .unwrap();
    assert!(messages[at + 1].starts_with("SIGABRT"), "{messages:?}");
    assert_eq!(at, 8);
}

fn a_killed_drainer_takes_what_was_kept_back_with_it_and_its_successor_says_so() {
    let folder = Folder::new();
    let mut parent = Actor::start("flight_parent", &[folder.text()]);
    let ring = parent.hear("ring ");
    for order in ["fail", "log", "flush"] {
        parent.tell(order);
        parent.hear("done");
    }
    let drainer = drainers_of(&ring)[0];
    send(drainer, Signal::KILL);
    wait_for_end(drainer);
    until("another drainer works", || {
        drainers_of(&ring).iter().any(|&pid| pid != drainer)
    });
    parent.tell("fail");
    parent.hear("done");
    parent.finish();
    assert_nothing_remains(&ring);
    let messages = folder.messages();
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(
        messages[1].contains("what the backtrace kept back"),
        "{messages:?}"
    );
    assert_eq!([&messages[0], &messages[2]], ["bang", "bang"]);
}
