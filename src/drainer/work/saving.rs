//! A drainer's work for a ring whose members are all dead: read everything there is, settle every account,
//! and stop at the first record that cannot be written.

use std::cell::RefCell;
use std::time::Duration;

use super::Drainer;
use crate::level::Level;
use crate::segment::{Count, Tag};
use crate::sink::file::{OpenFileError, Progress};
use crate::sync::Ordering;

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
        self.members.renew();
        let before = self.sums();
        self.read_everything();
        self.sweep();
        for index in 0..self.segment.entries() {
            if !self.stuck && self.segment.producer(index).state().load().tag() != Tag::Free {
                self.harvest(index);
            }
        }
        self.collect_drops();
        self.give_notices(self.segment.tail().load(Ordering::Acquire));
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
                 {records} records, and {lost} lost"
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

    /// Reads to the tail. Nobody moves that any more; but whoever scribbled over it may have set it anywhere,
    /// and two laps are more than a ring holds: one, and what its last drainer had released before it died.
    fn read_everything(&mut self) {
        let (head, tail) = (self.segment.head(), self.segment.tail());
        let laps = self.segment.geometry().slots.wrapping_mul(2);
        let end = head.load(Ordering::Relaxed).wrapping_add(laps);
        while !self.stuck && !self.has_read_all() {
            self.turn();
            if end.wrapping_sub(self.reader.cursor()) as i64 <= 0 {
                let beyond = tail.load(Ordering::Relaxed).wrapping_sub(end);
                let text =
                    format!("the ring is damaged: its tail is {beyond} slots beyond its end");
                self.delivery.say(Level::Error, &text);
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
