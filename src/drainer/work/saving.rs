//! A drainer's work for a ring whose members are all dead: read everything there is, settle every account,
//! and stop at the first record that cannot be written. And for one whose shared memory was cut off under its members.

use std::cell::RefCell;
use std::time::Duration;

use super::Drainer;
use crate::level::Level;
use crate::segment::{Count, Tag};
use crate::sink::counted;
use crate::sink::file::{OpenFileError, Progress};

/// Turns without a step forward after which no more is left in a ring that was cut off.
const IDLE_TURNS: u32 = 100;

/// What a dead ring held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::drainer) struct Saved {
    /// Records that had not been delivered.
    pub(in crate::drainer) records: u64,
    /// Records that died with their producers, and had not been counted.
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

    /// Reads to the tail. No producer moves that any more, and a tail that cannot be is mended; but should one
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

    /// Reads what is left of a ring that was cut off, whose lost pages read as zeros, and says so. Members that live cannot
    /// log any more, so no process is waited for.
    pub(in crate::drainer) fn save_what_is_left(&mut self) {
        self.config.stall_timeout = Duration::ZERO;
        let end = self.reader.farthest();
        let mut idle = 0;
        while idle < IDLE_TURNS
            && !self.reader.has_read_all()
            && end.wrapping_sub(self.reader.cursor()) as i64 > 0
        {
            let before = self.reader.cursor();
            self.turn();
            idle = match self.reader.cursor() == before {
                true => idle + 1,
                false => 0,
            };
        }
        let text = format!(
            "the shared memory of the ring {} was cut off (truncate) by a process of the same user: what was in it is \
             saved as far as it was left, nothing that is logged from now on is delivered, and the log ends here; \
             start the program anew to log again",
            self.segment.name()
        );
        self.delivery.say(Level::Critical, &text);
        self.hand_over(true);
    }

    fn sums(&mut self) -> Saved {
        Saved {
            records: self.delivery.ledger.sum(Count::Delivered),
            lost: self.delivery.ledger.sum(Count::Lost),
        }
    }
}
