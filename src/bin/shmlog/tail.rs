//! `shmlog tail`: Shows records, of a ring or of files

use crate::failure::{Failure, Outcome};

/// Shows records, of a ring or of files
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Does it.
pub fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("tail: not there yet"))
}
