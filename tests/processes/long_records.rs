//! Records of many runs beside a flood of others: how far they go into what is reserved, and where their call ends.
//! A flood stands here for good: the drainer is stopped, and what is logged fills the ring to the limit of its level.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::{Builder, Level, OnFull, ShmLogger, debug, error, info, warn};

use crate::overflow::stop_drainer;
use crate::support::{Actor, Folder, Role, assert_nothing_remains, listen, role_command, say, send};
use crate::tally::{CUT, settled};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("one_whose_record_meets_a_flood", one_whose_record_meets_a_flood),
    ("one_who_fills_the_ring_alone", one_who_fills_the_ring_alone),
    ("one_whose_record_may_wait", one_whose_record_may_wait),
    ("parent_of_a_flood", parent_of_a_flood),
    ("one_who_floods", one_who_floods),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_record_that_was_let_in_goes_on_where_its_own_level_is_let_in_no_more,
        a_flood_of_a_higher_level_cuts_it_off_and_the_log_says_so_at_once,
        a_record_longer_than_the_ring_leaves_room_for_warnings_and_errors,
        a_call_that_may_wait_waits_no_longer_than_it_may_for_all_runs_together,
        long_records_amid_a_real_flood_of_warnings_cost_no_error_and_all_are_accounted_for,
    ]
}

const SLOTS: u64 = 1024;

/// The usual shares of the ring: an eighth from warnings on, a sixteenth from errors on.
fn usual(folder: &str) -> Builder {
    ShmLogger::builder()
        .slots(SLOTS)
        .level(Level::Debug)
        .console(false)
        .file(true)
        .file_path(folder)
        .recover(false)
}

/// Two runs and a bit, then whatever a flood does to the ring, then more.
struct Amid<'a> {
    flood: &'a dyn Fn(),
    rest: usize,
}

const BEGINNING: usize = 4500;

impl fmt::Display for Amid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&"a".repeat(BEGINNING))?;
        (self.flood)();
        f.write_str(&"b".repeat(self.rest))
    }
}

/// Logs until a record is dropped.
fn flood(logger: &ShmLogger, log: impl Fn()) {
    let dropped = logger.stats().dropped;
    while logger.stats().dropped == dropped {
        log();
    }
}

