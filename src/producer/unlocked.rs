//! The word that a process's ring is not locked in memory, though that was wished. Once per process, before its first
//! record: a child made by fork has to lock for itself, and learns of a refusal only then.

use std::sync::atomic::{AtomicI32, Ordering};

use super::filter::is_enabled;
use super::write::write;
use crate::level::Level;
use crate::record::CallSite;
use crate::segment::{LockRefusal, Segment};

/// What `mlock` said in this process, until it is told; 0 when there is nothing to tell.
pub(super) struct Untold(AtomicI32);

impl Untold {
    pub(super) const fn nothing() -> Untold {
        Untold(AtomicI32::new(0))
    }

    /// What came of locking in this process, whatever it came to in the one that it was forked from.
    pub(super) fn note(&self, locked: Result<(), i32>) {
        // Relaxed, as below: the number is all there is.
        self.0.store(locked.err().unwrap_or(0), Ordering::Relaxed);
    }

    /// Logs it, if no thread has. The thread must be registered. Neither locks nor allocates.
    #[cold]
    pub(super) fn tell(&self, segment: &Segment) {
        static SITE: CallSite = CallSite::new("shmlog", file!(), line!(), "{}", "", true);
        let errno = self.0.swap(0, Ordering::Relaxed);
        if errno != 0 && is_enabled(Level::Warn) {
            let refusal = LockRefusal::of(segment, errno);
            write(Level::Warn, &SITE, None, &format_args!("{refusal}"));
        }
    }
}
