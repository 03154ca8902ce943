//! Who uses the processor and the memory: this run's processes, or others, who would spoil it.

use std::fs::read_to_string;
use std::time::Duration;

/// The kernel's unit in `/proc`; 100 a second on every Linux that has been seen.
const JIFFY: f64 = 0.01;

/// Seconds of processor time, as they stand.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// All cores together did nothing.
    idle: f64,
    /// Used by this process and by those of its descendants that have ended and been waited for.
    ours: f64,
    cores: f64,
    at: std::time::Instant,
}

/// What others used while a run lasted, the host's other guests included.
#[derive(Clone, Copy, Debug)]
pub struct Foreign {
    pub used: Duration,
    pub time: Duration,
}

impl Load {
    pub fn now() -> Load {
        let stat = read_to_string("/proc/stat").expect("/proc/stat");
        let cores = stat.lines().filter(|line| line.starts_with("cpu")).count() - 1;
        let all: Vec<f64> = numbers(stat.lines().next().unwrap_or_default());
        let own = read_to_string("/proc/self/stat").expect("/proc/self/stat");
        let own = fields(&own);
        Load {
            // The fourth and fifth of user nice system idle iowait. What the kernel counts of the others it guesses
            // from who runs at a tick; idleness, and a process's own time, it measures.
            idle: all[3..5].iter().sum::<f64>() * JIFFY,
            // utime stime cutime cstime.
            ours: own[11..15].iter().sum::<f64>() * JIFFY,
            cores: cores as f64,
            at: std::time::Instant::now(),
        }
    }

    /// What others have used since: what was neither idle nor ours.
    pub fn foreign_since(&self) -> Foreign {
        let now = Load::now();
        let time = now.at - self.at;
        let idle = now.idle - self.idle;
        let others = time.as_secs_f64() * now.cores - idle - (now.ours - self.ours);
        Foreign {
            used: Duration::from_secs_f64(others.max(0.0)),
            time,
        }
    }
}

fn numbers(text: &str) -> Vec<f64> {
    let words = text.split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

/// The numbers of a `/proc/…/stat` that stand behind the name and the state: the parent's pid is the first.
fn fields(stat: &str) -> Vec<f64> {
    // The name may hold anything, parentheses too.
    numbers(stat.rsplit_once(')').map_or("", |(_, rest)| rest))
}

/// The name of a process and the pid of its parent.
pub fn name_and_parent(process: u32) -> Option<(String, u32)> {
    let stat = read_to_string(format!("/proc/{process}/stat")).ok()?;
    let name = stat.split_once('(')?.1.rsplit_once(')')?.0;
    Some((name.to_owned(), *fields(&stat).first()? as u32))
}

/// The processor time that all threads of a process have used.
#[allow(unsafe_code)]
pub fn processor_time(process: u32) -> Duration {
    let (mut clock, mut time) = (
        0,
        libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
    );
    // SAFETY: it writes to `clock`, which is ours and of the right type, and to nothing else.
    let found = unsafe { libc::clock_getcpuclockid(process as libc::pid_t, &raw mut clock) };
    assert_eq!(found, 0, "process {process} has no clock");
    // SAFETY: it writes to `time`, which is ours and of the right type; a clock that is gone is an error.
    let read = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(read, 0, "the clock of process {process} cannot be read");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What a process has in memory, in KiB.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    pub all: u64,
    /// Its own: heap and stacks.
    pub anonymous: u64,
    /// The ring, as far as it has been touched.
    pub shared: u64,
}

impl Resident {
    pub fn of(process: u32) -> Resident {
        let status = read_to_string(format!("/proc/{process}/status")).expect("its status");
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| numbers(line).first().copied())
                .unwrap_or_default() as u64
        };
        Resident {
            all: value("VmRSS:"),
            anonymous: value("RssAnon:"),
            shared: value("RssShmem:"),
        }
    }
}
