//! Processes: who this is, who others are, and who is proven dead.
//!
//! A process is its pid, the moment it started *and* the program it runs: pids are used again, and a process
//! that has begun another program (`exec`) cannot write what it was about to write. Death is read from a
//! pidfd, or from what `/proc` tells; never from a timer.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Resource, getrlimit, pidfd_open};

use super::name::RING_VARIABLE;
use super::platform;

/// One run of one program, distinguishable from every other that had or will have its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// When the process started, in clock ticks since boot; 0 when `/proc` did not tell.
    pub(crate) start: u64,
    /// Where the kernel laid the program's stack, by chance elsewhere at each exec; 0 when `/proc` did not tell.
    pub(crate) image: u64,
}

impl Identity {
    /// This process. Asks the kernel every time, so it is right after a fork.
    pub(crate) fn of_this_process() -> Identity {
        let (pid, stat) = (std::process::id(), own_stat());
        Identity {
            pid,
            start: stat.map_or(0, |stat| stat.start),
            image: stat.map_or(0, |stat| stat.image),
        }
    }

    /// A process of which nothing but its pid is known.
    pub(crate) fn of_pid(pid: u32) -> Identity {
        Identity {
            pid,
            start: 0,
            image: 0,
        }
    }

    /// Whether this is certainly the process that is calling, running the program that it runs now.
    pub(crate) fn is_this_process(self) -> bool {
        self.start != 0 && self.image != 0 && self == Identity::of_this_process()
    }
}

/// What the kernel tells of a process in its stat file.
#[derive(Clone, Copy)]
struct Stat {
    state: u8,
    threads: u64,
    start: u64,
    image: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Stat> {
        Stat::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Fields 3, 20, 22 and 28, counted behind the name, which may hold spaces and parentheses.
    fn parse(text: &[u8]) -> Option<Stat> {
        let behind_name = text.iter().rposition(|&byte| byte == b')')? + 1;
        let fields = std::str::from_utf8(&text[behind_name..]).ok()?;
        let mut fields = fields.split_ascii_whitespace();
        Some(Stat {
            state: *fields.next()?.as_bytes().first()?,
            threads: fields.nth(16)?.parse().ok()?,
            start: fields.nth(1)?.parse().ok()?,
            image: fields.nth(5)?.parse().ok()?,
        })
    }

    /// Whether it is a zombie, and not just the first thread of a process whose others live on.
    fn has_ended(self) -> bool {
        matches!(self.state, b'Z' | b'X') && self.threads <= 1
    }
}

/// Allocates nothing: the first record after a fork may come from a signal handler.
fn own_stat() -> Option<Stat> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let stat = open(c"/proc/self/stat", flags, Mode::empty()).ok()?;
    let mut text = [0; 1024];
    let len = rustix::io::read(&stat, &mut text).ok()?;
    Stat::parse(&text[..len])
}

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

/// Lets this process have as many file descriptors as it may: a drainer holds one for each process of the ring.
pub(crate) fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it cannot, processes are watched through /proc.
    let _ = rustix::process::setrlimit(Resource::Nofile, limit);
}

/// Watches one process for its end.
#[derive(Debug)]
pub(crate) struct Watch {
    identity: Identity,
    /// `None` once the process is known to be gone, or where there is none to be had: then `/proc` is asked.
    pidfd: Option<OwnedFd>,
    gone: bool,
}

impl Watch {
    /// Begins to watch. A process that has ended already, or whose pid belongs to another by now, is
    /// reported as gone from the start.
    pub(crate) fn new(identity: Identity) -> Watch {
        Watch::with(identity, open_pidfd)
    }

    fn with(identity: Identity, open: impl Fn(Pid) -> rustix::io::Result<OwnedFd>) -> Watch {
        let pid = i32::try_from(identity.pid).ok().and_then(Pid::from_raw);
        let opened = pid.map_or(Err(rustix::io::Errno::SRCH), open);
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
        watch.look_closely();
        watch
    }

    /// Whether the process is proven to have ended, a zombie too, or to run another program by now, as far as
    /// that has been seen.
    pub(crate) fn is_gone(&mut self) -> bool {
        match &self.pidfd {
            Some(pidfd) if !self.gone => self.gone = has_ended(pidfd),
            Some(_) => {}
            None => self.look_closely(),
        }
        if self.gone {
            self.pidfd = None;
        }
        self.gone
    }

    /// Looks also whether it runs another program by now, which no pidfd tells.
    pub(crate) fn look_closely(&mut self) {
        self.gone = self.gone || self.has_left();
    }

