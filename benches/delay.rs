//! How long from the call until the bytes are in the file?
//!
//! A record carries the time of its call. The thread that logs looks at the file's length between its calls, on its
//! own core, so that nobody disturbs the drainer on the other, and notes when it has grown to what. Afterwards the
//! file is read: a line was in it when the file was first seen to be that long. So the delay counts until another
//! process can read the line, to within the time of a look, and can only be overstated. Once with a record every
//! 1.5 µs, once with one a millisecond. Every record must have arrived before a number is printed.
//!
//! ```sh
//! cargo bench --bench delay -- [--quick]
//! ```

mod harness;

use std::fs::File;
use std::time::Duration;

use harness::asked_for;
use harness::clock::monotonic;
use harness::cores::Cores;
use harness::say;
use harness::scene::{Folder, PATIENCE, assert_arrived, pin_apart, settings};
use shmlog::{ShmLogger, info};

fn main() {
    let less = if asked_for("--quick") { 10 } else { 1 };
    let cores = Cores::find();
    let fast = std::thread::scope(|scope| {
        let case = || delays(cores, 500_000 / less, Duration::from_nanos(1500));
        scope.spawn(case).join().expect("the case")
    });
    report("a record every 1.5 µs", fast);
    let slow = delays(cores, 5_000 / less, Duration::from_millis(1));
    report("a record a millisecond", slow);
}

fn report(name: &str, mut delays: Vec<u64>) {
    delays.sort_unstable();
    for (label, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let at = (quantile * delays.len() as f64) as usize;
        let microseconds = delays[at] as f64 / 1000.0;
        say(&format!("{name}, {label}"), microseconds, "µs");
    }
}

/// Nanoseconds, of each record.
fn delays(cores: Cores, records: u64, gap: Duration) -> Vec<u64> {
    let folder = Folder::new("delay");
    let logger = settings(&folder).init_parent().expect("a ring");
    info!("the first registers this thread");
    logger.flush(PATIENCE).expect("flushed");
    pin_apart(cores);
    let logs = folder.logs();
    assert_eq!(logs.len(), 1, "logs: {logs:?}");
    let seen = log_and_look(&logger, &logs[0], records, gap);
    let text = std::fs::read_to_string(&logs[0]).expect("the log");
    let delays = match_up(&text, &seen);
    assert_eq!(delays.len() as u64, records);
    delays
}

/// A length the file was seen to have, and the first moment that it was.
struct Seen {
    length: u64,
    at: u64,
}

fn log_and_look(
    logger: &ShmLogger,
    log: &std::path::Path,
    records: u64,
    gap: Duration,
) -> Vec<Seen> {
    let file = File::open(log).expect("the log");
    let length = || file.metadata().expect("its length").len();
    let mut seen = Vec::with_capacity(records as usize);
    let mut known = length();
    let mut look = || {
        let (length, at) = (length(), monotonic());
        if length > known {
            known = length;
            seen.push(Seen { length, at });
        }
    };
    let mut next = monotonic();
    for _ in 0..records {
        next += gap.as_nanos() as u64;
        while monotonic() < next {
            look();
        }
        info!("sent {}", monotonic());
    }
    // The last ones: 50 ms are many times a delay; if it is more, `match_up` misses them.
    let end = monotonic() + 50_000_000;
    while monotonic() < end {
        look();
    }
    assert_arrived(logger, 1 + records);
    look();
    seen
}

fn match_up(text: &str, seen: &[Seen]) -> Vec<u64> {
    let (mut delays, mut length, mut seen) = (Vec::new(), 0, seen.iter().peekable());
    for line in text.split_inclusive('\n') {
        length += line.len() as u64;
        let Some((_, sent)) = line.trim_end().rsplit_once(" - sent ") else {
            continue;
        };
        while seen.next_if(|seen| seen.length < length).is_some() {}
        let at = seen.peek().expect("seen in the end").at;
        delays.push(at - sent.parse::<u64>().expect("a time"));
    }
    delays
}
