//! No page fault in a log call after start: the kernel counts a thread's minor faults (`ru_minflt`) before and after
//! 200,000 records, which go round the ring dozens of times.
//!
//! What is warmed up, and why that is fair: the program's own pages, which every program brings in at first use whether
//! it logs or not, and which no logger can know. These are code, constants and statics, as they are mapped from files,
//! and the thread's stack, by one record of each kind. A child made by fork shares all its parent's pages until it writes
//! to one, so it warms up again. Neither the ring, nor the tables beside it, nor what shmlog keeps per thread are warmed
//! up so: a record of each kind touches a few slots of 4096, and the longest record, which needs all of the thread's
//! buffer, comes only after the first count.
//!
//! What a thread keeps, the buffer too, may lie across the end of a page. Where, depends on the program's other
//! thread-locals, so there are threads whose stacks, and with them their thread-locals, end at other places in a page.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{Level, Logger, ShmLogger, get_logger, info, log, warn};

use crate::forking::{fork, wait};
use crate::host::host_good_child;
use crate::support::{Actor, Folder, Role, assert_nothing_remains, quiet, say};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("faultless_parent", faultless_parent),
    ("faultless_child", faultless_child),
    ("faultless_fork", faultless_fork),
    ("faultless_threads", faultless_threads),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_parent_and_a_thread_of_it_log_without_a_page_fault,
        an_attached_child_logs_without_a_page_fault,
        a_forked_child_logs_without_a_page_fault,
        wherever_its_buffer_lies_a_thread_logs_without_a_page_fault_and_forked_too,
    ]
}

const SLOTS: &str = "slots=4096";
/// Rounds of seven records, or eight, between two looks at the drainer: less than half of the ring, so that none is dropped.
const ROUNDS: usize = 100;
const BURSTS: usize = 290;
/// Bytes between the ends of the stacks of two threads: less than the buffer of one.
const STEP: usize = 512;

thread_local! {
    /// As other parts of a program may have: so much that the thread's other memory lies on other pages.
    static OTHERS: [Cell<u8>; 8192] = const { [const { Cell::new(0) }; 8192] };
}

/// Minor page faults of this thread until now.
fn minor_faults() -> i64 {
    // SAFETY: plain numbers, of which zeros are valid ones.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is there to be written.
    let failed = unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    assert_eq!(failed, 0);
    usage.ru_minflt
}

/// Brings the pages of the program and its libraries into this process's page table, those that it writes to as its own.
fn bring_in_the_program() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    for line in maps.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [range, rights, _, _, _, file] = words[..] else {
            continue;
        };
        if !file.starts_with('/') || file.starts_with("/dev/shm") || !rights.starts_with('r') {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let address = |text| usize::from_str_radix(text, 16).unwrap();
        let (start, end) = (address(start), address(end));
        let advice = match rights.contains('w') {
            true => libc::MADV_POPULATE_WRITE,
            false => libc::MADV_POPULATE_READ,
        };
        // SAFETY: populating changes no content, and the range is mapped as this process sees itself; were it not any
        // more, the call would say so. What it says is of no matter: a page that is not there is a fault that counts.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, advice) };
    }
}

/// Seven kinds of records, and now and then one of all bytes that a run can have.
fn log_all_kinds(round: usize, imu: &Logger, long: &str) {
    info!("a literal of sixty-four bytes, as a control loop has many of");
    info!("joint {} pos {} vel {}", round, 1.5, -0.25);
    info!("{}", &long[..200]);
    info!("{:>9.3} {:#x} {:?}", 2.5, round, "text");
    warn!(logger: imu, "named {round}");
    log!(Level::Error, "two\nlines {round}");
    info!("{}", format_args!("rendered {round}"));
    if round % 50 == 49 {
        info!("{long}");
    }
}

/// Warms up, then counts the faults in log calls, not those of waiting for the drainer in between.
fn assert_no_fault_in_log_calls(logger: &ShmLogger, bursts: usize) {
    let (imu, long) = (get_logger("imu"), "l".repeat(1900));
    let flush = || logger.flush(Duration::from_secs(60)).unwrap();
    bring_in_the_program();
    log_all_kinds(0, &imu, &long);
    flush();
    let mut faults = 0;
    for _ in 0..bursts {
        let before = minor_faults();
        (0..ROUNDS).for_each(|round| log_all_kinds(round, &imu, &long));
        faults += minor_faults() - before;
        flush();
    }
    assert_eq!(faults, 0, "minor page faults in log calls");
}

