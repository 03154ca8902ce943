//! What a drainer or a relay has of the program that it was started out of. It is decided here, for both, and once.
//! The same for readers, with what the program finds of a role: `docs/design/guest.md`.
//!
//! A role is started at any moment out of a program that may be a realtime loop on one core, a daemon in the making or a
//! process that its parent waits for. So what the program has for its own purposes a role has not: it is an ordinary
//! process that keeps nothing of the program alive. What was decided for the program as a whole (its user, its
//! container, how unimportant it is, who may read its files) a role has too.
//!
//! | of the program | in the role | why |
//! |---|---|---|
//! | its children | not one of them: the role is made by a process in between ([`role`](super::role)) | `wait` of the program finds nothing of ours, SIGCHLD tells nothing of ours |
//! | process group | one of its own | Ctrl+C, Ctrl+Z and a kill of the group are for the program; its last words are still to be written |
//! | session, terminal | kept | a session of its own would be worth as much processor time as all of the program, where the kernel shares that out by sessions (`sched_autogroup_enabled`) |
//! | descriptors | none, but what the role is given by number | else ports stay taken, and who waits for the end of a pipe waits for the role |
//! | standard input | `/dev/null`; for a relay its control socket | |
//! | standard output, standard error | of a drainer: where a sink writes to them, else `/dev/null`; of a relay: the pipes that it reads | the same as of other descriptors; what no sink can say goes to where the program's standard error leads by then ([`tell`]) |
//! | signal mask, ignored signals | none; it ignores what ends a group, and SIGPIPE, SIGTTOU, SIGXFSZ | sinks of the user's own may have children; a role ends when its work is done |
//! | realtime class (`SCHED_FIFO`, `SCHED_RR`, `SCHED_DEADLINE`) | `SCHED_OTHER` | it must not fight the program for its core |
//! | `SCHED_BATCH`, `SCHED_IDLE` | kept | the program as a whole is unimportant |
//! | nice | at least 0; as [`Builder::drainer_nice`](crate::Builder::drainer_nice) says | the same |
//! | affinity | all processors that the cpuset allows and that are not isolated; as [`Builder::drainer_cpus`](crate::Builder::drainer_cpus) says | the core of a control loop is not for the drainer, nor is one that the administrator has isolated |
//! | I/O class | none: by nice | |
//! | timer slack | 50 µs, what the system begins with; then the drainer's own for its naps | |
//! | soft limits of file size, descriptors, processor time, address space, data | raised to the hard ones | the soft ones are the program's own; the hard ones the administrator's |
//! | other limits (core files, locked memory, …) | kept | a core file holds what is logged: who forbids it means that |
//! | memory locks | none: the kernel hands none on; the ring's pages as [`Builder::lock_memory`](crate::Builder::lock_memory) says | |
//! | working directory | `/` | a file system stays unmountable; the places of sinks are made absolute before |
//! | umask | kept | it says who may read the log |
//! | user, groups, capabilities, namespaces, cgroup, seccomp filter | kept; capabilities of the file are given up before a variable is obeyed | they bound what may be done, by the role as well |
//! | `oom_score_adj` | kept | it is the container's or the unit's: a drainer made more killable could take its whole cgroup along |
//! | dumpable, death signal | what `exec` leaves: dumpable, none | |
//! | environment | kept, but for what is addressed to one process ([`inherits`]) | the loader, the time zone, the locale and sinks of the user's own need theirs; the program's user could read it anyway. `LD_PRELOAD` too: the executable may not start without |
//!
//! What passes through `exec` is decided before it, in `role.rs`, so that nothing stands in the way for a moment
//! even, and so that what libraries open before `main` is not closed under them. The rest is set by [`settle_in`].

#![allow(unsafe_code)]

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use rustix::process::{
    Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity, set_current_timer_slack};

use super::identity::Identity;
use super::identity::watch::Watch;
use super::name::RING_VARIABLE;
use super::process;

/// Variables that are for one process: the ring is for those who log into it, and what the service manager says is
/// for the process that it has started. Roles are told theirs by [`Role`](super::Role).
const FOR_ONE_PROCESS: &[&str] = &[
    RING_VARIABLE,
    "SHMLOG_DRAINER",
    "SHMLOG_RELAY",
    "NOTIFY_SOCKET",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// What limits the program itself, and would hinder or end a role.
const RAISED: [Resource; 5] = [
    Resource::Fsize,
    Resource::Nofile,
    Resource::Cpu,
    Resource::As,
    Resource::Data,
];

/// Processors that nothing is put on by itself.
const ISOLATED: &str = "/sys/devices/system/cpu/isolated";
/// What a system begins with, in nanoseconds.
const TIMER_SLACK: NonZeroU64 = NonZeroU64::new(50_000).unwrap();

/// Whether a role has this variable of the program's.
pub(super) fn inherits(variable: &OsStr) -> bool {
    !FOR_ONE_PROCESS.iter().any(|own| variable == *own)
}

/// Makes this process, which a role begins in, an ordinary one; see the table above. Whatever the system refuses stays
/// as it is: the role is worth more.
pub(crate) fn settle_in() {
    process::ignore_group_signals();
    let _ = rustix::process::chdir(c"/");
    leave_realtime();
    if getpriority_process(None).is_ok_and(|nice| nice < 0) {
        let _ = setpriority_process(None, 0);
    }
    forget_io_class();
    use_all_processors();
    let _ = set_current_timer_slack(Some(TIMER_SLACK));
    for resource in RAISED {
        let limit = getrlimit(resource);
        let current = limit.maximum;
        let _ = setrlimit(resource, Rlimit { current, ..limit });
    }
}

/// Makes the calling thread one of ordinary importance, if it is more.
pub(crate) fn leave_realtime() {
    // SAFETY: no memory is involved.
    let policy = unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) } as libc::c_int;
    let is_realtime = [libc::SCHED_FIFO, libc::SCHED_RR, libc::SCHED_DEADLINE]
        .contains(&(policy & !libc::SCHED_RESET_ON_FORK));
    if is_realtime {
        // SAFETY: sched_param is a C structure of numbers: zeros are valid, and what SCHED_OTHER takes.
        let none: libc::sched_param = unsafe { std::mem::zeroed() };
        // SAFETY: the structure is valid and only read. By the kernel's own call: musl's function refuses.
        unsafe {
            libc::syscall(
                libc::SYS_sched_setscheduler,
                0,
                libc::SCHED_OTHER,
                &raw const none,
            )
        };
    }
}

