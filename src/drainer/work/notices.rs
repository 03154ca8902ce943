//! Saying what was dropped, at the place where it would have stood.

use super::Drainer;
use crate::level::Level;
use crate::segment::{Count, Tag};
use crate::sink::counted;
use crate::sync::Ordering;

/// No honest producer drops more between two looks.
const MOST: u64 = 1 << 40;

/// Drops to be told of.
pub(super) struct Notice {
    /// The sequence before which they happened.
    at: u64,
    /// Whose they are: a registry entry, or of threads that have none.
    producer: Option<usize>,
    count: u64,
    text: String,
}

impl Drainer {
    /// Looks who has dropped records since the last time, and where.
    pub(super) fn collect_drops(&mut self) {
        // [drops] Acquire: pairs with count_drop in producer/write.rs.
        let drops = self.segment.drops().load(Ordering::Acquire);
        if drops != self.drops_seen {
            self.drops_seen = drops;
            self.look_for_drops();
        }
    }

    /// The same whatever the sum of all says: a process can be killed, or stopped, between its own count and the sum.
    pub(super) fn look_for_drops(&mut self) {
        let tail = self.reader.tail();
        for index in 0..self.segment.entries() {
            if self.segment.producer(index).state().load().tag() != Tag::Free {
                self.collect_drops_of(index, tail);
            }
        }
        self.collect_drops_of_unregistered(tail);
    }

    /// The same of threads whose end has just been noticed: what they dropped is told at its place if the log has not
    /// passed that.
    pub(super) fn look_for_drops_of_departed(&mut self) {
        for index in self.members.take_departures() {
            self.look_for_drops_of(index);
        }
    }

    /// The same of one producer.
    pub(super) fn look_for_drops_of(&mut self, index: usize) {
        let tail = self.reader.tail();
        self.collect_drops_of(index, tail);
    }

    fn collect_drops_of(&mut self, index: usize, tail: u64) {
        let producer = self.segment.producer(index);
        let reported = self.delivery.ledger.reported(index);
        let told = reported.wrapping_add(self.about_to_tell(Some(index)));
        let count = producer.drops().total().wrapping_sub(told);
        if count > MOST {
            // A damaged counter: from here on it counts.
            self.damaged_words += 1;
            let account = self.delivery.ledger.account(index);
            account.reported = account.reported.wrapping_add(count);
        } else if count > 0 {
            let at = producer.dropped_at().load(Ordering::Relaxed).min(tail);
            let who = self.delivery.who(index, &mut self.members);
            let text = format!(
                "{} of {who} dropped: the ring was full",
                counted(count, "record", "records")
            );
            self.notices.push(Notice {
                at,
                producer: Some(index),
                count,
                text,
            });
        }
    }

    fn collect_drops_of_unregistered(&mut self, tail: u64) {
        let dropped = self.segment.drops_unregistered().total();
        let reported = self.delivery.ledger.sum(Count::ReportedUnregistered);
        let told = reported.wrapping_add(self.about_to_tell(None));
        let count = dropped.wrapping_sub(told);
        if count > MOST {
            self.damaged_words += 1;
            self.delivery.ledger.add(Count::ReportedUnregistered, count);
        } else if count > 0 {
            let why = self.segment.take_refusals();
            let text = format!(
                "{} dropped of threads that found no entry: {why}",
                counted(count, "record", "records")
            );
            self.notices.push(Notice {
                at: tail,
                producer: None,
                count,
                text,
            });
        }
    }

    /// The drops that notices which were not given yet speak of.
    fn about_to_tell(&self, producer: Option<usize>) -> u64 {
        let of_it = self
            .notices
            .iter()
            .filter(|notice| notice.producer == producer);
        of_it.fold(0, |sum, notice| sum.wrapping_add(notice.count))
    }

    /// Says what happened before `sequence`.
    pub(super) fn give_notices(&mut self, sequence: u64) {
        self.give_notices_if(|notice| sequence.wrapping_sub(notice.at) as i64 >= 0);
    }

    /// Says all that is left to say.
    pub(super) fn give_all_notices(&mut self) {
        self.give_notices_if(|_| true);
    }

    /// Says what is left to say of a producer.
    pub(super) fn give_last_notices(&mut self, producer: usize) {
        self.give_notices_if(|notice| notice.producer == Some(producer));
    }

    fn give_notices_if(&mut self, is_due: impl Fn(&Notice) -> bool) {
        if self.notices.is_empty() {
            return;
        }
        for notice in self.notices.extract_if(.., |notice| is_due(notice)) {
            self.delivery.say(Level::Warn, &notice.text);
            match notice.producer {
                Some(index) => {
                    let account = self.delivery.ledger.account(index);
                    account.reported = account.reported.wrapping_add(notice.count);
                }
                None => self
                    .delivery
                    .ledger
                    .add(Count::ReportedUnregistered, notice.count),
            }
        }
    }
}
