//! Ticks: what a producer stamps a record with, and how the drainer turns it into the time of day.
//!
//! The stamp is the processor's own counter (TSC, CNTVCT) where the kernel itself keeps time by it, else
//! the kernel's monotonic clock through the vDSO; the parent decides for all members, since only stamps of
//! one kind can be compared. The drainer keeps the calibration: it notes ticks and wall clock together now
//! and then, and places a record relative to the latest note, so that neither a coarse estimate of the
//! counter's rate nor a step of the wall clock moves a record by more than the age it had when it was read.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Where ticks come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Clock {
    /// The processor's counter.
    Counter = 1,
    /// `CLOCK_MONOTONIC`, in nanoseconds, without entering the kernel.
    Monotonic = 2,
}

impl Clock {
    /// The counter if the kernel trusts it on this machine.
    pub(crate) fn choose() -> Clock {
        let kernel = std::fs::read_to_string(
            "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        );
        match kernel.as_deref().map(str::trim) {
            Ok(source) if Some(source) == counter::CLOCKSOURCE => Clock::Counter,
            _ => Clock::Monotonic,
        }
    }

    /// The clock of a number as it stands in the segment.
    pub(crate) fn from_number(number: u64) -> Option<Clock> {
        match number {
            1 if counter::CLOCKSOURCE.is_some() => Some(Clock::Counter),
            2 => Some(Clock::Monotonic),
            _ => None,
        }
    }

    /// Now. No system call.
    #[inline]
    pub(crate) fn ticks(self) -> u64 {
        match self {
            Clock::Counter => counter::read(),
            Clock::Monotonic => nanoseconds(ClockId::Monotonic) as u64,
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod counter {
    /// The kernel's name for this counter.
    pub(super) const CLOCKSOURCE: Option<&str> = Some("tsc");

    #[inline]
    #[allow(unsafe_code)]
    pub(super) fn read() -> u64 {
        // SAFETY: RDTSC reads a register; every x86-64 processor has it, and a kernel that forbids it to
        // user code (PR_SET_TSC) is not one that keeps time by it, which Clock::choose asked for.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
}

#[cfg(target_arch = "aarch64")]
mod counter {
    /// The kernel's name for this counter.
    pub(super) const CLOCKSOURCE: Option<&str> = Some("arch_sys_counter");

    #[inline]
    #[allow(unsafe_code)]
    pub(super) fn read() -> u64 {
        let ticks: u64;
        // SAFETY: CNTVCT_EL0 is readable from user code wherever Linux uses it for its vDSO; the
        // instruction touches neither memory nor flags.
        unsafe {
            core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags));
        }
        ticks
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod counter {
    pub(super) const CLOCKSOURCE: Option<&str> = None;

    pub(super) fn read() -> u64 {
        super::nanoseconds(rustix::time::ClockId::Monotonic) as u64
    }
}

fn nanoseconds(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// Ticks and the monotonic clock now, for [`Calibration::believe`].
pub(crate) fn note(clock: Clock) -> (u64, i64) {
    let note = Note::take(clock);
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
    fn take(clock: Clock) -> Note {
        let read = || {
            let before = clock.ticks();
            let monotonic_ns = nanoseconds(ClockId::Monotonic);
            let wall_ns = nanoseconds(ClockId::Realtime);
            let took = clock.ticks().wrapping_sub(before);
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
}

/// The drainer's knowledge of how ticks and time of day belong together.
#[derive(Debug)]
pub(crate) struct Calibration {
    clock: Clock,
    first: Note,
    latest: Note,
    ns_per_tick: f64,
}

impl Calibration {
    /// Looks at the clocks for about two milliseconds, to learn the rate of the ticks.
    pub(crate) fn start(clock: Clock) -> Calibration {
        let first = Note::take(clock);
        if clock == Clock::Counter {
            std::thread::sleep(Duration::from_millis(2));
        }
        let mut calibration = Calibration {
            clock,
            first,
            latest: first,
            ns_per_tick: 1.0,
        };
        calibration.renew();
        calibration
    }

    /// Learns the rate from a note that somebody else took long ago, unless it cannot be one: it must agree
    /// with our own to a thousandth. For stamps of long ago, which a coarse rate would misplace.
    pub(crate) fn believe(&mut self, (ticks, monotonic_ns): (u64, i64)) {
        let since = self.latest.ticks.wrapping_sub(ticks);
        let ns = self.latest.monotonic_ns.wrapping_sub(monotonic_ns);
        let rate = ns as f64 / since as f64;
        let agrees = (rate / self.ns_per_tick - 1.0).abs() < 1e-3;
        if self.clock == Clock::Counter && since > 0 && ns > 0 && agrees {
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
        self.latest = Note::take(self.clock);
        let ticks = self.latest.ticks.wrapping_sub(self.first.ticks);
        if self.clock == Clock::Counter && ticks > 0 {
            let ns = self.latest.monotonic_ns - self.first.monotonic_ns;
            self.ns_per_tick = ns as f64 / ticks as f64;
        }
    }

    /// The time of day of a stamp, in nanoseconds since 1970 UTC.
    pub(crate) fn wall_ns(&self, ticks: u64) -> i64 {
        let since = ticks.wrapping_sub(self.latest.ticks) as i64;
        self.latest
            .wall_ns
            .saturating_add((since as f64 * self.ns_per_tick) as i64)
    }

    /// The time of day now.
    pub(crate) fn now_ns(&self) -> i64 {
        nanoseconds(ClockId::Realtime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_placed_between_the_wall_clock_before_and_after_it() {
        for clock in [Clock::choose(), Clock::Monotonic] {
            let mut calibration = Calibration::start(clock);
            let before = calibration.now_ns();
            let stamp = clock.ticks();
            let after = calibration.now_ns();
            calibration.renew();
            let placed = calibration.wall_ns(stamp);
            // The wall clock may be slewed by its keeper while we look: a millisecond is far more than that.
            assert!(before - 1_000_000 < placed && placed < after + 1_000_000);
        }
    }

    #[test]
    fn a_damaged_stamp_is_placed_somewhere_without_a_panic() {
        let calibration = Calibration::start(Clock::Monotonic);
        for ticks in [0, 1, u64::MAX, 1 << 63] {
            calibration.wall_ns(ticks);
        }
    }

    #[test]
    fn a_note_of_long_ago_is_believed_only_if_it_can_be_one() {
        let mut calibration = Calibration::start(Clock::choose());
        let rate = calibration.ns_per_tick;
        let now = note(calibration.clock);
        // (0, 0) may well be true: both clocks count from the start of most machines.
        for forged in [
            (u64::MAX, i64::MIN),
            (now.0, now.1 - 1_000_000_000),
            (now.0 - 1_000, 0),
        ] {
            calibration.believe(forged);
            assert_eq!(
                calibration.ns_per_tick.to_bits(),
                rate.to_bits(),
                "{forged:?}"
            );
        }
        let hour = 3_600_000_000_000;
        let ago = (hour as f64 / rate) as u64;
        calibration.believe((now.0.wrapping_sub(ago), now.1 - hour));
        assert!((calibration.ns_per_tick / rate - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_number_that_no_clock_has_is_refused() {
        assert_eq!(Clock::from_number(0), None);
        assert_eq!(Clock::from_number(3), None);
        assert_eq!(Clock::from_number(2), Some(Clock::Monotonic));
    }
}
