//! A flight recorder over two processes: every step is logged, but only what led to an error is written.
//!
//! ```sh
//! cargo run --release --example flight_recorder
//! ```

use std::process::Command;
use std::time::Duration;

use shmlog::{Level, ShmLogger, debug, error, info};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).is_some() {
        let _logger = ShmLogger::builder().process_name("arm").attach()?;
        (0..10_000).for_each(|step| debug!(step, torque = step as f64 / 1000.0; "moving"));
        return Ok(());
    }
    let builder = ShmLogger::builder()
        .level(Level::Debug)
        .process_name("robot");
    let logger = builder.backtrace(8, Level::Error).init_parent()?;
    info!("nobody sees this: it is too long ago when something happens");
    Command::new(std::env::current_exe()?).arg("arm").status()?;
    info!("the arm has ended");
    error!("the gripper lost its part: these are the last 8 records before");
    (0..1000).for_each(|n| debug!(n; "back to normal"));
    logger.flush(Duration::from_secs(10))?;
    println!("{}", logger.stats());
    Ok(())
}