fn forget_io_class() {
    const OF_PROCESS: libc::c_int = 1;
    const BY_NICE: libc::c_int = 0;
    // SAFETY: no memory is involved.
    unsafe { libc::syscall(libc::SYS_ioprio_set, OF_PROCESS, 0, BY_NICE) };
}

/// All that the cpuset allows, but for isolated ones, on which a process that has come there would stay.
fn use_all_processors() {
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|cpu| all.set(cpu));
    // The kernel takes away what the cpuset forbids.
    let allowed = sched_setaffinity(None, &all).and_then(|()| sched_getaffinity(None));
    let (Ok(mut allowed), Ok(isolated)) = (allowed, std::fs::read_to_string(ISOLATED)) else {
        return;
    };
    processors(&isolated).for_each(|cpu| allowed.unset(cpu));
    if allowed.count() > 0 {
        let _ = sched_setaffinity(None, &allowed);
    }
}

/// The processors that this machine runs on; none when the system does not tell.
pub(crate) fn processors_that_run() -> Vec<usize> {
    let list = std::fs::read_to_string("/sys/devices/system/cpu/online");
    processors(&list.unwrap_or_default()).collect()
}

/// The numbers in a list like `0-3,8`.
fn processors(list: &str) -> impl Iterator<Item = usize> {
    let ranges = list.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<usize>().ok()?..=last.parse::<usize>().ok()?)
    });
    ranges.flatten().take_while(|cpu| *cpu < CpuSet::MAX_CPU)
}

/// What the user wants of a drainer beside that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// Where it is to run; empty: see the table above.
    pub(crate) cpus: Vec<usize>,
    /// How nice it is to be.
    pub(crate) nice: Option<i32>,
}

impl Wishes {
    /// Fulfils them for this process, before it has other threads.
    ///
    /// # Errors
    /// What the user is to read.
    pub(crate) fn fulfil(&self) -> Result<(), String> {
        if !self.cpus.is_empty() {
            let mut cpus = CpuSet::new();
            self.cpus
                .iter()
                .filter(|cpu| **cpu < CpuSet::MAX_CPU)
                .for_each(|cpu| cpus.set(*cpu));
            sched_setaffinity(None, &cpus).map_err(|why| {
                let cpus = &self.cpus;
                format!(
                    "drainer_cpus are {cpus:?}, and the system refuses ({}): one at least must be there and be allowed to \
                     this program (see cpuset.cpus.effective of its cgroup)",
                    io::Error::from(why)
                )
            })?;
        }
        if let Some(nice) = self.nice {
            setpriority_process(None, nice).map_err(|why| {
                format!(
                    "drainer_nice is {nice}, and the system refuses ({}): below what the program has only as root, with \
                     CAP_SYS_NICE, or down to RLIMIT_NICE (LimitNICE= in a systemd unit)",
                    io::Error::from(why)
                )
            })?;
        }
        Ok(())
    }
}

/// Nothing, to read from or to write to.
pub(crate) fn nothing() -> io::Result<OwnedFd> {
    let mut options = File::options();
    Ok(options.read(true).write(true).open("/dev/null")?.into())
}

/// This descriptor if a role needs it and the program has it open, else `nothing`.
pub(crate) fn needed<'f>(
    is_needed: bool,
    file: BorrowedFd<'f>,
    nothing: BorrowedFd<'f>,
) -> BorrowedFd<'f> {
    match is_needed && rustix::io::fcntl_getfd(file).is_ok() {
        true => file,
        false => nothing,
    }
}

/// Tells the user what no sink can say: where the standard error of the program leads now. A role that held that open would
/// keep who reads it from finding its end. Nothing is said when the program is gone.
pub(crate) fn tell(program: Identity, what: impl fmt::Display) {
    if Watch::new(program).is_gone() {
        return;
    }
    let mut options = File::options();
    // It must never wait, nor stand at the beginning of a file.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    options.append(true).custom_flags(flags);
    if let Ok(mut stderr) = options.open(format!("/proc/{}/fd/2", program.pid)) {
        let _ = stderr.write_all(format!("shmlog: {what}\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_processors_is_read_as_the_kernel_writes_it() {
        let read = |list| processors(list).collect::<Vec<_>>();
        assert_eq!(read("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(read("\n"), [0; 0]);
        assert_eq!(read("7"), [7]);
        assert_eq!(read("(null)"), [0; 0]);
        assert_eq!(read("1022-99999999999"), [1022, 1023]);
    }

    #[test]
    fn what_is_addressed_to_one_process_is_not_handed_on() {
        for own in ["SHMLOG_RING", "NOTIFY_SOCKET", "LISTEN_FDS"] {
            assert!(!inherits(OsStr::new(own)), "{own}");
        }
        for all in ["TZ", "LD_LIBRARY_PATH", "SHMLOG_FAILPOINTS", "HOME"] {
            assert!(inherits(OsStr::new(all)), "{all}");
        }
    }
}
