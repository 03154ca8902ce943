//! Everything that a program can say: our macros with key-values and conditions, context, filters that change while all are
//! running, and the crate `log`, from two processes.
//!
//! ```sh
//! cargo run --release --example log_and_values
//! ```

use std::process::Command;
use std::time::Duration;

use shmlog::{
    Level, ShmLogger, debug, error_on_change, info, info_every_n, info_once, info_skip_first,
    info_throttle, warn,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1).as_deref() {
        Some(side) => arm(side),
        None => parent(),
    }
}

fn parent() -> Result<(), Box<dyn std::error::Error>> {
    let builder = ShmLogger::builder()
        .level(Level::Info)
        .process_name("robot");
    let logger = builder.init_parent()?;
    ShmLogger::set_context("robot", "g1-07");
    log::info!("a record of the crate log");
    log::warn!(target: "battery", volts = 22.5, cells = 6; "low");

    for side in ["left", "right"] {
        let arm = Command::new(std::env::current_exe()?).arg(side).status()?;
        assert!(arm.success());
        // Takes effect in all processes with their next call.
        logger.set_filter("info,imu=debug")?;
        info!(filter = logger.filter(); "the right arm logs more of its imu");
    }
    logger.flush(Duration::from_secs(10))?;
    let stats = logger.stats();
    println!("\n{stats}\nBy SHMLOG_LEVEL=warn in the environment you see less of it.");
    Ok(())
}

fn arm(side: &str) -> Result<(), Box<dyn std::error::Error>> {
    let _logger = ShmLogger::builder().process_name(side).attach()?;
    let (joint, torque) = (3, 10.25);
    warn!(joint, torque, limit = 9.5; "too much torque");
    debug!(target: "imu", "a detail that the filter lets pass or not");

    let _task = ShmLogger::scope("task", "grasp");
    for step in 0..1000 {
        info_once!("the first step of a thousand");
        info_every_n!(400, step; "each four hundredth");
        info_skip_first!(target: "quiet", "all but the first: too many to be shown here");
        info_throttle!(Duration::from_secs(1), step; "once a second at most");
        error_on_change!(
            step / 700,
            "the gripper is {}",
            ["open", "closed"][step / 700]
        );
        if step == 0 {
            // From here on nothing of that target, in this process and all others.
            ShmLogger::attach()?.set_filter("info,quiet=off")?;
        }
    }
    Ok(())
}
