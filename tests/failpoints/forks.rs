//! A process forks while another of its threads is between claiming a record's place and publishing it: the
//! record remains the parent's, and the child logs under an entry of its own. Or a signal handler forks there, on the
//! very thread.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::OnFull;

use crate::forking::{fork, wait};
use crate::scene::{FAILPOINTS, LONG, PLACES, SHORT, log, start_logger};
use crate::support::{Actor, Folder, Role, assert_nothing_remains, quiet, role_command, say};
use crate::tally::{Log, settled};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("forking_amid_a_claim", forking_amid_a_claim),
    ("parent_of_the_interrupted", parent_of_the_interrupted),
    ("forking_in_its_handler", forking_in_its_handler),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_fork_while_another_thread_is_at_any_step_of_a_record_takes_nothing_from_either,
        a_child_of_a_handler_that_interrupted_a_record_leaves_it_to_the_parent,
    ]
}

const FORKS: u64 = 8;
const EACH: u64 = 2;

/// `folder length`: this process dawdles at one step of each record.
fn forking_amid_a_claim(arguments: &[String]) {
    let [folder, length] = arguments else {
        panic!("two arguments");
    };
    let length = length.parse().unwrap();
    let logger = quiet(folder)
        .slots(256)
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .stall_timeout(Duration::from_secs(60))
        .init_parent()
        .unwrap();
    say(logger.name());
    let enough = AtomicBool::new(false);
    let mut logged = 0;
    std::thread::scope(|scope| {
        let dawdling = scope.spawn(|| {
            let mut number = 0;
            while !enough.load(Ordering::Relaxed) {
                log("thread", number, length);
                number += 1;
            }
            number
        });
        for child in 0..FORKS {
            // Its entry is inherited by the child, which must not use it.
            log("main", child, length);
            let who = format!("child-{child}");
            wait(fork(|| (0..EACH).for_each(|n| log(&who, n, length))));
        }
        enough.store(true, Ordering::Relaxed);
        logged = dawdling.join().unwrap();
    });
    let stats = settled(&logger, 1);
    assert_eq!((stats.dropped, stats.lost, stats.late), (0, 0, 0));
    say(&logged.to_string());
}

fn a_fork_while_another_thread_is_at_any_step_of_a_record_takes_nothing_from_either() {
    for (place, length) in PLACES.iter().zip(["20", "600"].iter().cycle()) {
        let folder = Folder::new();
        let mut command = role_command("forking_amid_a_claim", &[folder.text(), length]);
        command.env(FAILPOINTS, format!("{}=delay", place.name));
        let mut parent = Actor::from_command(command);
        let ring = parent.hear("");
        let logged: u64 = parent.hear("").parse().unwrap();
        parent.finish();
        assert_nothing_remains(&ring);
        let records = Log::read(&folder);
        records.assert_in_order();
        let of = |who: &str| {
            let start = format!("{who} ");
            let all = records.records.iter();
            all.filter(|line| line.message.starts_with(&start))
                .collect::<Vec<_>>()
        };
        let mut counts = vec![("thread".to_owned(), logged), ("main".to_owned(), FORKS)];
        counts.extend((0..FORKS).map(|n| (format!("child-{n}"), EACH)));
        for (who, count) in counts {
            let lines = of(&who);
            let numbers: Vec<u64> = lines
                .iter()
                .map(|line| crate::tally::number(line))
                .collect();
            assert_eq!(
                numbers,
                (0..count).collect::<Vec<_>>(),
                "{who} at {}",
                place.name
            );
            let is_child = who.starts_with("child");
            let own =
                |line: &&crate::support::Line| (line.pid == parent_of(&of("main"))) != is_child;
            assert!(lines.iter().all(own), "{who} at {}: {lines:?}", place.name);
        }
    }
}

fn parent_of(lines: &[&crate::support::Line]) -> u32 {
    lines[0].pid
}

/// Forks, logs in the child, and goes on in both; the parent waits for the child first.
extern "C" fn fork_here(_: libc::c_int) {
    // SAFETY: there is one thread, and it interrupted no allocation: it is at a failpoint.
    match unsafe { libc::fork() } {
        0 => shmlog::info!("child in the handler"),
        child => {
            // SAFETY: the status is not asked for.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        }
    }
}

/// `length`
fn forking_in_its_handler(arguments: &[String]) {
    let length = arguments[0].parse().unwrap();
    // SAFETY: the handler is a function of the right type, and stays.
    unsafe { libc::signal(libc::SIGUSR1, fork_here as *const () as libc::sighandler_t) };
    let me = std::process::id();
    let _logger = start_logger("forking");
    for number in 0..4 {
        log("forking", number, length);
        if std::process::id() != me {
            shmlog::info!("child behind the handler");
            // SAFETY: ends this process, of which nothing is needed any more.
            unsafe { libc::_exit(0) };
        }
    }
}

/// `folder length`
fn parent_of_the_interrupted(arguments: &[String]) {
    let [folder, length] = arguments else {
        panic!("two arguments");
    };
    let logger = quiet(folder).process_name("parent").init_parent().unwrap();
    say(logger.name());
    let mut command = role_command("forking_in_its_handler", &[length]);
    // The third record, so of a thread and a call site that are known.
    command.env(FAILPOINTS, "claim.claimed=signal@3");
    assert!(command.status().unwrap().success());
    let stats = settled(&logger, 1);
    assert_eq!((stats.attempted, stats.delivered, stats.lost), (6, 6, 0));
}

fn a_child_of_a_handler_that_interrupted_a_record_leaves_it_to_the_parent() {
    for length in [SHORT, LONG] {
        let folder = Folder::new();
        let mut parent = Actor::start("parent_of_the_interrupted", &[folder.text(), length]);
        let ring = parent.hear("");
        parent.finish();
        assert_nothing_remains(&ring);
        let log = Log::read(&folder);
        log.assert_in_order();
        let of = |start: &str| -> Vec<_> {
            let lines = log
                .records
                .iter()
                .filter(|line| line.message.starts_with(start));
            lines.map(|line| line.pid).collect()
        };
        let (interrupted, child) = (of("forking "), of("child "));
        assert_eq!((interrupted.len(), child.len()), (4, 2));
        assert!(
            interrupted
                .iter()
                .all(|pid| *pid == interrupted[0] && *pid != child[0])
        );
    }
}
