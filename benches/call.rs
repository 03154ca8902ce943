//! What does one log call cost its caller?
//!
//! One producer on one core, the drainer on the other. Calls 1 to 2 µs apart; then one a millisecond, as a control
//! loop makes them, everything cold. Each call is timed with the processor's counter, the cost of timing itself is
//! subtracted. The floor is what nobody can do without: a look at the counter and 32 bytes stored, into memory of
//! one's own. Every record must have arrived before a number is printed.
//!
//! ```sh
//! cargo bench --bench call -- [--quick]
//! ```

mod harness;

use std::hint::black_box;
use std::time::Instant;

use harness::clock::Clock;
use harness::cores::Cores;
use harness::latency::{Latencies, cold, paced};
use harness::messages::{LITERAL, text, three};
use harness::scene::{Folder, assert_arrived, pin_apart, settings};
use harness::{asked_for, floor::Floor, say};
use shmlog::{debug, info};

const ROUNDS: u64 = 10;

fn main() {
    let less = if asked_for("--quick") { 10 } else { 1 };
    let (calls, cold_calls, disabled) = (100_000 / less, 400 / less, 100_000_000 / less);
    let (cores, clock) = (Cores::find(), Clock::calibrate());
    let folder = Folder::new("call");
    let logger = settings(&folder).init_parent().expect("a ring");
    info!("the first registers this thread");
    pin_apart(cores);

    let (text, mut floor) = (text(200), Floor::new());
    let mut cases = Cases::default();
    for _ in 0..ROUNDS {
        cases.add("floor", paced(clock, calls, |n| floor.record(n)));
        cases.add("three numbers", paced(clock, calls, log_three));
        let literal = paced(clock, calls, |_| {
            info!("a literal of sixty-four bytes, as one writes them in robot code.");
        });
        cases.add("64-byte literal", literal);
        let string = paced(clock, calls, |_| info!("{}", black_box(&*text)));
        cases.add("200-byte string", string);
        cases.add("cold, floor", cold(clock, cold_calls, |n| floor.record(n)));
        cases.add("cold, three numbers", cold(clock, cold_calls, log_three));
    }
    let begin = Instant::now();
    for n in 0..disabled {
        debug!("never seen {}", black_box(n));
    }
    let disabled = begin.elapsed().as_nanos() as f64 / disabled as f64;

    assert_eq!(LITERAL.len(), 64);
    assert_arrived(&logger, 1 + ROUNDS * (3 * calls + cold_calls));
    for (name, latencies) in &cases.0 {
        for (label, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            say(&format!("{name}, {label}"), latencies.at(quantile), "ns");
        }
    }
    say("disabled level", disabled, "ns");
}

fn log_three(n: u64) {
    let (joint, position, velocity) = three(n);
    info!("joint {} pos {} vel {}", joint, position, velocity);
}

/// What was measured, in the order of the first round.
#[derive(Default)]
struct Cases(Vec<(&'static str, Latencies)>);

impl Cases {
    fn add(&mut self, name: &'static str, round: Latencies) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, latencies)) => latencies.add(&round),
            None => self.0.push((name, round)),
        }
    }
}
