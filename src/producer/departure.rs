//! A thread's end: gives its entry back.
//!
//! By a key of pthreads, not by a destructor of std: std allocates to note that there is something to
//! destroy, and a thread may log its first record in a signal handler that interrupted the allocator.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::sync::OnceLock;

use crate::segment::object;

/// glibc keeps the values of so many keys in the thread itself; for those of later keys it allocates.
const KEYS_WITHOUT_ALLOCATION: u64 = if cfg!(target_os = "linux") {
    32
} else {
    u64::MAX
};

/// The key; `None` when there is none to use.
static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();

/// To be called before any thread registers.
pub(super) fn prepare() {
    KEY.get_or_init(|| {
        // A library that was opened may be closed while threads that have logged live on.
        object::stay_loaded();
        let mut key = 0;
        // SAFETY: `key` is valid for a write; `depart` has the type that is asked for, stays loaded as long as the
        // process lives, and neither unwinds nor touches the value that it is called with.
        let failed = unsafe { libc::pthread_key_create(&raw mut key, Some(depart)) };
        #[allow(clippy::unnecessary_cast)]
        (failed == 0 && (key as u64) < KEYS_WITHOUT_ALLOCATION).then_some(key)
    });
}

/// Has [`super::thread::leave`] called at the end of this thread. Where that cannot be, the drainer finds the
/// thread gone by itself, somewhat later.
pub(super) fn expect() {
    if let Some(Some(key)) = KEY.get() {
        // SAFETY: the key was made by pthread_key_create and is never deleted. The value only has to be
        // other than null; it is never looked at.
        unsafe { libc::pthread_setspecific(*key, (&raw const KEY).cast()) };
    }
}

extern "C" fn depart(_: *mut c_void) {
    super::thread::leave();
}
