//! When the segment's file is cut off under the processes that have it mapped, which any process of the same user can do: whoever
//! touches a page behind the end gets SIGBUS.
//!
//! ```text
//!   drainer              the page is zeros from now on, and the rest is read: it saves what is left, says so, ends the ring
//!   member, relay        the whole mapping becomes a ring of its own that has ended, and lets no record pass
//!   observer             the same; and it knows that its ring was cut off
//! ```
//!
//! A drainer and a relay are processes of ours and catch the signal from their beginning on. A member's signals are its
//! program's: there it is caught if the program asked for it by `install_crash_handler`, or, as the tool does, by
//! `observe::outlive_truncation`.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::io;
use std::os::unix::fs::FileExt;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap_anonymous, mremap_fixed, munmap};

use super::layout::{FILTER_AT, PHASE_AT, TAIL_AT};
use super::map::words_of;
use super::{FILTER_OFF, Phase, Segment, signals};
use crate::sync::AtomicU64;
use crate::words::WORD;

/// A mapping that may be cut off. There are few in a process, and none is taken back.
struct Mapping {
    start: usize,
    bytes: usize,
    /// It is a segment, not a book.
    is_segment: bool,
    /// A page of it was missing.
    is_cut: AtomicBool,
    next: *const Mapping,
}

static MAPPINGS: AtomicPtr<Mapping> = AtomicPtr::new(ptr::null_mut());
/// This process reads what is left page by page.
static SAVES: AtomicBool = AtomicBool::new(false);
/// A page was missing.
static CUT: AtomicBool = AtomicBool::new(false);

/// Notes a mapping of this process that is never taken back.
pub(super) fn note(words: &'static [AtomicU64], is_segment: bool) {
    // [mappings] Acquire: pairs with the exchange below.
    let mut next = MAPPINGS.load(Ordering::Acquire);
    loop {
        let mapping = Box::leak(Box::new(Mapping {
            start: words.as_ptr() as usize,
            bytes: size_of_val(words),
            is_segment,
            is_cut: AtomicBool::new(false),
            next,
        }));
        // [mappings] Release: pairs with the loads of the list's head.
        match MAPPINGS.compare_exchange(next, mapping, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return,
            // Leaked for nothing, a few bytes, when two threads map at the same moment.
            Err(other) => next = other,
        }
    }
}

/// Says that a file was found shorter than it was made.
pub(super) fn note_cut() {
    CUT.store(true, Ordering::Relaxed);
}

/// Whether a page of what this process has mapped was missing. For one that [saves](save_what_is_left).
pub(crate) fn was_met() -> bool {
    // Relaxed: it is stored by this thread's own handler, or noticed a turn later.
    CUT.load(Ordering::Relaxed)
}

/// Has this process, which is a drainer, read zeros where the file is cut off.
pub(crate) fn save_what_is_left() -> io::Result<()> {
    SAVES.store(true, Ordering::Relaxed);
    signals::set_handler(libc::SIGBUS, on_bus)
}

/// Has this process, which is a relay or an observer, do without the ring where the file is cut off.
pub(crate) fn do_without() -> io::Result<()> {
    signals::set_handler(libc::SIGBUS, on_bus)
}

