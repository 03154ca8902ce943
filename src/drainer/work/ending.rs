//! When the drainer may end, and how it does.

use std::time::{Duration, Instant};

use super::Drainer;
use crate::segment::{self, Phase, Tag, Watch, process};
use crate::sync::Ordering;

/// How often processes that may yet attach are looked for, once nothing else keeps the drainer.
pub(super) const LOOK_FOR_HEIRS_EVERY: Duration = Duration::from_millis(20);
/// A process that carries the ring's name and has not attached by this age, in seconds, is not waited for.
pub(in crate::drainer) const HEIR_AGE_S: u64 = 5;
/// How long a sink that does not move at all is waited for at the end.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

impl Drainer {
    /// Whether all that can be logged has been delivered and nobody can log any more.
    pub(super) fn may_end(&mut self) -> bool {
        let stopping = self.segment.is_stopping();
        if !self.has_read_all() || !(stopping || self.members.parent_is_gone()) {
            return false;
        }
        if self.looked_for_heirs.elapsed() < LOOK_FOR_HEIRS_EVERY {
            return false;
        }
        self.looked_for_heirs = Instant::now();
        self.members.renew();
        if self.others_may_log() {
            if stopping && self.segment.phase() == Phase::Running && self.delivery.is_settled() {
                self.segment.set_phase(Phase::Lingering);
            }
            return false;
        }
        // Segment::phase: we close; has anybody entered?
        let before = self.segment.phase();
        self.segment.set_phase(Phase::Closing);
        self.members.renew();
        if self.others_may_log() || !self.has_read_all() {
            self.segment.set_phase(before);
            return false;
        }
        true
    }

    pub(super) fn has_read_all(&self) -> bool {
        let tail = self.segment.tail().load(Ordering::Acquire);
        tail.wrapping_sub(self.reader.cursor()) as i64 <= 0
    }

    /// Whether a process other than the parent is there to log, or was given our name a moment ago and may
    /// still be on its way here.
    fn others_may_log(&self) -> bool {
        let me = std::process::id();
        self.members.others_live()
            || process::young_heirs_of(self.segment.name(), HEIR_AGE_S)
                .iter()
                .any(|heir| {
                    let known = [me, self.config.parent.pid].contains(&heir.pid)
                        || self.members.includes(heir.pid);
                    !known && !Watch::new(*heir).is_gone()
                })
    }

    /// Says the last, closes the sinks and takes the ring away.
    pub(super) fn end(&mut self) {
        self.sweep();
        for index in 0..self.segment.entries() {
            if self.segment.producer(index).state().load().tag() != Tag::Free {
                self.harvest(index);
            }
        }
        self.collect_drops();
        self.give_notices(self.segment.tail().load(Ordering::Acquire));
        self.hand_over(true);
        for error in self.delivery.finish(LAST_PATIENCE) {
            eprintln!("shmlog: at the end of the log: {error}");
        }
        self.segment.set_flushed(self.reader.release());
        self.segment.give_back_slots();
        segment::remove(self.segment.name());
        self.segment.set_phase(Phase::Done);
    }
}
