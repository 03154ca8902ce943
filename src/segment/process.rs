//! What this process asks of the system about itself, and of itself: signals, rights, its roles, its end.

use std::io;
use std::process::Command;

/// A kind of namespace in which members must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// Pids of another one say nothing here.
    Pid,
    /// Start times of processes, as `/proc` gives them, are shifted by it: whoever lives would be proven dead.
    Time,
}

/// The numbers of a process's namespaces; 0 for one that `/proc` does not tell of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Namespaces {
    pub(crate) pid: u64,
    pub(crate) time: u64,
}

impl Namespaces {
    /// Those of this process. Allocates nothing: the first record after a fork may come from a signal handler.
    pub(crate) fn of_this_process() -> Namespaces {
        let number = |of| rustix::fs::stat(of).map_or(0, |namespace| namespace.st_ino);
        Namespaces {
            pid: number(c"/proc/self/ns/pid"),
            time: number(c"/proc/self/ns/time"),
        }
    }

    /// One in which the two certainly differ.
    pub(crate) fn differ(self, other: Namespaces) -> Option<Namespace> {
        let differ = |mine: u64, its: u64| mine != 0 && its != 0 && mine != its;
        if differ(self.pid, other.pid) {
            return Some(Namespace::Pid);
        }
        differ(self.time, other.time).then_some(Namespace::Time)
    }
}

/// Makes this process deaf to what a terminal or a supervisor sends to all of a group, so that a drainer
/// or a relay outlives those whose last words it is to write.
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
        // their disposition may be changed. This process is ours alone, a drainer or a relay: no other code here relies on them.
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

/// Whether this program runs as another user or group than its starter.
pub(crate) fn runs_as_another_user() -> bool {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    (getuid(), getgid()) != (geteuid(), getegid())
}

/// Gives up, for good, the capabilities that the program's file brought, if that is all it has been given. To be
/// called before there are other threads, which would keep theirs.
pub(crate) fn gave_up_foreign_rights() -> bool {
    use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
    let none = CapabilitySet::empty();
    let none = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    !runs_as_another_user() && set_capabilities(None, none).is_ok()
}

/// Takes a variable away from this process's environment, before its `main`.
#[allow(unsafe_code)]
pub(super) fn forget_variable(variable: &str) {
    // SAFETY: only the hooks that run before `main` call this, before the program has threads that could read the environment;
    // std keeps its own readers and writers apart with a lock.
    unsafe { std::env::remove_var(variable) };
}

/// The command that starts this program again, to be found as `name` in the process list. The role is for the caller
/// to say.
pub(crate) fn this_program(name: &str) -> io::Result<Command> {
    use std::os::unix::process::CommandExt;
    // On Linux this names the running program even when its file was replaced or removed.
    let mut command = match cfg!(target_os = "linux") {
        true => Command::new("/proc/self/exe"),
        false => Command::new(std::env::current_exe()?),
    };
    command.arg0(name);
    Ok(command)
}

/// What is to be said of this program when it was started again and did not take its role.
pub(crate) fn did_not_become(role: &str) -> String {
    format!(
        "this program, started again, did not become {role}: is shmlog linked into the executable itself (not loaded \
         later), and does nothing before main end the process?"
    )
}

/// Makes a pipe as large as `bytes`, if the system allows it. A smaller one makes its writer wait more often, and nothing else.
#[allow(unsafe_code)]
pub(crate) fn enlarge_pipe(pipe: &impl std::os::fd::AsRawFd, bytes: libc::c_int) {
    // SAFETY: F_SETPIPE_SZ takes an integer and touches no memory of this process; the descriptor is open as long as `pipe` is.
    unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, bytes) };
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
