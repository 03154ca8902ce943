//! Records as they are logged, by a second reader beside the drainer.

use std::fmt;

use crate::clock::Clock;
use crate::drainer::{Assembler, Decoder, Joined, Raw};
use crate::record::Record;
use crate::record::codec::Tag;
use crate::ring::{Batch, Follower, Ring, Run, Trail};
use crate::segment::{Segment, State};

/// Where a [`Follow`] begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// With what is logged from now on, and what the drainer has not yet taken.
    Now,
    /// With the oldest that the ring still holds: up to seven eighths of its slots.
    Oldest,
}

/// What a [`Follow`] meets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Seen<'r> {
    /// A record.
    Record(&'r Record<'r>),
    /// It was too slow: so many sequences were written over before it came to them. That is about as many records, or
    /// fewer long ones.
    Overtaken(u64),
    /// The bytes of this sequence are no record.
    Damaged(u64),
}

/// A second reader of a ring.
///
/// It writes nothing, holds up no process, and reads records as soon as they are written, whether the drainer has taken
/// them or not. Records of a process that is stopped while it writes come [late](Record::late), as in the log.
///
/// ```
/// use shmlog::observe::{Observer, Seen, Start};
/// # let logger = shmlog::ShmLogger::builder().console(false).discard(true).env(false).init_parent()?;
/// # let name = logger.name().to_owned();
/// let observer = Observer::open(&name)?;
/// let mut follow = observer.follow(Start::Now);
/// shmlog::error!("no camera");
/// let mut messages = Vec::new();
/// while follow.read(|seen| match seen {
///     Seen::Record(record) => messages.push(record.message.to_owned()),
///     _ => {}
/// }) {}
/// assert_eq!(messages, ["no camera"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Follow {
    segment: &'static Segment,
    follower: Follower<'static>,
    batch: Batch,
    assembler: Assembler,
    /// The assembler's notes, for a successor that there is not.
    notes: Vec<u8>,
    decoder: Decoder,
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("ring", &self.segment.name())
            .field("sequence", &self.sequence())
            .finish_non_exhaustive()
    }
}

impl Follow {
    pub(super) fn new(
        segment: &'static Segment,
        ring: Ring<'static>,
        clock: Clock,
        made: (u64, i64),
        start: Start,
    ) -> Follow {
        let mut decoder = Decoder::new(segment, clock);
        decoder.calibration.believe(made);
        Follow {
            segment,
            follower: match start {
                Start::Now => Follower::at_head(ring, Trail::from(segment)),
                Start::Oldest => Follower::at_oldest(ring, Trail::from(segment)),
            },
            batch: Batch::default(),
            assembler: Assembler::default(),
            notes: Vec::new(),
            decoder,
        }
    }

    /// The next sequence that it will look at.
    pub fn sequence(&self) -> u64 {
        self.follower.cursor()
    }

    /// Hands what there is, up to some hundred records, to `take`. Returns whether there was anything; if there was not,
    /// some milliseconds are a good time to wait before the next call.
    pub fn read(&mut self, mut take: impl FnMut(Seen<'_>)) -> bool {
        let overtaken = self.follower.take(&mut self.batch);
        if overtaken > 0 {
            take(Seen::Overtaken(overtaken));
        }
        let batch = std::mem::take(&mut self.batch);
        for (run, bytes, late) in batch.runs() {
            self.take_run(run, bytes, late, &mut take);
        }
        let is_any = overtaken > 0 || !batch.is_empty();
        if !is_any {
            // A good moment, and often enough.
            self.decoder.calibration.renew();
        }
        self.batch = batch;
        self.assembler.take_notes(&mut self.notes);
        is_any
    }

    fn take_run(&mut self, run: Run, bytes: &[u8], late: bool, take: &mut dyn FnMut(Seen<'_>)) {
        let tag = Tag::unpack(run.tag);
        if run.bytes.is_none() {
            return take(Seen::Damaged(run.sequence));
        }
        let raw = Raw {
            sequence: run.sequence,
            tag,
            bytes,
            late,
            cut: false,
        };
        let joined = self.assembler.join(run.sequence, tag, bytes);
        // Of records that others, newer ones of the same thread, have put an end to.
        self.assembler.take_evicted();
        match joined {
            // The beginning of one that was begun before we came is not known.
            Joined::Part | Joined::Stray => {}
            Joined::Alone => self.hand_out(&raw, take),
            Joined::Whole(whole) => self.hand_out(&Raw::of_whole(&whole, late), take),
        }
    }

    fn hand_out(&mut self, raw: &Raw<'_>, take: &mut dyn FnMut(Seen<'_>)) {
        let segment = self.segment;
        let mut process_of = |state: State| process_of(segment, state);
        let taken = self
            .decoder
            .decode(raw, &mut process_of, |record| take(Seen::Record(record)));
        if taken.is_none() {
            take(Seen::Damaged(raw.sequence));
        }
    }
}

/// Name and pid of the process behind a producer's entry.
fn process_of(segment: &Segment, producer: State) -> (String, u32) {
    let index = producer.owner() as usize;
    if index >= segment.entries() {
        return ("?".to_owned(), 0);
    }
    let member = segment.member(index);
    (member.name(), member.identity().pid)
}
