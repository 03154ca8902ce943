//! What is kept of one look at a ring.
//!
//! All texts come from other processes, which may have put anything there: they are made harmless here, once, so that
//! nothing behind this file has to think of it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use shmlog::Level;
use shmlog::observe::{CallSite, Producer, SinkState, Snapshot};

use super::last::place_of;
use crate::show::harmless;

/// One look.
#[derive(Clone, Debug)]
pub struct Sample {
    pub at: Instant,
    pub ring: String,
    pub program: String,
    pub maker: u32,
    pub is_maker_alive: bool,
    pub age: Duration,
    /// As it was set: what is typed over it must be it.
    pub filter: String,
    pub slots: u64,
    pub taken: u64,
    pub high_water: u64,
    pub behind: u64,
    pub attempted: u64,
    pub delivered: u64,
    pub dropped: u64,
    pub lost: u64,
    pub restarts: u64,
    pub processes: usize,
    pub producers: Vec<ProducerSample>,
    pub sites: Vec<SiteSample>,
    pub sinks: Vec<SinkSample>,
}

/// A thread.
#[derive(Clone, Debug)]
pub struct ProducerSample {
    pub process: String,
    pub pid: u32,
    pub thread: String,
    pub tid: u32,
    pub delivered: u64,
    pub bytes: u64,
    /// By level, ascending.
    pub drops: [u64; Level::ALL.len()],
    pub parked: u64,
    /// Since its last record.
    pub idle: Option<Duration>,
}

/// A log statement.
#[derive(Clone, Debug)]
pub struct SiteSample {
    pub id: u32,
    pub level: Level,
    pub target: String,
    pub place: String,
    pub text: String,
    pub records: u64,
    pub bytes: u64,
}

/// A sink.
#[derive(Clone, Debug)]
pub struct SinkSample {
    pub name: String,
    pub waiting: u64,
    pub lost: u64,
    pub errors: u64,
    pub last_error: String,
}

impl Sample {
    /// Of what the library shows.
    pub fn of(snapshot: &Snapshot) -> Sample {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_nanos() as i64;
        let stats = &snapshot.stats;
        let producers = snapshot.producers.iter();
        Sample {
            at: Instant::now(),
            ring: harmless(&snapshot.ring),
            program: harmless(&snapshot.program),
            maker: snapshot.maker,
            is_maker_alive: snapshot.is_maker_alive,
            age: snapshot.age,
            filter: snapshot.filter.clone(),
            slots: stats.slots,
            taken: snapshot.taken,
            high_water: stats.high_water,
            behind: snapshot.behind,
            attempted: stats.attempted,
            delivered: stats.delivered,
            dropped: stats.dropped,
            lost: stats.lost,
            restarts: stats.drainer_restarts,
            processes: snapshot.processes.len(),
            producers: producers.map(|of| ProducerSample::of(of, now)).collect(),
            sites: snapshot.sites.iter().map(SiteSample::of).collect(),
            sinks: snapshot.sinks.iter().map(SinkSample::of).collect(),
        }
    }
}

impl ProducerSample {
    fn of(producer: &Producer, now: i64) -> ProducerSample {
        let stats = &producer.stats;
        // A clock may have been set back meanwhile.
        let idle = |last: i64| Duration::from_nanos(now.saturating_sub(last).max(0) as u64);
        ProducerSample {
            process: harmless(&stats.process),
            pid: stats.pid,
            thread: harmless(&stats.thread),
            tid: stats.tid,
            delivered: stats.delivered,
            bytes: producer.bytes,
            drops: Level::ALL.map(|level| stats.drops.at(level)),
            parked: producer.parked,
            idle: producer.last_ns.map(idle),
        }
    }
}

impl SiteSample {
    fn of(site: &CallSite) -> SiteSample {
        SiteSample {
            id: site.id,
            level: site.level,
            target: harmless(&site.target),
            place: place_of(&site.file, site.line),
            text: text_of(site),
            records: site.records,
            bytes: site.bytes,
        }
    }
}

/// What a statement says. The crate `log` and `tracing` hand on texts that are made already: there is nothing to show of
/// these but where they come from.
fn text_of(site: &CallSite) -> String {
    match &*site.format {
        "" | "{}" => {
            let name = site.file.rsplit(['/', '\\']).next().unwrap_or_default();
            format!("any text of {}", place_of(name, site.line))
        }
        format => harmless(format),
    }
}

impl SinkSample {
    fn of(sink: &SinkState) -> SinkSample {
        SinkSample {
            name: harmless(&sink.name),
            waiting: sink.waiting,
            lost: sink.lost,
            errors: sink.errors,
            last_error: harmless(&sink.last_error),
        }
    }
}
