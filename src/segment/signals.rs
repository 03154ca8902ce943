//! Signals that end a process: caught once, then given on to the handler before.
//!
//! ```text
//!   the signal comes ─► handler ─► last words ─► all dispositions as they were ─► the same signal again, with
//!                                                the same information ─► the handler before, or the end
//! ```
//!
//! The second signal is sent while the first is still blocked, so it arrives when the handler returns, at
//! the very instruction that the first one interrupted: a core dump shows what it would have shown.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::truncation;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};

/// The signals that are caught.
pub(crate) const CRASHES: [c_int; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGABRT,
];

/// A thread with a smaller alternate stack than this gets another.
const ENOUGH_STACK: usize = 32 << 10;
const STACK: usize = 64 << 10;

/// For how many milliseconds a thread that crashes waits for another one's last words.
const PATIENCE_MS: u32 = 1000;

/// What came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) signal: c_int,
    pub(crate) code: c_int,
    /// Where, for faults that the processor found.
    pub(crate) address: usize,
    /// By whom, for signals that a process sent.
    pub(crate) sender: i32,
    pub(crate) tid: u32,
}

/// Who had the signals before, in the order of [`CRASHES`].
static BEFORE: [OnceLock<libc::sigaction>; CRASHES.len()] =
    [const { OnceLock::new() }; CRASHES.len()];
static LAST_WORDS: OnceLock<fn(&Fault)> = OnceLock::new();
/// The first thread that crashed; 0 while there is none.
static CRASHED: AtomicU32 = AtomicU32::new(0);
/// Its last words are said.
static SAID: AtomicBool = AtomicBool::new(false);

/// Has `last_words` called when this process crashes. It runs in a signal handler, perhaps on little stack.
/// Again and from several threads at once: the first one's is kept.
pub(crate) fn catch_crashes(last_words: fn(&Fault)) -> Result<(), (c_int, io::Error)> {
    LAST_WORDS.get_or_init(|| last_words);
    for (signal, before) in CRASHES.into_iter().zip(&BEFORE) {
        let failed = |error| (signal, error);
        // Who finds it unset here has not seen our own handler, which is set only afterwards.
        let found = disposition(signal).map_err(failed)?;
        if before.set(found).is_ok() {
            set_handler(signal, on_crash).map_err(failed)?;
        }
    }
    Ok(())
}

/// What a signal calls: its number, what is known about it, and where it came.
type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Has a signal call a function that does nothing which a signal handler may not.
pub(super) fn set_handler(signal: c_int, handler: Handler) -> io::Result<()> {
    set_disposition(signal, &disposition_of(handler))
}

fn disposition_of(handler: Handler) -> libc::sigaction {
    // SAFETY: sigaction is a C structure of numbers and an optional function: zeros are valid.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // With everything blocked nothing interrupts the last words, and a crash in their midst ends the process.
    // SAFETY: `sa_mask` is a valid place for a signal set.
    unsafe { libc::sigfillset(&raw mut action.sa_mask) };
    action
}

fn disposition(signal: c_int) -> io::Result<libc::sigaction> {
    let mut found = MaybeUninit::zeroed();
    // SAFETY: a null pointer asks without setting; `found` is a valid place for the answer.
    if unsafe { libc::sigaction(signal, ptr::null(), found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was zeros, which are valid, before the successful call wrote it.
    Ok(unsafe { found.assume_init() })
}

fn set_disposition(signal: c_int, action: &libc::sigaction) -> io::Result<()> {
    // SAFETY: `action` is what the kernel once said was installed, or of `disposition_of`, whose function has the type
    // that SA_SIGINFO asks for, lives as long as the program, and does nothing that a signal handler may not.
    match unsafe { libc::sigaction(signal, action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn on_crash(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    let tid = rustix::thread::gettid().as_raw_pid() as u32;
    // Nothing has crashed where the ring was cut off: from now on this process does without.
    if truncation::mends(&fault_of(signal, info, tid)) {
        return;
    }
    // [crashed]: one thread alone gets on.
    match CRASHED.compare_exchange(0, tid, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {
            if let Some(last_words) = LAST_WORDS.get() {
                last_words(&fault_of(signal, info, tid));
            }
            // [said] Release: pairs with the load of the threads that wait.
            SAID.store(true, Ordering::Release);
        }
        // The last words have crashed.
        Err(first) if first == tid => {}
        Err(_) => wait_for_last_words(),
    }
    for (signal, before) in CRASHES.into_iter().zip(&BEFORE) {
        if let Some(before) = before.get() {
            // It was installed once, so it can be again; and no error can be returned here.
            let _ = set_disposition(signal, before);
        }
    }
    send_again(signal, info, tid);
}

pub(super) fn fault_of(signal: c_int, info: *const libc::siginfo_t, tid: u32) -> Fault {
    // SAFETY: the kernel hands a valid siginfo_t to a handler installed with SA_SIGINFO, for as long as the
    // handler runs; no code writes it meanwhile.
    let info = unsafe { &*info };
    // SAFETY: every field of siginfo_t lies within it and is a number; one that the kernel did not fill for
    // this signal is zero or means something else, which only makes it useless.
    let address = unsafe { info.si_addr() } as usize;
    // SAFETY: as before.
    let sender = unsafe { info.si_pid() };
    Fault {
        signal,
        code: info.si_code,
        address,
        sender,
        tid,
    }
}

/// Another thread has crashed and is about to end the process: not before it has told.
fn wait_for_last_words() {
    for _ in 0..PATIENCE_MS {
        // [said] Acquire: the last words are in the ring.
        if SAID.load(Ordering::Acquire) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The signal, with all that is known about it, to this thread, which blocks it until the handler returns.
fn send_again(signal: c_int, info: *const libc::siginfo_t, tid: u32) {
    let pid = std::process::id();
    // SAFETY: the call reads one siginfo_t, which is valid as in `fault_of`; a process may send itself any.
    let failed = unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, tid, signal, info) } != 0;
    if failed {
        // A filter of system calls may forbid the other. The number is that of a real signal.
        // SAFETY: no memory is involved.
        unsafe { libc::raise(signal) };
    }
}

/// Gives the calling thread an alternate stack for signal handlers, unless it has a large one.
pub(crate) fn provide_stack() -> io::Result<()> {
    let mut now = MaybeUninit::<libc::stack_t>::zeroed();
    // SAFETY: a null pointer asks without setting; `now` is a valid place for the answer.
    if unsafe { libc::sigaltstack(ptr::null(), now.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: stack_t is a C structure of numbers and a pointer: the zeros that it was are valid.
    let now = unsafe { now.assume_init() };
    if now.ss_flags & libc::SS_DISABLE == 0 && now.ss_size >= ENOUGH_STACK {
        return Ok(());
    }
    let guard = rustix::param::page_size();
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    let bytes = guard + STACK;
    // SAFETY: an anonymous mapping at an address of the kernel's choice: it overlaps nothing.
    let start = unsafe { mmap_anonymous(ptr::null_mut(), bytes, protection, MapFlags::PRIVATE) }?;
    // SAFETY: the first page of what was mapped above, which no other code knows: no reference is to it.
    unsafe { mprotect(start, guard, MprotectFlags::empty()) }?;
    let stack = libc::stack_t {
        ss_sp: start.wrapping_byte_add(guard),
        ss_flags: 0,
        ss_size: STACK,
    };
    // SAFETY: the rest of the mapping is readable and writable, is never unmapped, and is used by nothing but
    // this thread's signal handlers. The stack before, if any, was std's, which unmaps it at the thread's
    // end without looking whether it is in use.
    match unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
