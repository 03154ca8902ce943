//! Programs that become others: exec, vfork, posix_spawn, and daemons.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::unix::process::CommandExt;
use std::ptr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{ShmLogger, info};

use crate::forking::{fork, wait};
use crate::host::{host_good_child, settled_stats};
use crate::support::{
    Actor, Folder, Line, Role, assert_nothing_remains, quiet, role_command, say, until,
};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_the_changing", parent_of_the_changing),
    ("changing", changing),
    ("changed", changed),
    ("spawns_in_all_ways", spawns_in_all_ways),
    ("logs_once", logs_once),
    ("becomes_a_daemon", becomes_a_daemon),
    ("parent_becomes_a_daemon", parent_becomes_a_daemon),
    ("parent_execs", parent_execs),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_process_that_begins_another_program_leaves_no_entry_behind_and_logs_on_in_the_new_one,
        a_program_that_does_not_log_and_was_begun_by_a_member_is_not_waited_for,
        a_parent_that_begins_another_program_leaves_its_ring_to_it,
        children_of_vfork_and_posix_spawn_log_and_their_parent_too,
        a_daemon_that_closes_all_descriptors_goes_on_logging,
        a_parent_that_becomes_a_daemon_goes_on_logging,
    ]
}

const THREADS: usize = 3;

/// `folder what`: counts whom the registry holds when its child has become something else.
fn parent_of_the_changing(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    let mut child = Actor::start("changing", &arguments[1..].iter().map(|a| &**a).collect::<Vec<_>>());
    if arguments[1] == "changed" {
        child.hear("changed");
        let pid = child.pid();
        until("the program before is forgotten", || {
            let stats = logger.stats();
            let of_child = stats.producers.iter().filter(|producer| producer.pid == pid);
            of_child.map(|producer| &*producer.process).eq(["changed-4"])
        });
        let stats = settled_stats(&logger);
        assert_eq!((stats.dropped, stats.lost), (0, 0));
        child.tell("end");
        child.finish();
    } else {
        // It sleeps, and would keep the ring for as long.
        until("it is another program", || {
            let name = std::fs::read_to_string(format!("/proc/{}/comm", child.pid()));
            name.is_ok_and(|name| name.trim() == "cat")
        });
        drop(logger);
        until("the ring has ended", || {
            crate::support::segments_made_by(std::process::id()).is_empty()
        });
        child.finish();
    }
}

/// `what [round]`: attaches, logs in several threads at once, and becomes another program in their midst.
fn changing(arguments: &[String]) {
    let round: usize = arguments.get(1).map_or(0, |round| round.parse().unwrap());
    let name = format!("changing-{round}");
    let _logger = ShmLogger::builder().process_name(&*name).attach().unwrap();
    let barrier = Barrier::new(THREADS + 1);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (name, barrier) = (&name, &barrier);
            scope.spawn(move || {
                info!("{name} thread {thread}");
                barrier.wait();
                loop {
                    std::thread::park();
                }
            });
        }
        info!("{name} main");
        barrier.wait();
        let mut command = match &*arguments[0] {
            "changed" if round < 3 => role_command("changing", &["changed", &(round + 1).to_string()]),
            "changed" => role_command("changed", &[]),
            other => {
                let mut command = std::process::Command::new(other);
                // Or it would be waited for as one that may yet attach.
                command.env_remove("SHMLOG_RING");
                command
            }
        };
        panic!("{}", command.exec());
    });
}

fn changed(_: &[String]) {
    let _logger = ShmLogger::builder().process_name("changed-4").attach().unwrap();
    info!("changed-4 main");
    say("changed");
    crate::support::listen();
}

