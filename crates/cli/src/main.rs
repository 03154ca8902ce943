//! `shmlog`, the tool for the person beside the robot.
//!
//! One file per subcommand, each with the arguments it takes and a `run` of them; what they share:
//!
//! | file | what it is for |
//! |---|---|
//! | `cli.rs` | the subcommands and what `--help` says of them |
//! | `failure.rs` | how a command speaks and ends: its output, its complaints, the exit code |
//! | `rings.rs` | which ring is meant |
//! | `directives.rs` | directives that a person types |
//! | `reading/` | records from files, for `tail` and `plot`: text, JSON lines, MCAP, compressed ones |
//! | `show/` | numbers, times, tables and foreign texts as people read them |
//!
//! `run`, `top`, `tail`, `level`, `doctor` and `plot` have a folder each; what is in it, the file of that name says.
//!
//! It stands on the library's public interface alone, but for `shmlog::nearest`, which the documentation does not show.

// A program is no interface: what is public is so for the other files here.
#![allow(missing_docs)]

mod cli;
mod directives;
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
    // Where the handler is refused, a ring that is cut off ends this process by a signal.
    let _ = shmlog::observe::outlive_truncation();
    failure::report(cli::run(cli::Cli::parse()))
}
