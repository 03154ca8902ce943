//! Crashes: each leaves a last record, and ends the process as it would have ended.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::ptr;
use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::{Level, ShmLogger, info};

use crate::interrupting::{NO_ALLOCATION_BY, assert_begins, own_pid, own_tid};
use crate::support::{
    Actor, Folder, Line, Role, assert_nothing_remains, listen, quiet, role_command, say,
};
use crate::trials;
use crate::ways_to_crash::{
    Crashing, crash_here, divide_by_zero, earlier_handler, illegal_instruction, overflow_the_stack,
    page_without_file, touch, wall_off,
};

pub const ROLES: &[Role] = &[
    ("crasher", crasher),
    ("parent_of_crasher", parent_of_crasher),
];

pub fn trials() -> Vec<Trial> {
    trials![
        each_of_the_five_signals_leaves_a_last_record_and_ends_the_process_as_before,
        a_signal_from_another_process_is_logged_with_its_sender,
        a_crash_in_a_thread_that_never_logged_is_logged_as_that_threads,
        a_crash_in_a_thread_that_std_did_not_make_is_logged,
        a_crash_in_the_allocator_is_logged_without_allocating,
        a_crash_within_a_log_call_is_logged_and_costs_only_that_call,
        a_crash_in_a_child_made_by_fork_is_logged_as_the_childs,
        a_crash_that_the_last_words_crash_on_ends_the_process,
        of_two_threads_that_crash_together_one_is_logged,
        an_overflown_stack_is_logged_and_std_still_says_so,
        an_overflown_stack_of_a_thread_is_logged_too,
        an_earlier_handler_gets_the_signal_with_its_address,
    ]
}

/// The parent of a ring and of one crasher, for crashes that the ring is to outlive.
fn parent_of_crasher(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    let mut child = role_command("crasher", &["", &arguments[1]])
        .spawn()
        .unwrap();
    let status = child.wait().unwrap();
    logger.flush(Duration::from_secs(60)).unwrap();
    say(&format!("status {}", status.into_raw()));
}

/// Logs a record, then crashes as it is told.
fn crasher(arguments: &[String]) {
    let (folder, how) = (&arguments[0], &arguments[1]);
    let logger = if folder.is_empty() {
        ShmLogger::attach().unwrap()
    } else {
        let logger = quiet(folder).init_parent().unwrap();
        say(logger.name());
        logger
    };
    if how == "chained" {
        // SAFETY: sigaction is a C structure that zeros are valid for.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = earlier_handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        // SAFETY: the handler writes to a descriptor and sets a disposition.
        let failed = unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, ptr::null_mut()) };
        assert_eq!(failed, 0);
    }
    // Twice: the second call must not take our own handler for an earlier one.
    shmlog::install_crash_handler().unwrap();
    shmlog::install_crash_handler().unwrap();
    info!("before the crash");
    crash(how, logger.name());
    unreachable!("{how} does not crash");
}

fn crash(how: &str, ring: &str) {
    match how {
        "SIGSEGV" => touch(0),
        "SIGFPE" => divide_by_zero(),
        "SIGILL" => illegal_instruction(),
        "SIGABRT" => std::process::abort(),
        "SIGBUS" => {
            let page = page_without_file();
            say(&format!("{page:#x}"));
            touch(page);
        }
        "sent" => _ = listen(),
        "silent thread" => in_thread(|| {
            say(&own_tid().to_string());
            touch(0x20);
        }),
        "allocator" => in_thread(|| {
            NO_ALLOCATION_BY.store(own_tid(), Ordering::Relaxed);
            touch(0x20);
        }),
        "foreign thread" => {
            let mut thread = 0;
            // SAFETY: `thread` is a valid place, and the function has the right type.
            let failed = unsafe {
                libc::pthread_create(&raw mut thread, ptr::null(), crash_here, ptr::null_mut())
            };
            assert_eq!(failed, 0);
            // SAFETY: the thread was made above and is joined once.
            unsafe { libc::pthread_join(thread, ptr::null_mut()) };
        }
        "log call" => info!("{} and the rest", Crashing),
        // SAFETY: the child only logs, which is made for it.
        "fork" => match unsafe { libc::fork() } {
            0 => touch(0x20),
            child => {
                say(&child.to_string());
                let mut status = 0;
                // SAFETY: `status` is a valid place.
                unsafe { libc::waitpid(child, &raw mut status, 0) };
                let signal = ExitStatus::from_raw(status).signal();
                assert_eq!(signal, Some(libc::SIGSEGV));
                std::process::exit(0);
            }
        },
        "last words" => {
            wall_off(ring);
            info!("into the wall");
        }
        "together" => {
            let barrier = Barrier::new(2);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        barrier.wait();
                        touch(0x20);
                    });
                }
            });
        }
        "overflow" => _ = std::hint::black_box(overflow_the_stack(0)),
        "overflow of a thread" => {
            in_thread(|| _ = std::hint::black_box(overflow_the_stack(0)));
        }
        "chained" => touch(0x50),
        how => panic!("nobody knows how to {how}"),
    }
}

