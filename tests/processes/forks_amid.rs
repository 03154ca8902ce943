//! Forks in the midst of a log call: while a record is formatted, and in a signal handler that interrupts one.

#![allow(unsafe_code)]

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use libtest_mimic::Trial;
use shmlog::{ShmLogger, info};

use crate::forking::{fork, wait};
use crate::host::host_good_child;
use crate::support::{Folder, Line, Role};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("forks_while_formatting", forks_while_formatting),
    ("forks_in_a_handler", forks_in_a_handler),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_fork_while_a_record_is_formatted_makes_two_records_or_leaves_it_to_the_parent,
        a_fork_in_a_signal_handler_amid_log_calls_takes_nothing_from_either,
    ]
}

/// Forks when it is formatted; the child's copy of the call goes on as well.
struct Forking<'a>(&'a AtomicI32);

impl fmt::Display for Forking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the child goes on with this one thread, and ends by _exit.
        self.0.store(unsafe { libc::fork() }, Ordering::Relaxed);
        write!(f, "{}", std::process::id())
    }
}

/// `blanks…`: before what forks; with many, the record's beginning has been sent by then.
fn forks_while_formatting(arguments: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    info!("parent before");
    let own = std::process::id();
    for (number, length) in arguments.iter().enumerate() {
        let child = AtomicI32::new(-1);
        let blanks = " ".repeat(length.parse().unwrap());
        info!("split {number}{blanks}{} end", Forking(&child));
        if std::process::id() != own {
            info!("child {number} after");
            // SAFETY: ends this process; nothing of it is needed any more.
            unsafe { libc::_exit(0) };
        }
        wait(child.load(Ordering::Relaxed));
        info!("parent {number} after");
    }
}

fn a_fork_while_a_record_is_formatted_makes_two_records_or_leaves_it_to_the_parent() {
    let folder = Folder::new();
    let lengths = ["1", "300", "5000", "100000", "2"];
    host_good_child(&folder, "block", "forks_while_formatting", &lengths);
    let records = folder.records();
    let parent = records[0].pid;
    for (number, length) in lengths.iter().enumerate() {
        let begins = format!("split {number} ");
        let split: Vec<&Line> = records.iter().filter(|r| r.message.starts_with(&begins)).collect();
        let blanks = " ".repeat(length.parse().unwrap());
        for record in &split {
            // Whole, and of whoever formatted it.
            assert_eq!(record.message, format!("split {number}{blanks}{} end", record.pid));
        }
        let of_parent = split.iter().filter(|record| record.pid == parent).count();
        let of_child = split.len() - of_parent;
        let expected = if blanks.len() > 4000 { 0 } else { 1 };
        assert_eq!((of_parent, of_child), (1, expected), "{split:?}");
        for who in ["parent", "child"] {
            let after = format!("{who} {number} after");
            let found: Vec<&Line> = records.iter().filter(|r| r.message == after).collect();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].pid == parent, who == "parent");
        }
    }
}

static FORKED: AtomicI32 = AtomicI32::new(0);

/// The child logs, here and now, and ends.
extern "C" fn fork_and_log(_: libc::c_int) {
    let number = FORKED.fetch_add(1, Ordering::Relaxed);
    wait(fork(|| {
        info!("child {number}");
        std::thread::spawn(move || info!("child {number}")).join().unwrap();
    }));
}

const SIGNALS: i32 = 100;

fn forks_in_a_handler(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    // SAFETY: what the handler does glibc allows: it interrupts log calls alone, which hold no lock.
    let old = unsafe { libc::signal(libc::SIGUSR1, fork_and_log as *const () as libc::sighandler_t) };
    assert_ne!(old, libc::SIG_ERR);
    let enough = AtomicBool::new(false);
    // SAFETY: gettid has no precondition.
    let tid = unsafe { libc::gettid() };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..SIGNALS {
                // SAFETY: no memory is involved.
                unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), tid, libc::SIGUSR1) };
                while FORKED.load(Ordering::Relaxed) <= number {
                    std::hint::spin_loop();
                }
            }
            enough.store(true, Ordering::Relaxed);
        });
        let mut number = 0;
        while number < 1000 || !enough.load(Ordering::Relaxed) {
            info!("own {number}");
            number += 1;
        }
    });
}

fn a_fork_in_a_signal_handler_amid_log_calls_takes_nothing_from_either() {
    let folder = Folder::new();
    host_good_child(&folder, "block", "forks_in_a_handler", &[]);
    let records = folder.records();
    let own = records.iter().filter(|record| record.message.starts_with("own "));
    for (number, record) in own.clone().enumerate() {
        assert_eq!(record.message, format!("own {number}"));
    }
    let parent = own.clone().next().unwrap().pid;
    assert!(own.clone().all(|record| record.pid == parent));
    for number in 0..SIGNALS {
        let message = format!("child {number}");
        let found: Vec<&Line> = records.iter().filter(|record| record.message == message).collect();
        assert_eq!(found.len(), 2, "{message}");
        assert!(found.iter().all(|record| record.pid != parent));
    }
}
