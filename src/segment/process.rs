//! What this process asks of the system about itself, and of itself: signals, rights, its roles, its end.

use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;

use rustix::process::{Resource, getrlimit};

/// A kind of namespace in which members must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// Pids of another one say nothing here.
    Pid,
    /// Start times of processes, as `/proc` gives them, are shifted by it: a living process would be proven dead.
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

/// How long a file may become that this process writes, by its `RLIMIT_FSIZE`.
pub(crate) fn file_size_limit() -> u64 {
    getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX)
}

/// To be asked before a file is written up to `end` in a process that is not ours alone: the system would not only
/// refuse, it would send SIGXFSZ, which ends most programs.
///
/// # Errors
/// What the system would say.
pub(crate) fn check_file_size(end: u64) -> io::Result<()> {
    match end > file_size_limit() {
        true => Err(io::Error::from_raw_os_error(libc::EFBIG)),
        false => Ok(()),
    }
}

/// What a terminal or a supervisor sends to all of a group, and what must not end a role in the midst of a write. A
/// drainer and a relay outlive those whose last words they are to write.
const IGNORED_BY_ROLES: [libc::c_int; 7] = [
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGPIPE,
    libc::SIGTTOU,
    libc::SIGXFSZ,
];

/// Makes this process deaf to [`IGNORED_BY_ROLES`].
#[allow(unsafe_code)]
pub(super) fn ignore_group_signals() {
    for signal in IGNORED_BY_ROLES {
        // SAFETY: SIG_IGN is no function, so nothing runs when the signal comes; the numbers are valid and
        // their disposition may be changed. This process is ours alone, a drainer or a relay: no other code here relies on them.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Gives the calling process, which is about to become a role, the system's dispositions of all signals but those that
/// roles ignore, and blocks none. Whatever the program ignores (SIGCHLD, say, which would make the children of sinks
/// vanish) is not the role's business. Makes system calls only.
#[allow(unsafe_code)]
pub(super) fn begin_with_signals_of_a_role() {
    /// The last one of real time.
    const LAST: libc::c_int = 64;
    for signal in 1..=LAST {
        // SAFETY: SIG_DFL is no function. Numbers that may not be changed are refused. The process shares memory with the
        // program but not its dispositions, which are copied when a process is made without CLONE_SIGHAND.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    ignore_group_signals();
    // SAFETY: an all-zero set is a valid, empty one.
    let none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours and valid; no old set is asked for. No handler of the program is left to run.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
}

/// As long as it lives, no signal is delivered to the calling thread.
pub(super) struct BlockedSignals {
    before: libc::sigset_t,
}

impl BlockedSignals {
    #[allow(unsafe_code)]
    pub(super) fn all() -> BlockedSignals {
        // SAFETY: an all-zero set is a valid place for sigfillset to write to.
        let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: the set is ours and valid.
        unsafe { libc::sigfillset(&raw mut all) };
        let mut before = all;
        // SAFETY: both sets are ours and valid; the calling thread alone is concerned.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
        BlockedSignals { before }
    }
}

impl Drop for BlockedSignals {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        let before = &raw const self.before;
        // SAFETY: the set that was in force before, or all signals if it could not be asked for. No old one is asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
    }
}

/// Whether processes that the calling thread makes are in another pid namespace than it is itself.
pub(super) fn has_children_elsewhere() -> bool {
    let of_children = c"/proc/thread-self/ns/pid_for_children";
    // A namespace in which there is no process yet cannot be looked at, though its name is there.
    rustix::fs::lstat(of_children).is_ok()
        && rustix::fs::stat(of_children).map_or(0, |namespace| namespace.st_ino)
            != Namespaces::of_this_process().pid
}

/// Waits until a child has ended whose end sends no signal, and leaves it as a zombie.
pub(super) fn wait_for_clone(pid: libc::pid_t) {
    wait_for_clone_and(pid, libc::WNOWAIT);
}

/// Waits for the end of such a child, and lets it go.
pub(super) fn reap_clone(pid: libc::pid_t) {
    wait_for_clone_and(pid, 0);
}

#[allow(unsafe_code)]
fn wait_for_clone_and(pid: libc::pid_t, option: libc::c_int) {
    let options = libc::WEXITED | libc::__WALL | option;
    loop {
        // SAFETY: siginfo_t is a C structure of numbers: zeros are valid.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` is a valid place for the answer.
        let failed =
            unsafe { libc::waitid(libc::P_PID, pid as libc::id_t, &raw mut info, options) };
        // Otherwise refused: another part of this program has waited for clones of all kinds. Then it has ended too.
        if failed == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// The numbers of the open descriptors; none when `/proc` does not tell.
pub(super) fn open_descriptors() -> Vec<RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let numbers = entries
        .flatten()
        .map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.flatten().collect()
}

/// Keeps signals of the program from being delivered to the calling thread, but for its own faults.
#[allow(unsafe_code)]
pub(crate) fn block_signals() {
    // SAFETY: an all-zero set is a valid place for sigfillset to write to.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours and valid.
    unsafe { libc::sigfillset(&raw mut all) };
    // A fault of this thread's own, where the ring was cut off: blocked it would end the process, even with a handler.
    // SAFETY: as before; the number is valid.
    unsafe { libc::sigdelset(&raw mut all, libc::SIGBUS) };
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

/// Whether the calling thread may run on one processor only. Allocates nothing.
pub(crate) fn is_bound_to_one_processor() -> bool {
    // Refused where there are more processors than a set of rustix holds: then it is hardly bound to one.
    rustix::thread::sched_getaffinity(None).is_ok_and(|allowed| allowed.count() == 1)
}

/// Ends this process without running what the user's program registered to run at its end.
#[allow(unsafe_code)]
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: _exit has no precondition; nothing of ours needs to run after it.
    unsafe { libc::_exit(code) }
}

/// Whether all other processes of this namespace end with this one.
pub(crate) fn is_first_of_its_namespace() -> bool {
    std::process::id() == 1
}

/// Has `act` called in `exit`. Children made by fork call it too.
#[allow(unsafe_code)]
pub(crate) fn at_exit(act: extern "C" fn()) {
    super::object::stay_loaded();
    // SAFETY: the function has the type that is asked for, does not unwind, and stays loaded until the process ends. If there
    // is no memory to note it, it is not called.
    unsafe { libc::atexit(act) };
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

/// Whether the calling thread is for certain the only one of this process.
pub(crate) fn is_single_threaded() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// The running program.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// The file of this program.
pub(super) fn path_of_this_program() -> io::Result<PathBuf> {
    // On Linux this names the running program even when its file was replaced or removed.
    if !cfg!(target_os = "linux") {
        return std::env::current_exe();
    }
    // Started all the same it would be "No such file or directory", which does not say what is missing.
    std::fs::symlink_metadata(OWN_PROGRAM).map_err(|why| {
        let said = format!(
            "{OWN_PROGRAM}, by which this program is started again, is not there ({why}): mount /proc \
             (mount -t proc proc /proc)"
        );
        io::Error::new(why.kind(), said)
    })?;
    Ok(OWN_PROGRAM.into())
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