fn in_thread(crash: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("a-thread-with-a-long-name".to_owned())
            .spawn_scoped(scope, crash)
            .unwrap();
    });
}

/// Has a crasher crash. What it said before, how it ended, and what it logged.
struct Crashed {
    actor: Actor,
    ring: String,
    folder: Folder,
}

impl Crashed {
    fn begin(how: &str) -> Crashed {
        let folder = Folder::new();
        let mut command = role_command("crasher", &[folder.text(), how]);
        command.stderr(Stdio::piped());
        let mut actor = Actor::from_command(command);
        let ring = actor.hear("");
        Crashed {
            actor,
            ring,
            folder,
        }
    }

    fn pid(&self) -> u32 {
        self.actor.pid()
    }

    /// Its end: how, what it wrote to standard error, and the records behind the first, which must be there.
    fn end(mut self) -> (ExitStatus, String, Vec<Line>) {
        let mut stderr = String::new();
        let mut pipe = self.actor.child.stderr.take().unwrap();
        pipe.read_to_string(&mut stderr).unwrap();
        let status = self.actor.wait();
        assert_nothing_remains(&self.ring);
        let mut records = self.folder.records();
        assert_eq!(records[0].message, "before the crash");
        records.remove(0);
        (status, stderr, records)
    }

    /// Its end by `signal`, and the last words, which must be all that it logged.
    fn end_by(self, signal: c_int) -> Line {
        let pid = self.pid();
        let (status, stderr, records) = self.end();
        assert_eq!(status.signal(), Some(signal), "{status}\n{stderr}");
        let [record] = &records[..] else {
            panic!("one record expected: {records:#?}");
        };
        assert_eq!((record.level, &*record.target), (Level::Critical, "crash"));
        assert_eq!(record.pid, pid);
        let end = format!("; process {pid}, thread {}", record.tid);
        assert!(record.message.ends_with(&end), "{}", record.message);
        record.clone()
    }
}

fn each_of_the_five_signals_leaves_a_last_record_and_ends_the_process_as_before() {
    let record = Crashed::begin("SIGSEGV").end_by(libc::SIGSEGV);
    assert_begins(
        &record,
        "SIGSEGV at address 0x0: nothing is mapped there (SEGV_MAPERR);",
    );

    let mut crashed = Crashed::begin("SIGBUS");
    let page = crashed.actor.hear("");
    let record = crashed.end_by(libc::SIGBUS);
    let expected =
        format!("SIGBUS at address {page}: there is no memory or file behind it (BUS_ADRERR);");
    assert_begins(&record, &expected);

    let record = Crashed::begin("SIGABRT").end_by(libc::SIGABRT);
    assert_begins(&record, "SIGABRT: sent by the process itself (SI_TKILL);");

    for (signal, number, code) in [
        (
            "SIGFPE",
            libc::SIGFPE,
            "integer division by zero (FPE_INTDIV)",
        ),
        ("SIGILL", libc::SIGILL, "(ILL_ILLOP"),
    ] {
        let record = Crashed::begin(signal).end_by(number);
        if cfg!(target_arch = "x86_64") {
            // The address is the instruction's.
            assert_begins(&record, &format!("{signal} at address 0x"));
            assert!(!record.message.contains("address 0x0:"));
            assert!(record.message.contains(code), "{}", record.message);
        }
    }
}

