//! The main job: a parent, three worker processes of several threads, one console, one file.
//!
//! ```sh
//! cargo run --release --example quickstart
//! ```

use std::error::Error;
use std::process::Command;
use std::time::Duration;

use shmlog::{Level, ShmLogger, critical, debug, error, info, warn};

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        None => parent(),
        Some(part) => worker(&part),
    }
}

fn parent() -> Result<(), Box<dyn Error>> {
    let logger = ShmLogger::builder()
        .level(Level::Debug)
        .console(true)
        .file(true)
        .file_path("logs")
        .process_name("robot")
        .init_parent()?;
    info!(simulated = true; "starting 3 workers");
    let mut workers = Vec::new();
    for part in ["left-arm", "right-arm", "vision"] {
        // Nothing to pass on: the ring's name is in the environment.
        workers.push(Command::new(std::env::current_exe()?).arg(part).spawn()?);
    }
    for worker in &mut workers {
        let status = worker.wait()?;
        debug!(target: "supervisor", "worker {} ended with {status}", worker.id());
    }
    info!("all workers are done\nrecords of all processes stand in one order, in one file");
    logger.flush(Duration::from_secs(5))?;
    let stats = logger.stats();
    info!(
        "{} records delivered, {} dropped, {} lost",
        stats.delivered, stats.dropped, stats.lost
    );
    drop(logger);
    println!("\nthe file: {}", newest_log()?);
    Ok(())
}

fn worker(part: &str) -> Result<(), Box<dyn Error>> {
    let _logger = ShmLogger::builder().process_name(part).attach()?;
    info!("ready");
    std::thread::scope(|scope| {
        for sensor in ["imu", "encoder"] {
            let thread = std::thread::Builder::new().name(sensor.to_owned());
            thread
                .spawn_scoped(scope, move || measure(part, sensor))
                .map(drop)?;
        }
        Ok::<(), std::io::Error>(())
    })?;
    if part == "vision" {
        critical!(target: "camera", device = "/dev/video0"; "no frames: is the cable in? 🔌");
    }
    Ok(())
}

fn measure(part: &str, sensor: &str) {
    let logger = shmlog::get_logger(sensor);
    for step in 0..4 {
        let value = f64::from(step) * 0.37 + part.len() as f64;
        match step {
            0 => debug!(logger: logger, "calibrated, offset {value:.3}"),
            3 if sensor == "imu" => {
                warn!(logger: logger, drift = value as f32, limit = 1.0; "drifts by {value:+.2}°/s")
            }
            3 if part == "right-arm" => {
                error!(logger: logger, joint = 3, state = "at rest"; "joint is blocked\ntorque {value:.1} Nm, see /dev/can0")
            }
            _ => info!(logger: logger, "step {step}: {value:.3}"),
        }
        std::thread::sleep(Duration::from_millis(120));
    }
}

fn newest_log() -> Result<String, Box<dyn Error>> {
    let mut files: Vec<_> = std::fs::read_dir("logs")?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("robot_"))
        })
        .collect();
    files.sort();
    Ok(files.last().ok_or("no log file")?.display().to_string())
}
