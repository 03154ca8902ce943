//! What a program with more rights than its starter (set-user-id, set-group-id, file capabilities) takes out of its environment
//! before `main`: the variables by which the starter could steer it.
//!
//! Not to obey them is not enough. The children of the program, and the program itself when it has made the rights its
//! real ones and starts anew, are not marked any more (`AT_SECURE`), and would obey. The dynamic loader removes its own
//! variables in such a program for the same reason.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

use super::process;

/// Variables that this library obeys begin with this.
const PREFIX: &[u8] = b"SHMLOG_";

/// Others that we, the standard library or the crates in the drainer obey, and that can do harm: what is logged, where
/// temporary files go, what a panic shows, threads that cannot start.
const OTHERS: [&str; 5] = [
    "RUST_LOG",
    "TMPDIR",
    "RUST_BACKTRACE",
    "RUST_LIB_BACKTRACE",
    "RUST_MIN_STACK",
];

/// The time zone. It may be the path of any file, which the drainer would read, and wait for if it is a FIFO.
const ZONE: &str = "TZ";

/// What was removed.
static REMOVED: OnceLock<Vec<(OsString, OsString)>> = OnceLock::new();

/// Removes the variables, the first time, and returns the value that one of them had. For programs with foreign rights.
pub(super) fn take(variable: &str) -> Option<OsString> {
    let removed = REMOVED.get_or_init(remove_all);
    let found = removed.iter().find(|(name, _)| name == variable);
    found.map(|(_, value)| value.clone())
}

#[allow(unsafe_code)]
fn remove_all() -> Vec<(OsString, OsString)> {
    let mut all: Vec<_> = std::env::vars_os().collect();
    all.retain(|(name, value)| is_steering(name, value));
    // Beside other threads nothing can be removed: a plug-in that is loaded late. This process obeys nothing all the same.
    if process::is_single_threaded() {
        for (name, _) in &all {
            // SAFETY: this is the only thread of the process, so no code reads or writes the environment meanwhile.
            unsafe { std::env::remove_var(name) };
        }
    }
    all
}

fn is_steering(name: &OsStr, value: &OsStr) -> bool {
    name.as_bytes().starts_with(PREFIX)
        || OTHERS.iter().any(|other| name == *other)
        || name == ZONE && names_a_file(value.as_bytes())
}

/// Whether a time zone is a path that leads out of the system's folder of zones.
fn names_a_file(zone: &[u8]) -> bool {
    let path = zone.strip_prefix(b":").unwrap_or(zone);
    path.starts_with(b"/") || path.windows(2).any(|two| two == b"..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_program_is_told_from_what_does_not() {
        let steers = |name: &str, value: &str| is_steering(name.as_ref(), value.as_ref());
        for (name, value) in [
            ("SHMLOG_SINKS", ""),
            ("SHMLOG_OF_A_LATER_VERSION", "1"),
            ("RUST_LOG", "off"),
            ("RUST_MIN_STACK", "1000000000000"),
            ("TZ", "/tmp/fifo"),
            ("TZ", ":/tmp/fifo"),
            ("TZ", "../../../tmp/fifo"),
        ] {
            assert!(steers(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("TZ", "Europe/Berlin"),
            ("TZ", ":UTC"),
            ("PATH", "/bin"),
            ("NO_COLOR", "1"),
            ("MY_SHMLOG_SINKS", ""),
        ] {
            assert!(!steers(name, value), "{name}={value}");
        }
    }
}
