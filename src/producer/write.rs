//! The long way of a log call, for whatever `quick.rs` does not take: put together, claim, publish. A record is put
//! together in the thread's buffer, and rendered if need be, *before* anything is claimed, so no code of the user runs
//! between claim and publish. A record that does not fit into one run goes through the buffer in several; each is claimed
//! and published on its own, and the drainer puts them together.

use std::fmt;
use std::sync::atomic::compiler_fence;

use super::attachment::{self, Attachment};
use super::thread::{self, Ready, with_thread};
use super::wait::Wait;
use super::without::{self, Caught};
use crate::failpoint;
use crate::level::Level;
use crate::record::CallSite;
use crate::record::capture::{Arguments, Put, Rendered};
use crate::record::codec::{CONTINUES, CUT, MORE, Tag, write_head};
use crate::ring::{Claim, IDLE, MAX_RUN_BYTES, Refused, claim};
use crate::segment::DropReason;
use crate::sync::Ordering;
use crate::words::WORD;

/// What a record says.
pub(crate) trait Content {
    fn write(&self, record: &mut Outgoing<'_>);

    /// The same where there is no ring.
    fn capture(&self, out: &mut Caught<'_>);

    /// When it was said, in ticks of the ring's clock, if that is not now.
    fn time(&self, _: &Attachment) -> Option<u64> {
        None
    }
}

/// The text, for a call site whose format is `{}`.
impl Content for fmt::Arguments<'_> {
    fn write(&self, record: &mut Outgoing<'_>) {
        (Rendered(*self),).capture_all(record);
    }

    fn capture(&self, out: &mut Caught<'_>) {
        (Rendered(*self),).capture_all(out);
    }
}

/// The arguments of a call site.
pub(super) struct Captured<'a, A>(pub(super) &'a A);

impl<A: Arguments> Content for Captured<'_, A> {
    #[inline]
    fn write(&self, record: &mut Outgoing<'_>) {
        self.0.capture_all(record);
    }

    fn capture(&self, out: &mut Caught<'_>) {
        self.0.capture_all(out);
    }
}

/// Writes one record.
pub(crate) fn write(
    level: Level,
    site: &'static CallSite,
    target: Option<&str>,
    content: &dyn Content,
) {
    let is_taken = with_thread(level, |ready| match ready.thread.buffer.try_borrow_mut() {
        // The fences keep what is done to the buffer within the time in which a signal handler finds it
        // taken; to the compiler the two have nothing to do with each other.
        Ok(mut buffer) => {
            // [handler]: orders this for a signal handler of this thread.
            compiler_fence(Ordering::SeqCst);
            mend_floor(ready);
            write_with(ready, &mut buffer[..], level, site, target, content, None);
            // [handler]: orders this for a signal handler of this thread.
            compiler_fence(Ordering::SeqCst);
        }
        // We are inside the rendering of another record of this thread.
        Err(_) => {
            let buffer = &mut [0; MAX_RUN_BYTES];
            write_with(ready, buffer, level, site, target, content, None);
        }
    });
    if !is_taken {
        without::take(level, site, target, content);
    }
}

/// The thread that has the buffer is inside no claim, so the floor must be idle. If a member wrote it, all holes would
/// seem to be ours as long as it stays.
#[inline]
fn mend_floor(ready: Ready<'_>) {
    let floor = ready.producer.floor();
    // Relaxed: only this thread (and its signal handlers) writes the floor.
    if floor.load(Ordering::Relaxed) != IDLE {
        // [floor]: as in Claim::drop.
        floor.store(IDLE, Ordering::Release);
    }
}

/// What a handler that perhaps runs on a small stack puts a run together in.
const FRUGAL_RUN_BYTES: usize = 512;

/// Writes the record of a crash, from the signal handler.
pub(crate) fn write_last_words(level: Level, site: &'static CallSite, message: fmt::Arguments<'_>) {
    thread::forget_refusals();
    if let Some(attachment) = attachment::current() {
        // Not to be told now, on what may be a small stack.
        attachment.unlocked.note(Ok(()));
    }
    with_thread(level, |ready| {
        let mut buffer = [0; FRUGAL_RUN_BYTES];
        let target = Some(site.statement.target);
        write_with(ready, &mut buffer, level, site, target, &message, None);
    });
}

