//! What the ring has counted, added up.

use std::fmt;
use std::time::Duration;

use crate::level::Level;
use crate::segment::{Count, DropReason, Drops, Segment, Tag};
use crate::sync::{Ordering, fence, load_acquire};

/// How often numbers that were changing are read again, before they are taken as they are.
const PATIENCE: u32 = 1000;

/// Numbers of a ring, from [`ShmLogger::stats`](crate::ShmLogger::stats). Records unless said otherwise,
/// since the ring was made. Once all is quiet, `delivered + dropped + lost = attempted`.
///
/// Printed, it is one line, like the one that the log has once a minute while records are lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Log calls at an enabled level.
    pub attempted: u64,
    /// Handed to the sinks.
    pub delivered: u64,
    /// Refused, in all.
    pub dropped: u64,
    /// Refused, by level and reason.
    pub drops: Drops,
    /// Died with the process that was writing them; or found no room in memory to wait for a file that could not be
    /// written, or waited there when the drainer was killed.
    pub lost: u64,
    /// Of the delivered, those that came after records of a higher sequence.
    pub late: u64,
    /// Slots that wait for a stopped process, now.
    pub parked: u64,
    /// Sequences (not records) that were claimed and given up.
    pub orphaned: u64,
    /// The most slots that were ever taken at a time.
    pub high_water: u64,
    /// Slots that there are.
    pub slots: u64,
    /// How often the drainer had to be started again.
    pub drainer_restarts: u64,
    /// Errors that sinks reported.
    pub sink_errors: u64,
    /// The threads that are registered now.
    pub producers: Vec<ProducerStats>,
}

/// Numbers of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerStats {
    /// Process id.
    pub pid: u32,
    /// Name of the process.
    pub process: String,
    /// Kernel thread id.
    pub tid: u32,
    /// Name of the thread.
    pub thread: String,
    /// As in [`Stats`].
    pub attempted: u64,
    /// As in [`Stats`].
    pub delivered: u64,
    /// As in [`Stats`].
    pub dropped: u64,
    /// As in [`Stats`].
    pub drops: Drops,
    /// As in [`Stats`].
    pub late: u64,
}

impl Stats {
    pub(crate) fn of(segment: &Segment) -> Stats {
        let changes = segment.count(Count::Changes);
        let mut stats = Stats::default();
        // The drainer's change takes a microsecond; one that was killed in its midst leaves it to the next.
        for _ in 0..PATIENCE {
            // [changes] Acquire: pairs with the store in Ledger::publish.
            let before = load_acquire(changes);
            stats = Stats::read(segment);
            fence(Ordering::Acquire);
            if before & 1 == 0 && changes.load(Ordering::Relaxed) == before {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        stats
    }

    /// The numbers as they stand; some may have moved on while others were read.
    pub(crate) fn read(segment: &Segment) -> Stats {
        let count = |which| segment.count(which).load(Ordering::Relaxed);
        let producers: Vec<ProducerStats> = (0..segment.entries())
            .filter_map(|index| ProducerStats::of(segment, index))
            .collect();
        let mut drops = segment.drops_unregistered();
        let attempted = producers.iter().map(|producer| producer.attempted);
        let attempted = attempted.fold(drops.total(), u64::wrapping_add);
        drops.add(&segment.dropped_by_left().load());
        producers.iter().for_each(|of| drops.add(&of.drops));
        // The tail first: so it is never more than there was. The drainer notes the most only when it comes by.
        let tail = load_acquire(segment.tail());
        let taken = tail.wrapping_sub(load_acquire(segment.head())) as i64;
        let taken = taken.clamp(0, segment.geometry().slots as i64) as u64;
        Stats {
            attempted: attempted.wrapping_add(count(Count::AttemptedByLeft)),
            delivered: count(Count::Delivered),
            dropped: drops.total(),
            drops,
            lost: count(Count::Lost),
            late: count(Count::Late),
            parked: count(Count::Parked),
            orphaned: count(Count::Orphaned),
            high_water: count(Count::HighWater).max(taken),
            slots: segment.geometry().slots,
            drainer_restarts: count(Count::Restarts),
            sink_errors: count(Count::SinkErrors),
            producers,
        }
    }
}

impl ProducerStats {
    /// Those of a registry entry, if it is in use.
    pub(crate) fn of(segment: &Segment, index: usize) -> Option<ProducerStats> {
        let producer = segment.producer(index);
        let state = producer.state().load();
        if !matches!(state.tag(), Tag::Active | Tag::Leaving) {
            return None;
        }
        let member = (state.owner() as usize) < segment.entries();
        let member = member.then(|| segment.member(state.owner() as usize));
        let drops = producer.drops();
        Some(ProducerStats {
            pid: member.map_or(0, |member| member.identity().pid),
            process: member.map(|member| member.name()).unwrap_or_default(),
            tid: producer.tid(),
            thread: producer.name(),
            attempted: producer.attempted(),
            delivered: producer.delivered().load(Ordering::Relaxed),
            dropped: drops.total(),
            drops,
            late: producer.late().load(Ordering::Relaxed),
        })
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} records attempted, {} delivered, {} dropped",
            self.attempted, self.delivered, self.dropped
        )?;
        self.fmt_drops(f)?;
        write!(
            f,
            ", {} lost; {} of {} slots were taken at most",
            self.lost, self.high_water, self.slots
        )?;
        let rare = [
            (self.late, "record came late", "records came late"),
            (self.parked, "slot is parked", "slots are parked"),
            (
                self.orphaned,
                "sequence was given up",
                "sequences were given up",
            ),
            (
                self.drainer_restarts,
                "restart of the drainer",
                "restarts of the drainer",
            ),
            (self.sink_errors, "error of a sink", "errors of sinks"),
        ];
        for (count, one, many) in rare.into_iter().filter(|(count, ..)| *count > 0) {
            let what = if count == 1 { one } else { many };
            write!(f, ", {count} {what}")?;
        }
        Ok(())
    }
}

