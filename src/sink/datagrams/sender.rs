//! The thread that sends, so that a receiver that is slow, stands still or is not there holds up nothing else.
//!
//! It takes the whole queue and sends one datagram after the other. Where there is no room it waits for some; after an
//! error it rests, opens the socket anew and tries the same datagram again. How much may wait is decided by who fills the
//! queue.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::batch::{Batch, Meaning};
use super::socket::{Sent, Socket};

/// How long the thread waits for room before it looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long it rests after an error; twice as long after the next, up to the last.
const REST: Duration = Duration::from_millis(20);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// How long the network may take to say that there is no receiver.
const ANSWER: Duration = Duration::from_millis(100);

/// What waits, by what it means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) bytes: usize,
    pub(super) datagrams: u64,
    pub(super) records: u64,
    /// Records that are missing, where what waits says so.
    pub(super) untold: u64,
}

impl Waiting {
    fn of(bytes: usize, meaning: Meaning) -> Waiting {
        let (records, untold) = match meaning {
            Meaning::Record => (1, 0),
            Meaning::Own => (0, 0),
            Meaning::Gap(records) => (0, records),
        };
        Waiting {
            bytes,
            datagrams: 1,
            records,
            untold,
        }
    }

    fn add(&mut self, other: Waiting) {
        self.bytes += other.bytes;
        self.datagrams += other.datagrams;
        self.records += other.records;
        self.untold += other.untold;
    }

    fn remove(&mut self, other: Waiting) {
        self.bytes -= other.bytes;
        self.datagrams -= other.datagrams;
        self.records -= other.records;
        self.untold -= other.untold;
    }
}

/// The queue and what became of it.
#[derive(Default)]
struct State {
    queue: Batch,
    /// The queue, and what is in the thread's hands.
    waiting: Waiting,
    /// What is in the way of the first datagram.
    trouble: Option<String>,
    /// Records that could not be made small enough, and were not asked for yet.
    too_large: u64,
    /// The thread is to end as soon as it may.
    ending: bool,
    /// The drainer waits for the queue: waking costs a system call even when no thread waits.
    awaited: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to send, or an end.
    filled: Condvar,
    /// Less waits than before.
    moved: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is a single step: a panic in between leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How things are.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) waiting: Waiting,
    pub(super) trouble: Option<String>,
    /// Since the last time it was asked.
    pub(super) too_large: u64,
}

/// The near end of the thread. Dropping it lets the thread end without waiting for it.
pub(super) struct Sender {
    shared: Arc<Shared>,
}

impl Sender {
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(name: &str, socket: Socket) -> io::Result<Sender> {
        let shared = Arc::new(Shared::default());
        let far = Arc::clone(&shared);
        thread::Builder::new()
            .name(format!("shmlog-{name}"))
            .spawn(move || send_until_ended(&far, socket))?;
        Ok(Sender { shared })
    }

    /// Takes all of `batch`, which is empty afterwards.
    pub(super) fn hand_over(&self, batch: &mut Batch) -> Standing {
        let mut state = self.shared.lock();
        if !batch.is_empty() {
            for index in 0..batch.len() {
                let bytes = batch.datagram(index).len();
                let more = Waiting::of(bytes, batch.piece(index).meaning);
                state.waiting.add(more);
            }
            state.queue.append(batch);
            self.shared.filled.notify_one();
        }
        Standing {
            waiting: state.waiting,
            trouble: state.trouble.clone(),
            too_large: std::mem::take(&mut state.too_large),
        }
    }

    pub(super) fn waiting(&self) -> Waiting {
        self.shared.lock().waiting
    }

    /// Waits until all is sent; gives up when nothing moves for `patience`. Returns whether all is sent.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        let mut state = self.shared.lock();
        state.awaited = true;
        while state.waiting.datagrams > 0 {
            let before = state.waiting;
            let stands = |state: &mut State| state.waiting == before;
            let moved = &self.shared.moved;
            let waited = moved.wait_timeout_while(state, patience, stands);
            let timeout;
            (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                break;
            }
        }
        state.awaited = false;
        state.waiting.datagrams == 0
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.shared.lock().ending = true;
        self.shared.filled.notify_one();
    }
}

