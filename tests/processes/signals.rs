//! Signals: handlers that log, crashes that leave a last record, panics.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::ptr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::{Level, ShmLogger, info, warn};

use crate::support::{
    Actor, Folder, Line, Role, assert_nothing_remains, listen, quiet, role_command, say,
};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("crasher", crasher),
    ("parent_of_crasher", parent_of_crasher),
    ("panicker", panicker),
    ("parent_of_interrupted", parent_of_interrupted),
    ("interrupted_by_signals", interrupted),
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
        a_panic_is_logged_with_message_place_and_backtrace_and_the_earlier_hook_runs,
        a_panic_in_the_midst_of_a_long_record_ends_that_record,
        a_handler_at_10_khz_that_logs_loses_nothing_and_blocks_nobody,
        handlers_that_interrupt_each_other_and_log_calls_lose_nothing,
        a_handler_that_logs_while_its_thread_registers_loses_nothing,
        a_handler_may_log_the_first_record_of_its_thread_without_allocating,
    ]
}

/// The kernel's number of a thread that must not allocate now; 0 when all may. Who does ends the process.
static NO_ALLOCATION_BY: AtomicI32 = AtomicI32::new(0);
const ALLOCATED: c_int = 99;

struct Watched;

#[global_allocator]
static ALLOCATOR: Watched = Watched;

fn watch_allocation() {
    let forbidden = NO_ALLOCATION_BY.load(Ordering::Relaxed);
    if forbidden != 0 && forbidden == own_tid() {
        // SAFETY: _exit has no precondition.
        unsafe { libc::_exit(ALLOCATED) };
    }
}

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        watch_allocation();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        watch_allocation();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(start, layout) }
    }
}

fn own_tid() -> i32 {
    // SAFETY: gettid has no precondition.
    unsafe { libc::gettid() }
}

fn own_pid() -> i32 {
    std::process::id() as i32
}

/// Sends a signal to a thread of this process; one that has ended gets none.
fn interrupt(tid: i32, signal: c_int) {
    // SAFETY: no memory is involved.
    unsafe { libc::syscall(libc::SYS_tgkill, own_pid(), tid, signal) };
}

fn handle(signal: c_int, handler: extern "C" fn(c_int)) {
    // SAFETY: sigaction is a C structure that zeros are valid for.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    // On the ordinary stack: two handlers, one within the other, need more than std's alternate one has.
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handlers of these tests only log, count, and write to a descriptor.
    let failed = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    assert_eq!(failed, 0);
}

// --- Crashes -------------------------------------------------------------------------------------------

/// Writes to an address where nothing may be written.
fn touch(address: usize) {
    let address = std::hint::black_box(address) as *mut c_void;
    // SAFETY: none: this is the crash that is to be tested, by a function that the compiler knows nothing of.
    unsafe { libc::memset(address, 1, 1) };
}

fn divide_by_zero() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: raises SIGFPE before anything is written; the registers are named.
    unsafe {
        std::arch::asm!("div {zero:e}", zero = in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _)
    };
    // Elsewhere the processor gives a result.
    #[cfg(not(target_arch = "x86_64"))]
    interrupt(own_tid(), libc::SIGFPE);
}

fn illegal_instruction() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: raises SIGILL and does nothing else.
    unsafe {
        std::arch::asm!("ud2")
    };
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("udf #0")
    };
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    interrupt(own_tid(), libc::SIGILL);
}

/// A page of a file that has become shorter: its address.
fn page_without_file() -> usize {
    let path = std::env::temp_dir().join(format!("shmlog-test-bus-{}", own_pid()));
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    file.set_len(4096).unwrap();
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh mapping at the kernel's choice; only `touch` goes there.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            4096,
            protection,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    assert_ne!(start, libc::MAP_FAILED);
    file.set_len(0).unwrap();
    std::fs::remove_file(path).unwrap();
    start as usize
}

/// Deeper and deeper, with something on the stack at each step.
#[allow(unconditional_recursion)]
fn overflow_the_stack(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 64]);
    overflow_the_stack(depth + 1) + room[(depth % 64) as usize]
}

/// Crashes when it is formatted.
struct Crashing;

impl fmt::Display for Crashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half a record, ")?;
        touch(0x30);
        Ok(())
    }
}

extern "C" fn crash_here(_: *mut c_void) -> *mut c_void {
    touch(0x40);
    ptr::null_mut()
}

extern "C" fn earlier_handler(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands a valid siginfo_t to a handler with SA_SIGINFO.
    let info = unsafe { &*info };
    // SAFETY: a fault's information holds an address.
    let address = unsafe { info.si_addr() } as usize;
    let text: &[u8] = if address == 0x50 {
        b"earlier handler: the address\n"
    } else {
        b"earlier handler: another address\n"
    };
    // SAFETY: the buffer is as long as is said.
    unsafe { libc::write(1, text.as_ptr().cast(), text.len()) };
    // SAFETY: no memory is involved.
    unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
}

/// Forbids this process the pages of the ring.
fn wall_off(ring: &str) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut walled = 0;
    for line in maps.lines().filter(|line| line.contains(ring)) {
        let range = line.split(' ').next().unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let number = |text| usize::from_str_radix(text, 16).unwrap();
        let (start, end) = (number(start), number(end));
        // SAFETY: changes what may be done with a mapping; what was going to use it is to crash.
        let failed = unsafe { libc::mprotect(start as *mut c_void, end - start, libc::PROT_NONE) };
        assert_eq!(failed, 0);
        walled += 1;
    }
    assert!(walled > 0);
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

fn assert_begins(record: &Line, with: &str) {
    let message = &record.message;
    assert!(message.starts_with(with), "{message} - but not: {with}");
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

// --- Panics --------------------------------------------------------------------------------------------

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
    assert!(backtrace.contains("signals::panicker"), "{backtrace}");
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

// --- Handlers that log ---------------------------------------------------------------------------------

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
        .max_producers(512)
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
