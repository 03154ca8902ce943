//! Spans and events of `tracing` as records of the ring, from two processes, beside a layer of another's.
//!
//! ```sh
//! cargo run --release --features tracing --example tracing
//! ```

use std::process::Command;

use shmlog::{Level, ShmLogger};
use tracing::{info, info_span, instrument, warn};
use tracing_subscriber::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let is_child = std::env::args().nth(1).is_some();
    let logger = match is_child {
        true => ShmLogger::builder().process_name("arm").attach()?,
        false => ShmLogger::builder()
            .level(Level::Info)
            .process_name("robot")
            .init_parent()?,
    };
    // Whatever other layers there are, each gets all there is.
    let other = tracing_subscriber::fmt::layer()
        .without_time()
        .with_writer(std::io::stderr);
    let other = other.with_filter(tracing_subscriber::filter::LevelFilter::ERROR);
    tracing_subscriber::registry()
        .with(other)
        .with(shmlog::tracing::layer().close_times(true))
        .init();
    if is_child {
        let _arm = info_span!("arm", side = "left").entered();
        return Ok(grasp(3, 1.5)?);
    }
    info!(arms = 1, "starting");
    let status = Command::new(std::env::current_exe()?)
        .arg("child")
        .status()?;
    warn!(%status, "the arm has ended");
    drop(logger);
    Ok(())
}

#[instrument]
fn grasp(joint: u8, force: f64) -> std::io::Result<()> {
    info!(angle = 0.25, "reaching");
    info_span!("close_gripper").in_scope(|| info!("closed"));
    warn!(measured = 2.0, "more force than was asked for");
    Ok(())
}
