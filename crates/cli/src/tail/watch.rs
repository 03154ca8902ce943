//! Waiting until files may have changed.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// However quiet the kernel is, files are looked at so often: of those of other machines it tells nothing.
const TICK_MS: i64 = 500;
/// The same where it cannot be asked at all.
const BLIND_TICK_MS: i64 = 100;
/// What came within this time is looked at together.
const PAUSE_MS: i64 = 20;

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// A file was written to.
    Written,
    /// There may be a file that was not there before, or one less.
    Begun,
    /// Standard output is not read any more.
    Unread,
}

/// Waits for changes in folders.
pub struct Watch {
    inotify: Option<OwnedFd>,
}

impl Watch {
    /// Of none so far.
    pub fn new() -> Watch {
        let flags = CreateFlags::CLOEXEC | CreateFlags::NONBLOCK;
        Watch {
            inotify: inotify::init(flags).ok(),
        }
    }

    /// Of this folder too.
    pub fn add(&mut self, folder: &Path) {
        let flags = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE | WatchFlags::MODIFY;
        let added = |fd: &OwnedFd| inotify::add_watch(fd, folder, flags).is_ok();
        if !self.inotify.as_ref().is_some_and(added) {
            self.inotify = None;
        }
    }

    /// Waits for a change, or for a moment.
    pub fn wait(&self) -> Woken {
        sleep(PAUSE_MS);
        let tick = if self.inotify.is_some() {
            TICK_MS
        } else {
            BLIND_TICK_MS
        };
        let ready = ready_within(tick, self.inotify.as_ref());
        match &self.inotify {
            _ if !ready.is_read => Woken::Unread,
            Some(fd) if ready.is_told => told(fd),
            _ => Woken::Begun,
        }
    }
}

/// Waits so long, or until standard output is not read any more. Whether it is still read.
pub fn pause(time: Duration) -> bool {
    ready_within(time.as_millis() as i64, None).is_read
}

/// What there is after a wait.
struct Ready {
    /// Standard output is read.
    is_read: bool,
    /// The kernel has something to tell.
    is_told: bool,
}

fn ready_within(ms: i64, told: Option<&OwnedFd>) -> Ready {
    let stdout = io::stdout();
    // Asked for nothing, it still tells that its reader has gone.
    let mut fds = vec![PollFd::new(&stdout, PollFlags::empty())];
    fds.extend(told.map(|fd| PollFd::new(fd, PollFlags::IN)));
    // A signal that does not end us only shortens it.
    let _ = poll(&mut fds, Some(&milliseconds(ms)));
    let is_gone = fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP);
    Ready {
        is_read: !is_gone,
        is_told: fds.get(1).is_some_and(|fd| !fd.revents().is_empty()),
    }
}

/// What the kernel has told.
fn told(fd: &OwnedFd) -> Woken {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(fd, &mut buffer);
    let mut woken = Woken::Written;
    while let Ok(event) = reader.next() {
        if event.events() != ReadFlags::MODIFY {
            woken = Woken::Begun;
        }
    }
    woken
}

fn milliseconds(ms: i64) -> Timespec {
    Timespec {
        tv_sec: ms / 1_000,
        tv_nsec: ms % 1_000 * 1_000_000,
    }
}

fn sleep(ms: i64) {
    let _ = rustix::thread::nanosleep(&milliseconds(ms));
}
