//! What the tests of signals share: threads that must not allocate, signals to threads, handlers.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::support::Line;

/// The kernel's number of a thread that must not allocate now; 0 when all may. Who does ends the process.
pub static NO_ALLOCATION_BY: AtomicI32 = AtomicI32::new(0);
const ALLOCATED: c_int = 99;

struct Watched;

#[global_allocator]
static ALLOCATOR: Watched = Watched;

fn watch_allocation() {
    let forbidden = NO_ALLOCATION_BY.load(Ordering::Relaxed);
    if forbidden != 0 && forbidden == own_tid() {
        // SAFETY: _exit has no precondition.
        unsafe { libc::_exit(ALLOCATED) };
    }
}

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        watch_allocation();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        watch_allocation();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(start, layout) }
    }
}

pub fn own_tid() -> i32 {
    // SAFETY: gettid has no precondition.
    unsafe { libc::gettid() }
}

pub fn own_pid() -> i32 {
    std::process::id() as i32
}

/// Sends a signal to a thread of this process; one that has ended gets none.
pub fn interrupt(tid: i32, signal: c_int) {
    // SAFETY: no memory is involved.
    unsafe { libc::syscall(libc::SYS_tgkill, own_pid(), tid, signal) };
}

pub fn handle(signal: c_int, handler: extern "C" fn(c_int)) {
    // SAFETY: sigaction is a C structure that zeros are valid for.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    // On the ordinary stack: two handlers, one within the other, need more than std's alternate one has.
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handlers of these tests only log, count, and write to a descriptor.
    let failed = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    assert_eq!(failed, 0);
}

/// Asserts how a record's message begins.
pub fn assert_begins(record: &Line, with: &str) {
    let message = &record.message;
    assert!(message.starts_with(with), "{message} - but not: {with}");
}
