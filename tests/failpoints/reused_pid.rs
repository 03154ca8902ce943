//! A producer dies in the midst of a record, and its pid is another process's before anybody has looked.

#![allow(unsafe_code)]

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::ptr;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use rustix::time::{ClockId, clock_gettime};

use crate::scene::{Books, FAILPOINTS, SHORT, start_victim, wait_for_death};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, quiet, role_command, say, send, until,
};
use crate::tally::{settled, wait_until_stopped};
use crate::trials;

pub const ROLES: &[Role] = &[("parent_of_the_reborn", parent_of_the_reborn)];

pub fn trials() -> Vec<Trial> {
    trials![a_process_with_a_dead_producers_pid_is_not_taken_for_it_and_does_not_take_its_place]
}

const RECORDS: u64 = 4;

/// The unit of start times, in which the two must differ.
fn ticks_since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 100 + now.tv_nsec as u64 / 10_000_000
}

/// Starts a command as a process with this pid, which nobody has at present. `None` where this user may not.
fn start_as(pid: libc::pid_t, command: &Command) -> Option<libc::pid_t> {
    let text = |text: &OsStr| CString::new(text.as_bytes()).unwrap();
    let program = text(command.get_program());
    let arguments = [command.get_program()]
        .into_iter()
        .chain(command.get_args());
    let arguments: Vec<CString> = arguments.map(text).collect();
    let mut variables: Vec<_> = std::env::vars_os().collect();
    for (key, value) in command.get_envs() {
        variables.retain(|(known, _)| known != key);
        variables.extend(value.map(|value| (key.to_owned(), value.to_owned())));
    }
    let variables = variables
        .iter()
        .map(|(key, value)| CString::new([key.as_bytes(), value.as_bytes()].join(&b'=')).unwrap());
    let variables: Vec<CString> = variables.collect();
    let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
        let all = texts.iter().map(|text| text.as_ptr());
        all.chain([ptr::null()]).collect()
    };
    let (arguments, variables) = (pointers(&arguments), pointers(&variables));
    // SAFETY: clone_args is a C structure of numbers, for which zeros are valid.
    let mut how: libc::clone_args = unsafe { std::mem::zeroed() };
    how.exit_signal = libc::SIGCHLD as u64;
    how.set_tid = (&raw const pid) as u64;
    how.set_tid_size = 1;
    // SAFETY: as fork: no memory or stack is shared with the child, and the structure is valid.
    match unsafe { libc::syscall(libc::SYS_clone3, &raw const how, size_of_val(&how)) } {
        0 => {
            // SAFETY: all are texts that end in zero, and lists of those that end in null.
            unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), variables.as_ptr()) };
            // SAFETY: ends this process; nothing of it is needed any more.
            unsafe { libc::_exit(127) }
        }
        -1 => {
            let error = std::io::Error::last_os_error();
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
            None
        }
        child => Some(child as libc::pid_t),
    }
}

/// `folder`
fn parent_of_the_reborn(arguments: &[String]) {
    let logger = quiet(&arguments[0])
        .slots(64)
        .stall_timeout(Duration::from_millis(5))
        .init_parent()
        .unwrap();
    say(logger.name());
    let drainer = drainers_of(logger.name())[0];
    send(drainer, Signal::STOP);
    wait_until_stopped(drainer);
    let first = start_victim("first", SHORT, RECORDS, "claim.claimed=kill@2");
    let pid = first.id() as i32;
    wait_for_death(first);
    let died = ticks_since_boot();
    until("the next may differ", || ticks_since_boot() > died + 1);
    let mut second = role_command("victim", &["second", SHORT, &RECORDS.to_string()]);
    second.env(FAILPOINTS, "claim.claimed=stop@2").stdin(Stdio::null());
    // Who may not choose a pid can show nothing.
    let second = start_as(pid, &second);
    if let Some(second) = second {
        assert_eq!(second, pid);
        let child = Pid::from_raw(second);
        let (_, status) = waitpid(child, WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "{status:?}");
        // Both stand in the registry, and both have a hole in the ring.
        send(drainer, Signal::CONT);
        until("the first is settled", || logger.stats().lost == 1);
        until("the second's place is kept", || logger.stats().parked == 1);
        send(pid as u32, Signal::CONT);
        let (_, status) = waitpid(child, WaitOptions::empty()).unwrap().unwrap();
        assert!(status.exited() && status.exit_status() == Some(0), "{status:?}");
    } else {
        send(drainer, Signal::CONT);
    }
    settled(&logger, 0);
    say(match second {
        Some(_) => "reborn",
        None => "not allowed",
    });
}

fn a_process_with_a_dead_producers_pid_is_not_taken_for_it_and_does_not_take_its_place() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_the_reborn", &[folder.text()]);
    let ring = parent.hear("");
    let outcome = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let mut books = Books::read(&folder);
    books.check("first", 1, 20, &[], true);
    if outcome == "reborn" {
        books.check("second", RECORDS, 20, &[1], false);
    }
    books.close();
}
