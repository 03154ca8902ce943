//! Signal handlers that log: they may interrupt anything, a log call of their own thread too.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::c_int;
use std::fmt;
use std::io::Read;
use std::process::Stdio;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{ShmLogger, info, warn};

use crate::interrupting::{NO_ALLOCATION_BY, handle, interrupt, own_tid};
use crate::support::{Actor, Folder, Line, Role, assert_nothing_remains, quiet, role_command, say};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_interrupted", parent_of_interrupted),
    ("interrupted_by_signals", interrupted),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_handler_at_10_khz_that_logs_loses_nothing_and_blocks_nobody,
        handlers_that_interrupt_each_other_and_log_calls_lose_nothing,
        a_handler_that_logs_while_its_thread_registers_loses_nothing,
        a_handler_may_log_the_first_record_of_its_thread_without_allocating,
    ]
}

/// Records that the handlers have logged.
static HANDLED: AtomicU64 = AtomicU64::new(0);

/// So long that it takes several slots, and in one piece only when nobody wrote into it.
const WHOLE: &str = "0123456789012345678901234567890123456789012345678901234567890123456789\
                     0123456789012345678901234567890123456789012345678901234567890123456789";

extern "C" fn log_in_handler(_: c_int) {
    let number = HANDLED.fetch_add(1, Ordering::Relaxed);
    warn!("handler {number} {WHOLE} {number}");
}

fn parent_of_interrupted(arguments: &[String]) {
    let logger = quiet(&arguments[0])
        .slots(1 << 20)
        // Two entries a thread, where a handler comes while it registers; a busy drainer may not have given back any by the end.
        .max_producers(2048)
        .init_parent()
        .unwrap();
    say(logger.name());
    let mut child = role_command("interrupted_by_signals", &[&arguments[1]])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut counts = String::new();
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_to_string(&mut counts).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
    logger.flush(Duration::from_secs(60)).unwrap();
    let stats = logger.stats();
    say(&format!(
        "{} {} {} {}",
        stats.attempted, stats.delivered, stats.dropped, stats.lost
    ));
    say(counts.trim());
}

/// Is interrupted by handlers that log. Says how many records it and the handlers have attempted.
fn interrupted(arguments: &[String]) {
    let logger = ShmLogger::attach().unwrap();
    handle(libc::SIGALRM, log_in_handler);
    handle(libc::SIGUSR1, log_in_handler);
    let own = match &*arguments[0] {
        "timer" => interrupted_by_timer(&logger),
        "storm" => interrupted_by_storm(&logger),
        "registration" => interrupted_in_registration(),
        "first record" => first_record_in_handler(),
        how => panic!("nobody knows how to {how}"),
    };
    say(&format!("{own} {}", HANDLED.load(Ordering::Relaxed)));
}

fn log_own(number: u64) {
    info!("own {number} {WHOLE} {number}");
}

/// The only thread, so it gets all signals of the timer.
fn interrupted_by_timer(logger: &ShmLogger) -> u64 {
    const RECORDS: u64 = 100_000;
    const SIGNALS: u64 = 2_000;
    let interval = libc::timeval {
        tv_sec: 0,
        tv_usec: 100,
    };
    let set = |interval| {
        let timer = libc::itimerval {
            it_interval: interval,
            it_value: interval,
        };
        // SAFETY: the structure is valid; no old one is asked for.
        let failed =
            unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) };
        assert_eq!(failed, 0);
    };
    set(interval);
    let mut own = 0;
    while own < RECORDS || HANDLED.load(Ordering::Relaxed) < SIGNALS {
        log_own(own);
        own += 1;
        breathe(logger, own);
    }
    set(libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    });
    own
}

/// Lets the drainer keep up: what a full ring does is another test's business.
fn breathe(logger: &ShmLogger, own: u64) {
    if own.is_multiple_of(50_000) {
        logger.flush(Duration::from_secs(60)).unwrap();
    }
}

/// Has its thread interrupted when it is formatted.
struct Interrupting(c_int);

impl fmt::Display for Interrupting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = WHOLE.split_at(WHOLE.len() / 2);
        f.write_str(first)?;
        interrupt(own_tid(), self.0);
        f.write_str(second)
    }
}

extern "C" fn log_and_be_interrupted(_: c_int) {
    let number = HANDLED.fetch_add(1, Ordering::Relaxed);
    let whole = Interrupting(libc::SIGALRM);
    warn!("handler {number} {whole} {number}");
}

