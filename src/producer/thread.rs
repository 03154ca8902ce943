//! A thread's tie to the ring: its registry entry, found again in a few loads at every record.

use std::cell::{Cell, RefCell};
use std::sync::atomic::compiler_fence;

use super::attachment::{self, Attachment};
use super::context::Context;
use super::departure;
use crate::level::Level;
use crate::ring::{Lease, MAX_RUN_BYTES};
use crate::segment::{Producer, Refusal, process};
use crate::sync::Ordering;

/// A thread that was refused an entry asks again after so many records, not at each.
const REFUSALS_BETWEEN_TRIES: u32 = 64;

/// What a thread knows. All of it is void when the generation is not the process's.
pub(super) struct Thread {
    generation: Cell<u64>,
    attachment: Cell<Option<&'static Attachment>>,
    /// Index of our entry among the producers, and the entry.
    index: Cell<u16>,
    producer: Cell<Option<Producer<'static>>>,
    /// The process that took it.
    pid: Cell<u32>,
    /// The drainer's head as we saw it last.
    pub(super) cached_head: Cell<u64>,
    /// Sequence of the first run of a record that we had to break off, and have not said so yet.
    pub(super) broken_off: Cell<Option<u64>>,
    /// We are on the way to an entry: a signal handler that logs now must not go the same way.
    entering: Cell<bool>,
    /// It may run on one processor only, which the drainer may need: found out when it registers.
    pub(super) shares_processor: Cell<bool>,
    /// Records to let go before an entry is asked for again, and why it was refused.
    refusals_left: Cell<(u32, Refusal)>,
    /// What all its records carry.
    pub(super) context: Context,
    /// Where `write.rs` puts a run together. Taken during every record, `quick.rs`'s too: so a signal handler, or an
    /// argument, that logs meanwhile knows that it is inside of one.
    pub(super) buffer: RefCell<[u8; MAX_RUN_BYTES]>,
}

thread_local! {
    // Constant and without a destructor: reaching it costs one addition, allocates nothing, and works
    // until the thread's very end.
    static THREAD: Thread = const {
        Thread {
            generation: Cell::new(0),
            attachment: Cell::new(None),
            index: Cell::new(0),
            producer: Cell::new(None),
            pid: Cell::new(0),
            cached_head: Cell::new(0),
            broken_off: Cell::new(None),
            entering: Cell::new(false),
            shares_processor: Cell::new(false),
            refusals_left: Cell::new((0, Refusal::Threads)),
            context: Context::none(),
            buffer: RefCell::new([0; MAX_RUN_BYTES]),
        }
    };
}

/// This thread ends: gives its entry back. In a child made by fork the entry is still the parent's.
pub(super) fn leave() {
    THREAD.with(|thread| {
        // What this thread logs from here on goes through an entry of its own.
        thread.generation.set(0);
        thread.give_back_entry();
    });
}

/// Registers the calling thread now, and not with its first record. Not for signal handlers.
pub(crate) fn enter() -> Result<(), Refusal> {
    let attachment = attachment::current().ok_or(Refusal::Closing)?;
    THREAD.with(|thread| match thread.is_known() {
        true => Ok(()),
        false => thread.enter_into(attachment),
    })
}

/// A registered thread, ready to write.
#[derive(Clone, Copy)]
pub(super) struct Ready<'t> {
    pub(super) thread: &'t Thread,
    pub(super) attachment: &'static Attachment,
    pub(super) producer: Producer<'static>,
    pub(super) index: u16,
    pub(super) generation: u64,
    /// The process that took the entry.
    pid: u32,
    /// The entry is for this record only: a signal handler has interrupted the thread's registration.
    aside: bool,
}

impl Ready<'_> {
    /// Whether this is still the process that took the entry, and not a child of it.
    #[inline(always)]
    pub(super) fn is_of_this_process(&self) -> bool {
        // Another generation: a fork, or another thread has detached this process, which voids no record that
        // is under way.
        self.generation == attachment::known_generation() || self.pid == std::process::id()
    }

    pub(super) fn lease(&self) -> Lease<'static> {
        lease_of(self.producer)
    }
}

