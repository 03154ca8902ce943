//! How ticks and the time of day belong together: the drainer's knowledge.
//!
//! It notes ticks, the monotonic clock and the wall clock together now and then, and places a record relative
//! to the latest note, so that neither a coarse estimate of the counter's rate nor a step of the wall clock moves
//! a record by more than the age it had when it was read.
//!
//! While a machine is suspended the counter may go on, stand still or begin anew, and the monotonic clock stands
//! still: what lies between two notes then says nothing of the counter's rate. Such a stretch is recognised by the
//! rate it would mean, and left out.

use std::time::Duration;

use rustix::time::ClockId;

use super::{Clock, nanoseconds};

/// Where a calibration reads the clocks: the system's, or a test's own.
pub(crate) trait Clocks {
    /// What records are stamped with.
    fn ticks(&self) -> u64;
    /// Whether those are nanoseconds by themselves.
    fn are_ticks_ns(&self) -> bool;
    fn monotonic_ns(&self) -> i64;
    fn wall_ns(&self) -> i64;
}

impl Clocks for Clock {
    fn ticks(&self) -> u64 {
        Clock::ticks(*self)
    }

    fn are_ticks_ns(&self) -> bool {
        *self == Clock::Monotonic
    }

    fn monotonic_ns(&self) -> i64 {
        nanoseconds(ClockId::Monotonic)
    }

    fn wall_ns(&self) -> i64 {
        super::wall_ns()
    }
}

/// Ticks and the monotonic clock now, for [`Calibration::believe`].
pub(crate) fn note(clock: Clock) -> (u64, i64) {
    let note = Note::take(&clock);
    (note.ticks, note.monotonic_ns)
}

/// Ticks and time of day, noted at the same moment.
#[derive(Clone, Copy, Debug)]
struct Note {
    ticks: u64,
    /// `CLOCK_MONOTONIC`, for the rate: it is never set.
    monotonic_ns: i64,
    /// `CLOCK_REALTIME`, for the time of day.
    wall_ns: i64,
}

impl Note {
    /// The three clocks are read in a row, several times over; the row that took the fewest ticks is kept,
    /// since an interruption in its midst would put the clocks apart.
    fn take(clocks: &impl Clocks) -> Note {
        let read = || {
            let before = clocks.ticks();
            let monotonic_ns = clocks.monotonic_ns();
            let wall_ns = clocks.wall_ns();
            let took = clocks.ticks().wrapping_sub(before);
            let note = Note {
                ticks: before.wrapping_add(took / 2),
                monotonic_ns,
                wall_ns,
            };
            (took, note)
        };
        let mut best = read();
        for _ in 0..4 {
            let next = read();
            if next.0 < best.0 {
                best = next;
            }
        }
        best.1
    }

    /// Ticks and nanoseconds since an earlier note.
    fn since(&self, earlier: &Note) -> (f64, f64) {
        let ticks = self.ticks.wrapping_sub(earlier.ticks) as i64;
        let ns = self.monotonic_ns.wrapping_sub(earlier.monotonic_ns);
        (ticks as f64, ns as f64)
    }
}

/// How far, in nanoseconds, two notes may be apart from what the known rate says, and which part of the time
/// between them besides: an interruption within a note, and a rate that was learned in a few milliseconds.
const TOLERANCE_NS: f64 = 1e6;
const TOLERANCE: f64 = 1e-3;

/// Beyond this distance from the latest note, in nanoseconds, a stamp is placed by a note of this moment: so old a
/// note tells that the drainer, or the machine, has not run.
const NEAR_NS: f64 = 2e9;

/// The drainer's knowledge of how ticks and time of day belong together.
#[derive(Debug)]
pub(crate) struct Calibration<C = Clock> {
    clocks: C,
    /// The first note since which the counter has run evenly.
    first: Note,
    latest: Note,
    ns_per_tick: f64,
    /// The rate of the last stretch, if it was not even.
    uneven: Option<f64>,
}

impl<C: Clocks> Calibration<C> {
    /// Looks at the clocks for about two milliseconds, to learn the rate of the ticks.
    pub(crate) fn start(clocks: C) -> Calibration<C> {
        let first = Note::take(&clocks);
        let mut calibration = Calibration {
            first,
            latest: first,
            ns_per_tick: 1.0,
            uneven: None,
            clocks,
        };
        if !calibration.clocks.are_ticks_ns() {
            std::thread::sleep(Duration::from_millis(2));
            calibration.latest = Note::take(&calibration.clocks);
            calibration.learn_since_first();
        }
        calibration
    }

    /// Learns the rate from a note that another process took long ago, unless it cannot be one: it must agree
    /// with our own to a thousandth. For stamps of long ago, which a coarse rate would misplace.
    pub(crate) fn believe(&mut self, (ticks, monotonic_ns): (u64, i64)) {
        let since = self.latest.ticks.wrapping_sub(ticks);
        let ns = self.latest.monotonic_ns.wrapping_sub(monotonic_ns);
        let rate = ns as f64 / since as f64;
        let agrees = (rate / self.ns_per_tick - 1.0).abs() < TOLERANCE;
        if !self.clocks.are_ticks_ns() && since > 0 && ns > 0 && agrees {
            self.ns_per_tick = rate;
            self.first = Note {
                ticks,
                monotonic_ns,
                ..self.first
            };
        }
    }

    /// Notes the clocks again. To be called every second or so; the rate gets better with every call.
    pub(crate) fn renew(&mut self) {
        let before = self.latest;
        self.latest = Note::take(&self.clocks);
        if self.clocks.are_ticks_ns() {
            return;
        }
        let (ticks, ns) = self.latest.since(&before);
        let expected = ticks * self.ns_per_tick;
        let tolerance = TOLERANCE_NS + TOLERANCE * ns.max(expected.abs());
        if (expected - ns).abs() <= tolerance {
            self.uneven = None;
            return self.learn_since_first();
        }
        // The machine was suspended; or the rate is another now, which the next stretch confirms.
        let rate = ns / ticks;
        let confirmed = self
            .uneven
            .is_some_and(|uneven| (rate / uneven - 1.0).abs() < TOLERANCE);
        self.uneven = (rate.is_finite() && rate > 0.0).then_some(rate);
        self.first = self.latest;
        if confirmed {
            (self.ns_per_tick, self.first, self.uneven) = (rate, before, None);
        }
    }

    fn learn_since_first(&mut self) {
        let (ticks, ns) = self.latest.since(&self.first);
        if ticks > 0.0 && ns > 0.0 {
            self.ns_per_tick = ns / ticks;
        }
    }

    /// The time of day of a stamp, in nanoseconds since 1970 UTC.
    pub(crate) fn wall_ns(&mut self, ticks: u64) -> i64 {
        let mut since_ns = self.since_latest_ns(ticks);
        if since_ns.abs() > NEAR_NS {
            self.renew();
            since_ns = self.since_latest_ns(ticks);
            // No producer stamps a record after it was read: the counter has begun anew since.
            if since_ns > NEAR_NS {
                since_ns = 0.0;
            }
        }
        self.latest.wall_ns.saturating_add(since_ns as i64)
    }

    fn since_latest_ns(&self, ticks: u64) -> f64 {
        ticks.wrapping_sub(self.latest.ticks) as i64 as f64 * self.ns_per_tick
    }

    /// The time of day now.
    pub(crate) fn now_ns(&self) -> i64 {
        self.clocks.wall_ns()
    }
}

#[cfg(test)]
mod tests;
