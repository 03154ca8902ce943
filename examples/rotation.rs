//! Log files that follow one another: three processes log, files end at 16 KiB, closed ones are compressed, the newest is
//! linked, and of all of them 64 KiB stay.
//!
//! ```sh
//! cargo run --release --example rotation
//! ```
//!
//! The same without a line of code, in any program that uses shmlog:
//! `SHMLOG_SINKS='file:logs?max_size=16K&gzip=on&latest=on&keep_bytes=64K'`.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use shmlog::sink::{FileSync, Rotate, TextFile};
use shmlog::{Level, OnFull, ShmLogger, error, info};

const FOLDER: &str = "logs/rotation";
const RECORDS: u32 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        None => parent(),
        Some(part) => worker(&part),
    }
}

fn parent() -> Result<(), Box<dyn Error>> {
    let files = TextFile::new(FOLDER)
        .max_size(16 << 10)
        // At midnight too, whatever the size.
        .rotate(Rotate::Daily)
        .gzip(true)
        .latest(true)
        .keep_bytes(64 << 10)
        .keep_for(Duration::from_secs(7 * 24 * 3600))
        .sync(FileSync::AtError);
    let logger = ShmLogger::builder()
        .level(Level::Info)
        .console(false)
        .sink(files)
        .on_full(OnFull::Block(Duration::from_secs(10)))
        .process_name("robot")
        .init_parent()?;
    let start = |part| Command::new(std::env::current_exe()?).arg(part).spawn();
    for mut worker in ["left-arm", "right-arm", "vision"]
        .map(start)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?
    {
        worker.wait()?;
    }
    error!("forced onto the disk at once, with all that was written before it");
    drop(logger);
    show(Path::new(FOLDER))
}

fn worker(part: &str) -> Result<(), Box<dyn Error>> {
    let _logger = ShmLogger::builder().process_name(part).attach()?;
    for step in 0..RECORDS {
        info!("step {step}: joint at {:.3}", f64::from(step) * 0.001);
        if step % 100 == 0 {
            // Time for a file to be compressed while others log.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// Prints what is in the folder.
fn show(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(|entry| entry.file_name());
    let mut bytes = 0;
    println!("{} records went to {}:", 3 * RECORDS + 1, folder.display());
    for entry in entries {
        let (name, metadata) = (entry.file_name(), entry.metadata()?);
        let name = name.to_string_lossy();
        match fs::read_link(entry.path()) {
            Ok(target) => println!("           {name} -> {}", target.display()),
            Err(_) => {
                println!("{:>8}   {name}", metadata.len());
                bytes += metadata.len();
            }
        }
    }
    println!("{bytes:>8} bytes in all");
    let last = fs::read_to_string(folder.join("robot_latest.log"))?;
    println!(
        "the latest ends with:\n{}",
        last.lines().last().unwrap_or_default()
    );
    Ok(())
}
