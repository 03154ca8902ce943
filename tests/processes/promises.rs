//! What a log call promises a control loop: after the thread's first one it never enters the kernel.

#![allow(unsafe_code)]

use std::os::unix::process::ExitStatusExt;

use libtest_mimic::Trial;
use shmlog::{Logger, ShmLogger, critical, debug, error, get_logger, info, log, trace, warn};

use crate::host::host_child;
use crate::support::{Folder, Role};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("log_under_seccomp", log_under_seccomp),
    (
        "ask_for_the_pid_under_seccomp",
        ask_for_the_pid_under_seccomp,
    ),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_thread_that_may_enter_the_kernel_no_more_logs_all_kinds_of_records_and_all_arrive,
        a_full_ring_drops_and_counts_without_entering_the_kernel,
        the_filter_of_these_tests_kills_at_the_first_system_call,
    ]
}

const RECORDS: usize = 100_000;
const SIXTY_FOUR: &str = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF";

/// Long enough for six slots, and too long for two runs.
fn long_texts() -> (String, String) {
    ("six slots ".repeat(60), "three runs ".repeat(500))
}

fn log_one(number: usize, imu: &Logger, texts: &(String, String)) {
    // Disabled, and never counted.
    trace!("{number} {}", texts.1);
    match number % 10 {
        0 => info!("literal"),
        1 => info!("formatted {number} {:?} {:>8.3} {:#x}", "text", 1.5, 255),
        2 => warn!("{SIXTY_FOUR}"),
        3 => info!(logger: imu, "named {number}"),
        4 => error!(target: "can", "bus {} is slow", number),
        5 => critical!("{}", texts.0),
        6 => debug!(""),
        7 => log!(shmlog::Level::Warn, "{number:>90}"),
        // Three runs are written seldom: together they would not fit into the ring.
        8 if number % 1000 == 8 => info!("{}", texts.1),
        _ => info!("two\nlines {number}"),
    }
}

/// Target and message of [`log_one`].
fn expected(number: usize, texts: &(String, String)) -> (&'static str, String) {
    let here = module_path!();
    match number % 10 {
        0 => (here, "literal".to_owned()),
        1 => (
            here,
            format!("formatted {number} {:?} {:>8.3} {:#x}", "text", 1.5, 255),
        ),
        2 => (here, SIXTY_FOUR.to_owned()),
        3 => ("imu", format!("named {number}")),
        4 => ("can", format!("bus {number} is slow")),
        5 => (here, texts.0.clone()),
        6 => (here, String::new()),
        7 => (here, format!("{number:>90}")),
        8 if number % 1000 == 8 => (here, texts.1.clone()),
        _ => (here, format!("two\nlines {number}")),
    }
}

/// From here on this thread may end, and may do nothing else that the kernel does.
fn forbid_system_calls() {
    let statement = |code, k| libc::sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    };
    let is = |number: libc::c_long| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: 0,
        jf: 1,
        k: number as u32,
    };
    let give = (libc::BPF_RET | libc::BPF_K) as u16;
    let mut filter = [
        // The number of the call, which comes first in seccomp_data.
        statement((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0),
        is(libc::SYS_exit_group),
        statement(give, libc::SECCOMP_RET_ALLOW),
        is(libc::SYS_exit),
        statement(give, libc::SECCOMP_RET_ALLOW),
        statement(give, libc::SECCOMP_RET_KILL_PROCESS),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: PR_SET_NO_NEW_PRIVS takes numbers only.
    let set = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(set, 0);
    // SAFETY: `program` points to a filter of the length it names; the kernel copies both.
    let set = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    };
    assert_eq!(set, 0);
}

/// Ends this process at once: `exit_group` is the only call it makes.
fn leave(code: i32) -> ! {
    // SAFETY: ends the process; nothing of it is needed any more.
    unsafe { libc::_exit(code) }
}

fn log_under_seccomp(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    let (imu, texts) = (get_logger("imu"), long_texts());
    info!("the first registers the thread");
    forbid_system_calls();
    for number in 0..RECORDS {
        log_one(number, &imu, &texts);
    }
    leave(7);
}

fn ask_for_the_pid_under_seccomp(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    info!("before");
    forbid_system_calls();
    info!("under the filter");
    // SAFETY: getpid has no arguments and no effects.
    unsafe { libc::syscall(libc::SYS_getpid) };
    leave(7);
}

fn a_thread_that_may_enter_the_kernel_no_more_logs_all_kinds_of_records_and_all_arrive() {
    let folder = Folder::new();
    // Large enough for all of it, so that nothing depends on the drainer's pace.
    let settings = "slots=524288 level=debug";
    let outcome = host_child(&folder, settings, "log_under_seccomp", &[]);
    assert_eq!(outcome.status.code(), Some(7), "{outcome:?}");
    assert_eq!(outcome.dropped, 0);
    assert_eq!(outcome.delivered, RECORDS as u64 + 1);
    let texts = long_texts();
    let records = folder.records();
    assert_eq!(records.len(), RECORDS + 1);
    for (number, record) in records[1..].iter().enumerate() {
        let (target, message) = expected(number, &texts);
        assert_eq!(
            (record.target.as_str(), &record.message),
            (target, &message)
        );
    }
}

fn a_full_ring_drops_and_counts_without_entering_the_kernel() {
    let folder = Folder::new();
    let settings = "slots=64 level=debug";
    let outcome = host_child(&folder, settings, "log_under_seccomp", &[]);
    assert_eq!(outcome.status.code(), Some(7), "{outcome:?}");
    assert_eq!(outcome.attempted, RECORDS as u64 + 1);
    assert!(outcome.dropped > 0, "{outcome:?}");
    assert_eq!(outcome.delivered + outcome.dropped, outcome.attempted);
    let words = folder.records();
    let own = words.iter().filter(|record| record.sequence.is_none());
    assert!(own.count() > 0, "the log tells of the dropped");
}

fn the_filter_of_these_tests_kills_at_the_first_system_call() {
    let folder = Folder::new();
    let outcome = host_child(&folder, "", "ask_for_the_pid_under_seccomp", &[]);
    assert_eq!(outcome.status.signal(), Some(libc::SIGSYS), "{outcome:?}");
    let messages = folder.messages();
    assert_eq!(messages, ["before", "under the filter"]);
}
