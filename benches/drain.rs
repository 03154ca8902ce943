//! How many lines a second does the drainer write into a file?
//!
//! One thread logs as fast as it may (it waits when the ring is full), the drainer writes on the other core; the time
//! is from the first call until all lines are in the file, where they are counted before a number is printed.
//!
//! And how many records without formatting and file? The log is discarded; the drainer is stopped while a large ring is
//! filled, so that it is not the producer that is measured.
//!
//! ```sh
//! cargo bench --bench drain -- [--records 2_000_000]
//! ```

mod harness;

use std::hint::black_box;
use std::time::Instant;

use harness::cores::Cores;
use harness::messages::three;
use harness::scene::{Folder, PATIENCE, assert_arrived, drainer, pin_apart, settings};
use harness::{argument, median, say};
use rustix::process::{Pid, Signal, kill_process};
use shmlog::{Level, OnFull, ShmLogger, info};

fn main() {
    let cores = Cores::find();
    report(cores, "three numbers", log_three);
    report(cores, "64-byte literal", |_| {
        info!("a literal of sixty-four bytes, as one writes them in robot code.");
    });
    report(cores, "three integers", |n| {
        info!("joint {} step {} of {}", black_box(n % 29), n, 4_000_000);
    });
    report(cores, "two floats of three digits", |n| {
        let (_, position, velocity) = three(n);
        info!("pos {:.3} vel {:.3}", position, velocity);
    });
    discard(cores);
}

fn discard(cores: Cores) {
    const SLOTS: u64 = 1 << 21;
    const ROUNDS: u64 = 5;
    // The last eighth of the slots is for warnings.
    let records = SLOTS / 8 * 7;
    let forgotten = ShmLogger::builder().level(Level::Info).recover(false);
    let forgotten = forgotten.console(false).discard(true).slots(SLOTS);
    let logger = forgotten.init_parent().expect("a ring");
    log_three(0);
    pin_apart(cores);
    let drainer = Pid::from_raw(drainer() as i32).expect("a pid");
    let tell = |signal| kill_process(drainer, signal).expect("told");
    let rounds = (0..ROUNDS).map(|_| {
        logger.flush(PATIENCE).expect("flushed");
        tell(Signal::STOP);
        (0..records).for_each(log_three);
        let begin = Instant::now();
        tell(Signal::CONT);
        logger.flush(PATIENCE).expect("flushed");
        records as f64 / begin.elapsed().as_secs_f64()
    });
    let rate = median(rounds.collect());
    assert_arrived(&logger, 1 + ROUNDS * records);
    say("drain, discarded", rate, "records/s");
}

fn log_three(n: u64) {
    let (joint, position, velocity) = three(n);
    info!("joint {} pos {} vel {}", joint, position, velocity);
}

fn report(cores: Cores, name: &str, call: impl Fn(u64) + Sync) {
    // Pins are a thread's: the next case begins in one that has none.
    std::thread::scope(|scope| {
        scope.spawn(|| drain(cores, name, &call));
    });
}

fn drain(cores: Cores, name: &str, call: &impl Fn(u64)) {
    let records = argument("--records").unwrap_or(2_000_000);
    let folder = Folder::new("drain");
    let waiting = settings(&folder).on_full(OnFull::Block(PATIENCE));
    let logger = waiting.init_parent().expect("a ring");
    call(0);
    logger.flush(PATIENCE).expect("flushed");
    pin_apart(cores);

    let begin = Instant::now();
    (0..records).for_each(call);
    logger.flush(PATIENCE).expect("flushed");
    let seconds = begin.elapsed().as_secs_f64();
    assert_arrived(&logger, 1 + records);
    drop(logger);
    assert_eq!(folder.lines(), 1 + records);
    let sizes = folder.logs().into_iter();
    let bytes: u64 = sizes
        .map(|log| log.metadata().expect("its size").len())
        .sum();
    say(
        &format!("drain, {name}"),
        records as f64 / seconds,
        "lines/s",
    );
    say(
        &format!("drain, {name}, bytes"),
        bytes as f64 / seconds / 1e6,
        "MB/s",
    );
}
