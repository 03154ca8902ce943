//! Last words: a record when the process crashes or a thread panics. Both are opt in.

use std::backtrace::Backtrace;
use std::fmt;
use std::io;
use std::panic::{Location, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::errors::debug_is_text;
use crate::frontend::sites;
use crate::level::Level;
use crate::logger::leaving;
use crate::producer;
use crate::record::CallSite;
use crate::segment::object;
use crate::segment::signals::{self, Fault};

/// Has a last record logged when this process is about to be killed by SIGSEGV, SIGBUS, SIGFPE, SIGILL or
/// SIGABRT, at [`Level::Critical`], under the target `crash`:
///
/// ```text
/// SIGSEGV at address 0x10: nothing is mapped there (SEGV_MAPERR); process 4711, thread 4713
/// SIGABRT: sent by the process itself (SI_TKILL); process 4711, thread 4711
/// ```
///
/// Then the signal goes to the handler that had it before (std's message on a stack overflow, another handler, the
/// end of the process), with the same information: exit status and core dump are what they would have been.
///
/// To be called once per process, at its beginning, after other handlers of these signals have been installed;
/// a child made by fork has it too. Calling it again does no harm. It may be called before there is a ring.
///
/// # What the handler may meet
///
/// It does what may be done in a signal handler: it neither locks nor allocates, in whatever state the
/// thread is, inside a log call or the allocator too, and also when the thread has never logged before. Only with
/// [`OnFull::Block`](crate::OnFull::Block) it may sleep, as long as is allowed there. When the handler crashes
/// itself, the process ends at once. When several threads crash, the first one is logged.
///
/// It runs on the alternate signal stack of the thread, so that the overflow of a stack is logged too. The calling
/// thread is given one if it has none of 32 KiB; all threads made by [`std::thread`] have one. Threads made by
/// other means have none: their crashes are logged, but for the overflow of their own stack, unless they
/// call this function as well.
///
/// # What is not covered
///
/// - SIGKILL, and what the kernel does when memory is short
/// - a signal that the crashing thread blocks: the kernel ends the process without asking
/// - when an earlier handler mends the fault and lets the process go on, the next crash: this one serves once
/// - a SIGSEGV or SIGBUS that was sent by a process, not caused: it is logged, but the handler of [`std`] that
///   comes next ignores the first such signal, as it does without us
/// - a ring without room, or without an entry for a thread that never logged: the record is counted as dropped
///
/// A SIGBUS that comes of the ring's file having been cut off (any process of the same user can do that) is no crash with
/// this handler: the process goes on without a log, [`flush`](crate::ShmLogger::flush) says that it is over, and nothing that
/// is logged from then on is counted. Without it such a process ends by the signal at its next record.
///
/// # Errors
/// [`CrashHandlerError`]: no memory for the alternate stack, or the system refused the handler.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("shmlog-doc-crash-{}", std::process::id()));
/// # let settings = shmlog::ShmLogger::builder().console(false).file(true).file_path(&folder);
/// let logger = settings.init_parent()?;
/// shmlog::install_crash_handler()?;
/// shmlog::install_panic_hook();
/// # drop(logger); std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn install_crash_handler() -> Result<(), CrashHandlerError> {
    object::stay_loaded();
    signals::provide_stack().map_err(CrashHandlerError::Stack)?;
    signals::catch_crashes(log_crash).map_err(|(signal, source)| CrashHandlerError::Handler {
        signal: name_of(signal),
        source,
    })
}

/// Why there is no crash handler.
#[non_exhaustive]
pub enum CrashHandlerError {
    /// There was no memory for an alternate signal stack.
    Stack(io::Error),
    /// The system refused a handler.
    Handler {
        /// Name of the signal.
        signal: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

debug_is_text!(CrashHandlerError);

impl fmt::Display for CrashHandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CrashHandlerError::Stack(_) => write!(
                f,
                "no alternate stack of 64 KiB for the crash handler; allow the process more memory"
            ),
            CrashHandlerError::Handler { signal, .. } => write!(
                f,
                "no crash handler for {signal}; see whether a filter forbids rt_sigaction"
            ),
        }
    }
}

