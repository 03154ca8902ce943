//! How far the times in a log file are from the wall clock. Records are stamped with the processor's counter, and the
//! drainer works out the time of day; here every record is framed by two looks at the wall clock, and its time in the
//! file should lie between them.
//!
//! ```sh
//! cargo run --release --example drift -- 3      # minutes
//! ```
//!
//! Prints the largest error of each minute, and of the first second, in which the drainer has known the counter's rate
//! for a few milliseconds only. The file has whole microseconds, so an error below one is none.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use shmlog::{Level, ShmLogger, info};

/// Between two records.
const PAUSE: Duration = Duration::from_millis(10);
/// A frame wider than this was interrupted, and says little.
const WIDEST_NS: i64 = 5_000;
/// Offsets of time zones are multiples of this: so local time, modulo it, is UTC.
const ZONES_NS: i64 = 900_000_000_000;

/// A record: when it was logged since the beginning, and what the wall clock said before and after.
struct Frame {
    since: Duration,
    before: i64,
    after: i64,
}

fn wall_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as i64)
}

/// The time of day of a line, in nanoseconds since a quarter of an hour began: `date HH:MM:SS.ffffff …`.
fn time_of(line: &str) -> Option<i64> {
    let time = line.split(' ').nth(1)?;
    let part = |range: std::ops::Range<usize>| time.get(range)?.parse::<i64>().ok();
    let seconds = part(3..5)? % 15 * 60 + part(6..8)?;
    Some((seconds * 1_000_000 + part(9..15)?) * 1000)
}

/// Nanoseconds by which a record's time lies outside its frame.
fn error_of(frame: &Frame, time: i64) -> i64 {
    // The file's time was cut to whole microseconds.
    let around = |ns: i64| (ns + ZONES_NS / 2).rem_euclid(ZONES_NS) - ZONES_NS / 2;
    let (early, late) = (
        around(frame.before - (time + 999)),
        around(time - frame.after),
    );
    early.max(late).max(0)
}

fn log_frames(minutes: u64) -> Vec<Frame> {
    let mut frames = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(60 * minutes) {
        let (since, before) = (begin.elapsed(), wall_ns());
        info!("frame {}", frames.len());
        let after = wall_ns();
        frames.push(Frame {
            since,
            before,
            after,
        });
        std::thread::sleep(PAUSE);
    }
    frames
}

fn lines_in(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        lines.extend(fs::read_to_string(file)?.lines().map(str::to_owned));
    }
    lines.retain(|line| line.contains(" - frame "));
    Ok(lines)
}

fn main() -> Result<(), Box<dyn Error>> {
    let minutes = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    let folder = std::env::temp_dir().join(format!("shmlog-drift-{}", std::process::id()));
    let settings = ShmLogger::builder().level(Level::Info).console(false);
    let logger = settings.file(true).file_path(&folder).init_parent()?;
    let frames = log_frames(minutes);
    drop(logger);
    let lines = lines_in(&folder)?;
    assert_eq!(lines.len(), frames.len());
    let mut spans = vec![("first second".to_owned(), 0, 0_i64)];
    spans.extend((1..=minutes + 1).map(|minute| (format!("minute {minute}"), 0, 0)));
    for (frame, line) in frames.iter().zip(&lines) {
        let time = time_of(line).ok_or_else(|| format!("no time: {line:?}"))?;
        if frame.after - frame.before > WIDEST_NS {
            continue;
        }
        let span = match frame.since.as_secs() {
            0 => 0,
            seconds => 1 + (seconds / 60) as usize,
        };
        spans[span].1 += 1;
        spans[span].2 = spans[span].2.max(error_of(frame, time));
    }
    for (span, records, worst) in spans.iter().filter(|span| span.1 > 0) {
        println!(
            "{span}: {records} records, at most {:.3} µs off",
            *worst as f64 / 1000.0
        );
    }
    fs::remove_dir_all(folder)?;
    Ok(())
}
