//! `shmlog doctor`: Checks what decides over latency on this machine

use crate::failure::{Failure, Outcome};

/// Checks what decides over latency on this machine
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Does it.
pub fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("doctor: not there yet"))
}
