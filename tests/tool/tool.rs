//! The tool, as a command.

use assert_cmd::Command;

/// `shmlog` with these arguments, in an environment that names no ring and changes no log.
pub fn shmlog(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shmlog"));
    for variable in [
        "SHMLOG_RING",
        "SHMLOG_SINKS",
        "SHMLOG_LEVEL",
        "RUST_LOG",
        "SHMLOG_TEST_ROLE",
    ] {
        command.env_remove(variable);
    }
    command
        .args(arguments)
        .timeout(std::time::Duration::from_secs(60));
    command
}
