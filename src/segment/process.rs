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
            start: own_start().unwrap_or(0),
        }
    }
}

/// Allocates nothing: the first record after a fork may come from a signal handler.
fn own_start() -> Option<u64> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let stat = open(c"/proc/self/stat", flags, Mode::empty()).ok()?;
    let mut text = [0; 1024];
    let len = rustix::io::read(&stat, &mut text).ok()?;
    start_in(&text[..len])
}

fn start_of(stat: &str) -> Option<u64> {
    start_in(&fs::read(stat).ok()?)
}

/// The 22nd field of a stat file, counted behind the name, which may hold spaces and parentheses.
fn start_in(text: &[u8]) -> Option<u64> {
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

/// The processes that may yet log into `ring` though they have not entered: those that have it mapped (they
/// were made by fork), and those started less than `seconds` ago that were given its name. With each, whether
/// it has it mapped. The drainer asks this when nothing else keeps it.
pub(crate) fn heirs_of(ring: &str, seconds: u64) -> Vec<(Identity, bool)> {
    let oldest = ticks_since_boot(seconds);
    let entry = format!("{RING_VARIABLE}={ring}");
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            // What is not readable is not this user's.
            let maps = fs::read(format!("/proc/{pid}/maps")).ok()?;
            let start = start_of(&format!("/proc/{pid}/stat"))?;
            let has_mapped = holds(&maps, ring.as_bytes());
            let is_young_heir = || {
                let environment = fs::read(format!("/proc/{pid}/environ")).ok();
                start >= oldest && environment.is_some_and(|text| carries(&text, &entry))
            };
            (has_mapped || is_young_heir()).then_some((Identity { pid, start }, has_mapped))
        })
        .collect()
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn carries(environment: &[u8], entry: &str) -> bool {
    environment
        .split(|&byte| byte == 0)
        .any(|variable| variable == entry.as_bytes())
}

/// The moment `seconds` ago, in the unit of start times.
fn ticks_since_boot(seconds: u64) -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let then = (now.tv_sec as u64).saturating_sub(seconds);
    then * rustix::param::clock_ticks_per_second()
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

/// Keeps signals of the program from being delivered to the calling thread.
#[allow(unsafe_code)]
pub(crate) fn block_signals() {
    // SAFETY: an all-zero set is a valid place for sigfillset to write to.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours and valid.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: blocks signals in this thread only, which runs code of this crate alone; no old set is asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut()) };
}

/// Whether the calling thread has blocked any signal, as it has in a signal handler. Async-signal-safe.
#[allow(unsafe_code)]
pub(crate) fn blocks_signals() -> bool {
    // SAFETY: an all-zero set is a valid place for pthread_sigmask to write to.
    let mut blocked: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: without a new set nothing is changed; the old one goes to a set that is ours and valid.
    let failed =
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut blocked) } != 0;
    // SAFETY: the set was written above, or is all zeros; the numbers are valid.
    failed || (1..=31).any(|signal| unsafe { libc::sigismember(&raw const blocked, signal) } == 1)
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

/// What the kernel's name of a thread takes, with the zero behind it.
pub(crate) const THREAD_NAME_BYTES: usize = 16;

/// The name of the calling thread that the kernel knows. Allocates nothing.
#[allow(unsafe_code)]
pub(crate) fn thread_name(buffer: &mut [u8; THREAD_NAME_BYTES]) -> &str {
    // SAFETY: PR_GET_NAME writes at most 16 bytes, which is what `buffer` holds, a zero among them.
    unsafe { libc::prctl(libc::PR_GET_NAME, buffer.as_mut_ptr()) };
    let len = buffer.iter().position(|&byte| byte == 0);
    let bytes = &buffer[..len.unwrap_or(buffer.len())];
    match std::str::from_utf8(bytes) {
        Ok(name) => name,
        // The kernel may have cut it within a character.
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
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
        let heirs = heirs_of("shmlog-heir-a", 60);
        let pids: Vec<_> = heirs
            .iter()
            .map(|(heir, mapped)| (heir.pid, *mapped))
            .collect();
        assert_eq!(pids, [(mine.id(), false)]);
        for child in [&mut mine, &mut other] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
