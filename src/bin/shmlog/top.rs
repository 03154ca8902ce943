//! `shmlog top`: Shows live what a ring is doing

use crate::failure::{Failure, Outcome};

/// Shows live what a ring is doing
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Does it.
pub fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("top: not there yet"))
}
