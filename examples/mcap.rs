//! A recording for Foxglove or Lichtblick: what a parent and two workers log goes into an MCAP file with zstd chunks.
//!
//! ```sh
//! cargo run --release --features mcap --example mcap
//! ```

use std::error::Error;
use std::fs;
use std::process::Command;
use std::time::Duration;

use shmlog::sink::{Compression, Mcap};
use shmlog::{Level, ShmLogger, critical, debug, error, info, warn};

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        None => parent(),
        Some(part) => worker(&part),
    }
}

fn parent() -> Result<(), Box<dyn Error>> {
    let recording = Mcap::new("logs")
        .compression(Compression::Zstd)
        .topic("/log")
        .keep(5);
    let logger = ShmLogger::builder()
        .level(Level::Debug)
        .console(true)
        .file(false)
        .sink(recording)
        .process_name("robot")
        .init_parent()?;
    info!("starting 2 workers");
    let mut workers = Vec::new();
    for part in ["arm", "vision"] {
        workers.push(Command::new(std::env::current_exe()?).arg(part).spawn()?);
    }
    for worker in &mut workers {
        worker.wait()?;
    }
    critical!(target: "safety", "the last step of the show: this is FATAL in the log panel");
    logger.flush(Duration::from_secs(5))?;
    drop(logger);
    let path = newest_recording()?;
    let (bytes, contents) = (fs::metadata(&path)?.len(), fs::read(&path)?);
    let summary = mcap::Summary::read(&contents)?.ok_or("a complete file has a summary")?;
    let statistics = summary.stats.ok_or("and the summary statistics")?;
    println!(
        "\n{path}: {bytes} bytes, {} messages foxglove.Log on /log, in {} chunk(s), with an index",
        statistics.message_count, statistics.chunk_count
    );
    println!(
        "Open it in Foxglove (app.foxglove.dev, \"Open local file\") or Lichtblick, and add a panel \"Log\"."
    );
    Ok(())
}

fn worker(part: &str) -> Result<(), Box<dyn Error>> {
    let _logger = ShmLogger::builder().process_name(part).attach()?;
    for step in 0..400_u32 {
        let angle = f64::from(step) * 0.01;
        debug!(joint = step % 7, angle; "step {step}");
        match step {
            100 => warn!(target: "can", "bus load 81 %"),
            250 => error!(target: "can", "no answer from node 3"),
            _ => {}
        }
    }
    info!("400 steps done");
    Ok(())
}

fn newest_recording() -> Result<String, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir("logs")? {
        let path = entry?.path().display().to_string();
        if path.ends_with(".mcap") {
            names.push(path);
        }
    }
    Ok(names.into_iter().max().ok_or("no recording in logs/")?)
}
