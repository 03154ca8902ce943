//! Waiting for the sinks.

use std::fmt;
use std::time::{Duration, Instant};

use crate::errors::debug_is_text;
use crate::ring::Ring;
use crate::segment::{Count, Segment};
use crate::sync::Ordering;

/// Why [`ShmLogger::flush`](crate::ShmLogger::flush) or [`Observer::flush`](crate::observe::Observer::flush) gave up.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlushError {
    /// It took too long.
    Timeout {
        /// How long it was allowed to take.
        timeout: Duration,
        /// How many sequences the sinks were behind; about as many records, or fewer long ones.
        behind: u64,
    },
    /// The drainer has ended.
    Over,
}

debug_is_text!(FlushError);

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlushError::Timeout { timeout, behind } => write!(
                f,
                "not flushed within {timeout:?}: the sinks are {behind} sequences behind; allow more time, or \
                 see whether the console or the disk is stuck"
            ),
            FlushError::Over => write!(f, "not flushed: the ring's drainer has ended"),
        }
    }
}

impl std::error::Error for FlushError {}

/// A ring whose sinks are waited for. Nothing in it is written.
pub(crate) struct Waiting<'s> {
    pub(crate) segment: &'s Segment,
    pub(crate) ring: Ring<'static>,
}

impl Waiting<'_> {
    /// Waits until all that was logged before this call has reached its sinks.
    pub(crate) fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let target = self.ring.tail();
        let begin = Instant::now();
        let mut nap = Duration::from_micros(50);
        loop {
            let behind = self.behind(target);
            let is_delivered = behind <= 0 && !self.has_late();
            // Of a ring that was cut off nothing can be believed, not even that all is delivered.
            if is_delivered && !self.segment.is_cut_off() {
                return Ok(());
            }
            if is_delivered || self.segment.has_ended() {
                return Err(FlushError::Over);
            }
            let left = timeout.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Err(FlushError::Timeout {
                    timeout,
                    behind: behind.max(0) as u64,
                });
            }
            std::thread::sleep(nap.min(left));
            nap = (nap * 2).min(Duration::from_millis(1));
        }
    }

    /// Whether a parked run has been published and is not delivered yet. A member may have written over the table of the parked,
    /// and the drainer does not look through it; so the table counts only while the drainer says that it has parked something.
    fn has_late(&self) -> bool {
        // Relaxed: the drainer stores it before `flushed`, which was loaded before.
        let parked = self.segment.count(Count::Parked).load(Ordering::Relaxed);
        parked > 0 && self.ring.has_late()
    }

    /// How far the sinks are from `asked`, a tail that was read before; 0 or less when they are done. If the
    /// tail is behind that now, it was damaged then and has been mended.
    pub(crate) fn behind(&self, asked: u64) -> i64 {
        let (tail, flushed) = (self.ring.tail(), self.segment.flushed());
        (tail.wrapping_sub(flushed) as i64).min(asked.wrapping_sub(flushed) as i64)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::segment::{Geometry, Settings};

    #[test]
    fn a_table_of_the_parked_that_a_member_wrote_over_holds_up_no_flush() {
        let geometry = Geometry {
            slots: 16,
            slot_size: 64,
            max_producers: 1,
            site_slots: 16,
            site_bytes: 1024,
        };
        let segment = Segment::private("shmlog-flush", geometry, Settings::PLAIN);
        let segment: &'static Segment = Box::leak(Box::new(segment));
        let ring = Ring::from(segment);
        let waiting = Waiting { segment, ring };
        // Sequence 0 is parked, it says there, and published.
        segment.parked()[0].store(1, Ordering::Relaxed);
        segment.slots()[0].store(1, Ordering::Relaxed);
        assert!(waiting.flush(Duration::ZERO).is_ok());
        segment.count(Count::Parked).store(1, Ordering::Relaxed);
        let late = waiting.flush(Duration::ZERO);
        assert!(matches!(late, Err(FlushError::Timeout { behind: 0, .. })));
    }
}
