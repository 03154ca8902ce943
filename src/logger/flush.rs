//! Waiting for the sinks.

use std::time::{Duration, Instant};

use super::FlushError;
use crate::ring::Ring;
use crate::segment::Segment;

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
            if behind <= 0 && !self.ring.has_late() {
                return Ok(());
            }
            if self.segment.has_ended() {
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

    /// How far the sinks are from `asked`, a tail that was read before; 0 or less when they are done. If the
    /// tail is behind that now, it was damaged then and has been mended.
    pub(crate) fn behind(&self, asked: u64) -> i64 {
        let (tail, flushed) = (self.ring.tail(), self.segment.flushed());
        (tail.wrapping_sub(flushed) as i64).min(asked.wrapping_sub(flushed) as i64)
    }
}
