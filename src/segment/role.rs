//! This program, started again in another role: a drainer, a relay.
//!
//! ```text
//!   program ── clone ──► in between ── clone ──► the role ── exec ──► this executable, caught before its main
//!      │                  a group of its own, ends     its descriptors, its signals
//!      └── waits for ────────┘
//! ```
//!
//! The process in between makes the role a child of no process of the program: the program never finds it by `wait`, and is not told of its
//! end by SIGCHLD. The one in between it does not find either: a child whose end sends no signal is seen only by who
//! asks for such children (`__WALL`). A program that adopts orphans (PID 1 of its namespace, or
//! `PR_SET_CHILD_SUBREAPER`) adopts the role too, as it adopts every daemon; [`Started`] takes care that no zombie stays.
//!
//! Both are made as `posix_spawn` makes its child: in the memory of the program, whose calling thread stands still
//! meanwhile, on stacks of their own and with all signals blocked. So a large program pays no copy of its page tables,
//! and none of its threads a page fault; handlers of `pthread_atfork` do not run. What runs in them makes system calls
//! and nothing else.
//!
//! What the role has of the program, and what not, is decided in `guest.rs`.

#![allow(unsafe_code)]

use std::ffi::{CString, OsString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

use super::started::Started;
use super::{guest, object, process};

/// A role takes no more descriptors than this.
const MOST_FILES: usize = 8;
/// For what each of the two runs before `exec`, without optimisation too.
const STACK: usize = 64 << 10;

/// This program in another role, to be started.
pub(crate) struct Role {
    program: CString,
    /// By which it is found in the process list.
    name: CString,
    whose: CString,
    environment: Vec<CString>,
}

impl Role {
    /// A role that the variable `variable` gives, with the words `told`. In the process list stand its name and `whose` it is.
    pub(crate) fn new(name: &str, whose: &str, variable: &str, told: &str) -> io::Result<Role> {
        let inherited = std::env::vars_os().filter(|(key, _)| guest::inherits(key));
        let own = (OsString::from(variable), OsString::from(told));
        let entries = inherited.filter(|(key, _)| *key != *variable).chain([own]);
        let entry = |(mut key, value): (OsString, OsString)| {
            key.push("=");
            key.push(value);
            CString::new(key.into_vec())
        };
        let program = process::path_of_this_program()?;
        Ok(Role {
            program: CString::new(program.as_os_str().as_bytes())?,
            name: CString::new(name)?,
            whose: CString::new(whose)?,
            environment: entries.map(entry).collect::<Result<_, _>>()?,
        })
    }

    /// Starts it. It has these files, by the numbers from 0 on, and no others.
    ///
    /// # Errors
    /// What the system said when it refused a process, or this program; or that our hook would not catch it.
    pub(crate) fn start(&self, files: &[BorrowedFd<'_>]) -> io::Result<Started> {
        if let Some(path) = object::opened_late() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "shmlog stands in {path}, which was opened when main had begun, so this program, started again, would \
                     run its main a second time: link shmlog into the executable itself, or have the drainer started \
                     from outside (external_drainer)"
                ),
            ));
        }
        if process::has_children_elsewhere() {
            // The process in between would be the first one there, and take the role along when it ends; and no other
            // process could ever be made there.
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "it would be in another pid namespace than this process: call init_parent() before \
                 unshare(CLONE_NEWPID), or in the child that is in the new one",
            ));
        }
        let too_many = || io::Error::from(io::ErrorKind::InvalidInput);
        let files: Vec<RawFd> = files.iter().map(AsRawFd::as_raw_fd).collect();
        let mut numbers = files.clone();
        numbers.sort_unstable();
        numbers.dedup();
        let ground = Ground::new()?;
        let arguments = [self.name.as_ptr(), self.whose.as_ptr(), ptr::null()];
        let mut environment: Vec<*const c_char> = self
            .environment
            .iter()
            .map(|entry| entry.as_ptr())
            .collect();
        environment.push(ptr::null());
        let birth = Birth {
            program: self.program.as_ptr(),
            arguments: arguments.as_ptr(),
            environment: environment.as_ptr(),
            files: (files.len() <= MOST_FILES)
                .then_some(&*files)
                .ok_or_else(too_many)?,
            numbers: &numbers,
            open: &process::open_descriptors(),
            stack: ground.second_stack(),
            pid: ground.word(0),
            error: ground.word(1),
        };
        let between = birth.clone_between(ground.first_stack())?;
        let started = birth.outcome(between);
        process::reap_clone(between);
        started
    }
}

