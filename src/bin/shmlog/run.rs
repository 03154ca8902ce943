//! `shmlog run`: Runs a program, with a ring for it and all that it starts

use crate::failure::{Failure, Outcome};

/// Runs a program, with a ring for it and all that it starts
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Does it.
pub fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("run: not there yet"))
}