impl std::error::Error for CrashHandlerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CrashHandlerError::Stack(source) | CrashHandlerError::Handler { source, .. } => {
                Some(source)
            }
        }
    }
}

/// Runs in the signal handler.
fn log_crash(fault: &Fault) {
    static SITE: CallSite = CallSite::new("crash", file!(), line!(), "{}", "", true);
    if producer::is_enabled(Level::Critical) {
        producer::write_last_words(Level::Critical, &SITE, format_args!("{}", Words(fault)));
    }
    leaving::wait_as_first_process();
}

/// A fault in words; written without allocating.
struct Words<'a>(&'a Fault);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = self.0;
        f.write_str(name_of(fault.signal))?;
        let pid = std::process::id();
        match meaning(fault.signal, fault.code) {
            // Positive codes are the kernel's own; SI_KERNEL comes without an address.
            Meaning::Found(meaning, code) => {
                write!(f, " at address {:#x}: {meaning} ({code})", fault.address)?
            }
            Meaning::Sent(code) if fault.sender as u32 == pid => {
                write!(f, ": sent by the process itself ({code})")?;
            }
            Meaning::Sent(code) => write!(f, ": sent by process {} ({code})", fault.sender)?,
            Meaning::NoAddress => {
                f.write_str(": found by the processor, at no address (SI_KERNEL)")?
            }
            Meaning::Unknown if fault.code > 0 => {
                write!(f, " at address {:#x}: code {}", fault.address, fault.code)?;
            }
            Meaning::Unknown => write!(f, ": code {}", fault.code)?,
        }
        write!(f, "; process {pid}, thread {}", fault.tid)
    }
}

enum Meaning {
    /// The processor found it, at an address.
    Found(&'static str, &'static str),
    /// A process sent it.
    Sent(&'static str),
    NoAddress,
    Unknown,
}

fn meaning(signal: i32, code: i32) -> Meaning {
    use Meaning::{Found, NoAddress, Sent, Unknown};
    match (signal, code) {
        (_, libc::SI_USER) => Sent("SI_USER"),
        (_, libc::SI_QUEUE) => Sent("SI_QUEUE"),
        (_, libc::SI_TKILL) => Sent("SI_TKILL"),
        (_, libc::SI_KERNEL) => NoAddress,
        (libc::SIGSEGV, 1) => Found("nothing is mapped there", "SEGV_MAPERR"),
        (libc::SIGSEGV, 2) => Found("no permission for this access", "SEGV_ACCERR"),
        (libc::SIGSEGV, 4) => Found("refused by a protection key", "SEGV_PKUERR"),
        (libc::SIGBUS, 1) => Found("not aligned", "BUS_ADRALN"),
        (libc::SIGBUS, 2) => Found("there is no memory or file behind it", "BUS_ADRERR"),
        (libc::SIGBUS, 3) => Found("hardware error", "BUS_OBJERR"),
        (libc::SIGBUS, 4) => Found("memory failure in use", "BUS_MCEERR_AR"),
        (libc::SIGBUS, 5) => Found("memory failure, not in use", "BUS_MCEERR_AO"),
        (libc::SIGFPE, 1) => Found("integer division by zero", "FPE_INTDIV"),
        (libc::SIGFPE, 2) => Found("integer overflow", "FPE_INTOVF"),
        (libc::SIGFPE, 3) => Found("floating-point division by zero", "FPE_FLTDIV"),
        (libc::SIGFPE, 4) => Found("floating-point overflow", "FPE_FLTOVF"),
        (libc::SIGFPE, 5) => Found("floating-point underflow", "FPE_FLTUND"),
        (libc::SIGFPE, 6) => Found("inexact floating-point result", "FPE_FLTRES"),
        (libc::SIGFPE, 7) => Found("invalid floating-point operation", "FPE_FLTINV"),
        (libc::SIGFPE, 8) => Found("subscript out of range", "FPE_FLTSUB"),
        (libc::SIGILL, 1) => Found("illegal opcode", "ILL_ILLOPC"),
        (libc::SIGILL, 2) => Found("illegal operand", "ILL_ILLOPN"),
        (libc::SIGILL, 3) => Found("illegal addressing mode", "ILL_ILLADR"),
        (libc::SIGILL, 4) => Found("illegal trap", "ILL_ILLTRP"),
        (libc::SIGILL, 5) => Found("privileged opcode", "ILL_PRVOPC"),
        (libc::SIGILL, 6) => Found("privileged register", "ILL_PRVREG"),
        (libc::SIGILL, 7) => Found("coprocessor error", "ILL_COPROC"),
        (libc::SIGILL, 8) => Found("internal stack error", "ILL_BADSTK"),
        _ => Unknown,
    }
}

fn name_of(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGABRT => "SIGABRT",
        _ => "a signal",
    }
}

