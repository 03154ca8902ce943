//! The thread that writes to a terminal or a pipe, so that one that stands still stops nothing else.
//!
//! Batches go into a queue; the thread takes all of it at once and writes it in chunks, each ending with
//! a line where possible. How much may wait is decided by who fills the queue.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes of one write: small enough to see a slow reader move, large enough to cost no calls.
const CHUNK: usize = 16 << 10;

/// Memory that a buffer keeps for the next batches.
const KEPT_BYTES: usize = 1 << 20;

/// How long to leave a far end alone that refuses for now (a full disk, a non-blocking terminal, a FIFO without a
/// reader).
const PAUSE: Duration = Duration::from_millis(10);

/// The queue and what became of it.
#[derive(Default)]
struct State {
    queue: Vec<u8>,
    /// Bytes handed over that are not written yet, those in the thread's hands included.
    outstanding: usize,
    /// Nothing will ever be written again.
    closed: bool,
    /// The thread is to end once the queue is empty.
    ending: bool,
    /// What went wrong and was not fetched yet.
    error: Option<io::Error>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write, or an end.
    filled: Condvar,
    /// `outstanding` has become less.
    moved: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is a single step: a panic in between leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The near end of the thread. Dropping it lets the thread end after what it has, without waiting.
pub(in crate::sink) struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(out: Box<dyn Write + Send>) -> io::Result<Writer> {
        let shared = Arc::new(Shared::default());
        let far = Arc::clone(&shared);
        thread::Builder::new()
            .name("shmlog-writer".to_owned())
            .spawn(move || write_until_ended(&far, out))?;
        Ok(Writer { shared })
    }

    /// Takes all of `batch`, which is empty afterwards.
    pub(super) fn hand_over(&self, batch: &mut Vec<u8>) {
        let mut state = self.shared.lock();
        if !state.closed && !batch.is_empty() {
            state.outstanding += batch.len();
            if state.queue.is_empty() {
                std::mem::swap(&mut state.queue, batch);
            } else {
                state.queue.extend_from_slice(batch);
            }
            self.shared.filled.notify_one();
        }
        drop(state);
        batch.clear();
        give_back(batch);
    }

    /// Bytes handed over and not written yet.
    pub(super) fn outstanding(&self) -> usize {
        self.shared.lock().outstanding
    }

    /// Whether nothing will ever be written again.
    pub(super) fn is_closed(&self) -> bool {
        self.shared.lock().closed
    }

    /// What went wrong since the last call.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.shared.lock().error.take()
    }

    /// Waits until all is written; gives up when nothing moves for `patience`. Returns what is left.
    pub(in crate::sink) fn wait(&self, patience: Duration) -> usize {
        let mut state = self.shared.lock();
        while state.outstanding > 0 {
            let before = state.outstanding;
            let stands = |state: &mut State| state.outstanding == before;
            let waited = self
                .shared
                .moved
                .wait_timeout_while(state, patience, stands);
            let timeout;
            (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                break;
            }
        }
        state.outstanding
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().ending = true;
        self.shared.filled.notify_one();
    }
}

fn write_until_ended(shared: &Shared, mut out: Box<dyn Write + Send>) {
    let mut batch = Vec::new();
    while take_queue(shared, &mut batch) {
        if let Err(error) = write_all(shared, &mut *out, &batch) {
            let mut state = shared.lock();
            state.closed = true;
            state.outstanding = 0;
            state.queue = Vec::new();
            state.error = Some(error);
            shared.moved.notify_all();
            return;
        }
        batch.clear();
        give_back(&mut batch);
    }
}

/// Waits for something to write; `false` when nothing will come.
fn take_queue(shared: &Shared, batch: &mut Vec<u8>) -> bool {
    let state = shared.lock();
    let idle = |state: &mut State| state.queue.is_empty() && !state.ending;
    let waited = shared.filled.wait_while(state, idle);
    let mut state = waited.unwrap_or_else(PoisonError::into_inner);
    std::mem::swap(&mut state.queue, batch);
    !batch.is_empty()
}

/// # Errors
/// What makes further writing pointless. A trouble that may pass is told and waited for.
fn write_all(shared: &Shared, out: &mut dyn Write, batch: &[u8]) -> io::Result<()> {
    let (mut rest, mut told) = (batch, None);
    while !rest.is_empty() {
        match out.write(first_chunk(rest)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                rest = &rest[count..];
                told = None;
                shared.lock().outstanding -= count;
                shared.moved.notify_all();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if may_pass(error.kind()) => {
                let mut state = shared.lock();
                if state.ending {
                    return Err(error);
                }
                let kind = error.kind();
                if kind != io::ErrorKind::WouldBlock && told != Some(kind) {
                    state.error = Some(error);
                    told = Some(kind);
                }
                drop(state);
                thread::sleep(PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
    out.flush()
}

/// Whole lines where possible, because others may write to the same terminal.
fn first_chunk(bytes: &[u8]) -> &[u8] {
    let chunk = &bytes[..bytes.len().min(CHUNK)];
    let last = chunk.iter().rposition(|byte| *byte == b'\n');
    last.map_or(chunk, |last| &chunk[..=last])
}

const fn may_pass(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{QuotaExceeded, ResourceBusy, StorageFull, WouldBlock};
    matches!(
        kind,
        WouldBlock | StorageFull | QuotaExceeded | ResourceBusy
    )
}

fn give_back(buffer: &mut Vec<u8>) {
    if buffer.capacity() > 8 * KEPT_BYTES {
        buffer.shrink_to(KEPT_BYTES);
    }
}
