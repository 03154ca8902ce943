//! Processes: who this is, who others are, and who is proven dead.
//!
//! A process is its pid *and* the moment it started: pids are used again. Death is read from a pidfd, or
//! from a start time that differs; never from a timer.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::name::RING_VARIABLE;

/// One process, distinguishable from every other that had or will have its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// When it started, in clock ticks since boot; 0 when `/proc` did not tell.
    pub(crate) start: u64,
}

impl Identity {
    /// This process. Asks the kernel every time, so it is right after a fork.
    pub(crate) fn of_this_process() -> Identity {
        let pid = std::process::id();
        Identity {
            pid,
            start: start_of("/proc/self/stat").unwrap_or(0),
        }
    }
}

/// The 22nd field of a stat file, counted behind the name, which may hold spaces and parentheses.
fn start_of(stat: &str) -> Option<u64> {
    let text = fs::read(stat).ok()?;
    let behind_name = text.iter().rposition(|&byte| byte == b')')? + 1;
    let fields = std::str::from_utf8(&text[behind_name..]).ok()?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Watches one process for its end.
#[derive(Debug)]
pub(crate) struct Watch {
    identity: Identity,
    /// `None` once the process is known to be gone, or where the kernel gives none.
    pidfd: Option<OwnedFd>,
    gone: bool,
}

impl Watch {
    /// Begins to watch. A process that has ended already, or whose pid belongs to another by now, is
    /// reported as gone from the start.
    pub(crate) fn new(identity: Identity) -> Watch {
        let pid = i32::try_from(identity.pid).ok().and_then(Pid::from_raw);
        let opened = pid.map_or(Err(rustix::io::Errno::SRCH), |pid| {
            pidfd_open(pid, PidfdFlags::empty())
        });
        let gone = matches!(
            opened,
            Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL)
        );
        let mut watch = Watch {
            identity,
            pidfd: opened.ok(),
            gone,
        };
        // After the pidfd is open, so that it is the pidfd of the process that is looked at here.
        watch.gone |= watch.is_somebody_else();
        watch
    }

    /// Whether the process is proven to have ended. A zombie has.
    pub(crate) fn is_gone(&mut self) -> bool {
        if !self.gone {
            self.gone = match &self.pidfd {
                Some(pidfd) => has_ended(pidfd),
                None => self.is_somebody_else(),
            };
        }
        if self.gone {
            self.pidfd = None;
        }
        self.gone
    }

    /// Whether another process, or none, has the pid. What `/proc` does not tell is not held against anybody.
    fn is_somebody_else(&self) -> bool {
        match fs::metadata(format!("/proc/{}", self.identity.pid)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Without /proc nothing can be said; with it, this is proof.
                fs::metadata("/proc/self").is_ok()
            }
            _ => {
                let now = start_of(&format!("/proc/{}/stat", self.identity.pid));
                self.identity.start != 0 && now.is_some_and(|now| now != self.identity.start)
            }
        }
    }
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

/// The processes of this user, started less than `seconds` ago, that were given the name of `ring`: they
/// may yet attach to it. The drainer asks this once, when it is about to end.
pub(crate) fn young_heirs_of(ring: &str, seconds: u64) -> Vec<Identity> {
    let Some(oldest) = ticks_since_boot(seconds) else {
        return Vec::new();
    };
    let entry = format!("{RING_VARIABLE}={ring}");
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            let start = start_of(&format!("/proc/{pid}/stat"))?;
            let environment = || fs::read(format!("/proc/{pid}/environ")).ok();
            (start >= oldest && carries(&environment()?, &entry)).then_some(Identity { pid, start })
        })
        .collect()
}

fn carries(environment: &[u8], entry: &str) -> bool {
    environment
        .split(|&byte| byte == 0)
        .any(|variable| variable == entry.as_bytes())
}

/// The moment `seconds` ago, in the unit of start times.
fn ticks_since_boot(seconds: u64) -> Option<u64> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let then = (now.tv_sec as u64).saturating_sub(seconds);
    Some(then * rustix::param::clock_ticks_per_second())
}

/// The number of the pid namespace that this process sees; 0 when `/proc` does not tell. Pids of another
/// namespace say nothing here.
pub(crate) fn pid_namespace() -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino())
}

/// Makes this process deaf to what a terminal or a supervisor sends to all of a group, so that the drainer
/// outlives those whose last words it is to write.
#[allow(unsafe_code)]
pub(crate) fn ignore_group_signals() {
    let signals = [
        libc::SIGINT,
        libc::SIGTERM,
        libc::SIGHUP,
        libc::SIGQUIT,
        libc::SIGPIPE,
        libc::SIGTTOU,
        libc::SIGXFSZ,
    ];
    for signal in signals {
        // SAFETY: SIG_IGN is no function, so nothing runs when the signal comes; the numbers are valid and
        // their disposition may be changed. This process is a drainer: no other code here relies on them.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Ends this process without running what the user's program registered to run at its end.
#[allow(unsafe_code)]
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: _exit has no precondition; nothing of ours needs to run after it.
    unsafe { libc::_exit(code) }
}

/// Whether this program was given rights that its starter does not have.
#[allow(unsafe_code)]
pub(crate) fn runs_with_foreign_rights() -> bool {
    // SAFETY: getauxval only reads what the kernel laid down at the start of the process.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_is_gone_only_when_it_has_ended_and_also_while_it_is_a_zombie() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let start = start_of(&format!("/proc/{}/stat", child.id())).unwrap();
        let mut watch = Watch::new(Identity {
            pid: child.id(),
            start,
        });
        assert!(!watch.is_gone());
        child.kill().unwrap();
        // A pidfd is readable from the moment of death, before anybody waits for the process.
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
    fn numbers_that_are_no_pid_are_gone() {
        for pid in [0, u32::MAX, i32::MAX as u32] {
            assert!(Watch::new(Identity { pid, start: 1 }).is_gone());
        }
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

    #[test]
    fn only_young_processes_that_carry_the_name_are_heirs() {
        let spawn = |ring: &str| {
            Command::new("cat")
                .env(RING_VARIABLE, ring)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
        };
        let (mut mine, mut other) = (
            spawn("shmlog-heir-a").unwrap(),
            spawn("shmlog-heir-b").unwrap(),
        );
        let heirs = young_heirs_of("shmlog-heir-a", 60);
        assert_eq!(
            heirs.iter().map(|heir| heir.pid).collect::<Vec<_>>(),
            [mine.id()]
        );
        for child in [&mut mine, &mut other] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
