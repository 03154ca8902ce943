//! The drainer's loop.
//!
//! ```text
//!   until it may end:
//!     take a batch         runs at the cursor, up to a hole, the tail or a limit
//!     hand it over         one write per sink
//!     make a checkpoint    from here on the batch is delivered, whichever process dies
//!     release its slots    and only now: who dies before the checkpoint finds the batch again
//!     keep up              who came, who died, entries given back, parked slots looked at
//!     caught up?           pause: see `pause.rs`
//! ```

mod damage;
mod ending;
mod filter;
#[cfg(fuzzing)]
pub(crate) mod fuzz;
mod holes;
mod name;
mod notices;
mod numbers;
mod pause;
mod saving;
#[cfg(any(test, fuzzing))]
pub(super) mod stage;
#[cfg(test)]
mod tests;

pub(super) use ending::HEIR_AGE_S;
use std::time::{Duration, Instant};

use super::config::DrainerConfig;
use super::delivery::Delivery;
use super::ledger::Place;
use super::members::Members;
use super::parent::Parent;
use crate::failpoint;
use crate::level::Level;
use crate::ring::{Delivered, Floors, Next, Reader, Ring, Run, Trail};
use crate::segment::{Count, DropReason, Phase, Segment, truncation};
use crate::sync::Ordering;
use ending::Awaited;
use holes::Look;
use pause::Pause;

/// Runs in a batch at most: bounds how long slots stay unreleased and how exact the place of a notice is.
const BATCH: usize = 1024;
/// How often the registry is looked at.
const KEEP_UP_EVERY: Duration = Duration::from_millis(5);
/// The same while nothing is logged: two words of every entry are read from memory for it.
const KEEP_UP_IDLY_EVERY: Duration = Duration::from_millis(100);
/// How often the clocks are compared and threads are asked whether they still exist.
const LOOK_AROUND_EVERY: Duration = Duration::from_secs(1);

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It stopped early: more may be there, to be taken at once.
    Full,
    /// It took all there was.
    CaughtUp,
    /// There was nothing.
    Nothing,
}

pub(super) struct Drainer {
    segment: &'static Segment,
    reader: Reader<'static>,
    members: Members,
    delivery: Delivery,
    config: DrainerConfig,
    /// The payload of the run at hand.
    bytes: Vec<u8>,
    /// The hole at the cursor, and since when.
    hole: Option<(u64, Instant)>,
    /// The sequence parked last: the slots behind it are likely the same owner's.
    parked_last: Option<u64>,
    /// The sum of all drops when we last looked whose they are.
    drops_seen: u64,
    notices: Vec<notices::Notice>,
    told: numbers::Told,
    kept_up: Instant,
    looked_around: Instant,
    looked_for_heirs: Instant,
    heirs: Vec<Awaited>,
    /// Who may ask for the end, and is told what becomes of the ring.
    parent: Parent,
    /// It has ended, or begun another program.
    has_lost_parent: bool,
    /// The tail when the parent asked to stop.
    stop_at: Option<u64>,
    /// Below it every sink is done; the shared word says the same to the others.
    flushed: u64,
    /// The log says that the ring has lost its name.
    is_nameless: bool,
    /// Nothing is released that is not in the file: see `saving.rs`.
    careful: bool,
    /// The file took no more, and what was read must stay in the ring.
    stuck: bool,
    /// How far the ring has come; the shared word says the same to the others.
    phase: Phase,
    /// Damaged words that were found and not reported yet, but for those that the reader and the registry know.
    damaged_words: u64,
    /// As it was last; empty if that is not known.
    filter: String,
}

impl Drainer {
    pub(super) fn new(
        segment: &'static Segment,
        config: DrainerConfig,
        delivery: Delivery,
        place: Option<Place>,
    ) -> Drainer {
        let (floors, stride) = segment.floors();
        let now = Instant::now();
        Drainer {
            reader: Reader::resume(
                Ring::from(segment),
                Floors::new(floors, stride),
                Trail::from(segment),
                place.map(|place| Delivered {
                    cursor: place.cursor,
                    late: place.late,
                }),
            ),
            members: Members::new(segment, config.parent),
            segment,
            delivery,
            config,
            bytes: Vec::new(),
            hole: None,
            parked_last: None,
            drops_seen: 0,
            notices: Vec::new(),
            told: numbers::Told::nothing(now),
            kept_up: now,
            looked_around: now,
            looked_for_heirs: now,
            heirs: Vec::new(),
            parent: Parent::default(),
            has_lost_parent: false,
            stop_at: None,
            flushed: 0,
            is_nameless: false,
            careful: false,
            stuck: false,
            phase: Phase::Running,
            damaged_words: 0,
            filter: segment.filter().text(),
        }
    }