/// Has every panic logged at [`Level::Error`], under the target `panic` and with the file and line that panicked:
/// message, place and backtrace, in many lines. Then the hook that was there before is called.
///
/// The backtrace is taken whatever `RUST_BACKTRACE` says, which costs some milliseconds per panic, hundreds for the
/// first one. Also panics that are caught later are logged. A hook that the program sets after this one
/// takes its place. Calling it again does nothing.
///
/// # Panics
/// In a thread that is panicking, as [`std::panic::set_hook`] does.
///
/// ```
/// shmlog::install_panic_hook();
/// ```
pub fn install_panic_hook() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::Relaxed) {
        return;
    }
    object::stay_loaded();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        log_panic(info);
        before(info);
    }));
}

fn log_panic(info: &PanicHookInfo<'_>) {
    // Without a ring the hook of before says it on standard error.
    if !producer::is_enabled(Level::Error) || producer::current().is_none() {
        return;
    }
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(a value that is no text)");
    let place: &dyn fmt::Display = match info.location() {
        Some(location) => location,
        None => &"an unknown place",
    };
    // Rendered before the record is begun, as it takes a tenth of a second when it is done for the first time.
    let text = format!(
        "panicked at {place}: {message}\n{}",
        Backtrace::force_capture()
    );
    let site = info.location().map_or(&NOWHERE, site_of);
    producer::write(Level::Error, site, Some(PANIC), &format_args!("{text}"));
}

/// The target of panics.
const PANIC: &str = "panic";

/// Of a panic whose place is not known.
static NOWHERE: CallSite = CallSite::new(PANIC, "", 0, "{}", "", true);

/// The call site of a place that panics: one, however often it does.
fn site_of(location: &Location<'_>) -> &'static CallSite {
    let (file, line) = (location.file(), location.line());
    // The column tells two on one line apart, and the address two files of one name.
    let key = (file.as_ptr() as usize, location.column() as usize, line);
    sites::site(key, || {
        // The table has bounds, and so has what is kept for it.
        let file = Box::leak(file.to_owned().into_boxed_str());
        CallSite::new(PANIC, file, line, "{}", "", true)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_put_into_words_with_its_address_or_its_sender() {
        let fault = |signal, code| Fault {
            signal,
            code,
            address: 0x10,
            sender: 7,
            tid: 9,
        };
        let words = |signal, code| Words(&fault(signal, code)).to_string();
        let end = format!("; process {}, thread 9", std::process::id());
        let expected = [
            (
                words(libc::SIGSEGV, 1),
                "SIGSEGV at address 0x10: nothing is mapped there (SEGV_MAPERR)",
            ),
            (
                words(libc::SIGFPE, libc::SI_USER),
                "SIGFPE: sent by process 7 (SI_USER)",
            ),
            (
                words(libc::SIGSEGV, libc::SI_KERNEL),
                "SIGSEGV: found by the processor, at no address (SI_KERNEL)",
            ),
            (words(libc::SIGILL, 99), "SIGILL at address 0x10: code 99"),
            (words(libc::SIGBUS, -99), "SIGBUS: code -99"),
        ];
        for (words, expected) in expected {
            assert_eq!(words, format!("{expected}{end}"));
        }
    }
}
