//! `shmlog`, the tool for whoever stands beside the robot.
//!
//! One file per subcommand, each with the arguments it takes and a `run` of them; what they share:
//!
//! | file | what it is for |
//! |---|---|
//! | `cli.rs` | the subcommands and what `--help` says of them |
//! | `failure.rs` | how a command fails: what is printed, and the exit code |
//! | `rings.rs` | which ring is meant |
//! | `reading/` | records from files: text, JSON lines, MCAP, compressed ones |
//! | `show/` | numbers, times and tables as people read them |
//!
//! It stands on the library's public interface alone.

// `main` may print: it is a program.
#![allow(missing_docs)]

mod cli;
mod doctor;
mod drain;
mod failure;
mod flush;
mod generate;
mod level;
mod ls;
mod plot;
mod reading;
mod recover;
mod rings;
mod run;
mod show;
mod tail;
mod top;

use clap::Parser;

fn main() -> std::process::ExitCode {
    failure::report(cli::run(cli::Cli::parse()))
}
