//! Ticks: what a producer stamps a record with. [`calibration`] is how the drainer turns them into the time of day.
//!
//! The stamp is the processor's own counter (TSC, CNTVCT) where the kernel itself keeps time by it, else
//! the kernel's monotonic clock through the vDSO; the parent decides for all members, since only stamps of
//! one kind can be compared.

mod calibration;

pub(crate) use calibration::{Calibration, note};
use rustix::time::{ClockId, clock_gettime};

use crate::failpoint;

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
        let source = std::fs::read_to_string(failpoint::clocksource_file());
        Clock::beside(source.as_deref().unwrap_or_default())
    }

    /// The counter if it is this source that the kernel keeps time by. One that it has turned away from stops in deep
    /// sleep, or differs between cores.
    fn beside(source: &str) -> Clock {
        match Some(source.trim()) == counter::CLOCKSOURCE {
            true => Clock::Counter,
            false => Clock::Monotonic,
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
    #[inline(always)]
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

/// The time of day, in nanoseconds since 1970 UTC.
pub(crate) fn wall_ns() -> i64 {
    nanoseconds(ClockId::Realtime).saturating_add(failpoint::wall_shift_ns())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_taken_only_where_the_kernel_keeps_time_by_it() {
        let own = counter::CLOCKSOURCE.map_or(Clock::Monotonic, |_| Clock::Counter);
        assert_eq!(
            Clock::beside(&format!("{}\n", counter::CLOCKSOURCE.unwrap_or("none"))),
            own
        );
        for other in [
            "hpet\n",
            "acpi_pm\n",
            "kvm-clock\n",
            "tsc-early\n",
            "\n",
            "",
        ] {
            assert_eq!(Clock::beside(other), Clock::Monotonic, "{other:?}");
        }
    }

    #[test]
    fn a_number_that_no_clock_has_is_refused() {
        assert_eq!(Clock::from_number(0), None);
        assert_eq!(Clock::from_number(3), None);
        assert_eq!(Clock::from_number(2), Some(Clock::Monotonic));
    }
}
