//! The pauses of a drainer that has caught up.
//!
//! It does not chase: a slot that it looks at while a producer writes it, and the tail, must travel between two
//! processors' caches for every record, and the producer waits for them. So it leaves the ring alone for as long as
//! it may, and then takes a batch.

use std::time::Duration;

/// After records: as long as a record may wait. Not longer than one busy producer needs for a part of the ring.
const SHORT: Duration = Duration::from_micros(100);
/// What one busy producer needs for a slot, at the least.
const PER_SLOT: Duration = Duration::from_nanos(20);
/// The part of the ring that may fill meanwhile: an eighth.
const SHARE: u32 = 8;
/// When nothing comes for some time.
const LONG: Duration = Duration::from_millis(1);
/// When nothing has come for so many long pauses in a row: being woken is most of what an idle drainer costs
/// (`cargo bench --bench idle`).
const IDLE_AFTER: u32 = 100;
/// How long it pauses then, in a large ring.
const IDLE: Duration = Duration::from_millis(10);
/// The same by the size of the ring: a small one would fill too soon when something comes after all. Records 160 ns
/// apart, a slot each, just find room.
const IDLE_PER_SLOT: Duration = Duration::from_nanos(160);
/// What a sleep takes at the least; shorter pauses are spent awake.
const SLEEP: Duration = Duration::from_micros(5);

/// How long to pause next.
pub(super) struct Pause {
    short: Duration,
    idle: Duration,
    next: Duration,
    /// Long pauses since something moved.
    long: u32,
}

impl Pause {
    /// For a ring of `slots` slots.
    pub(super) fn new(slots: u64) -> Pause {
        // The kernel adds 50 microseconds to every sleep, unless told that we mean what we say.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        let short = SHORT.min(PER_SLOT.saturating_mul(slots / SHARE));
        Pause {
            short,
            idle: IDLE_PER_SLOT.saturating_mul(slots).clamp(LONG, IDLE),
            next: short,
            long: 0,
        }
    }

    /// Pauses; longer and longer as long as nothing has `moved` since the last pause.
    pub(super) fn once(&mut self, moved: bool) {
        if moved {
            (self.next, self.long) = (self.short, 0);
        }
        if self.next < SLEEP {
            let begin = std::time::Instant::now();
            while begin.elapsed() < self.next {
                std::hint::spin_loop();
            }
        } else {
            std::thread::sleep(self.next);
        }
        self.long = self.long.saturating_add(u32::from(self.next == LONG));
        let most = if self.is_idle() { self.idle } else { LONG };
        self.next = (self.next * 2).clamp(Duration::from_nanos(100), most);
    }

    /// Something is the matter, though nothing moves: no idle pauses for now, nor the one that was due.
    pub(super) fn stay_awake(&mut self) {
        (self.next, self.long) = (self.next.min(LONG), 0);
    }

    /// Nothing has come for long: what is done besides may be done less often.
    pub(super) fn is_idle(&self) -> bool {
        self.long >= IDLE_AFTER
    }
}