fn send_until_ended(shared: &Shared, socket: Socket) {
    let mut course = Course {
        shared,
        socket,
        batch: Batch::default(),
        done: 0,
        next: 0,
        rest: REST,
        probing: false,
    };
    while course.take_queue() {
        while course.done < course.batch.len() {
            let ending = match course.step() {
                Ok(Sent::Later) => course.wait_for_room(),
                Ok(_) => false,
                Err(error) => course.rest_from(&error),
            };
            if ending {
                return;
            }
        }
    }
}

/// A batch on its way.
///
/// Invariant: `done <= next <= batch.len()`; those between are with the kernel, and it may yet say that no receiver has
/// received them. With UDP that is the last one, with others none.
struct Course<'a> {
    shared: &'a Shared,
    socket: Socket,
    batch: Batch,
    done: usize,
    next: usize,
    rest: Duration,
    /// There was an error: the next datagram has to show that there is none any more.
    probing: bool,
}

impl Course<'_> {
    /// Waits for something to send; `false` when nothing will come.
    fn take_queue(&mut self) -> bool {
        self.batch.clear();
        (self.done, self.next) = (0, 0);
        let idle = |state: &mut State| state.queue.is_empty() && !state.ending;
        let waited = self.shared.filled.wait_while(self.shared.lock(), idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.queue, &mut self.batch);
        !state.ending || !self.batch.is_empty()
    }

    /// Sends the next datagram, or asks what has become of the last.
    fn step(&mut self) -> io::Result<Sent> {
        let is_last = self.next == self.batch.len();
        if self.next > self.done && (is_last || self.probing) {
            if self.probing {
                // Nothing else is sent while it is not known whether a receiver is there.
                thread::sleep(ANSWER);
            }
            self.socket.confirm()?;
            self.arrive(self.next);
            return Ok(Sent::Yes);
        }
        let piece = self.batch.piece(self.next);
        let sent = self
            .socket
            .send(self.batch.datagram(self.next), piece.text_at)?;
        if sent == Sent::Later {
            return Ok(sent);
        }
        if sent == Sent::Never && piece.meaning == Meaning::Record {
            self.shared.lock().too_large += 1;
        }
        self.next += 1;
        if self.socket.is_sure() {
            self.arrive(self.next);
        } else if !self.probing {
            self.arrive(self.next - 1);
        }
        Ok(sent)
    }

    /// All before `end` have arrived, as far as one can know.
    fn arrive(&mut self, end: usize) {
        if end == self.done {
            return;
        }
        let mut arrived = Waiting::default();
        for index in self.done..end {
            let bytes = self.batch.datagram(index).len();
            arrived.add(Waiting::of(bytes, self.batch.piece(index).meaning));
        }
        self.done = end;
        (self.rest, self.probing) = (REST, false);
        let mut state = self.shared.lock();
        state.waiting.remove(arrived);
        state.trouble = None;
        if state.awaited {
            self.shared.moved.notify_all();
        }
    }

    /// Returns whether the thread is to end.
    fn wait_for_room(&self) -> bool {
        self.socket.wait_for_room(LOOK_EVERY);
        self.shared.lock().ending
    }

    /// Says what is in the way and waits a while. What the kernel had last goes out again. Returns whether the thread is
    /// to end.
    fn rest_from(&mut self, error: &io::Error) -> bool {
        self.socket.close();
        if error.kind() == io::ErrorKind::ConnectionRefused {
            self.next = self.done;
        } else {
            // It says nothing of those before.
            self.arrive(self.next);
        }
        self.probing = true;
        let mut state = self.shared.lock();
        state.trouble = Some(error.to_string());
        let stays = |state: &mut State| !state.ending;
        let filled = &self.shared.filled;
        let waited = filled.wait_timeout_while(state, self.rest, stays);
        self.rest = (self.rest * 2).min(LONGEST_REST);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.ending
    }
}
