//! How many lines a second does the drainer write into a file?
//!
//! One thread logs as fast as it may (it waits when the ring is full), the drainer writes; the time is from the first
//! call until all lines are in the file. Every record must have arrived before a number is printed.
//!
//! ```sh
//! cargo bench --bench drain
//! ```

use std::hint::black_box;
use std::time::{Duration, Instant};

use shmlog::{Level, OnFull, ShmLogger, info};

const RECORDS: u64 = 4_000_000;

fn main() {
    println!("{:<42} {:>12} {:>12}", "", "lines/s", "MB/s");
    report("an integer and two floats", |n| {
        let (joint, position) = (black_box(n % 29), black_box(n as f64 * 0.001));
        info!("joint {} pos {} vel {}", joint, position, black_box(-0.5));
    });
    report("a 64-byte literal", |_| {
        info!("a literal of sixty-four bytes, as one writes them in robot code.");
    });
    report("three integers", |n| {
        info!("joint {} step {} of {}", black_box(n % 29), n, RECORDS)
    });
    report("floats of three digits", |n| {
        let position = black_box(n as f64 * 0.001);
        info!("pos {:.3} vel {:.3}", position, black_box(-0.5))
    });
}

fn report(name: &str, call: impl Fn(u64)) {
    let folder = std::env::temp_dir().join(format!("shmlog-bench-{}", std::process::id()));
    let logger = ShmLogger::builder()
        .level(Level::Info)
        .console(false)
        .file(true)
        .file_path(&folder)
        .max_file_size(1 << 40)
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .init_parent()
        .expect("a ring");
    call(0);
    logger.flush(Duration::from_secs(60)).expect("flushed");
    let begin = Instant::now();
    (0..RECORDS).for_each(call);
    logger.flush(Duration::from_secs(60)).expect("flushed");
    let seconds = begin.elapsed().as_secs_f64();
    let stats = logger.stats();
    assert_eq!(
        (stats.delivered, stats.dropped, stats.lost),
        (RECORDS + 1, 0, 0)
    );
    drop(logger);
    let files = std::fs::read_dir(&folder).expect("the folder");
    let bytes: u64 = files
        .map(|file| file.expect("a file").metadata().expect("its size").len())
        .sum();
    std::fs::remove_dir_all(folder).expect("the folder was ours");
    let rate = RECORDS as f64 / seconds;
    println!(
        "{name:<42} {rate:>12.0} {:>12.0}",
        bytes as f64 / seconds / 1e6
    );
}
