//! The clock of the benches: the processor's counter, fenced, so that a call is timed as a whole.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a tick is, and by how many the counter moves at a time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Nanoseconds.
    pub tick: f64,
    /// On many machines the counter is scaled up from a slower one and moves in steps, of 10 ns on some: percentiles
    /// are interpolated within a step.
    pub step: u64,
}

impl Clock {
    /// Takes a tenth of a second.
    pub fn calibrate() -> Clock {
        let (begin, ticks_begin) = (Instant::now(), now());
        while begin.elapsed() < Duration::from_millis(100) {}
        let ticks = (now() - ticks_begin) as f64;
        let tick = begin.elapsed().as_nanos() as f64 / ticks;
        Clock {
            tick,
            step: find_step(),
        }
    }

    pub fn step_in_nanoseconds(&self) -> u64 {
        (self.step as f64 * self.tick).round().max(1.0) as u64
    }

    pub fn ticks(&self, time: Duration) -> u64 {
        (time.as_nanos() as f64 / self.tick) as u64
    }
}

/// What all differences that are seen often are multiples of. The rest tells of a move to another core, whose counter
/// is a little off, or of two looks within a step, of which some processors raise the second by one.
fn find_step() -> u64 {
    const LOOKS: u32 = 100_000;
    let mut seen = BTreeMap::new();
    for look in 0..LOOKS {
        let from = begin();
        // Else all differences may be the same.
        for _ in 0..look % 32 {
            std::hint::black_box(look);
        }
        *seen.entry(end() - from).or_insert(0) += 1;
    }
    let often = seen.iter().filter(|(_, count)| **count > LOOKS / 1000);
    let often = often.map(|(difference, _)| *difference);
    often.reduce(greatest_common_divisor).unwrap_or(1).max(1)
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

/// The counter, in no order with what stands around it: for waiting, and for the floor.
#[inline(always)]
pub fn now() -> u64 {
    counter::now()
}

/// The counter when all before is done; nothing after it has begun.
#[inline(always)]
pub fn begin() -> u64 {
    counter::begin()
}

/// The counter when the timed call is done.
#[inline(always)]
pub fn end() -> u64 {
    counter::end()
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod counter {
    use core::arch::x86_64::{__rdtscp, _mm_lfence, _rdtsc};

    #[inline(always)]
    pub fn now() -> u64 {
        // SAFETY: every x86-64 processor has the counter; reading it changes nothing.
        unsafe { _rdtsc() }
    }

    #[inline(always)]
    fn fence() {
        // SAFETY: LFENCE belongs to SSE2, which every x86-64 processor has; it only waits.
        unsafe { _mm_lfence() }
    }

    #[inline(always)]
    pub fn begin() -> u64 {
        fence();
        let ticks = now();
        fence();
        ticks
    }

    #[inline(always)]
    pub fn end() -> u64 {
        let mut core = 0;
        // SAFETY: processors with 64 bits that lack RDTSCP are older than 2006; it writes `core`, which is ours.
        let ticks = unsafe { __rdtscp(&raw mut core) };
        fence();
        ticks
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod counter {
    use std::sync::OnceLock;
    use std::time::Instant;

    pub fn now() -> u64 {
        static BEGIN: OnceLock<Instant> = OnceLock::new();
        BEGIN.get_or_init(Instant::now).elapsed().as_nanos() as u64
    }

    pub fn begin() -> u64 {
        now()
    }

    pub fn end() -> u64 {
        now()
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds: the same in all processes.
pub fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