/// Each record is interrupted by a handler whose record is interrupted by another one. And another thread
/// sends both signals as fast as they are taken, so that they come at any other point too; not for ever, or
/// this one would do nothing but handle them.
fn interrupted_by_storm(logger: &ShmLogger) -> u64 {
    const RECORDS: u64 = 50_000;
    const ROUNDS: u64 = 50_000;
    handle(libc::SIGUSR1, log_and_be_interrupted);
    let tid = own_tid();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                interrupt(tid, libc::SIGALRM);
                interrupt(tid, libc::SIGUSR1);
            }
        });
        for own in 0..RECORDS {
            let whole = Interrupting(libc::SIGUSR1);
            info!("own {own} {whole} {own}");
            breathe(logger, own);
        }
    });
    assert!(HANDLED.load(Ordering::Relaxed) >= 2 * RECORDS);
    RECORDS
}

/// One thread after the other is shot at from its first moment on, logs a little, and ends.
fn interrupted_in_registration() -> u64 {
    const THREADS: u64 = 300;
    const EACH: u64 = 3;
    static TARGET: AtomicI32 = AtomicI32::new(0);
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !enough.load(Ordering::Relaxed) {
                match TARGET.load(Ordering::Relaxed) {
                    0 => std::thread::yield_now(),
                    tid => interrupt(tid, libc::SIGUSR1),
                }
            }
        });
        for thread in 0..THREADS {
            let logging = move || {
                TARGET.store(own_tid(), Ordering::Relaxed);
                let begun = HANDLED.load(Ordering::Relaxed);
                for number in 0..EACH {
                    log_own(thread * EACH + number);
                }
                // At least one signal has come.
                while HANDLED.load(Ordering::Relaxed) == begun {
                    std::hint::spin_loop();
                }
                TARGET.store(0, Ordering::Relaxed);
            };
            scope.spawn(logging).join().unwrap();
        }
        enough.store(true, Ordering::Relaxed);
    });
    THREADS * EACH
}

/// In a thread that has not logged yet, and must not allocate.
fn first_record_in_handler() -> u64 {
    std::thread::Builder::new()
        .name("a-thread-with-a-long-name".to_owned())
        .spawn(|| {
            let tid = own_tid();
            NO_ALLOCATION_BY.store(tid, Ordering::Relaxed);
            interrupt(tid, libc::SIGUSR1);
            NO_ALLOCATION_BY.store(0, Ordering::Relaxed);
        })
        .unwrap()
        .join()
        .unwrap();
    0
}

/// The records of an interrupted one, after everything has been counted and found whole.
fn records_of_interrupted(how: &str) -> Vec<Line> {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_interrupted", &[folder.text(), how]);
    let ring = parent.hear("");
    let stats = parent.hear("");
    let counts = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let (own, handled) = counts.split_once(' ').unwrap();
    let number = |text: &str| text.parse::<u64>().unwrap();
    let (own, handled) = (number(own), number(handled));
    let all = own + handled;
    assert_eq!(
        stats,
        format!("{all} {all} 0 0"),
        "{own} own, {handled} handled"
    );

    let records = folder.records();
    let mut next: HashMap<&str, u64> = HashMap::new();
    let mut seen = vec![false; handled as usize];
    for record in &records {
        let words: Vec<&str> = record.message.split(' ').collect();
        let [who, number, whole, again] = words[..] else {
            panic!("not whole: {record:?}");
        };
        assert_eq!((number, whole), (again, WHOLE), "not whole: {record:?}");
        let number: u64 = number.parse().unwrap();
        if who == "handler" {
            // Handlers interrupt each other between taking a number and logging it.
            assert!(!std::mem::replace(&mut seen[number as usize], true));
        } else {
            let expected = next.entry(who).or_default();
            assert_eq!(number, *expected);
            *expected += 1;
        }
    }
    assert_eq!(records.len() as u64, all);
    assert!(seen.iter().all(|&seen| seen));
    records
}

fn a_handler_at_10_khz_that_logs_loses_nothing_and_blocks_nobody() {
    records_of_interrupted("timer");
}

fn handlers_that_interrupt_each_other_and_log_calls_lose_nothing() {
    records_of_interrupted("storm");
}

fn a_handler_that_logs_while_its_thread_registers_loses_nothing() {
    records_of_interrupted("registration");
}

fn a_handler_may_log_the_first_record_of_its_thread_without_allocating() {
    let records = records_of_interrupted("first record");
    assert_eq!(records[0].thread, "a-thread-with-a");
}
