//! The subcommands, and what `--help` says of them.

use clap::{Parser, Subcommand};

use crate::failure::Outcome;
use crate::{doctor, drain, flush, generate, level, ls, plot, recover, run, tail, top};

/// Looks after the logs of programs made of many processes.
///
/// It finds the rings of this user by itself. Where a command takes a RING it may be left out if there is only one that
/// lives, or if SHMLOG_RING in the environment names one; else it is a ring's name, the beginning of one, the name of the
/// program that made it, or its process id.
#[derive(Debug, Parser)]
#[command(
    name = "shmlog",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Ls(ls::Arguments),
    Top(top::Arguments),
    Tail(tail::Arguments),
    Level(level::Arguments),
    Flush(flush::Arguments),
    Recover(recover::Arguments),
    Drain(drain::Arguments),
    Doctor(doctor::Arguments),
    Plot(plot::Arguments),
    Generate(generate::Arguments),
}

/// Does what was asked for.
pub fn run(cli: Cli) -> Outcome {
    match cli.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Ls(arguments) => ls::run(arguments),
        Command::Top(arguments) => top::run(arguments),
        Command::Tail(arguments) => tail::run(arguments),
        Command::Level(arguments) => level::run(arguments),
        Command::Flush(arguments) => flush::run(arguments),
        Command::Recover(arguments) => recover::run(arguments),
        Command::Drain(arguments) => drain::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Plot(arguments) => plot::run(arguments),
        Command::Generate(arguments) => generate::run(arguments),
    }
}
