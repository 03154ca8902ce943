//! Mapped memory as words. A mapping is never taken back: threads keep references to it in places that
//! no code can walk, so it lives as long as the process.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;

use memmap2::MmapOptions;

use crate::sync::AtomicU64;
use crate::words::WORD;

/// The words of memory that stays mapped.
///
/// # Safety
/// - `start` is not null and aligned to 8 bytes.
/// - The `words * 8` bytes from `start` on are mapped readable, and stay so until the process ends; writable too, or else
///   no code stores through what is returned.
/// - No code of this process makes any other reference to those bytes.
pub(super) unsafe fn words_of(start: *mut u8, words: usize) -> &'static [AtomicU64] {
    debug_assert!(!start.is_null() && (start as usize).is_multiple_of(WORD));
    // SAFETY: AtomicU64 has the size of u64, 8, which is also its alignment here; all bit patterns are valid;
    // the bytes are readable and mapped for 'static, and are only seen through these atomics, as the caller promises, which
    // may be stored to if they are writable. If they are not, they are only loaded, by relaxed loads of eight bytes
    // (`sync::load_acquire`), of which std promises on the 64-bit processors we know that they only read. Other processes
    // write them too: atomics allow that.
    unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>(), words) }
}

/// The first `bytes` bytes of a file that is at least as long.
pub(super) fn file(file: &File, bytes: usize) -> io::Result<&'static [AtomicU64]> {
    let map = ManuallyDrop::new(MmapOptions::new().len(bytes).map_raw(file)?);
    // SAFETY: a mapping begins at a page, so it is aligned; it is `bytes` long, shared, readable and writable, and never
    // unmapped, since its owner is forgotten here. Nothing else in this process refers to it.
    let words = unsafe { words_of(map.as_mut_ptr(), bytes / WORD) };
    super::truncation::note(words, false);
    Ok(words)
}

/// A page that reads as zeros in every child made by fork, however it is made.
pub(super) fn wiped_on_fork() -> io::Result<&'static [AtomicU64]> {
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};
    let bytes = rustix::param::page_size();
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: an anonymous mapping at an address of the kernel's choice: it overlaps nothing.
    let start =
        unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, protection, MapFlags::PRIVATE) }?;
    // SAFETY: advises exactly the page mapped above, which no other code knows yet; wiping it in a child
    // leaves zeros, valid words.
    unsafe { madvise(start, bytes, Advice::LinuxWipeOnFork) }?;
    // SAFETY: `start` is page-aligned, `bytes` long, readable and writable, never unmapped, and known
    // only to the slice made here.
    Ok(unsafe { words_of(start.cast(), bytes / WORD) })
}

/// The first words of a file that is this user's alone, mapped for good.
pub(crate) fn words_of_file(file: &File, words: usize) -> io::Result<&'static [AtomicU64]> {
    let map = ManuallyDrop::new(MmapOptions::new().len(words * WORD).map_raw(file)?);
    // SAFETY: a mapping begins at a page, so it is aligned; it is as long as was asked for, shared, read-write, and never
    // unmapped, since its owner is forgotten here. The file was found to be that long, and keeps its length: a process that may
    // change it (the same user) could as well kill this process. Nothing else in this process refers to the mapping.
    Ok(unsafe { words_of(map.as_mut_ptr(), words) })
}

/// Takes the right to write from a mapping, for good. From now on no code may store through `words`.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
pub(super) fn seal(words: &'static [AtomicU64]) {
    use rustix::mm::{MprotectFlags, mprotect};
    let start = words.as_ptr().cast_mut().cast();
    // SAFETY: the range is that of a live slice, whose beginning is page-aligned, as all slices that words_of hands out for
    // segments are; it stays mapped and readable, which is all that is done with it from now on, as the caller promises.
    let _ = unsafe { mprotect(start, words.len() * WORD, MprotectFlags::READ) };
}

/// Brings all pages of `words` into this process's page table, writable, so that no later access faults.
/// Where the kernel is older than 5.14 they come one by one, at first touch.
pub(super) fn populate(words: &'static [AtomicU64]) {
    use rustix::mm::{Advice, madvise};
    let start = words.as_ptr().cast_mut().cast();
    // SAFETY: populating changes no content and unmaps nothing; the range is that of a live slice, whose
    // beginning is page-aligned, as all slices that words_of hands out for segments are.
    let _ = unsafe { madvise(start, words.len() * WORD, Advice::LinuxPopulateWrite) };
}
