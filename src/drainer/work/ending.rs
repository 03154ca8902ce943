//! When the drainer may end, and how it does.

use std::time::{Duration, Instant};

use super::Drainer;
use crate::drainer::words::Word;
use crate::failpoint;
use crate::level::Level;
use crate::segment::{Heir, Identity, Phase, Segment, Tag, Watch, guest};
use crate::sync::{Ordering, fence};

/// How often processes that may yet attach are looked for, once nothing else keeps the drainer.
pub(super) const LOOK_FOR_HEIRS_EVERY: Duration = Duration::from_millis(20);
/// A process that carries the ring's name and has not attached by this age, in seconds, is not waited for.
pub(in crate::drainer) const HEIR_AGE_S: u64 = 5;
/// How long a sink that does not move at all is waited for at the end.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// A process that has not attached and may yet log: it was made by fork with the ring in its memory, or given the ring's
/// name a moment ago.
pub(super) struct Awaited {
    pid: u32,
    watch: Watch,
    /// When it is not waited for any longer; a process that has the ring in its memory is.
    until: Option<Instant>,
}

impl Awaited {
    fn new(heir: Heir, segment: &Segment, until: Instant) -> Awaited {
        let ring = segment.backing().filter(|_| heir.has_mapped);
        Awaited {
            pid: heir.identity.pid,
            watch: Watch::of_member(heir.identity, ring),
            until: (!heir.has_mapped).then_some(until),
        }
    }

    /// Looks whether it has begun another program, which does not have the ring in its memory.
    pub(super) fn look_closely(&mut self) {
        self.watch.look_closely();
    }
}

impl Drainer {
    /// Lets a parent go that has asked to stop, once all it logged is delivered and others keep the drainer.
    pub(super) fn let_the_parent_go(&mut self) {
        if !self.parent.is_stopping() {
            return;
        }
        let tail = self.reader.tail();
        let stop_at = *self.stop_at.get_or_insert(tail);
        let done = self.flushed.wrapping_sub(stop_at) as i64 >= 0;
        if done && self.phase == Phase::Running && self.members.others_live() {
            self.linger();
        }
    }

    /// Notices, once, that the parent is gone. One that has begun another program does not watch over us any more, which the log
    /// says, and may yet attach.
    pub(super) fn look_at_parent(&mut self) {
        if self.has_lost_parent || !self.members.parent_is_gone() {
            return;
        }
        self.has_lost_parent = true;
        let parent = self.config.parent;
        if !parent.runs_another_program() {
            return;
        }
        if !self.parent.is_stopping() {
            let text = format!(
                "process {}, which made the ring, runs another program now: the log goes on for all who log into it, but \
                 no other drainer is started should this one be killed",
                parent.pid
            );
            self.delivery.say(Level::Warn, &text);
        }
        self.heirs.push(Awaited {
            pid: parent.pid,
            watch: Watch::new(Identity { image: 0, ..parent }),
            until: Some(Instant::now() + Duration::from_secs(HEIR_AGE_S)),
        });
    }

    fn linger(&mut self) {
        self.phase = Phase::Lingering;
        self.segment.set_phase(self.phase);
        self.parent.say(&Word::Lingering);
    }

    /// Whether all that can be logged has been delivered and no process can log any more.
    pub(super) fn may_end(&mut self) -> bool {
        let stopping = self.parent.is_stopping();
        if !self.reader.has_read_all() || !(stopping || self.members.parent_is_gone()) {
            return false;
        }
        if self.looked_for_heirs.elapsed() < LOOK_FOR_HEIRS_EVERY {
            return false;
        }
        self.looked_for_heirs = Instant::now();
        self.members.renew(&mut || self.reader.tail());
        if self.others_may_log() {
            if stopping && self.phase == Phase::Running && self.delivery.is_settled() {
                self.linger();
            }
            return false;
        }
        // Segment::phase: we close; has any member entered?
        // Ours, not the shared word: that may say anything.
        let before = self.phase;
        self.segment.set_phase(Phase::Closing);
        // [close] With the fence in Attachment::member.
        fence(Ordering::SeqCst);
        self.members.renew(&mut || self.reader.tail());
        if self.others_may_log() || !self.reader.has_read_all() {
            self.segment.set_phase(before);
            return false;
        }
        true
    }

    /// Whether a process other than the parent is there to log, or may yet come to.
    fn others_may_log(&mut self) -> bool {
        if self.members.others_live() {
            return true;
        }
        let now = Instant::now();
        let members = &self.members;
        let is_awaited = |heir: &mut Awaited| {
            let in_time = heir.until.is_none_or(|until| now < until);
            in_time && !members.includes(heir.pid) && !heir.watch.is_gone()
        };
        self.heirs.retain_mut(is_awaited);
        if self.heirs.is_empty() {
            // Asked only now and then: it means looking at all processes of the machine.
            let until = now + Duration::from_secs(HEIR_AGE_S);
            let me = std::process::id();
            let found = self.segment.heirs(HEIR_AGE_S).into_iter();
            // A parent that runs another program by now may attach like any other process.
            let parent = match self.members.parent_is_gone() {
                true => me,
                false => self.config.parent.pid,
            };
            let strangers = found.map(|heir| Awaited::new(heir, self.segment, until));
            let strangers = strangers.filter(|heir| {
                ![me, parent].contains(&heir.pid) && !self.members.includes(heir.pid)
            });
            self.heirs = strangers.collect();
        }
        !self.heirs.is_empty()
    }

    /// Says the last, closes the sinks and takes the ring away.
    pub(super) fn end(&mut self) {
        self.sweep();
        for index in 0..self.segment.entries() {
            if self.segment.producer(index).state().load().tag() != Tag::Free {
                self.harvest(index);
            }
            if self.delivery.wants_commit() {
                self.hand_over(true);
            }
        }
        self.look_for_drops();
        self.give_all_notices();
        self.report_damage();
        self.delivery.say_kept_back();
        self.hand_over(true);
        if self.tell_last_numbers() {
            self.hand_over(true);
        }
        let (mut errors, is_news) = self.delivery.finish_streams(LAST_PATIENCE);
        if is_news {
            self.hand_over(true);
        }
        errors.extend(self.delivery.finish(LAST_PATIENCE));
        for error in errors {
            guest::tell(
                self.config.parent,
                format_args!("at the end of the log: {error}"),
            );
        }
        self.segment.set_flushed(self.reader.release());
        self.segment.give_back_slots();
        // Before the last deed: should we be killed at that, a successor only takes the name away.
        self.parent.say(&Word::Done);
        failpoint::hit("drainer.done");
        self.segment.remove();
        failpoint::hit("drainer.removed");
        self.segment.set_phase(Phase::Done);
    }
}
