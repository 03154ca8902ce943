//! Waiting for room in the ring: before a record only if the ring is made so, and within one.

use std::sync::atomic::Ordering;

use super::attachment::Attachment;
use crate::segment;

/// How long, in nanoseconds, a record that has begun to go through the ring waits for a drainer that does not
/// move at all. Not a setting: only records of several runs (about 2 KB) ever wait so.
const PATIENCE_WITHIN_RECORD_NS: u64 = 10_000_000_000;
/// A drainer that lives has written the phase anew within this time, whatever a member wrote there.
const MENDED_WITHIN_NS: u64 = 200_000_000;

/// Who waits as long as it takes asks so often, about once a second, whether it can come to anything.
const NAPS_BETWEEN_DOUBTS: u32 = 1000;

/// Waiting for room, bounded.
pub(super) enum Wait {
    No,
    /// With `OnFull::Block`, also between the runs of a record: sleeping, growing to a millisecond, until the
    /// deadline.
    Asleep {
        attachment: &'static Attachment,
        until: std::time::Instant,
        nap_us: u64,
        /// Naps since it was last asked whether anybody will ever make room.
        naps: u32,
    },
    /// Between the runs of one record, else: spinning, since the caller may be forbidden to enter the kernel, for
    /// as long as the drainer moves.
    Awake {
        attachment: &'static Attachment,
        head: u64,
        since_ns: u64,
    },
}

impl Wait {
    pub(super) fn for_first(attachment: &'static Attachment) -> Wait {
        match attachment.block_ns {
            0 => Wait::No,
            _ if attachment.is_forsaken.load(Ordering::Relaxed) => Wait::No,
            ns => Wait::asleep(attachment, ns),
        }
    }

    pub(super) fn within_record(attachment: &'static Attachment) -> Wait {
        match attachment.block_ns {
            0 => Wait::Awake {
                attachment,
                head: attachment.ring.head(),
                since_ns: monotonic_ns(),
            },
            // Who may sleep before a record may also sleep within it, and would rather than have it cut off.
            ns => Wait::asleep(attachment, ns.max(PATIENCE_WITHIN_RECORD_NS)),
        }
    }

    fn asleep(attachment: &'static Attachment, ns: u64) -> Wait {
        let now = std::time::Instant::now();
        // A timeout beyond the clock's range waits a day at a time.
        let until = now.checked_add(std::time::Duration::from_nanos(ns));
        let until = until.unwrap_or(now + std::time::Duration::from_secs(86_400));
        Wait::Asleep {
            attachment,
            until,
            nap_us: 20,
            naps: 0,
        }
    }

    /// Waits a little. `false` when it is time to give up.
    pub(super) fn once_more(&mut self) -> bool {
        match self {
            Wait::No => false,
            Wait::Asleep {
                attachment,
                until,
                nap_us,
                naps,
            } => {
                let left = until.saturating_duration_since(std::time::Instant::now());
                *naps += 1;
                if left.is_zero() || attachment.segment.has_ended() {
                    return false;
                }
                if attachment.is_patient && *naps >= NAPS_BETWEEN_DOUBTS {
                    *naps = 0;
                    if segment::is_forsaken(attachment.segment.name()) {
                        attachment.is_forsaken.store(true, Ordering::Relaxed);
                        return false;
                    }
                }
                std::thread::sleep(left.min(std::time::Duration::from_micros(*nap_us)));
                *nap_us = (*nap_us * 2).min(1000);
                true
            }
            Wait::Awake {
                attachment,
                head,
                since_ns,
            } => {
                for _ in 0..64 {
                    std::hint::spin_loop();
                }
                let now = attachment.ring.head();
                if now != *head {
                    (*head, *since_ns) = (now, monotonic_ns());
                }
                let waited = monotonic_ns().saturating_sub(*since_ns);
                // A phase that a member has written is mended before that; to ask for the name would enter the kernel.
                let is_over = waited > MENDED_WITHIN_NS && attachment.segment.is_over();
                waited < PATIENCE_WITHIN_RECORD_NS && !is_over
            }
        }
    }
}

/// Through the vDSO: no system call.
fn monotonic_ns() -> u64 {
    crate::clock::Clock::Monotonic.ticks()
}
