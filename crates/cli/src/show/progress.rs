//! How far a long piece of work has come, as a line on standard error that is overwritten and in the end taken away.
//!
//! Nothing is shown of work that takes less than a second, or where standard error is no terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{bytes, percent};

/// Work that ends sooner is not worth a line.
const PATIENCE: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(200);

/// Bytes of files that this process has read. A counter of its own: nothing else is ordered by it, so Relaxed will do.
static READ: AtomicU64 = AtomicU64::new(0);

/// Notes that so many bytes of a file were read.
pub fn note_read(count: usize) {
    READ.fetch_add(count as u64, Ordering::Relaxed);
}

/// Shows progress until it is dropped.
pub struct Progress {
    shown: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Of reading files that have `total` bytes together.
    pub fn of_reading(total: u64) -> Progress {
        // As above.
        let before = READ.load(Ordering::Relaxed);
        Progress::start(move || {
            let read = READ.load(Ordering::Relaxed).saturating_sub(before);
            let share = read as f64 / total.max(1) as f64;
            format!(
                "{} of {} read ({})",
                bytes(read.min(total)),
                bytes(total),
                percent(share)
            )
        })
    }

    /// Of work of which nothing is known but what it is.
    pub fn of(what: String) -> Progress {
        Progress::start(move || what.clone())
    }

    fn start(text: impl Fn() -> String + Send + 'static) -> Progress {
        if !io::stderr().is_terminal() {
            return Progress { shown: None };
        }
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().spawn(move || {
            let mut is_drawn = false;
            let mut wait = PATIENCE;
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                wait = EVERY;
                is_drawn = true;
                write(&format!("\r\x1b[K{}; Ctrl+C ends it", text()));
            }
            if is_drawn {
                write("\r\x1b[K");
            }
        });
        Progress {
            shown: thread.ok().map(|thread| (stop, thread)),
        }
    }
}

/// In one piece. A terminal that has gone is no failure.
fn write(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.shown.take() {
            drop(stop);
            // It only draws, so there is nothing to learn from its end.
            let _ = thread.join();
        }
    }
}
