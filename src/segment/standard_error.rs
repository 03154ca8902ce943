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
