//! What two looks at a ring say together: rates and shares.
//!
//! Pure: all numbers may be anything, as other processes have written them. What goes backwards, as a sink's numbers do
//! when the drainer was started again, is taken as not having moved.

use std::collections::HashMap;
use std::time::Duration;

use shmlog::Level;

use super::sample::{ProducerSample, Sample, SinkSample, SiteSample};

/// What there is to show.
#[derive(Clone, Debug)]
pub struct Sight {
    /// The later look.
    pub now: Sample,
    /// Records a second between the two.
    pub delivered: f64,
    pub dropped: f64,
    pub lost: f64,
    pub producers: Vec<ProducerRow>,
    pub sites: Vec<SiteRow>,
    pub sinks: Vec<SinkRow>,
}

/// A thread, with rates.
#[derive(Clone, Debug)]
pub struct ProducerRow {
    pub pid: u32,
    pub tid: u32,
    pub name: String,
    pub thread: String,
    pub records: f64,
    pub bytes: f64,
    pub drops: [u64; Level::ALL.len()],
    pub dropped: u64,
    pub is_dropping: bool,
    pub parked: u64,
    pub idle: Option<Duration>,
    pub delivered: u64,
}

/// A log statement, with rates.
#[derive(Clone, Debug)]
pub struct SiteRow {
    pub level: Level,
    pub target: String,
    pub place: String,
    pub text: String,
    pub records: f64,
    pub bytes: f64,
    /// Of the records of all statements between the two looks.
    pub share: f64,
    pub total: u64,
}

/// A sink, and whether it is getting worse.
#[derive(Clone, Debug)]
pub struct SinkRow {
    pub sink: SinkSample,
    pub is_losing: bool,
    pub is_failing: bool,
}

impl Sight {
    /// Of a look, and the one before if there was one: without it all rates are zero.
    pub fn between(before: Option<&Sample>, now: Sample) -> Sight {
        let passed = before.map(|before| now.at.saturating_duration_since(before.at));
        let pace = Pace(passed.unwrap_or_default());
        let total =
            |of: fn(&Sample) -> u64| before.map_or(0.0, |before| pace.of(of(before), of(&now)));
        Sight {
            delivered: total(|sample| sample.delivered),
            dropped: total(|sample| sample.dropped),
            lost: total(|sample| sample.lost),
            producers: producers(before, &now, pace),
            sites: sites(before, &now, pace),
            sinks: sinks(before, &now),
            now,
        }
    }
}

/// The time between two looks.
#[derive(Clone, Copy)]
struct Pace(Duration);

impl Pace {
    /// So many a second.
    fn of(self, before: u64, now: u64) -> f64 {
        let seconds = self.0.as_secs_f64();
        match seconds > 0.0 {
            true => grown(before, now) as f64 / seconds,
            false => 0.0,
        }
    }
}

/// By how much a number that wraps has grown; zero if it has gone back.
fn grown(before: u64, now: u64) -> u64 {
    (now.wrapping_sub(before) as i64).max(0) as u64
}

fn producers(before: Option<&Sample>, now: &Sample, pace: Pace) -> Vec<ProducerRow> {
    let known = before.map_or(&[][..], |before| &before.producers);
    let known: HashMap<(u32, u32), &ProducerSample> =
        known.iter().map(|of| ((of.pid, of.tid), of)).collect();
    let row = |of: &ProducerSample| {
        let old = known.get(&(of.pid, of.tid));
        let dropped = |drops: &[u64]| drops.iter().copied().fold(0, u64::wrapping_add);
        // All of one that was not there before is new.
        let rate = |was: Option<u64>, is| pace.of(was.unwrap_or(0), is);
        let dropped_before = old.map_or(0, |old| dropped(&old.drops));
        ProducerRow {
            pid: of.pid,
            tid: of.tid,
            name: format!("{}[{}]", of.process, of.pid),
            thread: of.thread.clone(),
            records: rate(old.map(|old| old.delivered), of.delivered),
            bytes: rate(old.map(|old| old.bytes), of.bytes),
            drops: of.drops,
            dropped: dropped(&of.drops),
            is_dropping: before.is_some() && grown(dropped_before, dropped(&of.drops)) > 0,
            parked: of.parked,
            idle: of.idle,
            delivered: of.delivered,
        }
    };
    now.producers.iter().map(row).collect()
}

fn sites(before: Option<&Sample>, now: &Sample, pace: Pace) -> Vec<SiteRow> {
    let known = before.map_or(&[][..], |before| &before.sites);
    let known: HashMap<u32, &SiteSample> = known.iter().map(|of| (of.id, of)).collect();
    let row = |of: &SiteSample| {
        let old = known.get(&of.id);
        SiteRow {
            level: of.level,
            target: of.target.clone(),
            place: of.place.clone(),
            text: of.text.clone(),
            records: pace.of(old.map_or(0, |old| old.records), of.records),
            bytes: pace.of(old.map_or(0, |old| old.bytes), of.bytes),
            share: 0.0,
            total: of.records,
        }
    };
    let mut rows: Vec<SiteRow> = now.sites.iter().map(row).collect();
    let all: f64 = rows.iter().map(|row| row.records).sum();
    for row in rows.iter_mut().filter(|_| all > 0.0) {
        row.share = row.records / all;
    }
    rows
}

fn sinks(before: Option<&Sample>, now: &Sample) -> Vec<SinkRow> {
    let known = before.map_or(&[][..], |before| &before.sinks);
    let row = |(place, sink): (usize, &SinkSample)| {
        // Two may have one name, as two files of one folder do; they keep their order.
        let old = known.get(place).filter(|old| old.name == sink.name);
        SinkRow {
            is_losing: old.is_some_and(|old| grown(old.lost, sink.lost) > 0),
            is_failing: old.is_some_and(|old| grown(old.errors, sink.errors) > 0),
            sink: sink.clone(),
        }
    };
    now.sinks.iter().enumerate().map(row).collect()
}
