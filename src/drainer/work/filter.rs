//! The filter in the segment: says when it was changed, and mends it when a member has written over it.

use super::Drainer;
use crate::level::Level;

impl Drainer {
    /// Looks at it again.
    pub(super) fn look_at_filter(&mut self) {
        let filter = self.segment.filter();
        let text = filter.text();
        if !filter.is_whole() {
            self.mend_filter();
        } else if text != self.filter {
            let before = std::mem::replace(&mut self.filter, text);
            let words = format!("the filter is {} now, it was {before}", self.filter);
            self.delivery.say(Level::Info, &words);
        }
    }

    /// Sets the one that was there last; if we do not know that (it was damaged before we began), the ring's first one.
    pub(super) fn mend_filter(&mut self) {
        if self.filter.is_empty() {
            self.filter.clone_from(&self.config.filter);
        }
        if !self.filter.is_empty() && self.segment.filter().set(&self.filter).is_ok() {
            self.damaged_words += 1;
        }
    }
}
