//! `shmlog flush`: everything out of the ring.

use std::process::ExitCode;
use std::time::Duration;

use crate::failure::Outcome;
use crate::rings;

/// Waits until all that was logged is in its files
///
/// What any process of the ring has logged before is then written to files (not synced to the disk) and out of the
/// drainer's queues.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  shmlog flush\n  shmlog flush robot --timeout 500ms && cp logs/* /media/stick"
)]
pub struct Arguments {
    /// The ring: its name, its program or its process; may be left out if only one lives
    ring: Option<String>,
    /// How long to wait for it at most
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = crate::show::parse_time)]
    timeout: Duration,
}

/// Does it.
pub fn run(arguments: Arguments) -> Outcome {
    let observer = rings::choose_live(arguments.ring.as_deref())?;
    observer.flush(arguments.timeout)?;
    Ok(ExitCode::SUCCESS)
}
