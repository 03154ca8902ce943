//! Waiting for room in the ring, bounded for the record as a whole: before its first run if the ring is made so, and
//! between its runs.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::attachment::Attachment;
use crate::ring::Patience;
use crate::segment;

/// A relay, which waits without a bound, asks so often, about once a second, whether a drainer will ever make room.
const NAPS_BETWEEN_DOUBTS: u32 = 1000;

/// The first nap of a wait, and the longest, in microseconds.
const FIRST_NAP_US: u64 = 20;
const LONGEST_NAP_US: u64 = 1000;

/// What one record may wait for room, in all of its runs together.
pub(super) struct Wait {
    attachment: &'static Attachment,
    how: How,
}

enum How {
    /// With `OnFull::Drop`. The caller may be forbidden to enter the kernel, so it looks.
    Awake(Patience),
    /// With `OnFull::Block`. It sleeps, so that the drainer gets a processor which the two of them share.
    Asleep(Sleep),
}

struct Sleep {
    /// What is left of the time that the ring's settings allow. Only sleeping counts, not copying.
    left: Duration,
    nap_us: u64,
    /// Naps since it was last asked whether a drainer will ever make room.
    naps: u32,
}

impl Wait {
    /// For a record that begins. `shares_processor` says that its thread may run on one processor only.
    #[inline]
    pub(super) fn new(attachment: &'static Attachment, shares_processor: bool) -> Wait {
        let how = match attachment.block_ns {
            0 if shares_processor => How::Awake(Patience::none()),
            0 => How::Awake(Patience::new()),
            ns => How::Asleep(Sleep {
                left: Duration::from_nanos(ns),
                nap_us: FIRST_NAP_US,
                naps: 0,
            }),
        };
        Wait { attachment, how }
    }

    /// A run of the record is in the ring.
    #[inline]
    pub(super) fn note_run(&mut self) {
        match &mut self.how {
            How::Awake(patience) => patience.earn(),
            How::Asleep(sleep) => sleep.nap_us = FIRST_NAP_US,
        }
    }

    /// Waits until it is worth to try again. `false` when it is time to give up. A record that has not begun is only
    /// slept for: to drop it costs less than to look.
    pub(super) fn once_more(&mut self, cached_head: &Cell<u64>, has_begun: bool) -> bool {
        let attachment = self.attachment;
        match &mut self.how {
            // Bounded: it need not know whether the ring has ended, which any member may write, and only the kernel knows.
            How::Awake(patience) => has_begun && patience.await_head(&attachment.ring, cached_head),
            How::Asleep(sleep) => !attachment.segment.has_ended() && sleep.nap(attachment),
        }
    }
}

impl Sleep {
    fn nap(&mut self, attachment: &Attachment) -> bool {
        // Relaxed, both: all that hangs on it is how long this process goes on waiting for nothing.
        if self.left.is_zero() || attachment.is_forsaken.load(Ordering::Relaxed) {
            return false;
        }
        self.naps += 1;
        if attachment.is_patient && self.naps >= NAPS_BETWEEN_DOUBTS {
            self.naps = 0;
            if segment::is_forsaken(attachment.segment.name()) {
                attachment.is_forsaken.store(true, Ordering::Relaxed);
                return false;
            }
        }
        crate::failpoint::hit("wait.nap");
        let begun = Instant::now();
        std::thread::sleep(self.left.min(Duration::from_micros(self.nap_us)));
        self.left = self.left.saturating_sub(begun.elapsed());
        self.nap_us = (self.nap_us * 2).min(LONGEST_NAP_US);
        true
    }
}
