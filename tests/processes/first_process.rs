//! The first process of a pid namespace: when it ends, the kernel ends its drainer too.

use std::fs;
use std::process::Command;

use libtest_mimic::Trial;
use shmlog::info;

use crate::support::{Actor, Folder, Role, assert_says, quiet, role_by, say};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[("first_process", first_process)];

pub fn trials() -> Vec<Trial> {
    trials![
        the_first_process_of_a_namespace_exits_when_its_log_is_written,
        the_first_process_of_a_namespace_crashes_when_its_log_is_written,
    ]
}

/// More than a drainer writes in the moment in which a process exits.
const LAST: usize = 20_000;

/// `folder how`: logs, and leaves without dropping its logger.
fn first_process(arguments: &[String]) {
    assert_eq!(std::process::id(), 1);
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    for number in 0..LAST {
        info!("last {number}");
    }
    std::mem::forget(logger);
    if arguments[1] == "crashes" {
        shmlog::install_crash_handler().unwrap();
        std::process::abort();
    }
}

fn leave_as_first_process(how: &str) -> Result<Vec<String>, Ignored> {
    let unshare = |what: &str| {
        let mut command = Command::new("unshare");
        command.args(["-p", "-f", "--mount-proc"]).args(Some(what).filter(|what| !what.is_empty()));
        command
    };
    let tried = unshare("true").output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        return Err(Ignored("one may not make a pid namespace here"));
    }
    let folder = Folder::new();
    let command = role_by(unshare(""), "first_process", &[folder.text(), how]);
    let mut parent = Actor::from_command(command);
    let ring = parent.hear("");
    let status = parent.wait();
    assert_eq!(status.success(), how == "exits", "{status}");
    let segment = std::path::Path::new("/dev/shm").join(&ring);
    assert_eq!(segment.exists(), how == "crashes");
    let _ = fs::remove_file(segment);
    Ok(folder.messages())
}

fn all_of_last() -> Vec<String> {
    (0..LAST).map(|number| format!("last {number}")).collect()
}

fn the_first_process_of_a_namespace_exits_when_its_log_is_written() -> Result<(), Ignored> {
    assert_eq!(leave_as_first_process("exits")?, all_of_last());
    Ok(())
}

fn the_first_process_of_a_namespace_crashes_when_its_log_is_written() -> Result<(), Ignored> {
    let messages = leave_as_first_process("crashes")?;
    assert_eq!(messages[..LAST], all_of_last());
    assert_says(&messages[LAST], &["SIGABRT"]);
    Ok(())
}
