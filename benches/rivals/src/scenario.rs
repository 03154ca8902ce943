//! What is asked of a logger, and what it answers.

use crate::harness::latency::Latencies;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// An integer and two floats, 1 to 2 µs apart.
    Three,
    /// A literal of 64 bytes, 1 to 2 µs apart.
    Literal,
    /// A run-time string of 200 bytes, 1 to 2 µs apart.
    Text,
    /// An integer and two floats, one a millisecond.
    Cold,
    /// 50,000 of them into an empty queue: nanoseconds a record.
    Burst,
    /// As many as one can: lines a second, until all are in the file.
    Drain,
    /// A level that is off: nanoseconds a call.
    Disabled,
}

impl Scenario {
    pub const ALL: [Scenario; 7] = [
        Scenario::Three,
        Scenario::Literal,
        Scenario::Text,
        Scenario::Cold,
        Scenario::Burst,
        Scenario::Drain,
        Scenario::Disabled,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Scenario::Three => "three",
            Scenario::Literal => "literal",
            Scenario::Text => "text",
            Scenario::Cold => "cold",
            Scenario::Burst => "burst",
            Scenario::Drain => "drain",
            Scenario::Disabled => "disabled",
        }
    }

    pub fn named(name: &str) -> Option<Scenario> {
        Scenario::ALL.into_iter().find(|one| one.name() == name)
    }

    /// How many calls are made: a run takes about a second and a half.
    pub fn calls(self, quick: bool) -> u64 {
        let calls = match self {
            Scenario::Three | Scenario::Literal | Scenario::Text => 500_000,
            Scenario::Cold => 1_500,
            Scenario::Burst => BURST,
            Scenario::Drain => 1_000_000,
            Scenario::Disabled => 100_000_000,
        };
        match self {
            Scenario::Burst => calls,
            _ if quick => calls / 10,
            _ => calls,
        }
    }
}

/// Records of a burst.
pub const BURST: u64 = 50_000;
/// Bursts in a run, of which the median counts.
pub const BURSTS: u64 = 5;
/// Calls before the measuring begins: pages, call sites and caches come with the first ones.
pub const WARM_UP: u64 = 1_000;
/// Bytes of the run-time string.
pub const TEXT: usize = 200;
/// Records that queues are made for, where they have a size: a burst fits, as it does into a ring of the default size.
pub const QUEUE: usize = 1 << 16;

/// What a run has found.
#[derive(Clone, Debug)]
pub enum Outcome {
    Latencies(Latencies),
    /// Nanoseconds, or lines a second.
    Number(f64),
}

impl Outcome {
    /// A line for the runner.
    pub fn encode(&self) -> String {
        match self {
            Outcome::Latencies(latencies) => format!("latencies {}", latencies.encode()),
            Outcome::Number(number) => format!("number {number}"),
        }
    }

    pub fn latencies(&self) -> Option<&Latencies> {
        match self {
            Outcome::Latencies(latencies) => Some(latencies),
            Outcome::Number(_) => None,
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Outcome::Latencies(_) => None,
            Outcome::Number(number) => Some(*number),
        }
    }

    pub fn decode(line: &str) -> Option<Outcome> {
        match line.split_once(' ')? {
            ("latencies", rest) => Some(Outcome::Latencies(Latencies::decode(rest)?)),
            ("number", rest) => Some(Outcome::Number(rest.trim().parse().ok()?)),
            _ => None,
        }
    }
}