fn a_signal_from_another_process_is_logged_with_its_sender() {
    for (signal, number, name) in [
        // Not SIGSEGV: std's own handler takes one that was sent for an accident that will repeat itself.
        (Signal::FPE, libc::SIGFPE, "SIGFPE"),
        (Signal::ABORT, libc::SIGABRT, "SIGABRT"),
    ] {
        let crashed = Crashed::begin("sent");
        // The record before says that the handler is there.
        crate::support::until("the handler is installed", || {
            crashed.folder.log_text().contains("before the crash")
        });
        crashed.actor.signal(signal);
        let record = crashed.end_by(number);
        let expected = format!("{name}: sent by process {} (SI_USER);", own_pid());
        assert_begins(&record, &expected);
    }
}

fn a_crash_in_a_thread_that_never_logged_is_logged_as_that_threads() {
    let mut crashed = Crashed::begin("silent thread");
    let tid: u32 = crashed.actor.hear("").parse().unwrap();
    let record = crashed.end_by(libc::SIGSEGV);
    assert_begins(&record, "SIGSEGV at address 0x20: ");
    assert_eq!(record.tid, tid);
    // As much of the name as the kernel knows.
    assert_eq!(record.thread, "a-thread-with-a");
}

fn a_crash_in_a_thread_that_std_did_not_make_is_logged() {
    let record = Crashed::begin("foreign thread").end_by(libc::SIGSEGV);
    assert_begins(&record, "SIGSEGV at address 0x40: ");
    assert_ne!(record.tid, record.pid);
}

fn a_crash_in_the_allocator_is_logged_without_allocating() {
    let record = Crashed::begin("allocator").end_by(libc::SIGSEGV);
    assert_begins(&record, "SIGSEGV at address 0x20: ");
}

fn a_crash_within_a_log_call_is_logged_and_costs_only_that_call() {
    let record = Crashed::begin("log call").end_by(libc::SIGSEGV);
    assert_begins(&record, "SIGSEGV at address 0x30: ");
}

fn a_crash_in_a_child_made_by_fork_is_logged_as_the_childs() {
    let mut crashed = Crashed::begin("fork");
    let child: u32 = crashed.actor.hear("").parse().unwrap();
    let (status, stderr, records) = crashed.end();
    assert!(status.success(), "{status}\n{stderr}");
    assert_eq!(records.len(), 1, "{records:#?}");
    assert_begins(&records[0], "SIGSEGV at address 0x20: ");
    assert_eq!((records[0].pid, records[0].tid), (child, child));
}

fn a_crash_that_the_last_words_crash_on_ends_the_process() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_crasher", &[folder.text(), "last words"]);
    let ring = parent.hear("");
    let status: i32 = parent.hear("status ").parse().unwrap();
    parent.finish();
    assert_nothing_remains(&ring);
    let signal = ExitStatus::from_raw(status).signal();
    assert_eq!(signal, Some(libc::SIGSEGV));
    let messages = folder.records();
    assert_eq!(messages[0].message, "before the crash");
}

fn of_two_threads_that_crash_together_one_is_logged() {
    let record = Crashed::begin("together").end_by(libc::SIGSEGV);
    assert_begins(&record, "SIGSEGV at address 0x20: ");
}

fn assert_overflow_is_logged(how: &str, thread: &str) {
    let (status, stderr, records) = Crashed::begin(how).end();
    assert_eq!(status.signal(), Some(libc::SIGABRT), "{status}\n{stderr}");
    assert!(stderr.contains("overflowed its stack"), "{stderr}");
    assert_eq!(records.len(), 1, "{records:#?}");
    assert_begins(&records[0], "SIGSEGV at address 0x");
    assert_eq!(records[0].thread, thread);
}

fn an_overflown_stack_is_logged_and_std_still_says_so() {
    assert_overflow_is_logged("overflow", "main");
}

fn an_overflown_stack_of_a_thread_is_logged_too() {
    assert_overflow_is_logged("overflow of a thread", "a-thread-with-a");
}

fn an_earlier_handler_gets_the_signal_with_its_address() {
    let mut crashed = Crashed::begin("chained");
    crashed.actor.hear("earlier handler: the address");
    let record = crashed.end_by(libc::SIGSEGV);
    assert_begins(&record, "SIGSEGV at address 0x50: ");
}
