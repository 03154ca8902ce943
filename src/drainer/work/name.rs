//! The ring's name: it is put back when it was taken away, or the log says that no new process can attach.

use super::Drainer;
use crate::drainer::words::Word;
use crate::level::Level;

impl Drainer {
    /// Looks whether others still find the ring.
    pub(super) fn look_at_name(&mut self) {
        self.segment.put_book_name_back();
        if self.is_nameless || self.segment.has_name() {
            return;
        }
        let ring = self.segment.name();
        let lost = format!(
            "the ring {ring} lost its name while its program lives: it was removed from /dev/shm (rm, or logind with \
             RemoveIPC=yes)"
        );
        if self.segment.put_name_back().is_ok() {
            self.delivery
                .say(Level::Warn, &format!("{lost}; it has it again"));
            return;
        }
        self.is_nameless = true;
        let text = format!(
            "{lost}; all who have attached, and their forks, log on, but programs that are started from now on cannot \
             attach. Start the program again; `shmlog doctor` says how to keep the names"
        );
        self.delivery.say(Level::Error, &text);
        // So that the next drainer does not say it again.
        self.parent.say(&Word::Nameless);
    }
}
