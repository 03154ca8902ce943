//! A process of ours that was started in a role, as its starter sees it: whether it has ended. How it ended is not known
//! who is not its parent.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpgid, pidfd_open, pidfd_send_signal, waitid,
};

use super::identity::Identity;
use super::identity::watch::Watch;
use super::kept::Kept;

/// A role that was started. To drop it is to leave it alone.
#[derive(Debug)]
pub(crate) struct Started {
    identity: Identity,
    seen_by: SeenBy,
}

/// How its end is noticed.
#[derive(Debug)]
enum SeenBy {
    /// A program may close all descriptors that it finds, and open others by their numbers.
    Pidfd(Kept),
    /// Where descriptors are few, or a filter of system calls refuses pidfds.
    Proc(Watch),
    /// It has ended.
    Nothing,
}

impl Started {
    /// The process `pid`, which was begun in the process group `group`, as nothing else is.
    pub(super) fn of(pid: i32, group: i32) -> Started {
        let identity = Identity::started_now(pid as u32);
        let pid = Pid::from_raw(pid);
        let pidfd = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty()));
        let seen_by = match pidfd {
            None | Some(Err(rustix::io::Errno::SRCH)) => SeenBy::Nothing,
            Some(pidfd) => match pidfd.map_err(Into::into).and_then(Kept::new) {
                Ok(pidfd) => SeenBy::Pidfd(pidfd),
                Err(_) => SeenBy::Proc(Watch::new(identity)),
            },
        };
        // After it is watched: a role that has ended already may have left its number to a stranger, but no stranger is
        // in the group that it is in.
        let is_the_role = getpgid(pid).is_ok_and(|of_it| of_it.as_raw_pid() == group);
        Started {
            identity,
            seen_by: if is_the_role {
                seen_by
            } else {
                SeenBy::Nothing
            },
        }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        let ended = match &mut self.seen_by {
            SeenBy::Pidfd(pidfd) => pidfd.with(|pidfd| ends_within(pidfd, Some(&AT_ONCE))),
            SeenBy::Proc(watch) => Some(watch.is_gone()),
            SeenBy::Nothing => Some(true),
        };
        let ended = ended.unwrap_or_else(|| {
            // The program has closed it.
            let mut watch = Watch::new(self.identity);
            let is_gone = watch.is_gone();
            self.seen_by = SeenBy::Proc(watch);
            is_gone
        });
        if ended {
            self.forget();
        }
        ended
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) {
        while !self.has_ended() {
            match &self.seen_by {
                SeenBy::Pidfd(pidfd) => _ = pidfd.with(|pidfd| ends_within(pidfd, None)),
                _ => std::thread::sleep(std::time::Duration::from_millis(20)),
            }
        }
    }

    /// Kills it, if it has not ended.
    pub(crate) fn kill(&mut self) {
        if self.has_ended() {
            return;
        }
        if let SeenBy::Pidfd(pidfd) = &self.seen_by {
            pidfd.with(|pidfd| _ = pidfd_send_signal(pidfd, Signal::KILL));
        } else if let Some(pid) = Pid::from_raw(self.identity.pid as i32) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }

    /// It has ended. Where this process adopts orphans it is a child of ours by now: then no zombie stays.
    fn forget(&mut self) {
        if let SeenBy::Pidfd(pidfd) = std::mem::replace(&mut self.seen_by, SeenBy::Nothing) {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            pidfd.with(|pidfd| _ = waitid(WaitId::PidFd(pidfd), options));
        }
    }
}

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

fn ends_within(pidfd: BorrowedFd<'_>, time: Option<&Timespec>) -> bool {
    matches!(poll(&mut [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)], time), Ok(ready) if ready > 0)
}
