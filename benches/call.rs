//! What does one log call cost its caller?
//!
//! One producer on one core, the drainer on the other, calls about 1.5 µs apart. Each call is timed with the
//! processor's counter, the cost of timing itself is subtracted, and every record must have arrived before a
//! number is printed.
//!
//! ```sh
//! cargo bench --bench call
//! ```

use std::hint::black_box;
use std::time::Instant;

use hdrhistogram::Histogram;
use shmlog::{Level, ShmLogger, debug, info};

const CALLS: u64 = 200_000;

fn main() {
    let folder = std::env::temp_dir().join(format!("shmlog-bench-{}", std::process::id()));
    let logger = ShmLogger::builder()
        .level(Level::Info)
        .console(false)
        .file(true)
        .file_path(&folder)
        .init_parent()
        .expect("a ring");
    let clock = Ticks::calibrate();
    let empty = measure(&clock, || {}).value_at_quantile(0.5);
    println!(
        "{:<42} {:>8} {:>8} {:>8}",
        "ns (timing of an empty call subtracted)", "p50", "p99", "p99.9"
    );
    let report = |name: &str, histogram: Histogram<u64>| {
        let at = |q| histogram.value_at_quantile(q).saturating_sub(empty) as f64 / 1000.0;
        println!(
            "{name:<42} {:>8.1} {:>8.1} {:>8.1}",
            at(0.5),
            at(0.99),
            at(0.999)
        );
    };
    report(
        "a 64-byte literal",
        measure(&clock, || {
            info!("a literal of sixty-four bytes, as one writes them in robot code.");
        }),
    );
    let text = "x".repeat(200);
    report(
        "a 200-byte run-time string",
        measure(&clock, || info!("{}", black_box(&*text))),
    );
    let (joint, position, velocity) = (black_box(3), black_box(1.25), black_box(-0.5));
    report(
        "an integer and two floats",
        measure(&clock, || {
            info!("joint {} pos {} vel {}", joint, position, velocity);
        }),
    );
    report(
        "a disabled level",
        measure(&clock, || debug!("never seen {}", joint)),
    );
    logger
        .flush(std::time::Duration::from_secs(60))
        .expect("flushed");
    let stats = logger.stats();
    assert_eq!(
        (stats.delivered, stats.dropped, stats.lost),
        (3 * CALLS, 0, 0)
    );
    drop(logger);
    std::fs::remove_dir_all(folder).expect("the folder was ours");
}

/// Times every call, in picoseconds.
fn measure(clock: &Ticks, call: impl Fn()) -> Histogram<u64> {
    let mut histogram = Histogram::new_with_max(1_000_000_000_000, 3).expect("bounds");
    for _ in 0..CALLS {
        let begin = ticks();
        call();
        let end = ticks();
        histogram.saturating_record(((end - begin) as f64 * clock.picoseconds) as u64);
        while ((ticks() - end) as f64) * clock.picoseconds < 1_500_000.0 {}
    }
    histogram
}

/// The length of a tick.
struct Ticks {
    picoseconds: f64,
}

impl Ticks {
    fn calibrate() -> Ticks {
        let (begin, ticks_begin) = (Instant::now(), ticks());
        while begin.elapsed().as_millis() < 100 {}
        let ticks = (ticks() - ticks_begin) as f64;
        Ticks {
            picoseconds: begin.elapsed().as_nanos() as f64 * 1000.0 / ticks,
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has the counter; reading it changes nothing.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
fn ticks() -> u64 {
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    BEGIN.get_or_init(Instant::now).elapsed().as_nanos() as u64
}