fn a_process_that_begins_another_program_leaves_no_entry_behind_and_logs_on_in_the_new_one() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_the_changing", &[folder.text(), "changed", "0"]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let log = crate::tally::Log::read(&folder);
    log.assert_in_order();
    assert_eq!(log.words, []);
    let of = log.by_process();
    for round in 0..4 {
        let records: &Vec<Line> = &of[&format!("changing-{round}")];
        assert_eq!(records.len(), THREADS + 1, "{records:?}");
    }
    let pid = of["changing-0"][0].pid;
    assert!(log.records.iter().all(|record| record.pid == pid), "one process all the while");
    assert_eq!(of["changed-4"].len(), 1);
}

fn a_program_that_does_not_log_and_was_begun_by_a_member_is_not_waited_for() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_the_changing", &[folder.text(), "cat"]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    assert_eq!(folder.records().len(), THREADS + 1);
}

fn parent_execs(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    info!("before");
    let error = role_command("logs_once", &["after"]).exec();
    panic!("{error}");
}

fn a_parent_that_begins_another_program_leaves_its_ring_to_it() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_execs", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let mut records = folder.records();
    // The drainer may say that nobody watches over it any more.
    records.retain(|record| record.sequence.is_some());
    let messages: Vec<&str> = records.iter().map(|record| &*record.message).collect();
    assert_eq!(messages, ["before", "after"]);
    assert_eq!(records[0].pid, records[1].pid);
}

/// `message`
fn logs_once(arguments: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    info!("{}", arguments[0]);
}

fn c_strings(texts: &[&str]) -> Vec<CString> {
    texts.iter().map(|text| CString::new(*text).unwrap()).collect()
}

fn pointers(texts: &[CString]) -> Vec<*mut libc::c_char> {
    let all = texts.iter().map(|text| text.as_ptr().cast_mut());
    all.chain([ptr::null_mut()]).collect()
}

/// The environment of a role that logs once.
fn environment_of_logs_once() -> Vec<CString> {
    let ring = std::env::var("SHMLOG_RING").unwrap();
    c_strings(&["ROLE_IN_SHMLOG_TEST=logs_once", &format!("SHMLOG_RING={ring}")])
}

fn by_vfork(message: &str) {
    let program = CString::new(std::env::current_exe().unwrap().to_str().unwrap()).unwrap();
    let (arguments, variables) = (c_strings(&["logs", message]), environment_of_logs_once());
    let (arguments, variables) = (pointers(&arguments), pointers(&variables));
    // SAFETY: the child does nothing but exec or end; all that it needs was made before, and lives.
    #[allow(deprecated)]
    let child = unsafe { libc::vfork() };
    if child == 0 {
        // SAFETY: texts that end in zero, and lists of those that end in null.
        unsafe { libc::execve(program.as_ptr(), arguments.as_ptr().cast(), variables.as_ptr().cast()) };
        // SAFETY: ends the child alone.
        unsafe { libc::_exit(127) };
    }
    assert!(child > 0);
    wait(child);
}

fn by_posix_spawn(message: &str) {
    let program = CString::new(std::env::current_exe().unwrap().to_str().unwrap()).unwrap();
    let (arguments, variables) = (c_strings(&["logs", message]), environment_of_logs_once());
    let mut child = 0;
    // SAFETY: texts that end in zero, lists of those that end in null, and a place for the pid.
    let failed = unsafe {
        libc::posix_spawn(
            &raw mut child,
            program.as_ptr(),
            ptr::null(),
            ptr::null(),
            pointers(&arguments).as_ptr(),
            pointers(&variables).as_ptr(),
        )
    };
    assert_eq!(failed, 0);
    wait(child);
}

const SPAWNED: usize = 10;

fn spawns_in_all_ways(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while number < 1000 || !enough.load(Ordering::Relaxed) {
                info!("heavy {number} {}", "long ".repeat(number % 100));
                number += 1;
            }
        });
        for number in 0..SPAWNED {
            info!("main {number}");
            by_vfork(&format!("vfork {number}"));
            by_posix_spawn(&format!("spawn {number}"));
        }
        enough.store(true, Ordering::Relaxed);
    });
}

