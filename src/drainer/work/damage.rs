//! Damage to the shared memory: put right where that can be done, and told of in a line a second at most.

use super::Drainer;
use super::holes::Look;
use crate::level::Level;
use crate::segment::truncation;

impl Drainer {
    /// Passes what was never claimed, though a damaged tail said so.
    pub(super) fn pass_damage(&mut self) -> Look {
        self.hole = None;
        let members = &self.members;
        match self
            .reader
            .pass_damage(&|producer| members.is_alive(producer))
        {
            Some(run) => Look::Late(run),
            None => Look::Again,
        }
    }

    /// Writes the shared words again that only we, or the ring's maker, write, if they say something else.
    pub(super) fn mend_words(&mut self) {
        self.reader.mend_head();
        self.damaged_words += self.segment.mend_header();
        // At once: until then the level in its word mutes all records below it.
        if !self.segment.filter().is_whole() {
            self.mend_filter();
        }
        if self.segment.phase() != self.phase {
            self.segment.set_phase(self.phase);
            self.damaged_words += 1;
        }
    }

    /// Says what was found damaged since the last time.
    pub(super) fn report_damage(&mut self) {
        if truncation::was_met() {
            // What is not there any more reads as zeros: that is told of by itself.
            return;
        }
        let ring = self.reader.take_damage();
        let entries = self.members.take_damage();
        let words = std::mem::take(&mut self.damaged_words);
        let hidden = self.delivery.take_hidden();
        let found = [
            (ring.states, "state words of slots"),
            (ring.tail, "times the tail"),
            (ring.head, "times the head"),
            (entries, "registry entries"),
            (words, "other words"),
            (hidden, "more damaged records, not shown"),
        ];
        let found = found.into_iter().filter(|(count, _)| *count > 0);
        let found: Vec<_> = found
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !found.is_empty() {
            let found = found.join(", ");
            let text = format!(
                "the ring is damaged: {found}; mended as far as can be, but records may be missing. \
                 A member writes where it must not"
            );
            self.delivery.say(Level::Error, &text);
        }
    }
}
