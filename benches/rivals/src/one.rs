//! One run: one logger, one scenario, in this very process, which was started for it.

use std::time::Instant;

use crate::harness::clock::Clock;
use crate::harness::cores::Cores;
use crate::harness::latency::{cold, paced};
use crate::harness::scene::Folder;
use crate::harness::{asked_for, median, messages};
use crate::loggers::{self, Logger};
use crate::scenario::{BURSTS, Outcome, Scenario, TEXT, WARM_UP};

/// A run's surroundings, and how much it shall do.
pub struct Run {
    pub scenario: Scenario,
    pub calls: u64,
    pub cores: Cores,
    pub folder: Folder,
}

/// Prints what it found.
pub fn run(logger: &str, scenario: &str) {
    let scenario = Scenario::named(scenario).expect("a scenario");
    let run = Run {
        scenario,
        calls: scenario.calls(asked_for("--quick")),
        cores: Cores::find(),
        folder: Folder::new("rivals"),
    };
    let rival = loggers::named(logger).expect("a logger");
    let outcome = (rival.run)(&run);
    println!("{}", outcome.encode());
}

/// The measuring, the same for all loggers that Rust can call.
pub fn measure<L: Logger>(run: &Run, logger: L) -> Outcome {
    // Here, not in the call: what is timed shall be the call and nothing else.
    match run.scenario {
        Scenario::Literal => measure_calls(run, logger, |logger, _| logger.literal()),
        Scenario::Text => {
            let text = messages::text(TEXT);
            measure_calls(run, logger, |logger, _| logger.text(&text))
        }
        _ => measure_calls(run, logger, |logger, n| logger.three(n)),
    }
}

fn measure_calls<L: Logger>(run: &Run, mut logger: L, call: impl Fn(&mut L, u64)) -> Outcome {
    let (clock, calls) = (Clock::calibrate(), run.calls);
    let mut logged = WARM_UP;
    (0..WARM_UP).for_each(|n| call(&mut logger, n));
    logger.flush(logged);
    logger.pin(run.cores);
    let outcome = match run.scenario {
        Scenario::Three | Scenario::Literal | Scenario::Text => {
            logged += calls;
            Outcome::Latencies(paced(clock, calls, |n| call(&mut logger, n)))
        }
        Scenario::Cold => {
            logged += calls;
            Outcome::Latencies(cold(clock, calls, |n| call(&mut logger, n)))
        }
        Scenario::Burst => {
            let burst = |_| {
                logger.flush(logged);
                logged += calls;
                nanoseconds(calls, |n| call(&mut logger, n))
            };
            Outcome::Number(median((0..BURSTS).map(burst).collect()))
        }
        Scenario::Drain => {
            logged += calls;
            let begin = Instant::now();
            (0..calls).for_each(|n| call(&mut logger, n));
            logger.flush(logged);
            Outcome::Number(calls as f64 / begin.elapsed().as_secs_f64())
        }
        Scenario::Disabled => Outcome::Number(nanoseconds(calls, |n| logger.disabled(n))),
    };
    logger.flush(logged);
    assert_eq!(logger.arrived(&run.folder), logged, "records that arrived");
    outcome
}

/// Nanoseconds a call, of many in a row.
fn nanoseconds(calls: u64, call: impl FnMut(u64)) -> f64 {
    let begin = Instant::now();
    (0..calls).for_each(call);
    begin.elapsed().as_nanos() as f64 / calls as f64
}
