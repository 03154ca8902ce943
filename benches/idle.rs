//! What does the drainer use of a core while nothing is logged, and with one record a second?
//!
//! The processor time of its process, by the kernel's own clock of it, over ten seconds each.
//!
//! ```sh
//! cargo bench --bench idle -- [--seconds 10]
//! ```

mod harness;

use std::time::{Duration, Instant};

use harness::load::processor_time;
use harness::scene::{Folder, PATIENCE, assert_arrived, drainer, settings};
use harness::{argument, say};
use shmlog::info;

fn main() {
    let seconds = argument("--seconds").unwrap_or(10);
    let folder = Folder::new("idle");
    let logger = settings(&folder).init_parent().expect("a ring");
    info!("the first registers this thread");
    logger.flush(PATIENCE).expect("flushed");
    // What it does right after a record is not idleness.
    std::thread::sleep(Duration::from_millis(500));

    let second = || std::thread::sleep(Duration::from_secs(1));
    let idle = share_of_a_core(|| (0..seconds).for_each(|_| second()));
    let slow = share_of_a_core(|| {
        (0..seconds).for_each(|n| {
            info!("record {}", n);
            second();
        })
    });
    assert_arrived(&logger, 1 + seconds);
    say("idle, nothing logged", idle * 100.0, "% of a core");
    say("idle, a record a second", slow * 100.0, "% of a core");
}

fn share_of_a_core(wait: impl FnOnce()) -> f64 {
    let (drainer, begin) = (drainer(), Instant::now());
    let used = processor_time(drainer);
    wait();
    let used = processor_time(drainer) - used;
    used.as_secs_f64() / begin.elapsed().as_secs_f64()
}