/// Renders a record into `buffer` and sends it. `refused` is why its first claim was refused, if it has been tried.
pub(super) fn write_with(
    ready: Ready<'_>,
    buffer: &mut [u8],
    level: Level,
    site: &'static CallSite,
    target: Option<&str>,
    content: &dyn Content,
    refused: Option<Refused>,
) {
    if ready.thread.broken_off.get().is_some() {
        report_broken_off(ready);
    }
    let attachment = ready.attachment;
    let id = site.id(&attachment.sites, ready.generation);
    let room = attachment.ring.longest_run().min(buffer.len());
    let mut record = Outgoing {
        ready,
        buffer: &mut buffer[..room],
        filled: 0,
        tag: Tag {
            site: id,
            level: level as u8,
            flags: 0,
            producer: ready.index,
        },
        origin: None,
        wait: Wait::new(attachment, ready.thread.shares_processor.get()),
        first_refused: refused,
        refused: false,
        time: content.time(attachment),
    };
    let inline = (id == 0).then_some(&site.statement);
    // The time is put there when the first run is sent: what the user renders may take long.
    let flags = write_head(0, inline, target, &mut record);
    record.tag.flags |= flags;
    content.write(&mut record);
    let context = &ready.thread.context;
    context.put(context.count(), &mut record);
    record.send(0);
}

/// A record on its way: what was rendered and not yet sent stands in `buffer[..filled]`.
pub(crate) struct Outgoing<'a> {
    ready: Ready<'a>,
    buffer: &'a mut [u8],
    filled: usize,
    /// Flags of the record; those of a run are added when it is sent.
    tag: Tag,
    /// Sequence of the first run, once it is sent and as long as more are to follow.
    origin: Option<u64>,
    /// What is left of what it may wait for room.
    wait: Wait,
    /// Why the first run was refused when it was tried before.
    first_refused: Option<Refused>,
    /// A run was refused: the rest of the record goes nowhere.
    refused: bool,
    /// When it was said, if that is not when its first run is sent.
    time: Option<u64>,
}

impl Put for Outgoing<'_> {
    #[inline]
    fn word(&mut self, word: u64) {
        self.push(&word.to_ne_bytes());
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.push(bytes);
        // All runs hold whole words, so what is padded in the run is padded in the record.
        self.push(&[0; WORD][..bytes.len().wrapping_neg() % WORD]);
    }
}

impl Outgoing<'_> {
    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        if let Some(room) = self.buffer.get_mut(self.filled..end) {
            room.copy_from_slice(bytes);
            self.filled = end;
        } else {
            self.push_long(bytes);
        }
    }

    #[cold]
    fn push_long(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.refused {
            if self.filled == self.buffer.len() {
                self.send(MORE);
                continue;
            }
            let now = bytes.len().min(self.buffer.len() - self.filled);
            self.buffer[self.filled..self.filled + now].copy_from_slice(&bytes[..now]);
            self.filled += now;
            bytes = &bytes[now..];
        }
    }

    /// Sends what is in the buffer as one run.
    #[inline]
    fn send(&mut self, more: u8) {
        if !self.ready.is_of_this_process() {
            self.go_on_in_child();
        }
        if self.refused {
            return;
        }
        let first = self.origin.is_none();
        if first {
            let clock = &self.ready.attachment.clock;
            let time = self.time.unwrap_or_else(|| clock.ticks());
            self.buffer[..WORD].copy_from_slice(&time.to_ne_bytes());
        }
        let mut tag = self.tag;
        tag.flags |= more | if first { 0 } else { CONTINUES };
        let bytes = &self.buffer[..self.filled];
        let (ready, wait) = (self.ready, &mut self.wait);
        let sent = match self.first_refused.take() {
            None => put(ready, wait, tag, bytes, first),
            Some(refused) => put_again(ready, wait, tag, bytes, refused),
        };
        match sent {
            Ok(sequence) if more != 0 => {
                self.wait.note_run();
                let origin = *self.origin.get_or_insert(sequence);
                self.buffer[..WORD].copy_from_slice(&origin.to_ne_bytes());
                self.filled = WORD;
            }
            Ok(_) => self.origin = None,
            // A signal handler has forked meanwhile, and this is the child.
            Err(_) if !self.ready.is_of_this_process() => self.send(more),
            Err(refused) => self.give_up(refused),
        }
    }

    /// The arguments' own formatting has forked, and this is the child: it sends the record as its own. One of
    /// which the parent has sent a part already remains the parent's, who goes on with it.
    #[cold]
    fn go_on_in_child(&mut self) {
        let begun = self.origin.take().is_some();
        // That was the parent's record.
        self.first_refused = None;
        let level = Level::from_number(self.tag.level).unwrap_or(Level::Trace);
        match self.ready.thread.ready_in_child(level) {
            Some(ready) if !begun => {
                self.ready = ready;
                self.tag.producer = ready.index;
            }
            _ => self.refused = true,
        }
    }

    #[cold]
    fn give_up(&mut self, refused: Refused) {
        self.refused = true;
        match self.origin.take() {
            // It will be delivered, broken off: not dropped.
            Some(origin) => {
                self.ready.thread.broken_off.set(Some(origin));
                // At once, in a reserved slot if there is one: this thread may not log again for long.
                report_broken_off(self.ready);
            }
            None => count_drop(self.ready, self.tag.level, refused),
        }
    }
}

