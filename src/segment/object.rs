//! The file of the dynamic linker that this code stands in: the program itself, or a shared library.
//!
//! A library that is opened while the program runs can be closed again, and its hook did not run before `main`.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::identity;

/// Something of ours, to be looked for.
static HERE: u8 = 0;

/// Whether our hook ran in the midst of the program, not before its `main`.
static IS_LATE: AtomicBool = AtomicBool::new(false);

/// The linker calls hooks before `main` at the very beginning of the stack, a few frames deep. `dlopen` alone takes
/// several times as much, and it may be called in another thread, whose stack is far away.
const SHALLOW: usize = 1200;

/// Runs when this file is loaded.
#[ctor::ctor(unsafe)]
fn loaded() {
    let here = 0_u8;
    if !is_the_program() {
        let start = identity::start_of_stack() as usize;
        let depth = start.wrapping_sub((&raw const here).addr());
        let is_late = start != 0 && depth > SHALLOW;
        // Relaxed: it is asked only after the file was loaded.
        IS_LATE.store(is_late, Ordering::Relaxed);
    }
}

/// The path of the library that this code stands in, if that was opened when the program's `main` had begun: started
/// again the program would not be caught by our hook, and would run its `main` a second time.
pub(super) fn opened_late() -> Option<String> {
    // Relaxed: it was stored when the file was loaded.
    let is_late = IS_LATE.load(Ordering::Relaxed);
    is_late.then(|| path().map_or_else(String::new, |path| path.to_string_lossy().into_owned()))
}

/// Keeps the library that this code stands in loaded until the process ends, also when it is closed: threads have
/// a destructor of ours, and the system has handlers. Not for signal handlers.
pub(crate) fn stay_loaded() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        if let Some(path) = path().filter(|_| !is_the_program()) {
            let flags = libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE;
            // SAFETY: a text that ends in zero. The file is loaded already: nothing of it is run. The handle is kept for
            // good.
            unsafe { libc::dlopen(path.as_ptr(), flags) };
        }
    });
}

/// As the linker knows it.
fn path() -> Option<&'static CStr> {
    // SAFETY: Dl_info is a C structure of pointers, which may be null.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: any address may be asked for; `info` is a valid place for the answer.
    let found = unsafe { libc::dladdr((&raw const HERE).cast(), &raw mut info) } != 0;
    // SAFETY: the linker's text of a file, which ends in zero and lives as long as the file is loaded: as this code.
    (found && !info.dli_fname.is_null()).then(|| unsafe { CStr::from_ptr(info.dli_fname) })
}

/// Whether this code stands in the program's own file.
fn is_the_program() -> bool {
    let mut is_there = false;
    let place = (&raw mut is_there).cast();
    // SAFETY: the function has the type that is asked for, does not unwind, and is called before this returns only.
    unsafe { libc::dl_iterate_phdr(Some(look_at_program), place) };
    is_there
}

/// Called for the program first, which is all that is looked at.
unsafe extern "C" fn look_at_program(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    is_there: *mut c_void,
) -> c_int {
    // SAFETY: the linker hands over a description that lives as long as this call.
    let info = unsafe { &*info };
    // SAFETY: so many headers stand there, as part of the file that is loaded; no code writes to them.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let here = (&raw const HERE).addr();
    let found = headers.iter().any(|header| {
        let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
        header.p_type == libc::PT_LOAD && here.wrapping_sub(start) < header.p_memsz as usize
    });
    // SAFETY: `is_the_program` hands over the address of its own variable, which no other code uses meanwhile.
    unsafe { is_there.cast::<bool>().write(found) };
    1
}
