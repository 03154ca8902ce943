//! Whether a process still is what it was: alive, the same, and with the ring in its memory.
//!
//! Death is read from a pidfd, or from what `/proc` tells; never from a timer.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Resource, getrlimit, pidfd_open, test_kill_process};

use super::Identity;
use super::mapping::Backing;
use super::stat::Stat;

/// So many file descriptors are left to others: log files, `/proc`.
const LEFT_FREE: u64 = 32;

/// A pidfd, unless they have become few.
fn open_pidfd(pid: Pid) -> rustix::io::Result<OwnedFd> {
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if pidfd.as_raw_fd() as u64 + LEFT_FREE >= most {
        return Err(rustix::io::Errno::MFILE);
    }
    Ok(pidfd)
}

/// Watches one process for its end, and for the end of its program.
#[derive(Debug)]
pub(crate) struct Watch {
    identity: Identity,
    /// What it has mapped as long as its program runs; `None` if that is not known, or not asked.
    ring: Option<Backing>,
    /// `None` once the process is known to be gone, or where there is none to be had: then `/proc` is asked.
    pidfd: Option<OwnedFd>,
    gone: bool,
}

impl Watch {
    /// Begins to watch. A process that has ended already, or whose pid belongs to another by now, is
    /// reported as gone from the start.
    pub(crate) fn new(identity: Identity) -> Watch {
        Watch::with(identity, None, open_pidfd)
    }

    /// The same of a process that counts only as long as it has the ring mapped to be written: a member maps it before it
    /// takes an entry, and `exec` unmaps it.
    pub(crate) fn of_member(identity: Identity, ring: Option<Backing>) -> Watch {
        Watch::with(identity, ring, open_pidfd)
    }

    fn with(
        identity: Identity,
        ring: Option<Backing>,
        open: impl Fn(Pid) -> rustix::io::Result<OwnedFd>,
    ) -> Watch {
        use rustix::io::Errno;
        let pid = i32::try_from(identity.pid).ok().and_then(Pid::from_raw);
        let opened = pid.map_or(Err(Errno::SRCH), open);
        // The last two: the number of a thread that is not the first of its process.
        let gone = matches!(opened, Err(Errno::SRCH | Errno::INVAL | Errno::NOENT));
        let mut watch = Watch {
            identity,
            ring,
            pidfd: opened.ok(),
            gone,
        };
        // After the pidfd is open, so that it is the pidfd of the process that is looked at here.
        watch.look_closely();
        watch
    }

    /// Whether the process is proven to have ended, a zombie too, or to run another program by now, as far as
    /// that has been seen.
    pub(crate) fn is_gone(&mut self) -> bool {
        match &self.pidfd {
            Some(pidfd) if !self.gone => self.gone = has_ended(pidfd),
            Some(_) => {}
            None => self.gone = self.gone || self.has_left(),
        }
        if self.gone {
            self.pidfd = None;
        }
        self.gone
    }

    /// Looks also whether it has the ring mapped still, which no pidfd tells. That reads a file of some dozen lines.
    pub(crate) fn look_closely(&mut self) {
        self.gone = self.gone || self.has_left() || self.has_unmapped();
    }

    /// It is known from elsewhere that its program has ended.
    pub(crate) fn note_gone(&mut self) {
        self.gone = true;
    }

    /// A process about which `/proc` tells nothing counts as alive.
    fn has_left(&self) -> bool {
        let Identity { pid, start, .. } = self.identity;
        match fs::metadata(format!("/proc/{pid}")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => does_not_exist(pid),
            _ => Stat::of(pid).is_some_and(|now| {
                (start != 0 && now.start != 0 && start != now.start) || now.has_ended()
            }),
        }
    }

    fn has_unmapped(&self) -> bool {
        self.ring
            .is_some_and(|ring| ring.is_mapped_by(self.identity.pid) == Some(false))
    }
}

