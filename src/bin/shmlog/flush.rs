//! `shmlog flush`: Waits until all that was logged is in its files

use crate::failure::{Failure, Outcome};

/// Waits until all that was logged is in its files
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Does it.
pub fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("flush: not there yet"))
}
