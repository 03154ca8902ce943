//! A log call after the thread's first one neither allocates nor frees: a global allocator counts what each
//! thread asks of it.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt;

use shmlog::{Level, ShmLogger, critical, debug, error, get_logger, info, log, trace, warn};

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // A thread at its very end has no counter any more.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: everything is handed on to the system's allocator as it came; counting allocates nothing, since the
// counter is a constant without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise, handed on: all memory here is the system allocator's.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations, reallocations and frees of this thread while it does `work`.
fn calls_during(work: impl FnOnce()) -> usize {
    let before = CALLS.get();
    work();
    CALLS.get() - before
}

/// Logs while it is being written.
struct Nested;

impl fmt::Display for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!("from within a record");
        f.write_str("nested")
    }
}

#[test]
fn ten_thousand_records_of_all_kinds_allocate_and_free_nothing() {
    let folder = std::env::temp_dir().join(format!("shmlog-allocations-{}", std::process::id()));
    // Small enough to overflow: a drop allocates nothing either.
    for slots in [1 << 17, 64] {
        let builder = ShmLogger::builder().level(Level::Debug).slots(slots);
        let builder = builder.console(false).file(true).file_path(&folder);
        let logger = builder.env(false).init_parent().unwrap();
        let (imu, run_time) = (get_logger("imu"), String::from("run-time"));
        let (six_slots, long) = ("s".repeat(600), "l".repeat(5000));
        let log_all_kinds = |round: usize| {
            info!("literal");
            debug!("{round} {:?} {:>9.3} {:#x}", "text", 1.5, 255);
            warn!(logger: imu, "named {round}");
            error!(target: "can", "bus {}", round);
            critical!(target: run_time, "{six_slots}");
            log!(Level::Warn, "two\nlines {round}");
            info!("");
            info!("{}", Nested);
            trace!("disabled {}", long);
            info!(
                "{}",
                if round.is_multiple_of(100) {
                    &long
                } else {
                    "seldom long"
                }
            );
        };
        let on_this_thread = calls_during(|| drop(String::from("counted: one and one")));
        assert_eq!(on_this_thread, 2, "the allocator counts");
        assert!(calls_during(|| info!("the first registers the thread")) < 100);
        let calls = calls_during(|| (0..1112).for_each(log_all_kinds));
        assert_eq!(calls, 0);
        let stats = logger.stats();
        assert_eq!(stats.attempted, 1 + 1112 * 10);
        if slots > 64 {
            assert_eq!(stats.dropped, 0);
        }
        drop(logger);
    }
    std::fs::remove_dir_all(folder).unwrap();
}
