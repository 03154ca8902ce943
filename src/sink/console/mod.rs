//! The console: what a person reads while the programs run.
//!
//! ```text
//! record() ──► Layout (lines, colours) ──► batch ── commit() ──► Writer's queue ──► its thread ──► stdout
//!                 ▲ beyond queue_bytes nothing is rendered, only counted; a line says so once there is room
//! ```
//!
//! A terminal that is stopped (Ctrl+S), a slow pipe or a closed one never holds up
//! [`record`](Sink::record) or [`commit`](Sink::commit): only the thread waits for it.

mod layout;
mod settings;
mod style;
#[cfg(test)]
mod tests;
mod wrap;
mod writer;

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anstream::{AutoStream, ColorChoice};

use self::layout::Layout;
pub use self::settings::Console;
use self::writer::Writer;
use crate::level::Level;
use crate::record::Record;
use crate::sink::Sink;
use crate::sink::missing::Missing;

/// How a console looks, and how much may wait for it.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleConfig {
    /// Whether to write colours.
    pub colour: bool,
    /// Columns of the terminal, asked for once a batch; `None` when it has none (a pipe, a file).
    pub width: fn() -> Option<usize>,
    /// Bytes that may wait for a console that does not take them. A single record may exceed it.
    pub queue_bytes: usize,
}

impl ConsoleConfig {
    /// The usual [`queue_bytes`](ConsoleConfig::queue_bytes): 4 MiB.
    pub const QUEUE_BYTES: usize = 4 << 20;
}

/// Why no console could be opened.
#[derive(Debug)]
pub enum OpenConsoleError {
    /// Standard output is closed, or no further descriptor can be had for it.
    Stdout(io::Error),
    /// The thread that writes cannot be started.
    Thread(io::Error),
}

impl fmt::Display for OpenConsoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenConsoleError::Stdout(source) => write!(
                f,
                "cannot log to standard output: {source}; open it, or switch the console off with console(false)"
            ),
            OpenConsoleError::Thread(source) => {
                write!(
                    f,
                    "cannot start the thread that writes to the console: {source}; allow one more thread"
                )
            }
        }
    }
}

impl std::error::Error for OpenConsoleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenConsoleError::Stdout(source) | OpenConsoleError::Thread(source) => Some(source),
        }
    }
}

/// The sink that writes to a console.
///
/// Its [`commit`](Sink::commit) returns what went wrong once. After an error that cannot pass, like a
/// closed pipe, records are dropped quietly; one that may, like a full disk behind a redirection, is waited for.
pub struct ConsoleSink {
    layout: Layout,
    writer: Writer,
    /// What the present batch has so far.
    batch: Vec<u8>,
    missing: Missing,
    width: fn() -> Option<usize>,
    queue_bytes: usize,
    /// Bytes in the writer's queue when last asked; never more by now.
    outstanding: usize,
    /// Bytes of a message larger than the queue that waits; 0 when there is none.
    oversize: usize,
    /// Nothing will ever be written again; renewed with each batch.
    closed: bool,
}

impl ConsoleSink {
    /// A console on standard output: coloured and aligned to the width when that is a terminal (and
    /// `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and `TERM` agree), plain otherwise. `queue_bytes` may wait for it,
    /// or the [usual](ConsoleConfig::QUEUE_BYTES).
    ///
    /// # Errors
    /// When standard output is closed, or no thread can be started.
    pub fn stdout(queue_bytes: Option<usize>) -> Result<ConsoleSink, OpenConsoleError> {
        let stdout = io::stdout();
        let owned = stdout.as_fd().try_clone_to_owned();
        let out = File::from(owned.map_err(OpenConsoleError::Stdout)?);
        let config = ConsoleConfig {
            colour: AutoStream::choice(&stdout) != ColorChoice::Never,
            width: width_of_stdout,
            queue_bytes: queue_bytes.unwrap_or(ConsoleConfig::QUEUE_BYTES),
        };
        ConsoleSink::new(Box::new(out), config)
    }

    /// A console on any writer, which a thread of the sink's own writes to.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(
        out: Box<dyn Write + Send>,
        config: ConsoleConfig,
    ) -> Result<ConsoleSink, OpenConsoleError> {
        Ok(ConsoleSink {
            layout: Layout::new(config.colour),
            writer: Writer::start(out).map_err(OpenConsoleError::Thread)?,
            batch: Vec::new(),
            missing: Missing::default(),
            width: config.width,
            queue_bytes: config.queue_bytes,
            outstanding: 0,
            oversize: 0,
            closed: false,
        })
    }

    /// Bytes that wait, the present batch included.
    fn waiting(&self) -> usize {
        self.writer.outstanding() + self.batch.len()
    }

    /// Whether a message of so many bytes would have to wait behind too many others. One that need not
    /// wait behind any is taken however long it is, and does not use up the room of those behind it.
    fn is_full_for(&mut self, bytes: usize) -> bool {
        let most = self.queue_bytes + self.oversize;
        if self.outstanding + self.batch.len() + bytes <= most {
            return false;
        }
        self.outstanding = self.writer.outstanding();
        let waiting = self.outstanding + self.batch.len();
        if waiting == 0 {
            self.oversize = bytes;
            return false;
        }
        waiting + bytes > most
    }

    /// Says what is missing at this place, once the console has taken half of what waited: told at every
    /// single gap, it would itself fill the console.
    fn tell_missing(&mut self, room: usize) {
        if self.missing.is_empty() || self.waiting() > room {
            return;
        }
        let text = self
            .missing
            .take("the console took no more; files have all");
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let time_ns = now.map_or(0, |since| since.as_nanos() as i64);
        let notice = Record::of_drainer(time_ns, Level::Warn, &text);
        self.layout.push(&mut self.batch, &notice);
    }

    fn hand_over(&mut self) {
        self.writer.hand_over(&mut self.batch);
        self.outstanding = self.writer.outstanding();
        if self.outstanding == 0 {
            self.oversize = 0;
        }
        self.closed = self.writer.is_closed();
    }
}

fn width_of_stdout() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

impl Sink for ConsoleSink {
    fn name(&self) -> String {
        "console".to_owned()
    }

    fn record(&mut self, record: &Record<'_>) {
        if self.closed {
            return;
        }
        if self.batch.is_empty() {
            self.layout.width = (self.width)();
        }
        self.tell_missing(self.queue_bytes / 2);
        // Once one is missing so are all behind it, up to the line that says so.
        if !self.missing.is_empty() || self.is_full_for(record.message.len()) {
            self.missing.count(record);
        } else {
            self.layout.push(&mut self.batch, record);
        }
    }

    fn commit(&mut self) -> io::Result<()> {
        self.tell_missing(self.queue_bytes / 2);
        self.hand_over();
        self.writer.take_error().map_or(Ok(()), |error| {
            Err(io::Error::new(
                error.kind(),
                format!("cannot write to the console: {error}"),
            ))
        })
    }

    fn settled(&self) -> bool {
        self.closed || (self.waiting() == 0 && self.missing.is_empty())
    }

    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        self.tell_missing(usize::MAX);
        let told = self.commit();
        match self.writer.wait(patience) {
            0 => told.and_then(|()| self.commit()),
            left => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the console does not take the last {left} bytes"),
            )),
        }
    }
}
