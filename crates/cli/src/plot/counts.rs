//! How many records there were when, of which level and process, and how many were lost: counted in one pass over files of
//! any length, in memory that is bounded.
//!
//! Time is divided into bins, of a millisecond at first. When they become too many, two become one, and so on.

use std::collections::{BTreeMap, HashMap};

use shmlog::Level;
use shmlog::sink::Record;

/// The shortest bin.
const SHORTEST_NS: i64 = 1_000_000;
/// So many bins are kept, at the most.
const MOST: usize = 8_192;
/// So many processes are told apart; what comes later is of the rest.
const PROCESSES: usize = 256;

/// Times are brought within so many nanoseconds of 1970 (73 years), or what a damaged file says could not be reckoned with.
const FARTHEST_NS: i64 = 1 << 61;

/// The number of levels.
pub const LEVELS: usize = Level::ALL.len();

/// What happened in a bin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bin {
    pub levels: [u64; LEVELS],
    /// By the number of the process; those that come late may be beyond its end.
    pub processes: Vec<u64>,
    pub lost: u64,
}

impl Bin {
    fn add(&mut self, other: &Bin) {
        self.levels
            .iter_mut()
            .zip(other.levels)
            .for_each(|(sum, count)| *sum += count);
        let length = self.processes.len().max(other.processes.len());
        self.processes.resize(length, 0);
        self.processes
            .iter_mut()
            .zip(&other.processes)
            .for_each(|(sum, count)| *sum += count);
        self.lost += other.lost;
    }

    /// All records.
    pub fn total(&self) -> u64 {
        self.levels.iter().sum()
    }
}

/// Counts records.
#[derive(Debug)]
pub struct Counts {
    bins: BTreeMap<i64, Bin>,
    width_ns: i64,
    names: HashMap<String, usize>,
    /// The first and the last time.
    times: Option<(i64, i64)>,
}

impl Counts {
    /// Of none.
    pub fn new() -> Counts {
        Counts {
            bins: BTreeMap::new(),
            width_ns: SHORTEST_NS,
            names: HashMap::new(),
            times: None,
        }
    }

    /// Counts one.
    pub fn add(&mut self, record: &Record<'_>) {
        let time = record.time_ns.clamp(-FARTHEST_NS, FARTHEST_NS);
        let (first, last) = self.times.unwrap_or((time, time));
        self.times = Some((first.min(time), last.max(time)));
        let process = self.number_of(record.process);
        let bin = self.bins.entry(time.div_euclid(self.width_ns)).or_default();
        bin.levels[record.level as usize] += 1;
        if bin.processes.len() <= process {
            bin.processes.resize(process + 1, 0);
        }
        bin.processes[process] += 1;
        if is_own(record) {
            bin.lost += lost(record.message);
        }
        while self.bins.len() > MOST {
            self.fold();
        }
    }

    fn number_of(&mut self, name: &str) -> usize {
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let number = self.names.len().min(PROCESSES);
        if number < PROCESSES {
            self.names.insert(name.to_owned(), number);
        }
        number
    }

    /// Makes one of two bins each.
    fn fold(&mut self) {
        self.width_ns *= 2;
        for (at, bin) in std::mem::take(&mut self.bins) {
            self.bins.entry(at.div_euclid(2)).or_default().add(&bin);
        }
    }

    /// The first and the last time, if there was any.
    pub fn times(&self) -> Option<(i64, i64)> {
        self.times
    }

    /// The names of processes, by their numbers.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_by_key(|(_, number)| **number);
        names.into_iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The bins in about `wanted` of equal width, all of them, empty ones too.
    pub fn in_bins(&self, wanted: usize) -> Bins {
        let (Some((first, _)), Some((last, _))) =
            (self.bins.first_key_value(), self.bins.last_key_value())
        else {
            return Bins {
                width_ns: self.width_ns,
                start_ns: 0,
                bins: Vec::new(),
            };
        };
        let span = last - first + 1;
        let together = (span + wanted as i64 - 1) / wanted as i64;
        let place = |at: i64| at.div_euclid(together) - first.div_euclid(together);
        let mut bins = vec![Bin::default(); place(*last) as usize + 1];
        self.bins
            .iter()
            .for_each(|(at, bin)| bins[place(*at) as usize].add(bin));
        let width_ns = self.width_ns * together;
        Bins {
            width_ns,
            start_ns: first.div_euclid(together) * width_ns,
            bins,
        }
    }