extern "C" fn on_bus(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    if !mends(&signals::fault_of(signal, info, 0)) {
        // SAFETY: a disposition of the system's own; the instruction that failed fails again, and ends the process.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// The noted mapping that an address lies in. Async-signal-safe.
fn mapping_of(address: usize) -> Option<&'static Mapping> {
    // [mappings] Acquire.
    let mut mapping = MAPPINGS.load(Ordering::Acquire).cast_const();
    // SAFETY: null or a leaked mapping, of which nobody changes more than an atomic once it is in the list; so are all that
    // follow.
    while let Some(found) = unsafe { mapping.as_ref() } {
        if address.wrapping_sub(found.start) < found.bytes {
            return Some(found);
        }
        mapping = found.next;
    }
    None
}

/// Whether a fault was met behind the end of what we have mapped, and is no more. Async-signal-safe.
pub(super) fn mends(fault: &signals::Fault) -> bool {
    if fault.signal != libc::SIGBUS || fault.code != libc::BUS_ADRERR {
        return false;
    }
    let Some(found) = mapping_of(fault.address) else {
        return false;
    };
    CUT.store(true, Ordering::Relaxed);
    found.is_cut.store(true, Ordering::Relaxed);
    let mended = match SAVES.load(Ordering::Relaxed) || !found.is_segment {
        true => replace_page(fault.address),
        false => replace_all(found),
    };
    mended.is_ok()
}

/// Puts zeros in the place of a page.
fn replace_page(address: usize) -> io::Result<()> {
    let bytes = rustix::param::page_size();
    let start = (address & !(bytes - 1)) as *mut c_void;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    let flags = MapFlags::PRIVATE | MapFlags::FIXED;
    // SAFETY: the page is one of a mapping that is noted here, which only atomics look at: zeros are valid words. It stays
    // mapped, readable and writable.
    unsafe { mmap_anonymous(start, bytes, protection, flags) }?;
    Ok(())
}

/// Puts a segment that has ended, and by whose filter nothing passes, in the place of another; at once, so that no thread
/// sees it half made.
fn replace_all(mapping: &Mapping) -> io::Result<()> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    let bytes = mapping.bytes.next_multiple_of(rustix::param::page_size());
    // SAFETY: an anonymous mapping at an address of the kernel's choice: it overlaps nothing.
    let made = unsafe { mmap_anonymous(ptr::null_mut(), bytes, protection, MapFlags::PRIVATE) }?;
    // SAFETY: mapped above, page-aligned, readable and writable, known to no other code; the words are used only until it
    // is moved or unmapped below.
    let words = unsafe { words_of(made.cast(), bytes / WORD) };
    words[FILTER_AT].store(FILTER_OFF, Ordering::Relaxed);
    // Ahead of what was flushed: a flush finds that it is in vain.
    words[TAIL_AT].store(1, Ordering::Relaxed);
    words[PHASE_AT].store(Phase::Done as u64, Ordering::Relaxed);
    let place = mapping.start as *mut c_void;
    // SAFETY: both are whole mappings of the same length; what lies at `place` is looked at through atomics alone, for
    // which any words are valid; it stays mapped, readable and writable.
    let moved = unsafe { mremap_fixed(made, bytes, bytes, MremapFlags::MAYMOVE, place) };
    if let Err(error) = moved {
        // SAFETY: it is where it was made, and `words` is not used any more.
        let _ = unsafe { munmap(made, bytes) };
        return Err(error.into());
    }
    Ok(())
}

impl Segment {
    /// Whether this process came to a page of the segment that was missing, and [does without](do_without) the ring since.
    pub(crate) fn was_cut_off(&self) -> bool {
        let mapping = mapping_of(self.words.as_ptr() as usize);
        // Relaxed: this thread's own handler stores it, or it is noticed at the next look.
        mapping.is_some_and(|mapping| mapping.is_cut.load(Ordering::Relaxed))
    }

    /// Whether the segment's file has been cut off, so that to touch the mapping may end this process. `false` too where
    /// that cannot be told.
    pub(crate) fn is_cut_off(&self) -> bool {
        let ends = [self.words.first(), self.words.last()];
        // By the kernel, which returns an error where a load would be a signal.
        std::fs::File::open("/proc/self/mem").is_ok_and(|memory| {
            ends.into_iter().flatten().any(|word| {
                let address = ptr::from_ref(word) as u64;
                memory.read_exact_at(&mut [0; WORD], address).is_err()
            })
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_fault_elsewhere_or_of_another_kind_is_not_mended() {
        let word = Box::leak(Box::new([0_u64; 4]));
        let fault = |signal, code| signals::Fault {
            signal,
            code,
            address: word.as_ptr() as usize,
            sender: 0,
            tid: 0,
        };
        assert!(!mends(&fault(libc::SIGBUS, libc::BUS_ADRERR)));
        assert!(!mends(&fault(libc::SIGBUS, libc::BUS_ADRALN)));
        assert!(!mends(&fault(libc::SIGSEGV, 2)));
    }
}
