//! The drainer's loop.
//!
//! ```text
//!   until it may end:
//!     take a batch         runs at the cursor, up to a hole, the tail or a limit
//!     hand it over         one write per sink
//!     release its slots    and only now: who dies before this finds the batch again
//!     keep up              who came, who died, entries given back, parked slots looked at
//!     nothing there?       wait, a little longer each time, at most a millisecond
//! ```

use std::time::{Duration, Instant};

use crossbeam_utils::Backoff;

use super::config::DrainerConfig;
use super::delivery::Delivery;
use super::members::Members;
use crate::level::Level;
use crate::ring::{Floors, Hole, Next, Reader, Ring, Run};
use crate::segment::{self, Count, Phase, Segment, Tag, Watch, process};
use crate::sink::Sink;
use crate::sink::console::ConsoleSink;
use crate::sink::file::{FileConfig, FileSink};
use crate::sync::Ordering;

/// Runs in a batch at most: bounds how long slots stay unreleased and how exact the place of a notice is.
const BATCH: usize = 1024;
/// How often the registry is looked at.
const KEEP_UP_EVERY: Duration = Duration::from_millis(5);
/// How often the clocks are compared and threads are asked whether they still exist.
const LOOK_AROUND_EVERY: Duration = Duration::from_secs(1);
/// How often processes that may yet attach are looked for, once nothing else keeps the drainer.
const LOOK_FOR_HEIRS_EVERY: Duration = Duration::from_millis(20);
/// A process that carries the ring's name and has not attached by this age, in seconds, is not waited for.
const HEIR_AGE_S: u64 = 5;
/// How long a sink that does not move at all is waited for at the end.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// The longest nap.
const NAP: Duration = Duration::from_millis(1);

/// Something to be said where it happened.
struct Notice {
    /// The sequence before which it happened.
    at: u64,
    text: String,
}

/// What a look into a hole came to.
enum Look {
    /// Ask for the next run again.
    Again,
    /// Nothing can be done now.
    Wait,
    /// A run that is late.
    Late(Run),
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
    notices: Vec<Notice>,
    kept_up: Instant,
    looked_around: Instant,
    looked_for_heirs: Instant,
}

impl Drainer {
    pub(super) fn new(
        segment: &'static Segment,
        config: DrainerConfig,
        delivery: Delivery,
    ) -> Drainer {
        let (floors, stride) = segment.floors();
        let now = Instant::now();
        Drainer {
            reader: Reader::resume(Ring::from(segment), Floors::new(floors, stride)),
            members: Members::new(segment, config.parent),
            segment,
            delivery,
            config,
            bytes: Vec::new(),
            hole: None,
            parked_last: None,
            drops_seen: 0,
            notices: Vec::new(),
            kept_up: now,
            looked_around: now,
            looked_for_heirs: now - LOOK_FOR_HEIRS_EVERY,
        }
    }

    /// Works until nobody can log any more, then ends the ring.
    pub(super) fn run(mut self) {
        self.members.renew();
        let backoff = Backoff::new();
        let mut nap = NAP / 16;
        loop {
            let moved = self.turn();
            self.keep_up();
            if moved {
                backoff.reset();
                nap = NAP / 16;
            } else if self.may_end() {
                break;
            } else if !backoff.is_completed() {
                backoff.snooze();
            } else {
                std::thread::sleep(nap);
                nap = (nap * 2).min(NAP);
            }
        }
        self.end();
    }

    /// Takes a batch and hands it over. `false` when there was nothing.
    fn turn(&mut self) -> bool {
        self.collect_drops();
        let mut taken = 0;
        let mut caught_up = false;
        while taken < BATCH {
            match self.reader.next() {
                // First what its producer wrote before it, and may have been passed by: the parts of a long
                // record must come in order.
                Next::Run(run) if self.reader.has_late() => {
                    self.reader.put_back(&run);
                    self.sweep();
                }
                Next::Run(run) => {
                    self.give_notices(run.sequence);
                    self.take(&run, false);
                    taken += 1;
                }
                Next::Empty => {
                    caught_up = true;
                    break;
                }
                Next::Unreleased => break,
                // First hand over what there is: the hole may fill meanwhile.
                Next::Hole(_) if taken > 0 => break,
                Next::Hole(h) => match self.look_into(h) {
                    Look::Again => {}
                    Look::Wait => break,
                    Look::Late(run) => {
                        self.take(&run, true);
                        taken += 1;
                        break;
                    }
                },
            }
        }
        if caught_up {
            self.give_notices(self.reader.cursor());
        }
        self.hand_over(taken > 0) || taken > 0
    }

