//! Fetching, for writing, what this thread is about to write: the tail, and the slots that it will likely claim next.
//!
//! The tail was last another producer's if there are several. A claim looks at it before it moves it, and each of the
//! two would have to wait for it: once for the sight of it, once for the right to change it.
//!
//! A slot that the drainer has released lies, changed, in its core's cache: to bring it over takes longer than the
//! whole rest of a log call, and the claim must wait for it, since it looks at the slot's state. So each publish asks for
//! slots some way ahead; by the time they are claimed they have come.

use super::{Ring, Slots};

/// How many slots ahead. In a burst a claim comes every 20 ns or so, and a line takes some 100.
const AHEAD: u64 = 8;
/// Words in a cache line, as the machines we know have them; where lines are longer one is asked for twice.
const LINE_WORDS: usize = 8;
/// The lines of a slot that are asked for. Most records are short, and the processor itself fetches what lies behind
/// lines that are written one after the other.
const LINES: usize = 2;

impl Ring<'_> {
    /// Asks for the tail, some time before a claim.
    #[inline(always)]
    pub(crate) fn fetch_tail(&self) {
        fetch_for_writing(std::slice::from_ref(self.tail));
    }
}

impl Slots<'_> {
    /// Asks for as many slots as were just taken by the run at `sequence`.
    #[inline(always)]
    pub(super) fn fetch_ahead(&self, sequence: u64, slots: u64) {
        self.fetch(sequence.wrapping_add(AHEAD));
        for i in 1..slots {
            self.fetch(sequence.wrapping_add(AHEAD + i));
        }
    }

    #[inline(always)]
    fn fetch(&self, n: u64) {
        for line in self.slot(n).chunks(LINE_WORDS).take(LINES) {
            fetch_for_writing(line);
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(loom)))]
#[inline]
#[allow(unsafe_code)]
fn fetch_for_writing(line: &[crate::sync::AtomicU64]) {
    // The intrinsic with this hint becomes a fetch for reading unless the target is known to have better.
    // SAFETY: the instruction changes no register and no memory and cannot fault, whatever the address; a processor
    // that does not know it does nothing.
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) line.as_ptr(), options(nostack, preserves_flags, readonly));
    }
}

#[cfg(all(target_arch = "aarch64", not(loom)))]
#[inline]
#[allow(unsafe_code)]
fn fetch_for_writing(line: &[crate::sync::AtomicU64]) {
    // SAFETY: a hint: it changes no register and no memory and cannot fault, whatever the address.
    unsafe {
        core::arch::asm!("prfm pstl1keep, [{}]", in(reg) line.as_ptr(), options(nostack, preserves_flags, readonly));
    }
}

#[cfg(any(loom, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn fetch_for_writing(_line: &[crate::sync::AtomicU64]) {}