fn children_of_vfork_and_posix_spawn_log_and_their_parent_too() {
    let folder = Folder::new();
    host_good_child(&folder, "block", "spawns_in_all_ways", &[]);
    let records = folder.records();
    let of = |word: &str| -> Vec<&Line> {
        let all = records.iter();
        all.filter(|record| record.message.starts_with(word)).collect()
    };
    let parent = of("main")[0].pid;
    for (word, is_parent) in [("main ", true), ("vfork ", false), ("spawn ", false)] {
        let lines = of(word);
        let expected: Vec<String> = (0..SPAWNED).map(|n| format!("{word}{n}")).collect();
        assert!(lines.iter().map(|line| &line.message).eq(&expected), "{lines:?}");
        assert!(lines.iter().all(|line| (line.pid == parent) == is_parent));
    }
    for (number, line) in of("heavy ").iter().enumerate() {
        assert_eq!(line.message, format!("heavy {number} {}", "long ".repeat(number % 100)));
    }
}

/// Leaves the terminal, the session, the folder and all descriptors behind.
fn become_a_daemon(then: impl FnOnce()) {
    wait(fork(|| {
        // SAFETY: no memory is involved.
        assert!(unsafe { libc::setsid() } > 0);
        // The second child is nobody's: its parent ends at once.
        let _ = fork(|| {
            std::env::set_current_dir("/").unwrap();
            // SAFETY: this process uses none of its descriptors any more, nor do those that it was forked from.
            let closed = unsafe { libc::close_range(0, libc::c_uint::MAX, 0) };
            assert_eq!(closed, 0);
            then();
        });
    }));
}

const DAEMON_RECORDS: usize = 500;

fn log_as_a_daemon() {
    info!("daemon begins");
    std::thread::spawn(|| info!("thread of the daemon")).join().unwrap();
    for number in 0..DAEMON_RECORDS {
        info!("daemon {number} {}", "long ".repeat(number));
    }
    wait(fork(|| info!("child of the daemon")));
}

fn check_daemon(records: &[Line]) {
    let of = |word: &str| -> Vec<&Line> {
        let all = records.iter();
        all.filter(|record| record.message.starts_with(word)).collect()
    };
    let daemon = of("daemon begins")[0].pid;
    assert!(!of("starter").iter().any(|record| record.pid == daemon));
    assert_eq!((of("thread of the daemon")[0].pid, of("thread of").len()), (daemon, 1));
    assert_ne!(of("child of the daemon")[0].pid, daemon);
    let lines: Vec<&Line> = of("daemon ").into_iter().skip(1).collect();
    assert_eq!(lines.len(), DAEMON_RECORDS);
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(line.message, format!("daemon {number} {}", "long ".repeat(number)));
        assert_eq!(line.pid, daemon);
    }
}

fn becomes_a_daemon(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    info!("starter before");
    become_a_daemon(log_as_a_daemon);
    info!("starter after");
}

fn a_daemon_that_closes_all_descriptors_goes_on_logging() {
    let folder = Folder::new();
    // The parent may be gone before the daemon has logged at all.
    let outcome = crate::host::host_child(&folder, "block", "becomes_a_daemon", &[]);
    assert!(outcome.status.success(), "{outcome:?}");
    let records = folder.records();
    check_daemon(&records);
    assert_eq!(records.iter().filter(|record| record.message.starts_with("starter")).count(), 2);
}

/// `folder`: makes the ring, and goes into the background without a word to it.
fn parent_becomes_a_daemon(arguments: &[String]) {
    let logger = quiet(&arguments[0])
        .on_full(shmlog::OnFull::Block(Duration::from_secs(60)))
        .init_parent()
        .unwrap();
    say(logger.name());
    info!("starter before");
    become_a_daemon(log_as_a_daemon);
    // Not dropped: it ends as daemons' first processes do.
    std::mem::forget(logger);
}

fn a_parent_that_becomes_a_daemon_goes_on_logging() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_becomes_a_daemon", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    check_daemon(&folder.records());
}
