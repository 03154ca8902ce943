//! All that there is to see of a ring at a moment.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::clock::Calibration;
use crate::level::Level;
use crate::record::SiteTable;
use crate::ring::Ring;
use crate::segment::{Home, Member, Segment, Tag, Watch};
use crate::stats::{ProducerStats, Stats};
use crate::sync::Ordering;

/// What a ring is like at a moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub ring: String,
    /// The program that made it.
    pub program: String,
    /// The process that made it.
    pub maker: u32,
    /// Whether that lives; where it does not, the drainer may still work for others.
    pub is_maker_alive: bool,
    /// How long ago it was made, while the machine was not suspended.
    pub age: Duration,
    /// The directives that its processes log by.
    pub filter: String,
    /// Bytes of a slot.
    pub slot_size: u64,
    /// Slots that are taken now, of [`Stats::slots`].
    pub taken: u64,
    /// Sequences that some sink is not done with yet.
    pub behind: u64,
    /// Its numbers.
    pub stats: Stats,
    /// The processes that are registered.
    pub processes: Vec<Process>,
    /// The threads that are registered.
    pub producers: Vec<Producer>,
    /// The call sites of which records were delivered. Those that found no room in the ring's table, as those of the crates
    /// `log` and `tracing` may, are not among them.
    pub sites: Vec<CallSite>,
    /// The first ten sinks, in their order.
    pub sinks: Vec<SinkState>,
}

/// A process that logs into a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Its name in the log.
    pub name: String,
}

/// A thread that logs into a ring.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Producer {
    /// Who it is, and its numbers.
    pub stats: ProducerStats,
    /// Bytes of its delivered records, as they were in the ring.
    pub bytes: u64,
    /// Slots that wait for it, because it was stopped while writing.
    pub parked: u64,
    /// When its last delivered record was logged, in nanoseconds since 1970-01-01 00:00:00 UTC.
    pub last_ns: Option<i64>,
}

/// A log statement. (Which it is, its `id` says as long as the ring lives.)
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallSite {
    /// Its number in the ring.
    pub id: u32,
    /// Level of its last record.
    pub level: Level,
    /// Its target.
    pub target: String,
    /// Its source file.
    pub file: String,
    /// The line there.
    pub line: u32,
    /// What it says, with places for its arguments; empty for statements of the crates `log` and `tracing`.
    pub format: String,
    /// Records delivered. What a drainer was killed at may be counted twice.
    pub records: u64,
    /// Their bytes, as they were in the ring.
    pub bytes: u64,
}

/// A sink, as its drainer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SinkState {
    /// What it is called, like `file logs/app.log`; cut off behind 72 bytes.
    pub name: String,
    /// Bytes that wait for it.
    pub waiting: u64,
    /// Records that it lacks for good, since the present drainer began.
    pub lost: u64,
    /// Errors that it reported since then.
    pub errors: u64,
    /// The last of these; empty without. Cut off behind 136 bytes.
    pub last_error: String,
}

impl Snapshot {
    pub(super) fn of(
        segment: &'static Segment,
        ring: &Ring<'static>,
        home: &Home,
        calibration: &mut Calibration,
    ) -> Snapshot {
        let stats = Stats::of(segment);
        // The head first: it is behind the tail then.
        let head = ring.head();
        let taken = ring.tail().wrapping_sub(head).min(stats.slots);
        let flushed = segment.flushed();
        let behind = ring.tail().wrapping_sub(flushed);
        Snapshot {
            ring: segment.name().to_owned(),
            program: home.program.clone(),
            maker: home.maker.pid,
            is_maker_alive: !Watch::new(home.maker).is_gone(),
            age: age(home),
            filter: segment.filter().text(),
            slot_size: segment.geometry().slot_size,
            taken,
            behind: if behind as i64 > 0 { behind } else { 0 },
            processes: processes(segment),
            producers: producers(segment, &stats, calibration),
            sites: sites(segment),
            sinks: sinks(segment),
            stats,
        }
    }
}

/// Both readings are of the monotonic clock, which stands still while the machine is suspended.
fn age(home: &Home) -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let now = now
        .tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(now.tv_nsec);
    Duration::from_nanos(now.saturating_sub(home.made.1).max(0) as u64)
}

fn processes(segment: &Segment) -> Vec<Process> {
    let members = (0..segment.entries()).map(|index| segment.member(index));
    let active = members.filter(|member| member.state().load().tag() == Tag::Active);
    let process = |member: Member<'_>| Process {
        pid: member.identity().pid,
        name: member.name(),
    };
    active.map(process).collect()
}

fn producers(segment: &Segment, stats: &Stats, calibration: &mut Calibration) -> Vec<Producer> {
    let parked = match stats.parked {
        0 => vec![0; segment.entries()],
        _ => parked(segment),
    };
    let all = (0..segment.entries()).filter_map(|index| {
        let stats = ProducerStats::of(segment, index)?;
        let producer = segment.producer(index);
        let last = producer.last().load(Ordering::Relaxed);
        Some(Producer {
            stats,
            bytes: producer.bytes().load(Ordering::Relaxed),
            parked: parked[index],
            last_ns: (last != 0).then(|| calibration.wall_ns(last)),
        })
    });
    all.collect()
}

/// More parked slots are not told apart: a member has written over their table.
const MOST_PARKED: usize = 4096;

/// By registry entry, how many parked slots are its: those of the thread whose floor is the highest that is not above
/// the parked sequence. A guess, where several are stopped at once.
fn parked(segment: &Segment) -> Vec<u64> {
    let mut counts = vec![0; segment.entries()];
    let floor = |index| segment.producer(index).floor().load(Ordering::Relaxed);
    let mut floors: Vec<(u64, usize)> = (0..counts.len()).map(|at| (floor(at), at)).collect();
    floors.sort_unstable();
    let words = segment.parked().iter();
    let parked = words.filter_map(|word| word.load(Ordering::Relaxed).checked_sub(1));
    for parked in parked.take(MOST_PARKED) {
        let above = floors.partition_point(|(floor, _)| *floor <= parked);
        if let Some((_, owner)) = above.checked_sub(1).and_then(|at| floors.get(at)) {
            counts[*owner] += 1;
        }
    }
    counts
}

fn sites(segment: &Segment) -> Vec<CallSite> {
    let table = SiteTable::new(segment.sites(), segment.site_text());
    let known = table.counted().filter_map(|(id, records, bytes, level)| {
        let (target, file, line, format) = table.say(id)?;
        Some(CallSite {
            id,
            level: Level::from_number(level).unwrap_or(Level::Error),
            target,
            file,
            line,
            format,
            records,
            bytes,
        })
    });
    known.collect()
}

fn sinks(segment: &Segment) -> Vec<SinkState> {
    let shown = segment.shown_outlets().map(|shown| {
        let (numbers, (name, last_error)) = (shown.numbers(), shown.texts());
        SinkState {
            name,
            waiting: numbers.waiting,
            lost: numbers.lost,
            errors: numbers.errors,
            last_error,
        }
    });
    shown.filter(|sink| !sink.name.is_empty()).collect()
}
