//! `shmlog level`: Shows or changes what is recorded, in all processes of a ring at once

use crate::failure::{Failure, Outcome};

/// Shows or changes what is recorded, in all processes of a ring at once
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Does it.
pub fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("level: not there yet"))
}