    /// Tells this parent what becomes of the ring, and ends it when it asks for that.
    pub(super) fn told_by(self, parent: Parent, is_nameless: bool) -> Drainer {
        Drainer {
            parent,
            is_nameless,
            ..self
        }
    }

    /// Works until no process can log any more, then ends the ring.
    pub(super) fn run(mut self) {
        // A predecessor may have died between its checkpoint and what follows it.
        self.segment.set_phase(self.phase);
        self.publish();
        self.delivery.show_outlets(true);
        self.members.renew(&mut || self.reader.tail());
        let mut pause = Pause::new(self.segment.geometry().slots);
        loop {
            let drops = self.drops_seen;
            let turn = self.turn();
            if truncation::was_met() {
                self.save_what_is_left();
                break;
            }
            if turn == Turn::Nothing {
                self.parent.listen();
            }
            self.keep_up(pause.is_idle() && !self.parent.is_stopping());
            let cursor = self.reader.cursor();
            let is_hole = self.hole.is_some_and(|(hole, _)| hole == cursor);
            match turn {
                Turn::Full => {}
                Turn::CaughtUp => pause.once(true),
                Turn::Nothing if self.may_end() => break,
                Turn::Nothing => {
                    // Others fill the ring behind a hole, and who is dropped wants room, or an entry.
                    if is_hole || drops != self.drops_seen {
                        pause.stay_awake();
                    }
                    pause.once(false);
                }
            }
        }
        self.end();
    }

    /// Takes a batch and hands it over.
    fn turn(&mut self) -> Turn {
        self.collect_drops();
        let (taken, more) = self.take_batch();
        if more {
            let tail = self.reader.tail();
            self.note_high_water(tail);
        }
        match self.hand_over(taken > 0) || taken > 0 {
            true if more => Turn::Full,
            true => Turn::CaughtUp,
            false => Turn::Nothing,
        }
    }

    /// Takes runs up to a limit or to what is no run. Returns how many, and whether more may be there.
    fn take_batch(&mut self) -> (usize, bool) {
        let mut taken = 0;
        while taken < BATCH && !self.stuck {
            // The end, most likely. To ask the tail would let the next claim wait for it.
            if taken > 0 && self.reader.may_end_here() {
                return (taken, false);
            }
            match self.reader.next() {
                // First what its producer wrote before it, and may have been passed by: the parts of a long
                // record must come in order.
                Next::Run(run) if self.reader.has_late_before(run.sequence) => {
                    self.reader.put_back(&run);
                    self.sweep();
                }
                Next::Run(run) => {
                    self.give_notices(run.sequence);
                    self.take(&run, false);
                    taken += 1;
                    if self.delivery.wants_commit() {
                        return (taken, true);
                    }
                }
                Next::Empty => {
                    self.give_notices(self.reader.cursor());
                    return (taken, false);
                }
                Next::Unreleased => return (taken, true),
                Next::Walked => self.delivery.ledger.add(Count::Orphaned, 1),
                // First hand over what there is: the hole may fill meanwhile.
                Next::Hole(_) if taken > 0 => return (taken, true),
                Next::Hole(h) => match self.look_into(h) {
                    Look::Again => {}
                    Look::Wait => return (taken, false),
                    Look::Late(run) => {
                        self.take(&run, true);
                        return (taken + 1, true);
                    }
                },
            }
        }
        (taken, !self.stuck)
    }

    fn take(&mut self, run: &Run, late: bool) {
        self.hole = None;
        self.bytes.clear();
        self.reader.copy(run, &mut self.bytes);
        let bytes = run.bytes.map(|_| &self.bytes[..]);
        self.delivery
            .take(run.sequence, run.tag, bytes, late, &mut self.members);
    }