fn assert_all_arrived(logger: &ShmLogger) {
    let stats = logger.stats();
    assert_eq!((stats.dropped, stats.lost), (0, 0), "{stats}");
    assert!(stats.delivered > 200_000, "{stats}");
}

fn faultless_parent(arguments: &[String]) {
    let logger = quiet(&arguments[0]).slots(4096).init_parent().unwrap();
    say(logger.name());
    assert_no_fault_in_log_calls(&logger, BURSTS);
    std::thread::scope(|scope| {
        scope
            .spawn(|| assert_no_fault_in_log_calls(&logger, BURSTS))
            .join()
            .unwrap()
    });
    assert_all_arrived(&logger);
}

fn faultless_child(_: &[String]) {
    let logger = ShmLogger::attach().unwrap();
    assert_no_fault_in_log_calls(&logger, BURSTS);
}

fn faultless_fork(_: &[String]) {
    let logger = ShmLogger::attach().unwrap();
    info!("its parent has logged");
    wait(fork(|| {
        info!("the first of the child");
        assert_no_fault_in_log_calls(&logger, BURSTS);
    }));
}

/// Runs `work` in a thread whose stack, in fresh memory, ends `before` bytes before the end of a page.
fn in_thread_ending(before: usize, work: &dyn Fn()) {
    const BYTES: usize = 256 << 10;
    extern "C" fn run(work: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: in_thread_ending passes a pointer to `work`, and waits for this thread before it returns.
        let work = unsafe { &*work.cast::<&dyn Fn()>() };
        work();
        std::ptr::null_mut()
    }
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a mapping at an address of the kernel's choice; it is kept for good.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), BYTES, protection, kind, -1, 0) };
    assert_ne!(memory, libc::MAP_FAILED);
    // SAFETY: plain data, which pthread_attr_init fills in.
    let mut attributes: libc::pthread_attr_t = unsafe { std::mem::zeroed() };
    let mut thread = 0;
    let argument = (&raw const work).cast_mut().cast();
    // SAFETY: `attributes` is there to be written.
    let mut failed = unsafe { libc::pthread_attr_init(&raw mut attributes) };
    // SAFETY: the memory mapped above is used for nothing else, and is never unmapped.
    failed |= unsafe { libc::pthread_attr_setstack(&raw mut attributes, memory, BYTES - before) };
    // SAFETY: attributes as initialised above; `run` takes a pointer to a `&dyn Fn()`, which `argument` is until
    // the thread has been joined.
    failed |=
        unsafe { libc::pthread_create(&raw mut thread, &raw const attributes, run, argument) };
    // SAFETY: the thread was created just now, and nobody else waits for it.
    failed |= unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
    assert_eq!(failed, 0);
}

fn faultless_threads(_: &[String]) {
    let logger = ShmLogger::attach().unwrap();
    OTHERS.with(|bytes| _ = std::hint::black_box(bytes));
    for before in (0..4096).step_by(STEP) {
        in_thread_ending(before, &|| {
            assert_no_fault_in_log_calls(&logger, 2);
            wait(fork(|| assert_no_fault_in_log_calls(&logger, 2)));
        });
    }
}

fn wherever_its_buffer_lies_a_thread_logs_without_a_page_fault_and_forked_too() {
    let outcome = host_good_child(&Folder::new(), SLOTS, "faultless_threads", &[]);
    assert_eq!(outcome.dropped, 0, "{outcome:?}");
}

fn a_parent_and_a_thread_of_it_log_without_a_page_fault() {
    let folder = Folder::new();
    let mut parent = Actor::start("faultless_parent", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
}

fn hosted(role: &str) {
    let folder = Folder::new();
    let outcome = host_good_child(&folder, SLOTS, role, &[]);
    assert_eq!(outcome.dropped, 0, "{outcome:?}");
    assert!(outcome.delivered > 200_000, "{outcome:?}");
}

fn an_attached_child_logs_without_a_page_fault() {
    hosted("faultless_child");
}

fn a_forked_child_logs_without_a_page_fault() {
    hosted("faultless_fork");
}
