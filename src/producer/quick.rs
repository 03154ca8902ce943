//! The usual log call: a known thread, a known call site, arguments whose size is known, room in the ring. The words
//! go from the registers into the slot. Whatever is not so goes the long way, by `write.rs`.

use std::sync::atomic::compiler_fence;

use super::thread::{Ready, with_known_thread};
use super::write::{self, Captured};
use crate::level::Level;
use crate::record::CallSite;
use crate::record::capture::{Arguments, Put};
use crate::record::codec::{TARGET, Tag, head_words, write_head};
use crate::ring::{IDLE, Payload, claim};
use crate::sync::Ordering;
use crate::words::WORD;

/// Writes one record with its arguments.
pub(crate) fn write_captured<A: Arguments>(
    level: Level,
    site: &'static CallSite,
    target: Option<&str>,
    arguments: &A,
) {
    let is_written = with_known_thread(|ready| {
        // Not to be put together in, but to be found taken: by a signal handler that logs.
        let mut buffer = ready.thread.buffer.try_borrow_mut().ok()?;
        compiler_fence(Ordering::SeqCst);
        let call = Call {
            level,
            site,
            target,
            arguments,
        };
        let written = call.write(ready, &mut buffer[..]);
        compiler_fence(Ordering::SeqCst);
        written
    });
    if is_written.is_none() {
        write::write(level, site, target, &Captured(arguments));
    }
}

struct Call<'a, A> {
    level: Level,
    site: &'static CallSite,
    target: Option<&'a str>,
    arguments: &'a A,
}

impl<A: Arguments> Call<'_, A> {
    /// `None` when nothing has been done.
    #[inline]
    fn write(&self, ready: Ready<'_>, buffer: &mut [u8]) -> Option<()> {
        let attachment = ready.attachment;
        let ring = &attachment.ring;
        ring.fetch_tail();
        let bytes = (head_words(self.target) + self.arguments.words()?) * WORD;
        let site = self.site.known_id(ready.generation).filter(|&id| id != 0)?;
        // Relaxed: nobody but this thread (and its signal handlers) writes the floor.
        let is_idle = ready.producer.floor().load(Ordering::Relaxed) == IDLE;
        if !is_idle || bytes > ring.longest_run() || ready.thread.broken_off.get().is_some() {
            return None;
        }
        let time = attachment.clock.ticks();
        let (head, leave) = (
            &ready.thread.cached_head,
            attachment.leave(self.level as u8),
        );
        match claim(ring, &ready.lease(), head, bytes, leave, true) {
            // As in write.rs: a signal handler may have forked, and this be the child.
            Ok(claimed) if !ready.is_of_this_process() => std::mem::forget(claimed),
            Ok(claimed) => {
                let tag = Tag {
                    site,
                    level: self.level as u8,
                    flags: self.target.map_or(0, |_| TARGET),
                    producer: ready.index,
                };
                claimed.publish_with(tag.pack(), bytes, |payload| {
                    write_head(time, None, self.target, payload);
                    self.arguments.capture_all(payload);
                });
            }
            Err(refused) => {
                let content = &Captured(self.arguments);
                let (level, site, target) = (self.level, self.site, self.target);
                let refused = Some(refused);
                write::write_with(ready, buffer, level, site, target, content, refused);
            }
        }
        Some(())
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