/// What the two processes on the way work with. It lives in the thread that stands still meanwhile.
struct Birth<'a> {
    program: *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
    /// What the role has, in the order of the numbers that it has it by.
    files: &'a [RawFd],
    /// The same, each once, in rising order.
    numbers: &'a [RawFd],
    /// What is open in the program, for kernels that close no ranges.
    open: &'a [RawFd],
    /// For the role until it is another program.
    stack: *mut c_void,
    /// Where the pid of the role is left; 0 when there is none.
    pid: &'a AtomicI32,
    /// Why it is none, or why it could not become this program; 0 when all went well.
    error: &'a AtomicI32,
}

impl Birth<'_> {
    /// The process in between. When this returns it has ended.
    fn clone_between(&self, stack: *mut c_void) -> io::Result<c_int> {
        let argument = ptr::from_ref(self).cast_mut().cast();
        let _quiet = process::BlockedSignals::all();
        // No signal at its end: `wait` of the program does not find it.
        let flags = libc::CLONE_VM | libc::CLONE_VFORK;
        // SAFETY: `stack` is the top of a mapping that no other code uses and that outlives this call; CLONE_VFORK has this
        // thread stand still until the other process has ended, so `self` lives and thread-local memory, which both have
        // in common, is used by one at a time. All signals are blocked, so no handler runs in it. `in_between` has the
        // type that is asked for, does not unwind, and makes system calls only.
        let pid = unsafe { libc::clone(in_between, stack, flags, argument) };
        if pid > 0 {
            Ok(pid)
        } else {
            Err(io::Error::last_os_error())
        }
    }

    fn fail(&self) {
        let errno = io::Error::last_os_error().raw_os_error();
        // Relaxed: who reads it has waited for the end of this process.
        self.error
            .store(errno.unwrap_or(libc::EIO), Ordering::Relaxed);
    }

    /// Gives the calling process the files of the role, by their numbers, and takes all others away.
    fn place_files(&self) -> Result<(), ()> {
        let count = self.files.len() as c_int;
        self.close_others();
        let mut placed = [-1; MOST_FILES];
        // First out of the way: a number that one is to have may be another one's.
        for (place, file) in placed.iter_mut().zip(self.files) {
            // SAFETY: no memory is involved.
            *place = unsafe { libc::fcntl(*file, libc::F_DUPFD_CLOEXEC, count) };
        }
        for (number, place) in (0..count).zip(placed) {
            // SAFETY: no memory is involved. The descriptors of this process are a copy that no other process uses.
            if unsafe { libc::dup2(place, number) } < 0 {
                return Err(());
            }
        }
        if !close_range(count, c_int::MAX) {
            self.numbers
                .iter()
                .filter(|number| **number >= count)
                .for_each(|number| close(*number));
        }
        Ok(())
    }

    /// What the process in between has left; that has ended, and no process has waited for it, so its number is no one
    /// else's yet.
    fn outcome(&self, between: c_int) -> io::Result<Started> {
        process::wait_for_clone(between);
        // Relaxed, both: the process that wrote them has ended, which was waited for.
        let error = self.error.load(Ordering::Relaxed);
        let pid = self.pid.load(Ordering::Relaxed);
        match error {
            0 if pid > 0 => Ok(Started::of(pid, between)),
            0 => Err(io::ErrorKind::Interrupted.into()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Also so that there is room when the program has as many as it may.
    fn close_others(&self) {
        let mut from = 0;
        for &number in self.numbers {
            if number > from && !close_range(from, number - 1) {
                let is_other = |open: &&RawFd| !self.numbers.contains(open);
                return self
                    .open
                    .iter()
                    .filter(is_other)
                    .for_each(|number| close(*number));
            }
            from = number + 1;
        }
        close_range(from, c_int::MAX);
    }

    /// Returns only if it cannot be.
    fn become_the_role(&self) {
        if self.place_files().is_ok() {
            process::begin_with_signals_of_a_role();
            // SAFETY: a path and two lists that end in null, of texts that end in zero, all of which live in the thread
            // that stands still.
            unsafe { libc::execve(self.program, self.arguments, self.environment) };
        }
        self.fail();
    }
}

/// Whether the kernel closes ranges.
fn close_range(first: c_int, last: c_int) -> bool {
    // SAFETY: no memory is involved. The descriptors of this process are a copy that no other process uses.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) == 0 }
}

fn close(number: RawFd) {
    // SAFETY: as in `close_range`: an owner of this number is in the program, and keeps it there.
    unsafe { libc::close(number) };
}

/// Runs in the process in between.
extern "C" fn in_between(birth: *mut c_void) -> c_int {
    // SAFETY: `clone_between` hands over a `Birth` that lives until this process has ended.
    let birth = unsafe { &*birth.cast::<Birth<'_>>() };
    // A group of its own, which the role is in without leading it.
    // SAFETY: no memory is involved.
    unsafe { libc::setpgid(0, 0) };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let argument = ptr::from_ref(birth).cast_mut().cast();
    // SAFETY: as in `clone_between`, with this process in the place of the thread there: it stands still until the other
    // one runs another program or has ended.
    let pid = unsafe { libc::clone(the_role, birth.stack, flags, argument) };
    match pid > 0 {
        // Relaxed: who reads it has waited for the end of this process.
        true => birth.pid.store(pid, Ordering::Relaxed),
        false => birth.fail(),
    }
    0
}

/// Runs in the process that becomes the role.
extern "C" fn the_role(birth: *mut c_void) -> c_int {
    // SAFETY: as in `in_between`, which stands still meanwhile.
    let birth = unsafe { &*birth.cast::<Birth<'_>>() };
    birth.become_the_role();
    127
}

/// Two stacks, each above a page that is not to be touched, and a page for what the processes leave behind. That is
/// shared also where a system only pretends to share the rest (valgrind, emulators of processors).
struct Ground {
    start: *mut c_void,
    page: usize,
}

impl Ground {
    fn new() -> io::Result<Ground> {
        let page = rustix::param::page_size();
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let bytes = Ground::bytes(page);
        // SAFETY: an anonymous mapping at an address of the kernel's choice: it overlaps nothing.
        let start =
            unsafe { mmap_anonymous(ptr::null_mut(), bytes, protection, MapFlags::SHARED) }?;
        let ground = Ground { start, page };
        for guard in [0, page + STACK] {
            let guard = start.wrapping_byte_add(guard);
            // SAFETY: a page within what was mapped above, which no other code knows: no reference is to it.
            unsafe { mprotect(guard, page, MprotectFlags::empty()) }?;
        }
        Ok(ground)
    }

    fn bytes(page: usize) -> usize {
        2 * (page + STACK) + page
    }

    /// The end of it: stacks grow downwards.
    fn first_stack(&self) -> *mut c_void {
        self.start.wrapping_byte_add(self.page + STACK)
    }

    fn second_stack(&self) -> *mut c_void {
        self.start.wrapping_byte_add(2 * (self.page + STACK))
    }

    fn word(&self, index: usize) -> &AtomicI32 {
        assert!(index < 2);
        let word = self.second_stack().cast::<AtomicI32>().wrapping_add(index);
        // SAFETY: within the last page, which is mapped, aligned, and zeros at first, for as long as `self` lives; everybody
        // sees it as this atomic.
        unsafe { &*word }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // SAFETY: what `new` has mapped. No reference to it outlives `self`, and no process is on its stacks: the one in
        // between has ended, which it did only after the role had a memory of its own or had ended.
        let _ = unsafe { munmap(self.start, Ground::bytes(self.page)) };
    }
}
