//! The tool, as a command.

use std::process::Command;

/// Where it is, for scripts.
pub const PATH: &str = env!("CARGO_BIN_EXE_shmlog");

/// What would change what it does.
const VARIABLES: &[&str] = &[
    "SHMLOG_RING",
    "SHMLOG_SINKS",
    "SHMLOG_LEVEL",
    "RUST_LOG",
    "ROLE_IN_SHMLOG_TEST",
];

/// `shmlog` with these arguments, in an environment that names no ring and changes no log.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = below(PATH);
    command.args(arguments);
    command
}

/// A program that starts the tool, in such an environment.
pub fn below(program: &str) -> Command {
    let mut command = Command::new(program);
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// The same command, to be waited for and looked at.
pub fn shmlog(arguments: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::from_std(command(arguments));
    command.timeout(std::time::Duration::from_secs(60));
    command
}
