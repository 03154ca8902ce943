//! Writes that fail: a filter on the system calls of this process and its children (seccomp), which asks us about
//! every `write`. Needs no rights and no disk, and the fault can be switched on and off.

#![allow(unsafe_code)]

use std::fs::read_link;
use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};

/// What becomes of writes to the files in a folder.
pub struct Faults {
    /// The error that they get; 0 when they succeed.
    errno: AtomicI32,
    /// How many got one.
    refused: AtomicU64,
    folder: PathBuf,
}

impl Faults {
    /// Takes charge of what this thread, and threads and processes it starts from now on, write into `folder`.
    /// `None` where the system does not let us.
    pub fn install(folder: &str) -> Option<&'static Faults> {
        let faults: &Faults = Box::leak(Box::new(Faults {
            errno: AtomicI32::new(0),
            refused: AtomicU64::new(0),
            folder: folder.into(),
        }));
        let (sender, listener) = channel();
        // Before there is a filter: it must not have to answer itself.
        std::thread::spawn(move || faults.answer(&listener));
        sender.send(listen_to_writes().ok()?).unwrap();
        Some(faults)
    }

    pub fn begin(&self, errno: i32) {
        self.errno.store(errno, Ordering::SeqCst);
    }

    pub fn end(&self) {
        self.begin(0);
    }

    /// How many writes have failed.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }

    fn answer(&self, listener: &Receiver<OwnedFd>) {
        let Ok(listener) = listener.recv() else {
            return;
        };
        loop {
            // SAFETY: all zeros are a valid value, and what the kernel demands.
            let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
            // SAFETY: the descriptor is a listener's, and the kernel writes one such value.
            let got = unsafe {
                let request = libc::SECCOMP_IOCTL_NOTIF_RECV;
                libc::ioctl(listener.as_raw_fd(), request, &raw mut asked)
            };
            if got != 0 {
                // Who asked has been killed, or a signal came.
                continue;
            }
            let errno = self.errno.load(Ordering::SeqCst);
            let to = format!("/proc/{}/fd/{}", asked.pid, asked.data.args[0]);
            let is_ours = read_link(to).is_ok_and(|path| path.starts_with(&self.folder));
            let refuse = errno != 0 && is_ours;
            self.refused.fetch_add(refuse.into(), Ordering::SeqCst);
            let mut answer = libc::seccomp_notif_resp {
                id: asked.id,
                val: 0,
                error: if refuse { -errno } else { 0 },
                flags: if refuse { 0 } else { CONTINUE },
            };
            // SAFETY: as above; the kernel reads the value.
            unsafe {
                let request = libc::SECCOMP_IOCTL_NOTIF_SEND;
                libc::ioctl(listener.as_raw_fd(), request, &raw mut answer)
            };
        }
    }
}

const CONTINUE: u32 = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;

/// Makes every `write` of this thread, and of all that come of it, wait for an answer by the returned listener.
fn listen_to_writes() -> Result<OwnedFd, Error> {
    let step = |code: u32, jt, jf, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let mut filter = [
        // The number of the call.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            libc::SYS_write as u32,
        ),
        step(libc::BPF_RET, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        step(libc::BPF_RET, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: takes rights from this process, and gives none.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the program and its steps live through the call, which copies them.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    if listener < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(listener as i32) })
}
