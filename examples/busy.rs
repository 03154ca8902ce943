//! A robot that logs without end: four processes, some of whose threads log more than others. For looking at it with
//! `shmlog top`, `shmlog tail` and the like.
//!
//! ```sh
//! cargo run --release --example busy          # until Ctrl+C
//! cargo run --release --example busy -- 30    # for 30 seconds
//! ```

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use shmlog::{Level, ShmLogger, debug, error, info, warn};

/// The processes, and how long each of their threads waits between two rounds, in microseconds.
const PARTS: [(&str, [(&str, u64); 2]); 3] = [
    ("left-arm", [("imu", 1000), ("encoder", 4000)]),
    ("right-arm", [("imu", 1000), ("encoder", 4000)]),
    ("vision", [("camera", 50), ("tracker", 16_000)]),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_default();
    match PARTS.iter().find(|(name, _)| *name == first) {
        Some((name, threads)) => part(name, threads),
        None => parent(first.parse().ok()),
    }
}

fn parent(seconds: Option<u64>) -> Result<(), Box<dyn Error>> {
    let logger = ShmLogger::builder()
        .level(Level::Info)
        .console(false)
        .file(true)
        .file_path("logs")
        .backup_count(2)
        .max_file_size(20 << 20)
        .slots(16_384)
        .process_name("robot")
        .init_parent()?;
    println!("shmlog top {}", logger.name());
    let program = std::env::current_exe()?;
    let start = |(name, _): &(&str, _)| {
        let mut command = Command::new(&program);
        command.arg(name).stdin(Stdio::piped()).spawn()
    };
    let mut parts = PARTS.iter().map(start).collect::<Result<Vec<_>, _>>()?;
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    while end.is_none_or(|end| Instant::now() < end) {
        info!(target: "supervisor", "{} parts are well", parts.len());
        std::thread::sleep(Duration::from_millis(500));
    }
    // Their standard inputs end with it, and so do they.
    for part in &mut parts {
        drop(part.stdin.take());
        part.wait()?;
    }
    Ok(())
}

fn part(name: &str, threads: &'static [(&str, u64)]) -> Result<(), Box<dyn Error>> {
    let _logger = ShmLogger::builder().process_name(name).attach()?;
    let start = |(what, pause): &'static (&str, u64)| {
        let thread = std::thread::Builder::new().name((*what).to_owned());
        thread.spawn(move || work(what, Duration::from_micros(*pause)))
    };
    for each in threads {
        start(each)?;
    }
    // Nothing comes; it ends when the parent does, however that ends.
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// Rounds without end.
fn work(what: &str, pause: Duration) {
    for round in 0_u64.. {
        let value = (round as f64 * 0.01).sin();
        match what {
            "imu" => imu(round, value),
            "encoder" => info!(target: "joint", "joint {} at {value:.3}", round % 7),
            "camera" => camera(round),
            _ => tracker(round, value),
        }
        std::thread::sleep(pause);
    }
}

fn imu(round: u64, value: f64) {
    debug!(target: "imu", "gyro {value:+.4} accelerometer {:+.4}", value * 9.81);
    if round.is_multiple_of(10) {
        info!(target: "imu", bias = value; "bias {value:+.4}");
    }
    if round.is_multiple_of(400) {
        warn!(target: "imu", "drifts by {value:+.2}°/s");
    }
}

/// Who floods the log? This: a line a packet, which somebody has forgotten. With a burst now and then.
fn camera(round: u64) {
    let burst = if round % 4000 < 400 { 20 } else { 2 };
    for packet in 0..burst {
        info!(target: "camera::driver", "packet {packet} of frame {round}: {} bytes", 1400);
    }
    if round.is_multiple_of(300) {
        warn!(target: "camera", "frame {round} came {} ms late", round % 13);
    }
}

fn tracker(round: u64, value: f64) {
    info!(target: "tracker", objects = round % 5; "{} objects in sight", round % 5);
    if round.is_multiple_of(200) {
        error!(target: "tracker", "lost object {} at {value:.2}", round % 5);
    }
}
