//! Ways to crash, each real.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::fmt;
use std::os::fd::AsRawFd;
use std::ptr;

use crate::interrupting::own_pid;
#[cfg(not(target_arch = "x86_64"))]
use crate::interrupting::{interrupt, own_tid};

/// Writes to an address where nothing may be written.
pub fn touch(address: usize) {
    let address = std::hint::black_box(address) as *mut c_void;
    // SAFETY: none: this is the crash that is to be tested, by a function that the compiler knows nothing of.
    unsafe { libc::memset(address, 1, 1) };
}

pub fn divide_by_zero() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: raises SIGFPE before anything is written; the registers are named.
    unsafe {
        std::arch::asm!("div {zero:e}", zero = in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _)
    };
    // Elsewhere the processor gives a result.
    #[cfg(not(target_arch = "x86_64"))]
    interrupt(own_tid(), libc::SIGFPE);
}

pub fn illegal_instruction() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: raises SIGILL and does nothing else.
    unsafe {
        std::arch::asm!("ud2")
    };
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("udf #0")
    };
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    interrupt(own_tid(), libc::SIGILL);
}

/// A page of a file that has become shorter: its address.
pub fn page_without_file() -> usize {
    let path = std::env::temp_dir().join(format!("shmlog-test-bus-{}", own_pid()));
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    file.set_len(4096).unwrap();
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh mapping at the kernel's choice; only `touch` goes there.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            4096,
            protection,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    assert_ne!(start, libc::MAP_FAILED);
    file.set_len(0).unwrap();
    std::fs::remove_file(path).unwrap();
    start as usize
}

/// Deeper and deeper, with something on the stack at each step.
#[allow(unconditional_recursion)]
pub fn overflow_the_stack(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 64]);
    overflow_the_stack(depth + 1) + room[(depth % 64) as usize]
}

/// Crashes when it is formatted.
pub struct Crashing;

impl fmt::Display for Crashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half a record, ")?;
        touch(0x30);
        Ok(())
    }
}

pub extern "C" fn crash_here(_: *mut c_void) -> *mut c_void {
    touch(0x40);
    ptr::null_mut()
}

pub extern "C" fn earlier_handler(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands a valid siginfo_t to a handler with SA_SIGINFO.
    let info = unsafe { &*info };
    // SAFETY: a fault's information holds an address.
    let address = unsafe { info.si_addr() } as usize;
    let text: &[u8] = if address == 0x50 {
        b"earlier handler: the address\n"
    } else {
        b"earlier handler: another address\n"
    };
    // SAFETY: the buffer is as long as is said.
    unsafe { libc::write(1, text.as_ptr().cast(), text.len()) };
    // SAFETY: no memory is involved.
    unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
}

/// Forbids this process the pages of the ring.
pub fn wall_off(ring: &str) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut walled = 0;
    for line in maps.lines().filter(|line| line.contains(ring)) {
        let range = line.split(' ').next().unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let number = |text| usize::from_str_radix(text, 16).unwrap();
        let (start, end) = (number(start), number(end));
        // SAFETY: changes what may be done with a mapping; what was going to use it is to crash.
        let failed = unsafe { libc::mprotect(start as *mut c_void, end - start, libc::PROT_NONE) };
        assert_eq!(failed, 0);
        walled += 1;
    }
    assert!(walled > 0);
}
