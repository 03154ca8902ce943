//! `shmlog plot`: Draws records per second as a picture

use crate::failure::{Failure, Outcome};

/// Draws records per second as a picture
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Does it.
pub fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("plot: not there yet"))
}
