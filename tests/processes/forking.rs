//! Children made by fork alone.

#![allow(unsafe_code)]

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
