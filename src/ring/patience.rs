//! How long a record that has begun looks for room for its next run, awake: a number of looks at the head, and never
//! more, however the drainer moves.
//!
//! Only the head can make room, so a run is tried again when the head has moved since the run was refused. Each run
//! that got in earns the record some looks more: what a record may wait grows with what it has copied, and so a call
//! takes at most a multiple of its copy, and no longer than a few hundred looks when it is short.

use std::cell::Cell;

use super::Ring;
use crate::failpoint;

/// Looks that a record begins with: some tens of microseconds, about 100 on a processor whose hint is slow.
pub(crate) const LOOKS: u32 = if cfg!(loom) { 2 } else { 256 };

/// Looks that each run in the ring adds. A run of 2 KB is copied in a microsecond or two; a drainer that writes a
/// hundred megabytes in a second has taken one out in a few tens of looks.
pub(crate) const LOOKS_PER_RUN: u32 = if cfg!(loom) { 1 } else { 64 };

/// Hints to the processor before each look.
const HINTS: usize = if cfg!(loom) { 0 } else { 8 };

/// The looks that a record has left.
#[derive(Debug)]
pub(crate) struct Patience {
    looks: u32,
    /// What a run in the ring adds.
    per_run: u32,
}

impl Patience {
    /// Of a record that begins.
    pub(crate) const fn new() -> Patience {
        Patience {
            looks: LOOKS,
            per_run: LOOKS_PER_RUN,
        }
    }

    /// Of a record that may not look at all: its thread has one processor, and if the drainer has the same, each look
    /// keeps the drainer from making the room that is looked for.
    pub(crate) const fn none() -> Patience {
        Patience {
            looks: 0,
            per_run: 0,
        }
    }

    /// A run of the record is in the ring.
    #[inline]
    pub(crate) fn earn(&mut self) {
        self.looks = self.looks.saturating_add(self.per_run);
    }

    /// Looks until the head is another than the cached one, which refused the run, and keeps the new one there.
    /// `false` when the looks are used up.
    pub(crate) fn await_head(&mut self, ring: &Ring<'_>, cached_head: &Cell<u64>) -> bool {
        while self.looks > 0 {
            self.looks -= 1;
            failpoint::hit("wait.look");
            for _ in 0..HINTS {
                std::hint::spin_loop();
            }
            let head = ring.head();
            if head != cached_head.replace(head) {
                return true;
            }
        }
        false
    }
}
