//! `shmlog generate`: Writes man pages and shell completions

use crate::failure::{Failure, Outcome};

/// Writes man pages and shell completions
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Does it.
pub fn run(_arguments: Arguments) -> Outcome {
    Err(Failure::new("generate: not there yet"))
}