/// A registered thread, without the thread.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) generation: u64,
    pub(super) attachment: &'static Attachment,
    pub(super) producer: Producer<'static>,
    pub(super) index: u16,
    pid: u32,
}

impl Known {
    /// Whether no fork, and nothing else that would void it, has come since.
    #[inline(always)]
    pub(super) fn is_fresh(&self) -> bool {
        self.generation == attachment::known_generation()
    }

    /// See [`Ready::is_of_this_process`].
    #[inline(always)]
    pub(super) fn is_of_this_process(&self) -> bool {
        self.is_fresh() || self.pid == std::process::id()
    }

    pub(super) fn ready(self, thread: &Thread) -> Ready<'_> {
        Ready {
            thread,
            attachment: self.attachment,
            producer: self.producer,
            index: self.index,
            generation: self.generation,
            pid: self.pid,
            aside: false,
        }
    }
}

/// What the ring needs of an entry.
#[inline(always)]
pub(super) fn lease_of(producer: Producer<'static>) -> Lease<'static> {
    let (begun, begun_nested) = producer.begun_words();
    Lease {
        floor: producer.floor(),
        begun,
        begun_nested,
    }
}

/// Calls `write` with this thread, registered, and returns whether it could be. Counts the record, of `level`, as dropped
/// when there is a ring but no entry.
#[inline]
pub(super) fn with_thread(level: Level, write: impl FnOnce(Ready<'_>)) -> bool {
    THREAD.with(|thread| {
        let ready = match thread.is_known() {
            true => thread.ready(),
            false => thread.enter(level),
        };
        let Some(ready) = ready else { return false };
        write(ready);
        if ready.aside {
            thread.leave_aside(ready);
        }
        true
    })
}

/// Calls `write` with this thread, registered or not.
#[inline(always)]
pub(super) fn with_this_thread<T>(write: impl FnOnce(&Thread) -> T) -> T {
    THREAD.with(write)
}

impl Thread {
    #[inline(always)]
    fn is_known(&self) -> bool {
        let generation = attachment::known_generation();
        self.generation.get() == generation && generation != 0
    }

    /// What a record needs, if this thread is registered; as it is now, whatever signal handlers do to it later.
    #[inline(always)]
    pub(super) fn known(&self) -> Option<Known> {
        match self.is_known() {
            true => self.present(),
            false => None,
        }
    }

    #[inline(always)]
    fn present(&self) -> Option<Known> {
        Some(Known {
            generation: self.generation.get(),
            attachment: self.attachment.get()?,
            producer: self.producer.get()?,
            index: self.index.get(),
            pid: self.pid.get(),
        })
    }

    /// An entry of the child's own, for a record that was being rendered when its parent forked.
    pub(super) fn ready_in_child(&self, level: Level) -> Option<Ready<'_>> {
        match self.is_known() {
            true => self.ready(),
            false => self.enter(level),
        }
    }

    #[inline]
    fn ready(&self) -> Option<Ready<'_>> {
        Some(self.present()?.ready(self))
    }

    /// Registers this thread. The only part of logging that enters the kernel. It takes no lock and does
    /// not allocate, for the thread may be in a signal handler that interrupted anything.
    #[cold]
    fn enter(&self, level: Level) -> Option<Ready<'_>> {
        let attachment = attachment::current()?;
        // Counted only for a live ring: a member that comes after its end has nothing to count in.
        let refuse = |why| {
            attachment.segment.count_refused(why, level);
            None
        };
        if let (left @ 1.., why) = self.refusals_left.get() {
            self.refusals_left.set((left - 1, why));
            return refuse(why);
        }
        if self.entering.replace(true) {
            let aside = |entry| Ready {
                aside: true,
                ..entry
            };
            let entry = self.new_entry(attachment).map(aside);
            return entry.map_or_else(refuse, Some);
        }
        // [handler]: orders this for a signal handler of this thread.
        compiler_fence(Ordering::SeqCst);
        // A signal handler may have registered us since we looked.
        let entered = match self.is_known() {
            true => Ok(()),
            false => self.enter_into(attachment),
        };
        // [handler]: orders this for a signal handler of this thread.
        compiler_fence(Ordering::SeqCst);
        self.entering.set(false);
        match entered {
            Ok(()) => {
                attachment.unlocked.tell(&attachment.segment);
                self.ready()
            }
            Err(why) => {
                self.refusals_left.set((REFUSALS_BETWEEN_TRIES, why));
                refuse(why)
            }
        }
    }

    /// Gives back the entry of one record.
    #[cold]
    fn leave_aside(&self, ready: Ready<'_>) {
        // Not to be said by another entry; the drainer cuts the record off when it clears this one.
        self.broken_off.set(None);
        ready.producer.leave();
    }

    /// Takes an entry for this thread.
    fn new_entry(&self, attachment: &'static Attachment) -> Result<Ready<'_>, Refusal> {
        // What these hold is about another ring, or about none.
        self.cached_head.set(attachment.ring.head());
        self.broken_off.set(None);
        self.shares_processor
            .set(process::is_bound_to_one_processor());
        let generation = attachment::generation().map_err(|_| Refusal::System)?;
        let member = attachment.member(generation)?;
        let tid = rustix::thread::gettid().as_raw_pid() as u32;
        let index = with_thread_name(tid, |name| {
            attachment.segment.enter_producer(member, tid, name)
        });
        let index = index.ok_or(Refusal::Threads)?;
        Ok(Ready {
            thread: self,
            attachment,
            producer: attachment.segment.producer(index),
            index: index as u16,
            generation,
            pid: std::process::id(),
            aside: false,
        })
    }

    /// Gives back the entry that this thread has, in whichever ring, if it is not one inherited by a fork.
    fn give_back_entry(&self) {
        if let Some(attachment) = self.attachment.take()
            && self.pid.get() == std::process::id()
        {
            let index = self.index.get();
            attachment.segment.producer(index.into()).leave();
        }
    }

    fn enter_into(&self, attachment: &'static Attachment) -> Result<(), Refusal> {
        let entry = self.new_entry(attachment)?;
        // What it had in a ring of before; but not in the midst of a record for that one.
        if self.buffer.try_borrow_mut().is_ok() {
            self.give_back_entry();
        }
        self.attachment.set(Some(attachment));
        self.index.set(entry.index);
        self.producer.set(Some(entry.producer));
        self.pid.set(entry.pid);
        // A signal handler that finds the generation finds the rest as well.
        // [handler]: orders this for a signal handler of this thread.
        compiler_fence(Ordering::SeqCst);
        self.generation.set(entry.generation);
        departure::expect();
        Ok(())
    }
}

/// Calls `use_name` with this thread's name. The kernel knows the first 15 bytes of what the thread was given
/// in Rust; the rest is std's to tell, which is asked only outside of signal handlers: at the very beginning
/// and end of a thread it would allocate, or panic.
fn with_thread_name<T>(tid: u32, use_name: impl FnOnce(&str) -> T) -> T {
    if tid == std::process::id() {
        return use_name("main");
    }
    let mut buffer = [0; process::THREAD_NAME_BYTES];
    let known = process::thread_name(&mut buffer);
    // Cut within a character it may be a few bytes shorter.
    if known.len() < process::THREAD_NAME_BYTES - 4 || process::blocks_signals() {
        return use_name(known);
    }
    let thread = std::thread::current();
    let whole = thread.name().filter(|name| name.starts_with(known));
    use_name(whole.unwrap_or(known))
}

/// One that was refused an entry a moment ago asks at once.
pub(super) fn forget_refusals() {
    THREAD.with(|thread| thread.refusals_left.set((0, Refusal::Threads)));
}