/// `folder level`: a flood of this level fills the ring while a record of `debug` is under way.
fn one_whose_record_meets_a_flood(arguments: &[String]) {
    let logger = usual(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    let drainer = stop_drainer(logger.name());
    let by_debug = || flood(&logger, || debug!("flood"));
    let by_warn = || flood(&logger, || warn!("flood"));
    let amid = |flood| Amid { flood, rest: 2500 };
    match &*arguments[1] {
        "debug" => debug!("{}", amid(&by_debug)),
        _ => debug!("{}", amid(&by_warn)),
    }
    // By another thread: this one says nothing more, so nothing that it left unsaid could be told later.
    let others = || {
        (0..10).for_each(|n| error!("error {n}"));
        // With a flood of warnings there is room for errors alone.
        if arguments[1] == "debug" {
            (0..10).for_each(|n| warn!("warning {n}"));
        }
    };
    std::thread::scope(|scope| scope.spawn(others).join().unwrap());
    send(drainer, Signal::CONT);
    let stats = settled(&logger, 1);
    assert_eq!((stats.dropped, stats.lost), (1, 0), "{stats:?}");
    say("flushed");
    // Nothing more is logged until the file has been looked at.
    listen();
}

/// The record that met the flood, and how many others came, by how they begin.
fn meet(level: &str, starts: &[&str]) -> (String, Vec<usize>) {
    let folder = Folder::new();
    let mut parent = Actor::start("one_whose_record_meets_a_flood", &[folder.text(), level]);
    let ring = parent.hear("");
    parent.hear("flushed");
    let messages = folder.messages();
    parent.tell("go on");
    parent.finish();
    assert_nothing_remains(&ring);
    let of = |start: &str| -> Vec<_> {
        let all = messages.iter().filter(|message| message.starts_with(start));
        all.cloned().collect()
    };
    let long = of("aaa");
    assert_eq!(long.len(), 1, "{messages:?}");
    let counts = starts.iter().map(|start| of(start).len());
    (long[0].clone(), counts.collect())
}

fn a_record_that_was_let_in_goes_on_where_its_own_level_is_let_in_no_more() {
    let (long, others) = meet("debug", &["warning ", "error "]);
    let whole = "a".repeat(BEGINNING) + &"b".repeat(2500);
    assert!(long == whole, "{} bytes, {:?}", long.len(), &long[long.len() - 20..]);
    assert_eq!(others, [10, 10]);
}

fn a_flood_of_a_higher_level_cuts_it_off_and_the_log_says_so_at_once() {
    let (long, others) = meet("warn", &["error "]);
    let text = long.strip_suffix(CUT).expect("it is cut off");
    assert!(text.len() < BEGINNING + 2500 && text.starts_with(&"a".repeat(3000)));
    assert_eq!(others, [10]);
}

/// `folder`
fn one_who_fills_the_ring_alone(arguments: &[String]) {
    let logger = usual(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    let drainer = stop_drainer(logger.name());
    debug!("{}", "long ".repeat(600_000));
    // A half of the slots from an eighth of the ring up to a sixteenth, less what a last run has of its own.
    (0..30).for_each(|n| warn!("warning {n}"));
    (0..60).for_each(|n| error!("error {n}"));
    send(drainer, Signal::CONT);
    let stats = settled(&logger, 1);
    assert_eq!((stats.dropped, stats.lost, stats.delivered), (0, 0, 91), "{stats:?}");
}

fn a_record_longer_than_the_ring_leaves_room_for_warnings_and_errors() {
    let folder = Folder::new();
    let mut parent = Actor::start("one_who_fills_the_ring_alone", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let messages = folder.messages();
    let long: Vec<_> = messages.iter().filter(|text| text.starts_with("long ")).collect();
    assert_eq!(long.len(), 1);
    let text = long[0].strip_suffix(CUT).expect("it is cut off");
    assert!(text.len() > (SLOTS as usize * 3 / 4) * 112, "{}", text.len());
    let all = "long ".repeat(600_000);
    assert!(all.starts_with(text));
}

fn voluntary_switches() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

const WAIT: Duration = Duration::from_millis(3);
/// A nap is 20 µs long at the least, and never ends early.
const MOST_NAPS: u64 = WAIT.as_micros() as u64 / 20;

/// `folder`
fn one_whose_record_may_wait(arguments: &[String]) {
    let logger = usual(&arguments[0]).on_full(OnFull::Block(WAIT));
    let logger = logger.init_parent().unwrap();
    say(logger.name());
    let drainer = stop_drainer(logger.name());
    let before = Cell::new(0);
    let amid = Amid {
        flood: &|| {
            flood(&logger, || warn!("flood"));
            before.set(voluntary_switches());
        },
        rest: 100_000,
    };
    debug!("{amid}");
    let slept = voluntary_switches() - before.get();
    send(drainer, Signal::CONT);
    // Naps double up to a millisecond, so it takes eight or so.
    assert!((1..=MOST_NAPS).contains(&slept), "{slept}");
    let stats = settled(&logger, 1);
    assert_eq!((stats.dropped, stats.lost), (1, 0), "{stats:?}");
}

fn a_call_that_may_wait_waits_no_longer_than_it_may_for_all_runs_together() {
    let folder = Folder::new();
    let mut parent = Actor::start("one_whose_record_may_wait", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let messages = folder.messages();
    let long: Vec<_> = messages.iter().filter(|text| text.starts_with("aaa")).collect();
    assert_eq!(long.len(), 1);
    assert!(long[0].ends_with(CUT));
}

const LONG_ONES: usize = 40;

/// Warns until it is told to stop, by the end of its standard input.
fn one_who_floods(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    let over = std::sync::atomic::AtomicBool::new(false);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0;
            while !over.load(relaxed) {
                warn!("flood {n}");
                n += 1;
            }
            info!("flooded");
        });
        say("ready");
        listen();
        over.store(true, relaxed);
    });
}

/// `folder`
fn parent_of_a_flood(arguments: &[String]) {
    let logger = usual(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    let mut flooder = Actor::from_command(role_command("one_who_floods", &[]));
    flooder.hear("ready");
    for n in 0..LONG_ONES {
        debug!("record {n} {}", "long ".repeat(20_000));
        error!("error {n}");
    }
    flooder.finish();
    let stats = settled(&logger, 1);
    assert_eq!(stats.drops.at(Level::Error), 0, "{stats:?}");
    assert_eq!(stats.lost, 0, "{stats:?}");
    say(&stats.drops.at(Level::Debug).to_string());
}

fn long_records_amid_a_real_flood_of_warnings_cost_no_error_and_all_are_accounted_for() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_a_flood", &[folder.text()]);
    let ring = parent.hear("");
    let dropped: usize = parent.hear("").parse().unwrap();
    parent.finish();
    assert_nothing_remains(&ring);
    let messages = folder.messages();
    let of = |start: &'static str| messages.iter().filter(move |text| text.starts_with(start));
    assert_eq!(of("error ").count(), LONG_ONES);
    assert_eq!(of("record ").count() + dropped, LONG_ONES);
    for record in of("record ") {
        let (_, text) = record.split_once(" long").expect("its beginning");
        let text = format!("long{}", text.strip_suffix(CUT).unwrap_or(text));
        let all = "long ".repeat(20_000);
        let is_whole = !record.ends_with(CUT);
        assert!(all.starts_with(&text) && (text.len() == all.len()) == is_whole);
    }
}
