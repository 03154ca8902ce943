//! Counts the instructions of a log call, in three cases. For `tests/instructions/check`, which compares them with what
//! they were; by itself:
//!
//! ```sh
//! cargo run --release --example counted
//! ```
//!
//! The calls are those of a child under valgrind's callgrind, which counts only within the function named after the case.
//! A parent under valgrind could not start its drainer: what `/proc/self/exe` names is valgrind then.

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::Duration;

use shmlog::{Level, ShmLogger, info};

/// Text takes three slots a record, so no case fills the ring.
const RECORDS: u64 = 10_000;
const CASES: [&str; 3] = ["literal", "text", "numbers"];

/// A literal of 64 bytes.
#[inline(never)]
fn counted_literal(records: u64) {
    for _ in 0..records {
        info!("a literal of sixty-four bytes, as control loops have many, 64 B!");
    }
}

/// A string of 200 bytes that only the running program knows.
#[inline(never)]
fn counted_text(records: u64, text: &str) {
    for _ in 0..records {
        info!("{text}");
    }
}

/// An integer and two floats.
#[inline(never)]
fn counted_numbers(records: u64, position: f64, velocity: f64) {
    for joint in 0..records {
        info!("joint {} pos {} vel {}", joint, position, velocity);
    }
}

/// In the child: the records, within the function of the case.
fn log(case: &str, records: u64) {
    let text = "t".repeat(200);
    match case {
        "literal" => counted_literal(black_box(records)),
        "text" => counted_text(black_box(records), black_box(&text)),
        _ => counted_numbers(black_box(records), black_box(1.5), black_box(-0.25)),
    }
}

/// Has a child under valgrind log `RECORDS` records, and returns how many instructions one took.
fn count(logger: &ShmLogger, case: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?;
    // It stays, for callgrind_annotate.
    let counts = program.with_file_name(format!("counted-{case}.out"));
    let before = logger.stats().delivered;
    let status = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--trace-children=no",
            "--collect-atstart=no",
            "--quiet",
        ])
        .arg(format!("--toggle-collect=counted::counted_{case}*"))
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(program)
        .arg(case)
        // It knows no pidfd_open, and says so at length.
        .stderr(Stdio::null())
        .status()?;
    let text = std::fs::read_to_string(&counts)?;
    logger.flush(Duration::from_secs(60))?;
    let stats = logger.stats();
    // The first record is not counted: it registers the thread.
    let arrived = stats.delivered - before;
    assert_eq!(
        (arrived, stats.dropped),
        (RECORDS + 1, 0),
        "{case}: {status}"
    );
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: u64 = total
        .ok_or("callgrind has written no total")?
        .trim()
        .parse()?;
    Ok(total as f64 / RECORDS as f64)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(case) = std::env::args().nth(1) {
        let _logger = ShmLogger::attach()?;
        info!("the first");
        log(&case, RECORDS);
        return Ok(());
    }
    let folder = std::env::temp_dir().join(format!("shmlog-counted-{}", std::process::id()));
    // So large that no call finds it full or has to look how far the drainer is.
    let settings = ShmLogger::builder().level(Level::Info).slots(1 << 17);
    let logger = settings
        .console(false)
        .file(true)
        .file_path(&folder)
        .init_parent()?;
    for case in CASES {
        println!("{case} {:.1}", count(&logger, case)?);
    }
    drop(logger);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
