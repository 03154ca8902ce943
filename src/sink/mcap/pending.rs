//! The messages that no file has yet: the present batch, and what waits for a file that can be written.

use std::collections::VecDeque;

use super::chunk::{Messages, Slice};
use crate::sink::Owed;
use crate::sink::file::backlog::Meaning;
use crate::sink::missing::Tally;

/// Memory that is kept for the next batches.
const KEPT_BYTES: usize = 4 << 20;

/// Messages in writing order, and what they mean for who counts records.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) messages: Messages,
    meanings: VecDeque<Meaning>,
    /// Records among them.
    waiting: Tally,
    /// Records that gaps among them speak of.
    untold: Tally,
}

impl Pending {
    pub(super) fn bytes(&self) -> usize {
        self.messages.bytes.len()
    }

    pub(super) fn count(&self) -> usize {
        self.meanings.len()
    }

    /// Counts the message of this time that was appended at `start`.
    pub(super) fn close(&mut self, start: usize, time: u64, meaning: Meaning) {
        match &meaning {
            Meaning::Record(pid) => self.waiting.add(*pid, 1),
            Meaning::Own => {}
            Meaning::Gap(tally) => self.untold.add_all(tally),
        }
        self.messages.close(start, time);
        self.meanings.push_back(meaning);
    }

    /// From this position on as many as have so many bytes together, but one at least.
    pub(super) fn some(&self, from: usize, bytes: usize) -> Slice<'_> {
        let entries = &self.messages.entries;
        let most = entries[from].offset + bytes as u64;
        // The first that ends behind that is the one before the first that begins behind it.
        let behind = entries.partition_point(|entry| entry.offset <= most);
        let all_fit = self.bytes() as u64 <= most;
        let end = if all_fit { entries.len() } else { behind - 1 };
        self.messages.some(from..end.max(from + 1))
    }

    /// The first so many are in a file now.
    pub(super) fn drop_written(&mut self, count: usize) {
        if count == self.count() {
            // The usual case.
            self.meanings.clear();
            self.waiting.clear();
            self.untold.clear();
            self.messages.clear();
            if self.messages.bytes.capacity() > 2 * KEPT_BYTES {
                *self = Pending::default();
            }
            return;
        }
        for meaning in self.meanings.drain(..count) {
            match meaning {
                Meaning::Record(pid) => self.waiting.remove(pid, 1),
                Meaning::Own => {}
                Meaning::Gap(tally) => self.untold.remove_all(&tally),
            }
        }
        self.messages.drop_first(count);
    }

    /// Records that wait.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.total()
    }

    /// Records that wait, or are told of by what waits.
    pub(super) fn owed(&self) -> Owed {
        let mut both = Tally::default();
        both.add_all(&self.waiting);
        both.add_all(&self.untold);
        Owed {
            waiting: self.waiting.total(),
            untold: self.untold.total(),
            whose: both.whose().to_vec(),
        }
    }
}
