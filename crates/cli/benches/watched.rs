//! What does it cost a system that logs to be watched by `shmlog top`, or followed by `shmlog tail -f`?
//!
//! One producer for some seconds: flat out with `OnFull::Drop`, flat out with `OnFull::Block`, and a million records a
//! second with `OnFull::Drop`; each alone, watched and followed, in turn, in processes of their own. `top` draws on a terminal
//! that is read at once, twice a second, as it does by itself (`--interval-ms` for other paces). One call of sixteen is
//! timed. Producer and drainer have a core each; `top` goes where the system puts it, so that on two cores it takes its
//! time from one of them.
//!
//! ```sh
//! cargo bench -p shmlog-cli --bench watched -- [--rounds 5] [--seconds 3] [--interval-ms 500]
//! ```

#[path = "../../../benches/harness/mod.rs"]
mod harness;

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::clock::{Clock, begin, end, now};
use harness::cores::Cores;
use harness::latency::Latencies;
use harness::load::processor_time;
use harness::messages::three;
use harness::scene::{Folder, PATIENCE, pin_apart, settings};
use harness::{argument, asked_for, median, parse, say};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use shmlog::{OnFull, info};

/// The word for each load, the policy, and the nanoseconds between two records.
const LOADS: [(&str, OnFull, u64); 3] = [
    ("flat out, drop", OnFull::Drop, 0),
    ("flat out, block", OnFull::Block(PATIENCE), 0),
    ("a million a second, drop", OnFull::Drop, 1000),
];
/// By itself, under `shmlog top`, under `shmlog tail -f`.
const WAYS: [&str; 3] = ["alone", "watched", "followed"];
/// One call of so many is timed.
const TIMED: u64 = 16;

fn main() {
    let load = argument("--load").and_then(|number| LOADS.get(number as usize));
    if let Some((_, policy, gap)) = load {
        let way = WAYS.into_iter().find(|way| asked_for(&format!("--{way}")));
        return measure(*policy, *gap, way.unwrap_or(WAYS[0]));
    }
    let rounds = argument("--rounds").unwrap_or(5);
    for (number, (name, ..)) in LOADS.iter().enumerate() {
        let mut found: Vec<(String, Vec<f64>, String)> = Vec::new();
        for _ in 0..rounds {
            for way in WAYS {
                for (what, value, unit) in run(number, way) {
                    let what = format!("{name}, {way}: {what}");
                    match found.iter_mut().find(|(known, ..)| *known == what) {
                        Some((_, values, _)) => values.push(value),
                        None => found.push((what, vec![value], unit)),
                    }
                }
            }
        }
        for (what, values, unit) in found {
            say(&what, median(values), &unit);
        }
    }
}

