//! `shmlog ls`: Lists the rings

use crate::failure::{Failure, Outcome};

/// Lists the rings
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Does it.
pub fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("ls: not there yet"))
}
