//! `shmlog drain`: Drains rings from outside of the program that makes them

use crate::failure::{Failure, Outcome};

/// Drains rings from outside of the program that makes them
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Does it.
pub fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("drain: not there yet"))
}