    fn take(&mut self, run: &Run, late: bool) {
        self.bytes.clear();
        self.reader.copy(run, &mut self.bytes);
        let bytes = run.bytes.map(|_| &self.bytes[..]);
        self.delivery
            .take(run.sequence, run.tag, bytes, late, &mut self.members);
        self.hole = None;
    }

    /// Writes what was taken, then releases its slots. `true` when slots were released.
    fn hand_over(&mut self, write: bool) -> bool {
        if write {
            self.delivery.commit();
        }
        let before = self.segment.head().load(Ordering::Relaxed);
        let head = self.reader.release();
        if self.delivery.is_settled() {
            self.segment.set_flushed(head);
        }
        head != before
    }

    fn look_into(&mut self, h: u64) -> Look {
        let now = Instant::now();
        let since = match self.hole {
            Some((hole, since)) if hole == h => since,
            _ => {
                self.hole = Some((h, now));
                // Most holes are a producer between its claim and its publish, some nanoseconds apart.
                for _ in 0..50 {
                    std::hint::spin_loop();
                }
                return Look::Again;
            }
        };
        let members = &self.members;
        match self.reader.inspect(&|producer| members.is_alive(producer)) {
            Hole::Published => Look::Again,
            Hole::Late(run) => Look::Late(run),
            Hole::Orphan => {
                self.add(Count::Orphaned, 1);
                Look::Again
            }
            Hole::Owned => {
                // The slots behind a parked one are likely the rest of the same run.
                let same_run = self
                    .parked_last
                    .is_some_and(|parked| parked.wrapping_add(1) == h);
                let patience = self.config.stall_timeout / if same_run { 16 } else { 1 };
                if now - since < patience {
                    return Look::Wait;
                }
                self.reader.park();
                self.parked_last = Some(h);
                Look::Again
            }
        }
    }

    /// Looks at the registry and the parked slots, now and then.
    fn keep_up(&mut self) {
        let now = Instant::now();
        if now - self.kept_up < KEEP_UP_EVERY {
            return;
        }
        self.kept_up = now;
        if now - self.looked_around >= LOOK_AROUND_EVERY {
            self.looked_around = now;
            self.delivery.renew_calibration();
            self.members.look_for_lost_threads();
        }
        self.members.renew();
        self.sweep();
        let head = self.segment.head().load(Ordering::Relaxed);
        while let Some(producer) = self.members.next_to_clear(head) {
            self.harvest(producer);
        }
        self.members.clear_members();
        self.segment
            .count(Count::Parked)
            .store(self.reader.parked() as u64, Ordering::Relaxed);
        // Also without records: a sink that could not write tries again, and notices go out.
        self.hand_over(true);
    }

    /// Delivers what was published in parked slots, and frees those that nobody can fill any more.
    fn sweep(&mut self) {
        loop {
            let members = &self.members;
            let Some(run) = self.reader.sweep(&|producer| members.is_alive(producer)) else {
                break;
            };
            self.take(&run, true);
            self.hand_over(true);
        }
        self.members.note_sweep();
    }

    /// Settles the account of a thread that will write nothing more, and gives its entry back.
    fn harvest(&mut self, index: usize) {
        self.collect_drops();
        self.delivery.abandon(index, &mut self.members);
        let producer = self.segment.producer(index);
        let (begun, delivered) = (
            producer.begun(),
            producer.delivered().load(Ordering::Relaxed),
        );
        let overtaken = producer.dropped_overtaken().load(Ordering::Acquire);
        let lost = begun.wrapping_sub(delivered).wrapping_sub(overtaken);
        // A damaged entry may say anything; a thread can lose one record, and one per nested signal.
        if (1..1 << 16).contains(&lost) {
            let who = self.delivery.who(index, &mut self.members);
            let records = if lost == 1 { "record" } else { "records" };
            let text = format!("{lost} {records} of {who} lost: it ended while writing");
            self.delivery.say(Level::Warn, &text);
            self.add(Count::Lost, lost);
        }
        self.add(Count::AttemptedByLeft, producer.attempted());
        self.add(Count::DroppedByLeft, producer.dropped());
        self.members.clear_producer(index);
    }

