//! What does a record cost its caller, by the way that it goes in?
//!
//! As `call.rs` measures it: one producer on one core, the drainer on the other, calls 1 to 2 µs apart, each timed, the
//! empty timing subtracted; medians. What does not log (disabled by a filter, or suppressed by a condition) is timed
//! by the hundred million calls.
//!
//! ```sh
//! cargo bench --features tracing --bench ways_in -- [--quick]
//! ```

mod harness;

use std::hint::black_box;
use std::time::{Duration, Instant};

use harness::clock::Clock;
use harness::cores::Cores;
use harness::latency::{Latencies, paced};
use harness::messages::three;
use harness::scene::{Folder, assert_arrived, pin_apart, settings};
use harness::{asked_for, say};
use shmlog::{
    Logger, ShmLogger, debug, get_logger, info, info_every_n, info_on_change, info_once,
    info_throttle,
};
use tracing_subscriber::prelude::*;

const ROUNDS: u64 = 5;
/// Warnings and above of all targets but these.
const FILTER: &str = "info,imu=debug,can::bus=off";

fn main() {
    let less = if asked_for("--quick") { 10 } else { 1 };
    let (calls, silent) = (100_000 / less, 100_000_000 / less);
    let (cores, clock) = (Cores::find(), Clock::calibrate());
    let folder = Folder::new("ways-in");
    let logger = settings(&folder).init_parent().expect("a ring");
    let layer = shmlog::tracing::layer();
    tracing_subscriber::registry().with(layer).init();
    info!("the first registers this thread");
    pin_apart(cores);

    let ways = Ways::new();
    let mut latencies: Vec<Option<Latencies>> = vec![None; Ways::ALL.len()];
    for _ in 0..ROUNDS {
        for (way, sum) in Ways::ALL.iter().zip(&mut latencies) {
            let round = ways.measure(clock, calls, way);
            match sum {
                Some(sum) => sum.add(&round),
                None => *sum = Some(round),
            }
        }
    }
    assert_arrived(&logger, 1 + ROUNDS * calls * Ways::ALL.len() as u64);
    for (way, latencies) in Ways::ALL.iter().zip(latencies) {
        say(
            way,
            latencies.map_or(f64::NAN, |latencies| latencies.at(0.5)),
            "ns",
        );
    }
    silent_calls(&logger, silent);
}

/// The ways in that make a record at each call.
struct Ways {
    imu: Logger,
}

impl Ways {
    const ALL: [&'static str; 9] = [
        "a macro of ours, three numbers",
        "the same under a filter with targets",
        "the same with a logger of its own",
        "the same with a context of two",
        "three key-values and a text",
        "the crate log, three numbers",
        "the crate log, three key-values and a text",
        "tracing, three fields and a text",
        "tracing, the same in two spans",
    ];

    fn new() -> Ways {
        Ways {
            imu: get_logger("imu"),
        }
    }

    fn measure(&self, clock: Clock, calls: u64, way: &str) -> Latencies {
        let [
            native,
            filtered,
            of_logger,
            with_context,
            values,
            log,
            log_values,
            fields,
            spans,
        ] = Ways::ALL;
        let ring = || ShmLogger::attach().expect("the ring");
        match way {
            way if way == native => paced(clock, calls, log_three),
            way if way == filtered => {
                ring().set_filter(FILTER).expect("a filter");
                let round = paced(clock, calls, log_three);
                ring().set_filter("info").expect("a filter");
                round
            }
            way if way == of_logger => paced(clock, calls, |n| {
                let (joint, position, velocity) = three(n);
                info!(logger: self.imu, "joint {} pos {} vel {}", joint, position, velocity);
            }),
            way if way == with_context => {
                ShmLogger::set_context("robot", "g1-07");
                let task = ShmLogger::scope("task", "grasp");
                let round = paced(clock, calls, log_three);
                drop(task);
                ShmLogger::remove_context("robot");
                round
            }
            way if way == values => paced(clock, calls, |n| {
                let (joint, position, velocity) = three(n);
                info!(joint, position, velocity; "moved");
            }),
            way if way == log => paced(clock, calls, |n| {
                let (joint, position, velocity) = three(n);
                log::info!("joint {} pos {} vel {}", joint, position, velocity);
            }),
            way if way == log_values => paced(clock, calls, |n| {
                let (joint, position, velocity) = three(n);
                log::info!(joint, position, velocity; "moved");
            }),
            way if way == fields => paced(clock, calls, trace_three),
            way if way == spans => {
                let outer = tracing::info_span!("arm", side = "left").entered();
                let inner = tracing::info_span!("move").entered();
                let round = paced(clock, calls, trace_three);
                drop((inner, outer));
                round
            }
            way => unreachable!("{way}"),
        }
    }
}

fn log_three(n: u64) {
    let (joint, position, velocity) = three(n);
    info!("joint {} pos {} vel {}", joint, position, velocity);
}

fn trace_three(n: u64) {
    let (joint, position, velocity) = three(n);
    tracing::info!(joint, position, velocity, "moved");
}

/// Calls that make no record, or so few that they do not count.
fn silent_calls(logger: &ShmLogger, calls: u64) {
    let imu = get_logger("planner");
    let time = |name: &str, call: &dyn Fn(u64)| {
        let begin = Instant::now();
        call(calls);
        say(name, begin.elapsed().as_nanos() as f64 / calls as f64, "ns");
    };
    let debug_calls = |calls: u64| (0..calls).for_each(|n| debug!("never seen {}", black_box(n)));
    time("disabled by its level", &debug_calls);
    logger.set_filter(FILTER).expect("a filter");
    time("disabled by its target", &debug_calls);
    time("disabled by the target of its logger", &|calls| {
        (0..calls).for_each(|n| debug!(logger: imu, "never seen {}", black_box(n)));
    });
    logger.set_filter("info").expect("a filter");
    time("suppressed by once", &|calls| {
        (0..calls).for_each(|n| info_once!("once {}", black_box(n)));
    });
    time("suppressed by every_n", &|calls| {
        (0..calls).for_each(|n| info_every_n!(1 << 40, "first {}", black_box(n)));
    });
    time("suppressed by throttle", &|calls| {
        (0..calls)
            .for_each(|n| info_throttle!(Duration::from_secs(1000), "first {}", black_box(n)));
    });
    time("suppressed by on_change", &|calls| {
        (0..calls).for_each(|n| info_on_change!(black_box(7), "first {}", black_box(n)));
    });
    time("log, disabled by its level", &|calls| {
        (0..calls).for_each(|n| log::debug!("never seen {}", black_box(n)));
    });
    time("tracing, disabled by its level", &|calls| {
        (0..calls).for_each(|n| tracing::debug!("never seen {}", black_box(n)));
    });
}
