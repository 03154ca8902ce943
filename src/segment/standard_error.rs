//! Standard error, for what has no other place: written at once and without std's lock, which a signal handler may have
//! interrupted and a child made by fork may have inherited locked.

use std::io;
use std::os::fd::AsFd;

use rustix::io::{Errno, write};

/// Writes a text. Where standard error is closed or takes nothing, it is gone.
pub(crate) fn say(text: &[u8]) {
    let stderr = io::stderr();
    let mut rest = text;
    while !rest.is_empty() {
        match write(stderr.as_fd(), rest) {
            Ok(written @ 1..) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// Has `what` called when this process ends by `exit`, or by the end of its `main`.
#[allow(unsafe_code)]
pub(crate) fn at_exit(what: extern "C" fn()) {
    // SAFETY: the function is of this program and takes nothing; libc calls it once, in the thread that calls exit. That it
    // finds no room to note it (it returns another number than 0) leaves everything as it was.
    unsafe { libc::atexit(what) };
}