/// Whether the system has no process of this number. Where `/proc` shows none, it may be hidden (`hidepid`), or `/proc` not
/// be there.
fn does_not_exist(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_none_or(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    let at_once = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    matches!(poll(&mut fds, Some(&at_once)), Ok(ready) if ready > 0)
}

/// Whether the thread `tid` of the living process `pid` is proven to have ended.
pub(crate) fn thread_is_gone(pid: u32, tid: u32) -> bool {
    let missing = fs::metadata(format!("/proc/{pid}/task/{tid}"))
        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    missing && fs::metadata(format!("/proc/{pid}/task")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::process::{Child, Command, Stdio};

    /// A process that has begun its program: when `spawn` returns, the kernel may still be laying out its memory.
    fn cat() -> (Child, Identity) {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"a").unwrap();
        let mut echo = [0];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut echo)
            .unwrap();
        let pid = child.id();
        let Stat { start, .. } = Stat::of(pid).unwrap();
        let id = Identity {
            start,
            ..Identity::of_pid(pid)
        };
        (child, id)
    }

    #[test]
    fn a_process_is_gone_only_when_it_has_ended_and_also_while_it_is_a_zombie() {
        let (mut child, id) = cat();
        let mut watch = Watch::new(id);
        assert!(!watch.is_gone());
        child.kill().unwrap();
        // A pidfd is readable from the moment of death, before its parent waits for it.
        let pidfd = watch.pidfd.as_ref().unwrap();
        poll(&mut [PollFd::new(pidfd, PollFlags::IN)], None).unwrap();
        assert!(watch.is_gone());
        child.wait().unwrap();
        assert!(watch.is_gone());
    }

    #[test]
    fn a_reused_pid_is_not_taken_for_its_predecessor() {
        let me = Identity::of_this_process();
        assert!(!Watch::new(me).is_gone());
        let predecessor = Identity {
            start: me.start - 1,
            ..me
        };
        assert!(Watch::new(predecessor).is_gone());
    }

    #[test]
    fn a_process_that_does_not_map_the_ring_is_no_member_however_alive_it_is() {
        let (mut child, id) = cat();
        // Anything that this process maps and that one does not.
        let path = std::env::temp_dir().join(format!("shmlog-watch-{}", std::process::id()));
        let mut options = fs::OpenOptions::new();
        let options = options.read(true).write(true).create_new(true);
        let file = options.open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        file.set_len(4096).unwrap();
        let map = memmap2::MmapRaw::map_raw(&file).unwrap();
        let ring = Backing::of(map.as_ptr().addr());
        assert!(ring.is_some());
        assert!(Watch::of_member(id, ring).is_gone());
        assert!(
            !Watch::of_member(id, None).is_gone(),
            "a process about which nothing is known counts as alive"
        );
        let mut mine = Watch::of_member(Identity::of_this_process(), ring);
        assert!(!mine.is_gone());
        drop(map);
        assert!(!mine.is_gone(), "that takes a closer look");
        mine.look_closely();
        assert!(mine.is_gone());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn without_a_pidfd_what_proc_tells_is_proof_enough_and_a_zombie_has_ended() {
        let (mut child, id) = cat();
        for refusal in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE] {
            assert!(!Watch::with(id, None, |_| Err(refusal)).is_gone());
        }
        let mut watch = Watch::with(id, None, |_| Err(rustix::io::Errno::MFILE));
        let pidfd = open_pidfd(Pid::from_raw(child.id() as i32).unwrap()).unwrap();
        child.kill().unwrap();
        poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None).unwrap();
        assert!(watch.is_gone(), "a zombie");
        child.wait().unwrap();
        assert!(Watch::with(id, None, |_| Err(rustix::io::Errno::MFILE)).is_gone());
    }

    #[test]
    fn numbers_that_are_no_pid_are_gone() {
        for pid in [0, u32::MAX, i32::MAX as u32] {
            assert!(
                Watch::new(Identity {
                    start: 1,
                    ..Identity::of_pid(pid)
                })
                .is_gone()
            );
        }
    }

    #[test]
    fn the_number_of_a_thread_that_is_not_its_processs_first_is_gone() {
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let (end, ended) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || {
                tell.send(rustix::thread::gettid().as_raw_pid() as u32)
                    .unwrap();
                let _ = ended.recv();
            });
            let tid = told.recv().unwrap();
            assert!(Watch::new(Identity::of_pid(tid)).is_gone());
            drop(end);
        });
    }

    #[test]
    fn a_thread_is_gone_when_its_process_has_none_of_its_number() {
        let pid = std::process::id();
        assert!(!thread_is_gone(
            pid,
            rustix::thread::gettid().as_raw_pid() as u32
        ));
        assert!(thread_is_gone(pid, i32::MAX as u32));
        assert!(
            !thread_is_gone(i32::MAX as u32, 1),
            "of a process that is not there nothing is known"
        );
    }
}
