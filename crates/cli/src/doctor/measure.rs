//! Times log calls: one thread, three numbers, 1 to 2 µs apart, into a ring that discards them.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use shmlog::{Level, ShmLogger, info};

use crate::failure::Failure;

/// The least time between two calls; the most is twice that.
const GAP: Duration = Duration::from_micros(1);
/// How long nothing is timed, to know what timing costs.
const EMPTY: Duration = Duration::from_millis(100);
/// How long the drainer may take in the end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    /// Of the calls, in nanoseconds, without what timing costs.
    pub calls: Histogram<u64>,
    /// What timing costs, in nanoseconds: the median.
    pub empty: f64,
    /// By how many nanoseconds the clock moves at a time.
    pub step: u64,
    /// Where it was measured, and where the drainer was; `None` if there is only one CPU.
    pub cpus: Option<(usize, usize)>,
    /// Records that found the ring full.
    pub dropped: u64,
}

/// Takes that long, and a little more.
pub fn measure(time: Duration) -> Result<Measured, Failure> {
    let cpus = apart();
    // The drainer inherits it, and so does one that is started in its place.
    cpus.map_or(Ok(()), |(_, drainer)| pin(drainer))?;
    let builder = ShmLogger::builder()
        .console(false)
        .discard(true)
        .env(false)
        .recover(false);
    let logger = builder
        .level(Level::Info)
        .process_name("shmlog-doctor")
        .init_parent()?;
    cpus.map_or(Ok(()), |(producer, _)| pin(producer))?;
    info!("the first registers this thread");
    // The caches are warm then.
    timed(time.min(Duration::from_millis(100)), log);
    let raw = timed(time, log);
    let nothing = histogram_of(&timed(EMPTY, |_| {}), 0);
    logger.flush(PATIENCE)?;
    let dropped = logger.stats().dropped;
    let step = step_of(&histogram_of(&raw, 0));
    let empty = quantile(&nothing, 0.5, step);
    let calls = histogram_of(&raw, empty.round() as u64);
    Ok(Measured {
        calls,
        empty,
        step,
        cpus,
        dropped,
    })
}

impl Measured {
    /// Nanoseconds that this share of the calls stays below.
    pub fn at(&self, share: f64) -> u64 {
        quantile(&self.calls, share, self.step).round().max(0.0) as u64
    }
}

/// A clock that moves in steps shows a time as one of two values, by chance; which share of the calls it shows as which
/// says where between them the time is.
fn quantile(times: &Histogram<u64>, share: f64, step: u64) -> f64 {
    let (rank, mut below) = (share * times.len() as f64, 0.0);
    for Cluster { values, count } in clusters(times, step) {
        let here = count as f64;
        if below + here >= rank {
            let middle = (values.start() + values.end()) as f64 / 2.0;
            return middle + step as f64 * ((rank - below) / here - 0.5);
        }
        below += here;
    }
    times.max() as f64
}

/// Times that are one step of the clock: whole nanoseconds are rounded, up or down.
#[derive(Clone, Debug)]
struct Cluster {
    values: RangeInclusive<u64>,
    count: u64,
}

/// Neighbours are one if the clock moves in steps; else each stands for itself.
fn clusters(times: &Histogram<u64>, step: u64) -> Vec<Cluster> {
    let mut clusters: Vec<Cluster> = Vec::new();
    for value in times.iter_recorded() {
        let (time, count) = (value.value_iterated_to(), value.count_at_value());
        match clusters
            .last_mut()
            .filter(|last| step > 1 && last.values.end() + 1 == time)
        {
            Some(last) => {
                *last = Cluster {
                    values: *last.values.start()..=time,
                    count: last.count + count,
                }
            }
            None => clusters.push(Cluster {
                values: time..=time,
                count,
            }),
        }
    }
    clusters
}

