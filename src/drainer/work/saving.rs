//! A drainer's work for a ring whose members are all dead: read everything there is, settle every account,
//! and stop at the first record that cannot be written.

use std::cell::RefCell;
use std::time::Duration;

use super::Drainer;
use crate::level::Level;
use crate::segment::{Count, Tag};
use crate::sink::counted;
use crate::sink::file::{OpenFileError, Progress};

/// What a dead ring held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::drainer) struct Saved {
    /// Records that had not been delivered.
    pub(in crate::drainer) records: u64,
    /// Records that died with whoever was writing them, and had not been counted.
    pub(in crate::drainer) lost: u64,
}

impl Drainer {
    /// Delivers what the ring holds to the only sink, which reports to `progress`, and leaves the ring empty.
    ///
    /// # Errors
    /// When the file cannot be made or written: then all that is not in it is still in the ring.
    pub(in crate::drainer) fn save_all(
        mut self,
        progress: &RefCell<Progress>,
    ) -> Result<Saved, OpenFileError> {
        self.careful = true;
        // Its last drainer may have died between its checkpoint and what follows it.
        self.publish();
        self.members.renew(&mut || self.reader.tail());
        let before = self.sums();
        self.read_everything();
        self.sweep();
        for index in 0..self.segment.entries() {
            if !self.stuck && self.segment.producer(index).state().load().tag() != Tag::Free {
                self.harvest(index);
            }
            if self.delivery.wants_commit() {
                self.hand_over(true);
            }
        }
        self.collect_drops();
        self.give_all_notices();
        self.report_damage();
        self.hand_over(true);
        let after = self.sums();
        let saved = Saved {
            records: after.records.wrapping_sub(before.records),
            lost: after.lost.wrapping_sub(before.lost),
        };
        if progress.borrow().wrote {
            let ring = self.segment.name();
            let Saved { records, lost } = saved;
            let text = format!(
                "end of what was recovered from the ring {ring}, whose processes had all been killed: \
                 {}, and {lost} lost",
                counted(records, "record", "records")
            );
            self.delivery.say(Level::Info, &text);
            self.hand_over(true);
        }
        let trouble = progress.borrow_mut().trouble.take();
        match trouble {
            Some(trouble) => Err(trouble),
            None => {
                self.delivery.finish(Duration::ZERO);
                Ok(saved)
            }
        }
    }

    /// Reads to the tail. Nobody moves that any more, and a tail that cannot be is mended; but should somebody
    /// who is no member write it all the time, there is an end all the same.
    fn read_everything(&mut self) {
        let end = self.reader.farthest();
        while !self.stuck && !self.reader.has_read_all() {
            self.turn();
            if end.wrapping_sub(self.reader.cursor()) as i64 <= 0 {
                return;
            }
        }
    }

    fn sums(&mut self) -> Saved {
        Saved {
            records: self.delivery.ledger.sum(Count::Delivered),
            lost: self.delivery.ledger.sum(Count::Lost),
        }
    }
}