    /// Looks who has dropped records since the last time, and where.
    fn collect_drops(&mut self) {
        // [drops] Acquire: pairs with count_drop in producer/write.rs.
        let drops = self.segment.drops().load(Ordering::Acquire);
        if drops == self.drops_seen {
            return;
        }
        self.drops_seen = drops;
        let tail = self.segment.tail().load(Ordering::Acquire);
        for index in 0..self.segment.entries() {
            let producer = self.segment.producer(index);
            let (dropped, reported) = (
                producer.dropped(),
                producer.reported().load(Ordering::Relaxed),
            );
            let count = dropped.wrapping_sub(reported);
            if count > 0 && producer.state().load().tag() != Tag::Free {
                let at = producer.dropped_at().load(Ordering::Relaxed).min(tail);
                producer.reported().store(dropped, Ordering::Relaxed);
                let who = self.delivery.who(index, &mut self.members);
                let text = format!("{count} records of {who} dropped: the ring was full");
                self.notices.push(Notice { at, text });
            }
        }
        let dropped = self.segment.drops_unregistered().load(Ordering::Acquire);
        let reported = self.segment.count(Count::ReportedUnregistered);
        let count = dropped.wrapping_sub(reported.swap(dropped, Ordering::Relaxed));
        if count > 0 {
            let max = self.segment.entries();
            let text = format!(
                "{count} records dropped of threads that found no entry: all {max} are taken; raise max_producers"
            );
            self.notices.push(Notice { at: tail, text });
        }
    }

    /// Says what happened before `sequence`.
    fn give_notices(&mut self, sequence: u64) {
        if self.notices.is_empty() {
            return;
        }
        let due = |notice: &Notice| sequence.wrapping_sub(notice.at) as i64 >= 0;
        for notice in self.notices.iter().filter(|notice| due(notice)) {
            self.delivery.say(Level::Warn, &notice.text);
        }
        self.notices.retain(|notice| !due(notice));
    }

    fn add(&self, count: Count, n: u64) {
        self.segment.count(count).fetch_add(n, Ordering::Relaxed);
    }

    /// Whether all that can be logged has been delivered and nobody can log any more.
    fn may_end(&mut self) -> bool {
        let stopping = self.segment.is_stopping();
        if !self.has_read_all() || !(stopping || self.members.parent_is_gone()) {
            return false;
        }
        if self.looked_for_heirs.elapsed() < LOOK_FOR_HEIRS_EVERY {
            return false;
        }
        self.looked_for_heirs = Instant::now();
        self.members.renew();
        if self.others_may_log() {
            if stopping && self.segment.phase() == Phase::Running && self.delivery.is_settled() {
                self.segment.set_phase(Phase::Lingering);
            }
            return false;
        }
        // Segment::phase: we close; has anybody entered?
        let before = self.segment.phase();
        self.segment.set_phase(Phase::Closing);
        self.members.renew();
        if self.others_may_log() || !self.has_read_all() {
            self.segment.set_phase(before);
            return false;
        }
        true
    }

    fn has_read_all(&self) -> bool {
        let tail = self.segment.tail().load(Ordering::Acquire);
        tail.wrapping_sub(self.reader.cursor()) as i64 <= 0
    }

    /// Whether a process other than the parent is there to log, or was given our name a moment ago and may
    /// still be on its way here.
    fn others_may_log(&self) -> bool {
        let me = std::process::id();
        self.members.others_live()
            || process::young_heirs_of(self.segment.name(), HEIR_AGE_S)
                .iter()
                .any(|heir| {
                    let known = [me, self.config.parent.pid].contains(&heir.pid)
                        || self.members.includes(heir.pid);
                    !known && !Watch::new(*heir).is_gone()
                })
    }

    /// Says the last, closes the sinks and takes the ring away.
    fn end(&mut self) {
        self.sweep();
        for index in 0..self.segment.entries() {
            if self.segment.producer(index).state().load().tag() != Tag::Free {
                self.harvest(index);
            }
        }
        self.collect_drops();
        self.give_notices(self.segment.tail().load(Ordering::Acquire));
        self.delivery.commit();
        for error in self.delivery.finish(LAST_PATIENCE) {
            eprintln!("shmlog: at the end of the log: {error}");
        }
        self.segment.set_flushed(self.reader.release());
        self.segment.give_back_slots();
        segment::remove(self.segment.name());
        self.segment.set_phase(Phase::Done);
    }
}

/// The sinks that the config asks for.
pub(super) fn open_sinks(config: &DrainerConfig) -> Result<Vec<Box<dyn Sink>>, String> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    if config.console {
        sinks.push(Box::new(
            ConsoleSink::stdout().map_err(|error| error.to_string())?,
        ));
    }
    if let Some(file) = &config.file {
        let config = FileConfig {
            folder: file.folder.clone(),
            program: file.program.clone(),
            max_file_size: file.max_file_size,
            backup_count: usize::try_from(file.backup_count).unwrap_or(usize::MAX),
            queue_bytes: FileConfig::QUEUE_BYTES,
        };
        sinks.push(Box::new(
            FileSink::open(config).map_err(|error| error.to_string())?,
        ));
    }
    Ok(sinks)
}