impl Stats {
    /// ` (ring full: 3 DEBUG, 1 WARN; no entry: 1 DEBUG)`, or nothing.
    fn fmt_drops(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.drops.total() == 0 {
            return Ok(());
        }
        f.write_str(" (")?;
        let mut before = "";
        for why in DropReason::ALL {
            let levels = Level::ALL.map(|level| (self.drops.of(why, level), level));
            let mut sign = format!("{before}{why}: ");
            for (count, level) in levels.into_iter().filter(|(count, _)| *count > 0) {
                write!(f, "{sign}{count} {level}")?;
                sign = ", ".to_owned();
                before = "; ";
            }
        }
        f.write_str(")")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::segment::{DROP_WORDS, DropWords};
    use crate::sync::AtomicU64;

    #[test]
    fn printed_they_are_one_line_that_leaves_out_what_did_not_happen() {
        let mut stats = Stats {
            attempted: 10,
            delivered: 10,
            high_water: 3,
            slots: 16,
            ..Stats::default()
        };
        assert_eq!(
            stats.to_string(),
            "10 records attempted, 10 delivered, 0 dropped, 0 lost; 3 of 16 slots were taken at most"
        );
        let words = [const { AtomicU64::new(0) }; DROP_WORDS];
        let count = |why, level| DropWords(&words).count(why, level);
        count(DropReason::RingFull, Level::Debug);
        count(DropReason::RingFull, Level::Debug);
        count(DropReason::RingFull, Level::Error);
        count(DropReason::NoEntry, Level::Info);
        stats.drops = DropWords(&words).load();
        (stats.dropped, stats.attempted) = (stats.drops.total(), 15);
        (stats.lost, stats.late, stats.drainer_restarts) = (1, 2, 4);
        assert_eq!(
            stats.to_string(),
            "15 records attempted, 10 delivered, 4 dropped (ring full: 2 DEBUG, 1 ERROR; no entry: 1 INFO), \
             1 lost; 3 of 16 slots were taken at most, 2 records came late, 4 restarts of the drainer"
        );
        assert_eq!(stats.drops.at(Level::Debug), 2);
        assert_eq!(stats.drops.because(DropReason::RingFull), 3);
    }
}
