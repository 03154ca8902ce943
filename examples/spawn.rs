//! The output of programs that know nothing of us, as records: standard output at Info, standard error at Warn.
//!
//! ```sh
//! cargo run --release --example spawn
//! ```

use std::process::Command;
use std::time::Duration;

use shmlog::{Level, ShmLogger, info};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let logger = ShmLogger::builder()
        .level(Level::Info)
        .process_name("robot")
        .init_parent()?;
    let mut shell = Command::new("sh");
    shell.args([
        "-c",
        r"echo driver 1.0; echo no device >&2; printf '\033[32mgreen\033[0m and done\n'",
    ]);
    let mut driver = logger.spawn(shell)?;
    let status = driver.wait()?;
    info!(pid = driver.id(), status:%; "the driver has ended");
    logger.flush(Duration::from_secs(10))?;
    println!("{}", logger.stats());
    Ok(())
}