    /// Where there was no record for much longer than usual: times from and to, in nanoseconds.
    pub fn gaps(&self) -> Vec<(i64, i64)> {
        let Some((first, last)) = self.times else {
            return Vec::new();
        };
        let steps = || {
            self.bins
                .keys()
                .zip(self.bins.keys().skip(1))
                .map(|(a, b)| b - a)
        };
        let mut usual: Vec<i64> = steps().collect();
        usual.sort_unstable();
        // What nine of ten pauses stay within, and all but one.
        let most = (usual.len() * 9 / 10).min(usual.len().saturating_sub(2));
        let usual = usual.get(most).copied().unwrap_or(1);
        let least = (usual * USUAL)
            .max((last - first) / PART / self.width_ns)
            .max(2);
        let pairs = self.bins.keys().zip(self.bins.keys().skip(1));
        let long = pairs.filter(|(a, b)| *b - *a > least);
        long.map(|(a, b)| ((a + 1) * self.width_ns, b * self.width_ns))
            .collect()
    }
}

/// A gap is so many times as long as pauses usually are,
const USUAL: i64 = 10;
/// and at least this part of all.
const PART: i64 = 100;

/// Equal parts of a time.
pub struct Bins {
    pub width_ns: i64,
    pub start_ns: i64,
    pub bins: Vec<Bin>,
}

/// Whether the log itself says it.
fn is_own(record: &Record<'_>) -> bool {
    record.sequence.is_none() && record.process == "shmlog"
}

/// How many records the log says here were dropped or lost: `12 records of arm[7] dropped: …`, `3 records are missing here`,
/// `1 record of arm[7] lost: …`. Sums of these, which it says now and then and at its end, are not counted again.
pub fn lost(message: &str) -> u64 {
    let Some((count, rest)) = message.split_once(' ') else {
        return 0;
    };
    let words = [
        " dropped: ",
        " dropped of threads ",
        " lost: ",
        " missing here",
    ];
    let is_loss = |rest: &str| words.iter().any(|words| rest.contains(words));
    let is_records = rest.starts_with("record ") || rest.starts_with("records ");
    let count = count.parse().ok().filter(|_| is_records && is_loss(rest));
    count.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::owned::Owned;
    use proptest::prelude::*;

    #[test]
    fn what_the_log_says_of_losses_is_counted_once() {
        assert_eq!(lost("12 records of arm[7] dropped: the ring was full"), 12);
        assert_eq!(
            lost("1 record of imu: left[7] dropped: the ring was full"),
            1
        );
        assert_eq!(
            lost("1 record dropped of threads that found no entry: the table is full"),
            1
        );
        assert_eq!(
            lost("3 records are missing here (worker-1[1234]: 3): disk full"),
            3
        );
        assert_eq!(
            lost("3 records and 2 lines of the log itself are missing here (w[1]: 3): disk full"),
            3
        );
        assert_eq!(lost("1 record of arm[7] lost: it ended while writing"), 1);
        for other in [
            "in the end: 5 records, 3 dropped",
            "2 records waited",
            "2 lines of the log itself are missing here: why",
            "",
        ] {
            assert_eq!(lost(other), 0, "{other}");
        }
    }

    proptest! {
        #[test]
        fn bins_hold_every_record_at_its_time(
            times in prop::collection::vec((0..5_000_000_000_000_i64, 0..LEVELS, 0..12_usize), 1..300), wanted in 1..400_usize,
        ) {
            let mut counts = Counts::new();
            for (time_ns, level, process) in &times {
                let record = Owned {
                    time_ns: *time_ns, level: Level::ALL[*level], process: format!("p{process}"), ..Owned::default()
                };
                counts.add(&record.record());
            }
            let bins = counts.in_bins(wanted);
            prop_assert!(bins.bins.len() <= wanted + 1);
            let mut expected = vec![[0; LEVELS]; bins.bins.len()];
            for (time_ns, level, _) in &times {
                expected[((time_ns - bins.start_ns) / bins.width_ns) as usize][*level] += 1;
            }
            let found: Vec<_> = bins.bins.iter().map(|bin| bin.levels).collect();
            prop_assert_eq!(found, expected);
            let names = counts.names();
            for (number, name) in names.iter().enumerate() {
                let sum: u64 = bins.bins.iter().filter_map(|bin| bin.processes.get(number)).sum();
                prop_assert_eq!(sum, times.iter().filter(|(.., process)| format!("p{process}") == *name).count() as u64);
            }
        }

        #[test]
        fn no_record_lies_in_a_gap(times in prop::collection::vec(0..5_000_000_000_000_i64, 1..100)) {
            let mut counts = Counts::new();
            for time_ns in &times {
                counts.add(&Owned { time_ns: *time_ns, ..Owned::default() }.record());
            }
            for (from, to) in counts.gaps() {
                prop_assert!(from < to && !times.iter().any(|time| (from..to).contains(time)));
            }
        }
    }

    #[test]
    fn memory_is_bounded_however_long_it_took() {
        let mut counts = Counts::new();
        for second in 0..100_000 {
            counts.add(
                &Owned {
                    time_ns: second * 1_000_000_000,
                    ..Owned::default()
                }
                .record(),
            );
        }
        assert!(counts.bins.len() <= MOST);
        assert_eq!(counts.bins.values().map(Bin::total).sum::<u64>(), 100_000);
        assert_eq!(counts.gaps(), []);
    }
}
