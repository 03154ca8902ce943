//! What the ring has counted, added up.

use std::time::Duration;

use crate::segment::{Count, Segment, Tag};
use crate::sync::{Ordering, fence};

/// How often numbers that were changing are read again, before they are taken as they are.
const PATIENCE: u32 = 1000;

/// Numbers of a ring, from [`ShmLogger::stats`](crate::ShmLogger::stats). Records unless said otherwise,
/// since the ring was made. Once all is quiet, `delivered + dropped + lost = attempted`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Log calls at an enabled level.
    pub attempted: u64,
    /// Handed to the sinks.
    pub delivered: u64,
    /// Refused: ring full, or no registry entry for the thread.
    pub dropped: u64,
    /// Died with the process that was writing them; or found no room in memory to wait for a file that could not be
    /// written, or waited there when the drainer was killed.
    pub lost: u64,
    /// Of the delivered, those that came after records of a higher sequence.
    pub late: u64,
    /// Slots that wait for a stopped process, now.
    pub parked: u64,
    /// Sequences (not records) that were claimed and given up.
    pub orphaned: u64,
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
}

impl Stats {
    pub(crate) fn of(segment: &Segment) -> Stats {
        let changes = segment.count(Count::Changes);
        let mut stats = Stats::default();
        // The drainer's change takes a microsecond; one that was killed in its midst leaves it to the next.
        for _ in 0..PATIENCE {
            // [changes] Acquire: pairs with the store in Ledger::publish.
            let before = changes.load(Ordering::Acquire);
            stats = Stats::read(segment);
            fence(Ordering::Acquire);
            if before & 1 == 0 && changes.load(Ordering::Relaxed) == before {
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        stats
    }

    fn read(segment: &Segment) -> Stats {
        let count = |which| segment.count(which).load(Ordering::Relaxed);
        let unregistered = segment.drops_unregistered().load(Ordering::Relaxed);
        let producers: Vec<ProducerStats> = (0..segment.entries())
            .filter_map(|index| producer_stats(segment, index))
            .collect();
        let sum = |field: fn(&ProducerStats) -> u64| {
            producers.iter().map(field).fold(0, u64::wrapping_add)
        };
        Stats {
            attempted: sum(|p| p.attempted)
                .wrapping_add(count(Count::AttemptedByLeft))
                .wrapping_add(unregistered),
            delivered: count(Count::Delivered),
            dropped: sum(|p| p.dropped)
                .wrapping_add(count(Count::DroppedByLeft))
                .wrapping_add(unregistered),
            lost: count(Count::Lost),
            late: count(Count::Late),
            parked: count(Count::Parked),
            orphaned: count(Count::Orphaned),
            drainer_restarts: count(Count::Restarts),
            sink_errors: count(Count::SinkErrors),
            producers,
        }
    }
}

fn producer_stats(segment: &Segment, index: usize) -> Option<ProducerStats> {
    let producer = segment.producer(index);
    let state = producer.state().load();
    if !matches!(state.tag(), Tag::Active | Tag::Leaving) {
        return None;
    }
    let member = (state.owner() as usize) < segment.entries();
    let member = member.then(|| segment.member(state.owner() as usize));
    Some(ProducerStats {
        pid: member.map_or(0, |member| member.identity().pid),
        process: member.map(|member| member.name()).unwrap_or_default(),
        tid: producer.tid(),
        thread: producer.name(),
        attempted: producer.attempted(),
        delivered: producer.delivered().load(Ordering::Relaxed),
        dropped: producer.dropped(),
    })
}
