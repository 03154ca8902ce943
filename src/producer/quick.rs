//! The usual log call: a known thread, a known call site, arguments whose size is known, room in the ring. The words
//! go from the registers into the slot. Whatever is not so goes the long way, by `write.rs`.
//!
//! Here nanoseconds count: what is on this way is inlined into one function per list of argument types, by force,
//! since the compiler weighs each piece by itself (`cargo bench --bench call`, `tests/instructions/`).

use std::sync::atomic::compiler_fence;

use super::thread::{Known, Thread, lease_of, with_this_thread};
use super::write::{self, Captured};
use crate::level::Level;
use crate::record::CallSite;
use crate::record::capture::{Arguments, Put};
use crate::record::codec::{TARGET, Tag, head_words, write_head};
use crate::ring::{IDLE, Payload, Refused, claim_once};
use crate::sync::{AtomicU64, Ordering};
use crate::words::{WORD, store_bytes, words_for};

/// Writes one record with its arguments.
#[inline]
pub(crate) fn write_captured<A: Arguments>(
    level: Level,
    site: &'static CallSite,
    target: Option<&str>,
    arguments: &A,
) {
    let is_written =
        with_this_thread(|thread| write_quickly(thread, level, site, target, arguments));
    if is_written.is_none() {
        write::write(level, site, target, &Captured(arguments));
    }
}

/// `None` when nothing has been done.
#[inline(never)]
fn write_quickly<A: Arguments>(
    thread: &Thread,
    level: Level,
    site: &'static CallSite,
    target: Option<&str>,
    arguments: &A,
) -> Option<()> {
    let known = thread.known()?;
    let (attachment, producer) = (known.attachment, known.producer);
    // Not to be put together in, but to be found taken: by a signal handler that logs.
    let mut buffer = thread.buffer.try_borrow_mut().ok()?;
    // [handler]: orders this for a signal handler of this thread.
    compiler_fence(Ordering::SeqCst);
    let ring = &attachment.ring;
    ring.fetch_tail();
    let (words, context) = (arguments.words()?, thread.context.count());
    let bytes = (head_words(target) + words + context) * WORD;
    let id = site.known_id(known.generation).filter(|&id| id != 0)?;
    // Relaxed: only this thread (and its signal handlers) writes the floor.
    let is_idle = producer.floor().load(Ordering::Relaxed) == IDLE;
    if !is_idle || bytes > ring.longest_run() || thread.broken_off.get().is_some() {
        return None;
    }
    let leave = attachment.leave(level as u8);
    // A signal handler may have forked since: nothing of the parent's is to be touched by the child.
    if !known.is_fresh() {
        return None;
    }
    let (lease, head) = (lease_of(producer), &thread.cached_head);
    match claim_once(ring, &lease, head, bytes, leave, true) {
        // As in write.rs: a signal handler may have forked, and this be the child.
        Ok(claimed) if !known.is_of_this_process() => std::mem::forget(claimed),
        Ok(claimed) => {
            let tag = Tag {
                site: id,
                level: level as u8,
                flags: target.map_or(0, |_| TARGET),
                producer: known.index,
            };
            claimed.publish_with(tag.pack(), bytes, |payload| {
                // Only now: the processor reads the counter while it waits for the claim, but not the other way round.
                let time = attachment.clock.ticks();
                write_head(time, None, target, payload);
                match payload.take(words) {
                    Some(room) => arguments.capture_all(&mut Room(room)),
                    None => arguments.capture_all(payload),
                }
                if context > 0 {
                    thread.context.put(context, payload);
                }
            });
        }
        Err(refused) => {
            let buffer = &mut buffer[..];
            write_again(
                thread, known, buffer, level, site, target, arguments, refused,
            );
        }
    }
    // [handler]: orders this for a signal handler of this thread.
    compiler_fence(Ordering::SeqCst);
    Some(())
}

/// Goes the long way with a record that found no place at once.
#[cold]
#[inline(never)]
#[expect(
    clippy::too_many_arguments,
    reason = "a log call's, and what came of it"
)]
fn write_again<A: Arguments>(
    thread: &Thread,
    known: Known,
    buffer: &mut [u8],
    level: Level,
    site: &'static CallSite,
    target: Option<&str>,
    arguments: &A,
    refused: Refused,
) {
    let (ready, content) = (known.ready(thread), &Captured(arguments));
    write::write_with(ready, buffer, level, site, target, content, Some(refused));
}

/// Words of one slot. Where their number is known at compile time, so is that they suffice.
struct Room<'a>(&'a [AtomicU64]);

impl Put for Room<'_> {
    #[inline(always)]
    fn word(&mut self, word: u64) {
        if let Some((place, room)) = self.0.split_first() {
            // Relaxed: ordered by the publish.
            place.store(word, Ordering::Relaxed);
            self.0 = room;
        }
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        let stored = store_bytes(self.0, bytes);
        self.0 = &self.0[words_for(stored)..];
    }
}

impl Put for Payload<'_> {
    #[inline]
    fn word(&mut self, word: u64) {
        self.word(word);
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.bytes(bytes);
    }
}