    /// Writes what was taken, makes a checkpoint of it, then releases its slots. `true` when slots were
    /// released.
    fn hand_over(&mut self, write: bool) -> bool {
        failpoint::hit("drainer.read");
        let before = self.reader.head();
        if write || self.careful || self.reader.cursor() != before {
            self.note_high_water(self.reader.cursor());
            self.delivery.commit();
            failpoint::hit("drainer.written");
            self.stuck = self.careful && !self.delivery.is_settled();
            if self.stuck {
                return false;
            }
            self.delivery.make_checkpoint(self.reader.delivered());
            failpoint::hit("drainer.checkpointed");
            self.publish();
        }
        let head = self.reader.release();
        failpoint::hit("drainer.released");
        if self.delivery.is_settled() {
            self.flushed = head;
            self.segment.set_flushed(head);
        }
        if head != before {
            self.parent.note_delivery();
        }
        head != before
    }

    /// Shows the numbers, and gives back the registry entries whose accounts are settled, now that a checkpoint
    /// says so.
    fn publish(&mut self) {
        // Before what was passed counts as flushed: who has waited for that finds it here.
        let parked = self.reader.parked() as u64;
        self.segment
            .count(Count::Parked)
            .store(parked, Ordering::Relaxed);
        let members = &mut self.members;
        self.delivery
            .ledger
            .publish(|index| members.clear_producer(index));
    }

    /// Looks at the registry and the parked slots, now and then.
    fn keep_up(&mut self, is_idle: bool) {
        let now = Instant::now();
        let every = if is_idle {
            KEEP_UP_IDLY_EVERY
        } else {
            KEEP_UP_EVERY
        };
        if now - self.kept_up < every {
            return;
        }
        self.kept_up = now;
        if now - self.looked_around >= LOOK_AROUND_EVERY {
            self.looked_around = now;
            self.delivery.renew_calibration();
            self.delivery.show_outlets(true);
            self.members.look_for_other_programs();
            self.heirs.iter_mut().for_each(Awaited::look_closely);
            self.look_at_name();
            self.members
                .look_for_lost_threads(&mut || self.reader.tail());
            self.look_at_filter();
            self.look_for_drops();
            self.report_damage();
            self.tell_numbers(now);
        }
        self.mend_words();
        self.members.renew(&mut || self.reader.tail());
        self.look_for_drops_of_departed();
        self.sweep();
        self.parent.listen();
        self.look_at_parent();
        self.let_the_parent_go();
        let head = self.reader.head();
        while let Some(producer) = self.members.next_to_clear(head) {
            self.harvest(producer);
            // The others when that is in the file: not too many files in one batch.
            if self.delivery.wants_commit() {
                break;
            }
        }
        self.members.clear_members();
        self.delivery.show_outlets(false);
        // Also without records: a sink that could not write tries again, and notices go out.
        self.hand_over(true);
    }

    /// Delivers what was published in parked slots, and frees those that no producer can fill any more.
    fn sweep(&mut self) {
        loop {
            let members = &self.members;
            let Some(run) = self.reader.sweep(&|producer| members.is_alive(producer)) else {
                break;
            };
            self.take(&run, true);
            self.hand_over(true);
            if self.stuck {
                return;
            }
        }
        self.members.note_sweep();
    }

    /// Settles the account of a thread that will write nothing more.
    fn harvest(&mut self, index: usize) {
        self.collect_drops();
        self.look_for_drops_of(index);
        self.give_last_notices(index);
        self.delivery.abandon(index, &mut self.members);
        let producer = self.segment.producer(index);
        let delivered = self.delivery.ledger.account(index).delivered;
        let overtaken = producer.drops().because(DropReason::Overtaken);
        let lost = producer
            .begun()
            .wrapping_sub(delivered)
            .wrapping_sub(overtaken);
        // A damaged entry may say anything; a thread can lose one record, and one per nested signal.
        if (1..1 << 16).contains(&lost) {
            let who = self.delivery.who(index, &mut self.members);
            let records = if lost == 1 { "record" } else { "records" };
            let text = format!("{lost} {records} of {who} lost: it ended while writing");
            self.delivery.say(Level::Warn, &text);
            self.delivery.ledger.add(Count::Lost, lost);
        }
        self.delivery.ledger.settle(index);
        self.members.note_settled(index);
    }
}
