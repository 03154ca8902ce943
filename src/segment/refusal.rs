//! Why threads found no entry: left by them as a word of bits, for the drainer to say in the log.

use super::{Drops, Segment, layout};
use crate::level::Level;
use crate::sync::{AtomicU64, Ordering};

/// Why a process or a thread could not be entered in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Refusal {
    /// All entries for threads are taken.
    Threads = 1,
    /// All entries for processes are taken.
    Processes = 2,
    /// The ring is about to end.
    Closing = 4,
    /// Pids mean something else where the process is.
    PidNamespace = 8,
    /// The system gave no page that a fork wipes.
    System = 16,
    /// Start times of processes mean something else where the process is.
    TimeNamespace = 32,
}

impl Segment {
    /// Counts a record of a thread that found no entry.
    pub(crate) fn count_refused(&self, why: Refusal, level: Level) {
        // Relaxed: ordered by the last one.
        self.words[layout::REFUSALS_AT].fetch_or(why as u64, Ordering::Relaxed);
        self.unregistered()[level as usize].fetch_add(1, Ordering::Relaxed);
        // [drops] Release: who sees the sum sees the rest.
        self.drops().fetch_add(1, Ordering::Release);
    }

    /// The records of threads that found no free entry, by level.
    pub(crate) fn drops_unregistered(&self) -> Drops {
        Drops::of_unregistered(self.unregistered())
    }

    pub(crate) fn unregistered(&self) -> &'static [AtomicU64] {
        &self.words[layout::DROPS_UNREGISTERED_AT..][..Level::ALL.len()]
    }

    /// Why threads have found no entry since the last call, and the way out, in words.
    pub(crate) fn take_refusals(&self) -> String {
        let bits = self.words[layout::REFUSALS_AT].swap(0, Ordering::Relaxed);
        let max = self.entries();
        let full = |of: &str| format!("all {max} of {of} are taken, raise max_producers");
        let reasons = [
            (Refusal::Threads, full("threads")),
            (Refusal::Processes, full("processes")),
            (Refusal::Closing, "the ring was about to end".to_owned()),
            (
                Refusal::PidNamespace,
                "their process is in another pid namespace than the ring".to_owned(),
            ),
            (
                Refusal::TimeNamespace,
                "their process is in another time namespace than the ring".to_owned(),
            ),
            (Refusal::System, "the system gave them no memory".to_owned()),
        ];
        let given = reasons
            .into_iter()
            .filter(|(why, _)| bits & *why as u64 != 0);
        let given: Vec<String> = given.map(|(_, text)| text).collect();
        match given.is_empty() {
            true => "why is not known".to_owned(),
            false => given.join("; "),
        }
    }
}