    /// What `/proc` does not tell is not held against anybody.
    fn has_left(&self) -> bool {
        let Identity { pid, start, image } = self.identity;
        let differs = |known: u64, now: u64| known != 0 && now != 0 && known != now;
        match fs::metadata(format!("/proc/{pid}")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Without /proc nothing can be said; with it, this is proof.
                fs::metadata("/proc/self").is_ok()
            }
            _ => Stat::of(pid).is_some_and(|now| {
                differs(start, now.start) || differs(image, now.image) || now.has_ended()
            }),
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

/// The processes that may yet log into `ring` though they have not entered: those that have it mapped to be written (they
/// were made by fork; observers cannot write), and those started less than `seconds` ago that were given its name. With each, whether
/// it has it mapped. The drainer asks this when nothing else keeps it.
pub(crate) fn heirs_of(ring: &str, seconds: u64) -> Vec<(Identity, bool)> {
    let oldest = ticks_since_boot(seconds);
    let entry = format!("{RING_VARIABLE}={ring}");
    let mapped = platform::as_in_maps(ring);
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            // What is not readable is not this user's.
            let maps = fs::read(format!("/proc/{pid}/maps")).ok()?;
            let Stat { start, image, .. } = Stat::of(pid)?;
            let mapped_as = [Some(ring), mapped.as_deref()];
            let is_ring = |line: &[u8]| {
                let mut mapped_as = mapped_as.into_iter().flatten();
                mapped_as.any(|part| holds(line, part.as_bytes()))
            };
            let mut writable = maps
                .split(|&byte| byte == b'\n')
                .filter(|line| is_writable(line));
            let has_mapped = writable.any(is_ring);
            let is_young_heir = || {
                let environment = fs::read(format!("/proc/{pid}/environ")).ok();
                start >= oldest && environment.is_some_and(|text| carries(&text, &entry))
            };
            (has_mapped || is_young_heir()).then_some((Identity { pid, start, image }, has_mapped))
        })
        .collect()
}

/// Of a line like `7f12-7f34 rw-s 0 00:1a 7 /dev/shm/…`.
fn is_writable(line: &[u8]) -> bool {
    let rights = line.split(|&byte| byte == b' ').nth(1);
    rights.is_some_and(|rights| rights.get(1) == Some(&b'w'))
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
        let Stat { start, image, .. } = Stat::of(pid).unwrap();
        (child, Identity { pid, start, image })
    }

    #[test]
    fn a_process_is_gone_only_when_it_has_ended_and_also_while_it_is_a_zombie() {
        let (mut child, id) = cat();
        let mut watch = Watch::new(id);
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
    fn a_process_that_runs_another_program_by_now_is_not_taken_for_what_it_was() {
        let me = Identity::of_this_process();
        assert!(me.is_this_process());
        let before = Identity {
            image: me.image + 16,
            ..me
        };
        assert!(Watch::new(before).is_gone());
        assert!(!before.is_this_process());
        // What is not known is not held against anybody.
        assert!(!Watch::new(Identity { image: 0, ..me }).is_gone());
    }

    #[test]
    fn without_a_pidfd_what_proc_tells_is_proof_enough_and_a_zombie_has_ended() {
        let (mut child, id) = cat();
        for refusal in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE] {
            assert!(!Watch::with(id, |_| Err(refusal)).is_gone());
        }
        let mut watch = Watch::with(id, |_| Err(rustix::io::Errno::MFILE));
        let pidfd = open_pidfd(Pid::from_raw(child.id() as i32).unwrap()).unwrap();
        child.kill().unwrap();
        poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None).unwrap();
        assert!(watch.is_gone(), "a zombie");
        child.wait().unwrap();
        assert!(Watch::with(id, |_| Err(rustix::io::Errno::MFILE)).is_gone());
    }

    #[test]
    fn a_process_whose_first_thread_has_ended_is_not_gone_as_long_as_another_lives() {
        let stat = |state: &str, threads: u64| {
            let text = format!(
                "7 (a) b) {state}{} {threads} 0 5 0 0 0 0 0 6 0",
                " 0".repeat(16)
            );
            Stat::parse(text.as_bytes()).unwrap()
        };
        assert_eq!((stat("S", 3).start, stat("S", 3).image), (5, 6));
        assert!(!stat("Z", 2).has_ended() && !stat("S", 1).has_ended());
        assert!(stat("Z", 1).has_ended());
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
