//! `shmlog recover`: what a crash left.

use std::process::ExitCode;

use shmlog::observe::{self, RingState};

use crate::failure::{self, Failure, Outcome};
use crate::rings;
use crate::show::{Progress, harmless};

/// Saves and removes what a crash left
///
/// A ring whose processes were all killed at once, drainer included, stays in memory with what it held. It is saved into
/// PROGRAM_TIME_recovered.log beside the log files of that program, and removed. The next start of any program with a ring
/// does the same by itself.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  shmlog recover            all of this user\n  shmlog recover robot"
)]
pub struct Arguments {
    /// The ring: its name, its program or its process; without one, all dead rings of this user
    ring: Option<String>,
}

/// Does it.
pub fn run(arguments: Arguments) -> Outcome {
    let names: Vec<String> = match &arguments.ring {
        Some(asked) => vec![rings::listed(Some(asked))?.name],
        None => {
            let all = observe::rings().into_iter();
            let dead = all.filter(|ring| ring.state == RingState::Dead);
            dead.map(|ring| ring.name).collect()
        }
    };
    if names.is_empty() {
        return failure::print("nothing to recover\n");
    }
    let mut failures = Vec::new();
    for name in names {
        let progress = Progress::of(format!("recovering {}", harmless(&name)));
        let recovered = shmlog::recover(&name).map_err(|error| Failure::of(&error));
        drop(progress);
        // Where it cannot be told, the others are saved all the same.
        let told = recovered
            .and_then(|recovered| failure::print(&(harmless(&recovered.to_string()) + "\n")));
        failures.extend(told.err().map(|failure| failure.to_string()));
    }
    match failures.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Err(Failure::new(failures.join("\n"))),
    }
}
