//! What single calls cost: every one is timed, the timing of an empty one is subtracted.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::clock::{Clock, begin, end, now};

/// The least time between two calls; the most is twice that.
const GAP: Duration = Duration::from_micros(1);
/// Calls by which the empty timing is found.
const EMPTY: u64 = 20_000;

/// Times `calls` calls, 1 to 2 µs apart; `call` is told which one it is.
///
/// The samples are kept as they come, four bytes each, and sorted in afterwards: a histogram would push what the
/// calls need out of the cache.
pub fn paced(clock: Clock, calls: u64, mut call: impl FnMut(u64)) -> Latencies {
    let gap = clock.ticks(GAP);
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    timed(clock, calls, &mut call, || {
        let until = now() + gap + dice.roll() % gap;
        while now() < until {}
        dice.dither();
    })
}

/// Times `calls` calls, one a millisecond, asleep in between: as a control loop makes them, everything cold.
pub fn cold(clock: Clock, calls: u64, mut call: impl FnMut(u64)) -> Latencies {
    timed(clock, calls, &mut call, || {
        std::thread::sleep(Duration::from_millis(1))
    })
}

fn timed(
    clock: Clock,
    calls: u64,
    call: &mut impl FnMut(u64),
    mut pause: impl FnMut(),
) -> Latencies {
    let samples = sample(calls, call, &mut pause);
    let mut dice = Dice(1);
    let empty = sample(EMPTY, &mut |_| {}, &mut || dice.dither());
    Latencies::from_samples(clock, &empty, &samples)
}

/// In ticks.
fn sample(calls: u64, call: &mut impl FnMut(u64), pause: &mut impl FnMut()) -> Vec<u32> {
    // Not zeros: their pages would come with the first touch, between two calls.
    let mut samples = vec![1_u32; calls as usize];
    for (n, sample) in (0..).zip(&mut samples) {
        pause();
        let from = begin();
        call(n);
        let to = end();
        *sample = u32::try_from(to - from).unwrap_or(u32::MAX);
    }
    samples
}

/// The costs of many calls.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// In ticks, the empty timing included.
    histogram: Histogram<u64>,
    clock: Clock,
    /// The median of the empty timing, in ticks.
    empty: f64,
}

impl Latencies {
    /// Of samples in ticks of a clock, and samples of its empty timing.
    pub fn from_samples(clock: Clock, empty: &[u32], samples: &[u32]) -> Latencies {
        let empty = Latencies {
            histogram: histogram(empty),
            clock,
            empty: 0.0,
        };
        Latencies {
            histogram: histogram(samples),
            clock,
            empty: empty.ticks_at(0.5),
        }
    }

    /// Takes in those of another process, or round.
    pub fn add(&mut self, other: &Latencies) {
        let weight = |of: &Latencies| of.count() as f64;
        let (ours, theirs) = (weight(self), weight(other));
        self.empty = (self.empty * ours + other.empty * theirs) / (ours + theirs);
        self.histogram.add(&other.histogram).expect("same bounds");
    }

    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Nanoseconds that this share of the calls stays below.
    pub fn at(&self, quantile: f64) -> f64 {
        (self.ticks_at(quantile) - self.empty).max(0.0) * self.clock.tick
    }

    /// A counter that moves in steps shows a time as one of two values, by chance; which share of the calls it shows
    /// as which says where between them the time is.
    fn ticks_at(&self, quantile: f64) -> f64 {
        let (rank, step) = (
            quantile * self.histogram.len() as f64,
            self.clock.step as f64,
        );
        let mut below = 0.0;
        for value in self.histogram.iter_recorded() {
            let here = value.count_at_value() as f64;
            if below + here >= rank {
                let middle = value.value_iterated_to() as f64;
                return middle + step * ((rank - below) / here - 0.5);
            }
            below += here;
        }
        self.histogram.max() as f64
    }

    /// One line of text, for another process.
    pub fn encode(&self) -> String {
        let Clock { tick, step } = self.clock;
        let mut line = format!("{tick} {step} {}", self.empty);
        for value in self.histogram.iter_recorded() {
            line += &format!(" {}:{}", value.value_iterated_to(), value.count_at_value());
        }
        line
    }

    /// What [`encode`](Latencies::encode) has written.
    pub fn decode(line: &str) -> Option<Latencies> {
        let mut words = line.split_whitespace();
        let clock = Clock {
            tick: words.next()?.parse().ok()?,
            step: words.next()?.parse().ok()?,
        };
        let empty = words.next()?.parse().ok()?;
        let mut histogram = histogram(&[]);
        for word in words {
            let (value, count) = word.split_once(':')?;
            histogram
                .record_n(value.parse().ok()?, count.parse().ok()?)
                .ok()?;
        }
        Some(Latencies {
            histogram,
            clock,
            empty,
        })
    }
}

fn histogram(samples: &[u32]) -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, 1 << 33, 3).expect("bounds");
    for sample in samples {
        histogram.saturating_record(u64::from(*sample).max(1));
    }
    histogram
}

/// Chance, by xorshift.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Waits for 0 to 15 ns or so: waiting for the counter ends where it steps, and calls that begin just then would
    /// all be rounded the same way.
    fn dither(&mut self) {
        let mut value = self.roll();
        for _ in 0..value % 32 {
            value = std::hint::black_box(value.wrapping_mul(3));
        }
    }
}

// Run by `cargo test --manifest-path benches/rivals/Cargo.toml`.
#[cfg(test)]
mod tests {
    use super::*;

    const STEPPED: Clock = Clock {
        tick: 0.5,
        step: 20,
    };

    #[test]
    fn a_time_between_two_steps_of_the_counter_is_found_by_how_often_each_is_seen() {
        // 36 ticks are seen as 20 in a fifth of the cases, as 40 in the others; the empty timing is 20.
        let samples: Vec<u32> = (0..1000)
            .map(|n| if n % 5 == 0 { 20 } else { 40 })
            .collect();
        let latencies = Latencies::from_samples(STEPPED, &[20; 100], &samples);
        let found = latencies.at(0.5);
        assert!((7.0..10.0).contains(&found), "{found} ns instead of 8");
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let samples = [40, 40, 60, 100_000, u32::MAX];
        let latencies = Latencies::from_samples(STEPPED, &[20; 3], &samples);
        let again = Latencies::decode(&latencies.encode()).expect("what was encoded");
        assert_eq!(again.count(), 5);
        for quantile in [0.1, 0.5, 0.9, 0.999] {
            assert_eq!(again.at(quantile), latencies.at(quantile));
        }
    }

    #[test]
    fn those_of_two_rounds_are_those_of_all_calls() {
        let mut one = Latencies::from_samples(STEPPED, &[20; 3], &[40; 10]);
        one.add(&Latencies::from_samples(STEPPED, &[20; 3], &[400; 30]));
        assert_eq!(one.count(), 40);
        assert!(one.at(0.2) < 20.0 && one.at(0.3) > 150.0);
    }
}
