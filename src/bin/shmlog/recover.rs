//! `shmlog recover`: Saves and removes what a crash left

use crate::failure::{Failure, Outcome};

/// Saves and removes what a crash left
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Does it.
pub fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("recover: not there yet"))
}
