//! What does a record cost when many come at once?
//!
//! 50,000 records in a row into an empty ring, the drainer at work on the other core meanwhile; several rounds, the
//! median. Every record must have arrived before a number is printed.
//!
//! ```sh
//! cargo bench --bench burst
//! ```

mod harness;

use std::time::Instant;

use harness::cores::Cores;
use harness::messages::three;
use harness::scene::{Folder, PATIENCE, assert_arrived, pin_apart, settings};
use harness::{median, say};
use shmlog::info;

const RECORDS: u64 = 50_000;
const ROUNDS: usize = 21;

fn main() {
    let cores = Cores::find();
    let folder = Folder::new("burst");
    let logger = settings(&folder).init_parent().expect("a ring");
    info!("the first registers this thread");
    pin_apart(cores);

    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            logger.flush(PATIENCE).expect("flushed");
            burst()
        })
        .collect();
    assert_arrived(&logger, 1 + RECORDS * ROUNDS as u64);
    rounds.sort_by(f64::total_cmp);
    say("burst, least", rounds[0], "ns a record");
    say("burst, median", median(rounds.clone()), "ns a record");
    say("burst, most", rounds[ROUNDS - 1], "ns a record");
}

/// Nanoseconds a record.
fn burst() -> f64 {
    let begin = Instant::now();
    for n in 0..RECORDS {
        let (joint, position, velocity) = three(n);
        info!("joint {} pos {} vel {}", joint, position, velocity);
    }
    begin.elapsed().as_nanos() as f64 / RECORDS as f64
}
