//! A ring that is too small, and waiting for it to be empty.

use std::fmt;
use std::sync::Barrier;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::{FlushError, OnFull, ShmLogger, info};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, listen, quiet, say, send,
};
use crate::tally::{Log, Tally, number, settled, wait_until_stopped};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_an_overflow", parent_of_an_overflow),
    ("parent_of_a_storm", parent_of_a_storm),
    ("one_who_logs_as_told", one_who_logs_as_told),
    ("one_whose_display_trusts", one_whose_display_trusts),
    ("one_who_flushes", one_who_flushes),
    ("one_who_flushes_in_vain", one_who_flushes_in_vain),
    ("one_who_flushes_too_late", one_who_flushes_too_late),
];

pub fn trials() -> Vec<Trial> {
    trials![
        an_overflow_is_told_at_its_place_by_number_and_by_name,
        in_a_storm_over_a_small_ring_every_record_is_delivered_or_told_of,
        a_full_ring_is_no_error_to_what_is_formatted,
        what_flush_waited_for_stands_in_the_file,
        flush_gives_up_on_a_stopped_drainer_and_is_served_when_it_goes_on,
        flush_says_that_the_ring_is_over_when_nobody_will_deliver_any_more,
    ]
}

const PATIENCE: Duration = Duration::from_secs(60);

fn one_who_logs_as_told(arguments: &[String]) {
    let [folder, who] = arguments else { panic!() };
    let tally = Tally::of(folder, who);
    let _logger = ShmLogger::builder().process_name(&**who).attach().unwrap();
    say("ready");
    while let Ok(count) = listen().parse::<u64>() {
        (0..count).for_each(|_| tally.count(|n| info!("{who} {n}")));
        say("done");
    }
}

fn start(folder: &str, who: &str) -> Actor {
    let mut actor = Actor::start("one_who_logs_as_told", &[folder, who]);
    actor.hear("ready");
    actor
}

fn order(actor: &mut Actor, count: u64) {
    actor.tell(&count.to_string());
    actor.hear("done");
}

pub fn stop_drainer(ring: &str) -> u32 {
    let drainers = drainers_of(ring);
    assert_eq!(drainers.len(), 1);
    send(drainers[0], Signal::STOP);
    wait_until_stopped(drainers[0]);
    drainers[0]
}

/// Relies on its formatter, which under `format!` never fails.
struct Trusting;

impl fmt::Display for Trusting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..200).for_each(|_| f.write_str(&"x".repeat(100)).unwrap());
        Ok(())
    }
}

fn one_whose_display_trusts(arguments: &[String]) {
    let logger = quiet(&arguments[0]).slots(64).init_parent().unwrap();
    say(logger.name());
    let drainer = stop_drainer(logger.name());
    (0..64).for_each(|_| info!("full"));
    info!("{}", Trusting);
    info!("{}{:.*}", Trusting, 0, 1.5);
    send(drainer, Signal::CONT);
    assert_eq!(settled(&logger, 1).dropped, 2);
    say("done");
}

fn a_full_ring_is_no_error_to_what_is_formatted() {
    let folder = Folder::new();
    let mut parent = Actor::start("one_whose_display_trusts", &[folder.text()]);
    let ring = parent.hear("");
    parent.hear("done");
    parent.finish();
    assert_nothing_remains(&ring);
}

fn parent_of_an_overflow(arguments: &[String]) {
    let folder = &arguments[0];
    let logger = quiet(folder).slots(64).init_parent().unwrap();
    say(logger.name());
    let (mut one, mut two) = (start(folder, "one"), start(folder, "two"));
    order(&mut one, 1);
    logger.flush(PATIENCE).unwrap();
    let drainer = stop_drainer(logger.name());
    order(&mut one, 40);
    order(&mut two, 60);
    order(&mut one, 10);
    send(drainer, Signal::CONT);
    logger.flush(PATIENCE).unwrap();
    order(&mut one, 5);
    order(&mut two, 1);
    let stats = settled(&logger, 2);
    let of = |name| {
        let of = stats.producers.iter().find(|of| of.process == name);
        of.map_or([0; 3], |of| [of.attempted, of.delivered, of.dropped])
    };
    assert_eq!(of("one"), [56, 46, 10]);
    assert_eq!(of("two"), [61, 25, 36]);
    assert_eq!(
        [stats.attempted, stats.delivered, stats.dropped, stats.lost],
        [117, 71, 46, 0]
    );
    one.finish();
    two.finish();
}

fn an_overflow_is_told_at_its_place_by_number_and_by_name() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_an_overflow", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);

    let records = folder.records();
    let of = |who: &'static str, numbers: std::ops::Range<u64>| {
        numbers.map(move |number| format!("{who} {number}"))
    };
    let messages: Vec<&str> = records.iter().map(|line| &*line.message).collect();
    let before: Vec<String> = of("one", 0..41).chain(of("two", 0..24)).collect();
    let after: Vec<String> = of("one", 51..56).chain(of("two", 60..61)).collect();
    assert_eq!(messages[..before.len()], before);
    let (told, rest) = messages[before.len()..].split_at(2);
    let (rest, end) = rest.split_at(after.len());
    assert_eq!(rest, after);
    assert_eq!(
        end,
        ["in the end: 117 records attempted, 71 delivered, 46 dropped (ring full: 46 INFO), 0 lost; \
          64 of 64 slots were taken at most"]
    );
    let told_of = |count: u64, who: &str| {
        let line = records.iter().find(|line| line.process == who).unwrap();
        format!(
            "{count} records of {who}[{}]/main[{}] dropped: the ring was full",
            line.pid, line.tid
        )
    };
    let mut told = told.to_vec();
    told.sort_unstable();
    assert_eq!(told, [told_of(10, "one"), told_of(36, "two")]);
}