/// The least distance between clusters that are seen often; 1 if times are anywhere.
fn step_of(times: &Histogram<u64>) -> u64 {
    let often = |cluster: &Cluster| cluster.count > times.len() / 1000;
    // As if it had steps: then all that is often is narrow.
    let clusters: Vec<Cluster> = clusters(times, 2).into_iter().filter(often).collect();
    let width = |cluster: &Cluster| cluster.values.end() - cluster.values.start();
    let apart = |two: &[Cluster]| two[1].values.start() - two[0].values.start();
    let least = clusters.windows(2).map(apart).min();
    let is_narrow = clusters.iter().all(|cluster| width(cluster) <= 1);
    least.filter(|_| is_narrow).unwrap_or(1)
}

/// The CPU for who logs, the last, and that for the drainer, the first, if there are two.
fn apart() -> Option<(usize, usize)> {
    let allowed = sched_getaffinity(None).ok()?;
    let mut cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let drainer = cpus.next()?;
    Some((cpus.next_back()?, drainer))
}

fn pin(cpu: usize) -> rustix::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set)
}

#[inline(always)]
fn log(n: u64) {
    let joint = (n % 29) as u32;
    let (position, velocity) = (n as f64 * 0.001, -0.5 * f64::from(joint));
    info!("joint {} pos {} vel {}", joint, position, velocity);
}

/// Nanoseconds of each call, timing included. They are kept as they come and sorted in afterwards: a histogram would push
/// what the calls need out of the caches.
fn timed(time: Duration, call: impl Fn(u64)) -> Vec<u32> {
    let most = time.as_nanos() / GAP.as_nanos() + 1;
    // Not zeros: their pages would come with the first touch, between two calls.
    let mut samples = vec![1_u32; most as usize];
    let mut dice = 0x9E37_79B9_7F4A_7C15_u64;
    let (begin, mut taken) = (Instant::now(), 0);
    for (n, sample) in (0..).zip(&mut samples) {
        wait(&mut dice);
        let from = Instant::now();
        call(n);
        *sample = u32::try_from(from.elapsed().as_nanos()).unwrap_or(u32::MAX);
        taken = n + 1;
        if begin.elapsed() > time {
            break;
        }
    }
    samples.truncate(taken as usize);
    samples
}

/// 1 to 2 µs.
fn wait(dice: &mut u64) {
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    let gap = GAP + Duration::from_nanos(*dice % GAP.as_nanos() as u64);
    let begin = Instant::now();
    while begin.elapsed() < gap {}
    // Waiting ends where the clock steps: calls that begin just then would all be rounded the same way.
    (0..*dice >> 32 & 31).for_each(|n| _ = std::hint::black_box(n));
}

/// From a nanosecond to four seconds, to three digits, and less by what timing costs.
fn histogram_of(samples: &[u32], timing: u64) -> Histogram<u64> {
    let mut histogram =
        Histogram::new_with_bounds(1, 1 << 32, 3).expect("bounds that are fit for it");
    for sample in samples {
        histogram.saturating_record(u64::from(*sample).saturating_sub(timing).max(1));
    }
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_steps_of_a_clock_the_share_of_each_says_where_the_time_is() {
        // 22 ns, seen as 20 four times of five.
        let samples: Vec<u32> = (0..1000)
            .map(|n| if n % 5 == 0 { 30 } else { 20 })
            .collect();
        let times = histogram_of(&samples, 0);
        assert_eq!(step_of(&times), 10);
        let median = quantile(&times, 0.5, 10);
        assert!((20.0..25.0).contains(&median), "{median}");
    }

    #[test]
    fn a_clock_without_steps_is_taken_at_its_word() {
        let samples: Vec<u32> = (0..1000).map(|n| 20 + n % 7).collect();
        let times = histogram_of(&samples, 3);
        assert_eq!(step_of(&times), 1);
        assert_eq!(quantile(&times, 0.5, 1).round(), 20.0);
        assert_eq!(quantile(&histogram_of(&[], 0), 0.5, 1), 0.0);
    }
}