/// One run in a process of its own, and what it said.
fn run(load: usize, way: &str) -> Vec<(String, f64, String)> {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--load", &load.to_string()]);
    for name in ["--seconds", "--interval-ms"] {
        if let Some(value) = argument(name) {
            command.args([name, &value.to_string()]);
        }
    }
    command.arg(format!("--{way}"));
    let output = command.stderr(Stdio::inherit()).output().expect("a run");
    assert!(output.status.success(), "a run failed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let unit = |line: &str| line.rsplit(' ').next().unwrap_or_default().to_owned();
    let lines = text.lines();
    let read = lines.filter_map(|line| Some((parse(line)?, unit(line))));
    read.map(|((what, value), unit)| (what.to_owned(), value, unit))
        .collect()
}

/// Logs, watched or not, and says what came of it.
fn measure(policy: OnFull, gap: u64, way: &str) {
    let time = Duration::from_secs(argument("--seconds").unwrap_or(3));
    let (cores, clock) = (Cores::find(), Clock::calibrate());
    let folder = Folder::new("watched");
    let logger = settings(&folder).on_full(policy).init_parent();
    let logger = logger.expect("a ring");
    info!("the first registers this thread");
    // Before this thread is bound to its core, for it would be bound with it.
    let mut tool = match way {
        "watched" => Some(watch(logger.name())),
        "followed" => Some(follow(logger.name())),
        _ => None,
    };
    pin_apart(cores);
    let (calls, latencies, took) = log(clock, time, gap);
    let used = tool.as_ref().map(|tool| processor_time(tool.id()));
    let delivered = logger.stats().delivered as f64 / took.as_secs_f64();
    logger.flush(PATIENCE).expect("flushed");
    let stats = logger.stats();
    if let Some(tool) = &mut tool {
        let ended = tool.try_wait().expect("the tool");
        assert!(ended.is_none(), "the tool ended by itself: {ended:?}");
        tool.kill().expect("killed");
        tool.wait().expect("its end");
    }
    assert_eq!(stats.attempted, calls + 1);
    assert_eq!(stats.delivered + stats.dropped, stats.attempted);
    say("attempted", calls as f64 / took.as_secs_f64() / 1e6, "M/s");
    say("delivered", delivered / 1e6, "M/s");
    say("dropped", stats.dropped as f64, "records");
    let share = stats.dropped as f64 * 100.0 / stats.attempted as f64;
    say("dropped, share", share, "%");
    say("a call, p50", latencies.at(0.5), "ns");
    say("a call, p99.9", latencies.at(0.999), "ns");
    if let Some(used) = used {
        let share = used.as_secs_f64() / took.as_secs_f64() * 100.0;
        say("the tool itself, of a core", share, "%");
    }
}

/// Calls as fast as they go, or so many nanoseconds apart. Returns how many, what those that were timed cost, and how
/// long it took.
fn log(clock: Clock, time: Duration, gap: u64) -> (u64, Latencies, Duration) {
    let ticks = clock.ticks(Duration::from_nanos(gap));
    let empty: Vec<u32> = (0..20_000).map(|_| ticks_of(|| {})).collect();
    let mut samples = Vec::with_capacity(32 << 20);
    let (start, mut n, mut next) = (Instant::now(), 0, now());
    while start.elapsed() < time {
        for _ in 0..256 / TIMED {
            samples.push(ticks_of(|| log_one(n)));
            for other in n + 1..n + TIMED {
                pace(&mut next, ticks);
                log_one(other);
            }
            n += TIMED;
            pace(&mut next, ticks);
        }
    }
    (
        n,
        Latencies::from_samples(clock, &empty, &samples),
        start.elapsed(),
    )
}

/// Waits for the next call's time. What is missed is not made up for.
fn pace(next: &mut u64, ticks: u64) {
    if ticks > 0 {
        while now() < *next {}
        *next = now() + ticks;
    }
}

fn log_one(n: u64) {
    let (joint, position, velocity) = three(n);
    info!("joint {} pos {} vel {}", joint, position, velocity);
}

fn ticks_of(call: impl FnOnce()) -> u32 {
    let from = begin();
    call();
    u32::try_from(end() - from).unwrap_or(u32::MAX)
}

/// `shmlog tail -f` of all there is, into nothing. It has shown a record when this returns.
fn follow(ring: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shmlog"));
    command
        .args(["tail", ring, "-f", "-n", "1"])
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("shmlog tail");
    let mut out = child.stdout.take().expect("a pipe");
    let mut buffer = vec![0; 1 << 20];
    let shown = out.read(&mut buffer).expect("a first record");
    assert!(shown > 0, "tail shows nothing");
    std::thread::spawn(move || while out.read(&mut buffer).is_ok_and(|read| read > 0) {});
    child
}

/// `shmlog top` on a terminal that is read. It has drawn once when this returns.
fn watch(ring: &str) -> Child {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
    let person = person.expect("a terminal");
    grantpt(&person).expect("a terminal");
    unlockpt(&person).expect("a terminal");
    let size = Winsize {
        ws_row: 50,
        ws_col: 160,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&person, size).expect("a size");
    let name = ptsname(&person, Vec::new()).expect("its name");
    let name = name.into_string().expect("its name");
    let open = || {
        let terminal = OpenOptions::new().read(true).write(true).open(&name);
        terminal.expect("a terminal")
    };
    let interval = argument("--interval-ms").unwrap_or(500);
    let child = Command::new(env!("CARGO_BIN_EXE_shmlog"))
        .args(["top", ring, "--interval", &format!("{interval}ms")])
        .env("TERM", "xterm-256color")
        .stdin(open())
        .stdout(open())
        .spawn();
    let mut person = File::from(person);
    let mut buffer = vec![0; 1 << 16];
    let drawn = person.read(&mut buffer).expect("a first screen");
    assert!(drawn > 0, "top draws nothing");
    std::thread::spawn(move || while person.read(&mut buffer).is_ok_and(|read| read > 0) {});
    child.expect("shmlog top")
}