impl Drop for Outgoing<'_> {
    #[inline]
    fn drop(&mut self) {
        // Only while unwinding: an argument panicked, and the runs sent before would wait for a last one.
        if let Some(origin) = self.origin.filter(|_| self.ready.is_of_this_process()) {
            self.ready.thread.broken_off.set(Some(origin));
        }
    }
}

/// Tells the drainer that no more runs of the record come.
#[cold]
fn report_broken_off(ready: Ready<'_>) {
    // Taken before it is said: a signal handler that logs meanwhile must not say it too.
    let Some(origin) = ready.thread.broken_off.take() else {
        return;
    };
    let tag = Tag {
        site: 0,
        level: 0,
        flags: CONTINUES | CUT,
        producer: ready.index,
    };
    let (ring, head) = (&ready.attachment.ring, &ready.thread.cached_head);
    match claim(ring, &ready.lease(), head, WORD, 0, false) {
        Ok(claimed) => claimed.publish(tag.pack(), &origin.to_ne_bytes()),
        Err(_) => ready.thread.broken_off.set(Some(origin)),
    }
}

/// Puts one run into the ring, if there is room now, and returns its sequence. `begins` says that the record is begun
/// by it, and counted.
#[inline]
fn put_once(ready: Ready<'_>, tag: Tag, bytes: &[u8], begins: bool) -> Result<u64, Refused> {
    let (ring, head) = (&ready.attachment.ring, &ready.thread.cached_head);
    let leave = match tag.has(CONTINUES) {
        true => ready.attachment.leave_within_record(tag.level),
        false => ready.attachment.leave(tag.level),
    };
    let claimed = claim(ring, &ready.lease(), head, bytes.len(), leave, begins)?;
    let sequence = claimed.sequence();
    publish(ready, claimed, tag, bytes);
    Ok(sequence)
}

/// The same, waiting for room as long as is allowed.
#[inline]
fn put(
    ready: Ready<'_>,
    wait: &mut Wait,
    tag: Tag,
    bytes: &[u8],
    first: bool,
) -> Result<u64, Refused> {
    put_once(ready, tag, bytes, first)
        .or_else(|refused| put_patiently(ready, wait, tag, bytes, first, refused))
}

/// Publishes what was claimed, unless a signal handler has forked in between and this is the child: the claim is
/// the parent's, who publishes it.
#[inline]
fn publish(ready: Ready<'_>, claimed: Claim<'_>, tag: Tag, bytes: &[u8]) {
    match ready.is_of_this_process() {
        true => claimed.publish(tag.pack(), bytes),
        // Not even dropped: the floor is the parent's too.
        false => std::mem::forget(claimed),
    }
}

/// Puts the first run of a record that has been tried once.
#[cold]
fn put_again(
    ready: Ready<'_>,
    wait: &mut Wait,
    tag: Tag,
    bytes: &[u8],
    refused: Refused,
) -> Result<u64, Refused> {
    if matches!(refused, Refused::Overtaken(_))
        && ready.is_of_this_process()
        && let Ok(sequence) = put_once(ready, tag, bytes, false)
    {
        return Ok(sequence);
    }
    put_patiently(ready, wait, tag, bytes, true, refused)
}

#[cold]
fn put_patiently(
    ready: Ready<'_>,
    wait: &mut Wait,
    tag: Tag,
    bytes: &[u8],
    first: bool,
    mut refused: Refused,
) -> Result<u64, Refused> {
    while wait.once_more(&ready.thread.cached_head, !first) && ready.is_of_this_process() {
        // A record is begun once, however often it is tried.
        let begins = first && matches!(refused, Refused::Full(_));
        match put_once(ready, tag, bytes, begins) {
            Ok(sequence) => return Ok(sequence),
            Err(now) if begins => refused = now,
            Err(_) => {}
        }
    }
    Err(refused)
}

/// Counts a record that found no place, and notes where the log would have had it.
#[cold]
fn count_drop(ready: Ready<'_>, level: u8, refused: Refused) {
    let producer = ready.producer;
    let (why, at) = match refused {
        Refused::Full(tail) => (DropReason::RingFull, tail),
        Refused::Overtaken(sequence) => (DropReason::Overtaken, sequence),
    };
    // Relaxed: only a hint of the place; the drainer's word is compared with our own count.
    if producer.drops().total() == producer.reported().load(Ordering::Relaxed) {
        producer.dropped_at().store(at, Ordering::Relaxed);
    }
    let level = Level::from_number(level).unwrap_or(Level::Trace);
    producer.count_drop(why, level);
    // Killed here, the thread is looked at when its end is noticed, since the sum tells nothing of it.
    failpoint::hit("drop.counted");
    // [drops] Release: who sees the sum sees the count.
    ready
        .attachment
        .segment
        .drops()
        .fetch_add(1, Ordering::Release);
}
