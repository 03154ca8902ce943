//! Children made by fork alone, and children with a pid of one's choosing.

#![allow(unsafe_code)]

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::ptr;

/// Does `work` in a child made by fork, which ends without running anything of ours at its end.
pub fn fork(work: impl FnOnce()) -> libc::pid_t {
    // SAFETY: what the child does afterwards (allocating, logging, starting threads) glibc allows in a child
    // of a program of several threads too; it leaves by _exit.
    match unsafe { libc::fork() } {
        -1 => panic!("{}", std::io::Error::last_os_error()),
        0 => {
            let ended_well = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
            // SAFETY: ends this process; nothing of it is needed any more.
            unsafe { libc::_exit(if ended_well { 0 } else { 1 }) }
        }
        child => child,
    }
}

/// Waits for a child, which must end well.
pub fn wait(child: libc::pid_t) {
    let mut status = 0;
    // SAFETY: `status` is there to be written.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0));
}

/// Starts a command as a process with this pid, which nobody has at present. `None` where this user may not.
pub fn start_as(pid: libc::pid_t, command: &Command) -> Option<libc::pid_t> {
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
