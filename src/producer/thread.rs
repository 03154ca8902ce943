//! A thread's tie to the ring: its registry entry, found again in a few loads at every record.

use std::cell::{Cell, RefCell};

use super::attachment::{self, Attachment};
use crate::ring::{Lease, MAX_RUN_BYTES};
use crate::segment::Producer;
use crate::sync::Ordering;

/// A thread that was refused an entry asks again after so many records, not at each.
const REFUSALS_BETWEEN_TRIES: u32 = 64;

/// What a thread knows. All of it is void when the generation is not the process's.
pub(super) struct Thread {
    generation: Cell<u64>,
    attachment: Cell<Option<&'static Attachment>>,
    /// Index of our entry among the producers.
    index: Cell<u16>,
    /// The drainer's head as we saw it last.
    pub(super) cached_head: Cell<u64>,
    /// Sequence of the first run of a record that we had to break off, and have not said so yet.
    pub(super) broken_off: Cell<Option<u64>>,
    /// We are on the way to an entry: a signal handler that logs now must not go the same way.
    entering: Cell<bool>,
    /// Records to let go before an entry is asked for again.
    refusals_left: Cell<u32>,
    /// Where a run is put together. Busy while a record is being rendered whose arguments log themselves.
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
            cached_head: Cell::new(0),
            broken_off: Cell::new(None),
            entering: Cell::new(false),
            refusals_left: Cell::new(0),
            buffer: RefCell::new([0; MAX_RUN_BYTES]),
        }
    };
    // With a destructor: gives the entry back when the thread ends.
    static DEPARTURE: Departure = const { Departure { generation: Cell::new(0), producer: Cell::new(None) } };
}

struct Departure {
    generation: Cell<u64>,
    producer: Cell<Option<Producer<'static>>>,
}

impl Drop for Departure {
    fn drop(&mut self) {
        // In a child made by fork the entry is still the parent's.
        let is_ours = self.generation.get() == attachment::known_generation();
        if let (true, Some(producer)) = (is_ours, self.producer.take()) {
            // What other destructors of this thread log from here on goes through an entry of its own.
            THREAD.with(|thread| thread.generation.set(0));
            producer.leave();
        }
    }
}

/// A registered thread, ready to write.
#[derive(Clone, Copy)]
pub(super) struct Ready<'t> {
    pub(super) thread: &'t Thread,
    pub(super) attachment: &'static Attachment,
    pub(super) producer: Producer<'static>,
    pub(super) index: u16,
    pub(super) generation: u64,
}

impl Ready<'_> {
    pub(super) fn lease(&self) -> Lease<'static> {
        let (begun, begun_nested) = self.producer.begun_words();
        Lease {
            floor: self.producer.floor(),
            begun,
            begun_nested,
        }
    }
}

/// Calls `write` with this thread, registered; does nothing when there is no ring, and counts the record as
/// dropped when there is no entry.
#[inline]
pub(super) fn with_thread(write: impl FnOnce(Ready<'_>)) {
    THREAD.with(|thread| {
        let generation = attachment::known_generation();
        let known = thread.generation.get() == generation && generation != 0;
        if !known && !thread.enter() {
            return;
        }
        if let Some(attachment) = thread.attachment.get() {
            let index = thread.index.get();
            write(Ready {
                thread,
                attachment,
                producer: attachment.segment.producer(index.into()),
                index,
                generation: thread.generation.get(),
            });
        }
    });
}

impl Thread {
    /// Registers this thread. The only part of logging that may enter the kernel and allocate.
    #[cold]
    fn enter(&self) -> bool {
        let Some(attachment) = attachment::current() else {
            return false;
        };
        // Counted only for a live ring: a member that comes after its end has nothing to count in.
        let refuse = || {
            attachment
                .segment
                .drops_unregistered()
                .fetch_add(1, Ordering::Relaxed);
            attachment.segment.drops().fetch_add(1, Ordering::Release);
            false
        };
        if self.refusals_left.get() > 0 {
            self.refusals_left.set(self.refusals_left.get() - 1);
            return refuse();
        }
        if self.entering.replace(true) {
            return refuse();
        }
        let entered = self.enter_into(attachment);
        self.entering.set(false);
        entered.is_some() || {
            self.refusals_left.set(REFUSALS_BETWEEN_TRIES);
            refuse()
        }
    }

    fn enter_into(&self, attachment: &'static Attachment) -> Option<()> {
        let generation = attachment::generation().ok()?;
        let member = attachment.member(generation)?;
        let tid = rustix::thread::gettid().as_raw_pid() as u32;
        let index = attachment
            .segment
            .enter_producer(member, tid, &thread_name())?;
        let producer = attachment.segment.producer(index);
        self.attachment.set(Some(attachment));
        self.index.set(index as u16);
        self.cached_head.set(attachment.ring.head());
        self.broken_off.set(None);
        self.generation.set(generation);
        // Without this (the thread is at its end) the drainer finds the thread gone by itself.
        let _ = DEPARTURE.try_with(|departure| {
            departure.generation.set(generation);
            departure.producer.set(Some(producer));
        });
        Some(())
    }
}

/// The name that the thread was given in Rust, else the one that the kernel knows.
fn thread_name() -> String {
    if let Some(name) = std::thread::current().name() {
        return name.to_owned();
    }
    rustix::thread::name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