const STORM: u64 = 200_000;
const NAMES: [&str; 3] = ["one", "two", "three"];

fn parent_of_a_storm(arguments: &[String]) {
    let folder = &arguments[0];
    let logger = quiet(folder).slots(64).on_full(OnFull::Drop);
    let logger = logger.stall_timeout(PATIENCE).init_parent().unwrap();
    say(logger.name());
    let mut actors = NAMES.map(|who| start(folder, who));
    actors
        .iter_mut()
        .for_each(|actor| actor.tell(&STORM.to_string()));
    actors.iter_mut().for_each(|actor| {
        actor.hear("done");
    });
    actors.into_iter().for_each(Actor::finish);
    let stats = settled(&logger, 0);
    say(&format!(
        "{} {} {}",
        stats.attempted, stats.delivered, stats.lost
    ));
}

fn in_a_storm_over_a_small_ring_every_record_is_delivered_or_told_of() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_a_storm", &[folder.text()]);
    let ring = parent.hear("");
    let stats = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);

    let log = Log::read(&folder);
    log.assert_in_order();
    assert_eq!(stats, format!("{} {} 0", 3 * STORM, log.records.len()));
    let dropped = log.said("dropped: the ring was full");
    let of = log.by_process();
    for who in NAMES {
        let records = of.get(who).map_or(&[][..], Vec::as_slice);
        assert!(
            records
                .iter()
                .map(number)
                .is_sorted_by(|one, next| one < next)
        );
        let dropped = dropped.get(who).copied().unwrap_or(0);
        assert_eq!(records.len() as u64 + dropped, STORM, "{who}");
    }
}

fn one_who_flushes(arguments: &[String]) {
    let folder = &arguments[0];
    let logger = quiet(folder).max_file_size(4096).init_parent().unwrap();
    say(logger.name());
    for number in 0..300 {
        info!("number {number}");
        logger.flush(PATIENCE).unwrap();
        say(&number.to_string());
        // Nothing more is logged until the file has been looked at.
        listen();
    }
}

fn what_flush_waited_for_stands_in_the_file() {
    let folder = Folder::new();
    let mut parent = Actor::start("one_who_flushes", &[folder.text()]);
    let ring = parent.hear("");
    for number in 0..300 {
        assert_eq!(parent.hear(""), number.to_string());
        let records = folder.records();
        let last = records.last().map(|record| &*record.message);
        assert_eq!(last, Some(&*format!("number {number}")));
        parent.tell("go on");
    }
    parent.finish();
    assert_nothing_remains(&ring);
}

fn one_who_flushes_in_vain(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    info!("in time");
    logger.flush(PATIENCE).unwrap();
    let drainer = stop_drainer(logger.name());
    let nothing = Duration::ZERO;
    assert_eq!(
        logger.flush(nothing),
        Ok(()),
        "nothing was logged since the last flush"
    );
    (0..3).for_each(|number| info!("too much {number}"));
    let timeout = Duration::from_millis(20);
    let refused = logger.flush(timeout);
    assert_eq!(refused, Err(FlushError::Timeout { timeout, behind: 3 }));
    send(drainer, Signal::CONT);
    logger.flush(PATIENCE).unwrap();
    say("served");
    listen();
}

fn flush_gives_up_on_a_stopped_drainer_and_is_served_when_it_goes_on() {
    let folder = Folder::new();
    let mut parent = Actor::start("one_who_flushes_in_vain", &[folder.text()]);
    let ring = parent.hear("");
    parent.hear("served");
    assert_eq!(folder.records().len(), 4);
    parent.tell("go on");
    parent.finish();
    assert_nothing_remains(&ring);
}

/// Its text is ready at the second meeting; at the first, somebody has begun to ask for it.
struct Slow<'a>(&'a Barrier);

impl fmt::Display for Slow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.wait();
        self.0.wait();
        f.write_str("too late")
    }
}

fn one_who_flushes_too_late(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    info!("in time");
    let handle = ShmLogger::attach().unwrap();
    let meeting = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| info!("{}", Slow(&meeting)));
        meeting.wait();
        drop(logger);
        assert_eq!(
            handle.flush(PATIENCE),
            Ok(()),
            "all that was logged is delivered"
        );
        meeting.wait();
    });
    assert_eq!(handle.flush(PATIENCE), Err(FlushError::Over));
}

fn flush_says_that_the_ring_is_over_when_nobody_will_deliver_any_more() {
    let folder = Folder::new();
    let mut parent = Actor::start("one_who_flushes_too_late", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let messages = folder.messages();
    assert_eq!(messages, ["in time"]);
}
