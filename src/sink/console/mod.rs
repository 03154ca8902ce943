//! The console: what a person reads while the programs run.
//!
//! ```text
//! record() ──► Layout (columns, colours, lines) ──► Stream ──► its thread ──► stdout
//!                                                └► Stream ──► its thread ──► stderr, from a level on, if so wished
//! ```
//!
//! A terminal that is stopped (Ctrl+S), a slow pipe or a closed one never holds up
//! [`record`](Sink::record) or [`commit`](Sink::commit): only the thread waits for it.

mod body;
mod layout;
mod settings;
mod style;
#[cfg(test)]
mod tests;
mod tint;
mod wrap;

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

pub(super) use self::layout::Layout;
pub use self::settings::Console;
use crate::level::Level;
use crate::record::Record;
use crate::sink::Sink;
use crate::sink::stream::{self, Render, Stream};

/// What the line at a gap says of its cause.
const WHY: &str = "the console took no more; files have all";

/// Where the lines of a console go, and how they look there.
pub struct Outlet {
    /// Written to by a thread of the sink's own.
    pub out: Box<dyn Write + Send>,
    /// Whether to write colours.
    pub colour: bool,
    /// Columns of the terminal, asked for once a batch; `None` when it has none (a pipe, a file).
    pub width: fn() -> Option<usize>,
}

impl Outlet {
    /// Coloured and aligned to the width where `stream` is a terminal (and `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and
    /// `TERM` agree), plain otherwise.
    fn of(stream: &(impl RawStream + AsFd), width: fn() -> Option<usize>) -> io::Result<Outlet> {
        Ok(Outlet {
            out: Box::new(File::from(stream.as_fd().try_clone_to_owned()?)),
            colour: AutoStream::choice(stream) != ColorChoice::Never,
            width,
        })
    }

    fn stdout() -> Result<Outlet, OpenConsoleError> {
        Outlet::of(&io::stdout(), || columns_of(&io::stdout())).map_err(OpenConsoleError::Stdout)
    }

    fn stderr() -> Result<Outlet, OpenConsoleError> {
        Outlet::of(&io::stderr(), || columns_of(&io::stderr())).map_err(OpenConsoleError::Stderr)
    }
}

fn columns_of(stream: &impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Why no console could be opened.
#[derive(Debug)]
pub enum OpenConsoleError {
    /// Standard output is closed, or no further descriptor can be had for it.
    Stdout(io::Error),
    /// The same of standard error.
    Stderr(io::Error),
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
            OpenConsoleError::Stderr(source) => write!(
                f,
                "cannot log to standard error: {source}; open it, or leave the console's option stderr out"
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
            OpenConsoleError::Stdout(source)
            | OpenConsoleError::Stderr(source)
            | OpenConsoleError::Thread(source) => Some(source),
        }
    }
}

/// One of the two ways out of a console.
struct Way {
    stream: Stream,
    colour: bool,
    width: fn() -> Option<usize>,
    /// The width for the present batch.
    columns: Option<usize>,
}

impl Way {
    fn start(outlet: Outlet, queue_bytes: usize) -> Result<Way, OpenConsoleError> {
        let stream = Stream::start(outlet.out, queue_bytes, WHY);
        Ok(Way {
            stream: stream.map_err(OpenConsoleError::Thread)?,
            colour: outlet.colour,
            width: outlet.width,
            columns: None,
        })
    }

    fn turn(&self, layout: &mut Layout) {
        layout.turn_to(self.colour, self.columns);
    }

    fn record(&mut self, layout: &mut Layout, record: &Record<'_>) {
        if self.stream.is_closed() {
            return;
        }
        if self.stream.begins_batch() {
            self.columns = (self.width)();
        }
        self.turn(layout);
        self.stream.record(layout, record);
    }

    fn commit(&mut self, layout: &mut Layout) -> io::Result<()> {
        self.turn(layout);
        let (_, error) = self.stream.commit(layout);
        error.map_or(Ok(()), |error| Err(told(error)))
    }

    fn finish(&mut self, layout: &mut Layout, patience: Duration) -> io::Result<()> {
        self.turn(layout);
        match self.stream.finish(layout, patience) {
            (_, Some(error), _) => Err(told(error)),
            (_, None, 0) => Ok(()),
            (_, None, left) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the console does not take the last {left} bytes"),
            )),
        }
    }
}

fn told(error: io::Error) -> io::Error {
    let text = format!("cannot write to the console: {error}");
    io::Error::new(error.kind(), text)
}

/// The sink that writes to a console.
///
/// Its [`commit`](Sink::commit) returns what went wrong once. After an error that cannot pass, like a
/// closed pipe, records are dropped quietly; one that may, like a full disk behind a redirection, is waited for.
pub struct ConsoleSink {
    layout: Layout,
    usual: Way,
    /// The way of records of this level and above.
    grave: Option<(Level, Way)>,
}

impl ConsoleSink {
    /// A console on standard output, and if so wished on standard error for records of a level and above. `queue_bytes`
    /// may wait for each, or the usual 4 MiB.
    ///
    /// # Errors
    /// When one of them is closed, or no thread can be started.
    pub fn standard(
        stderr: Option<Level>,
        queue_bytes: Option<usize>,
    ) -> Result<ConsoleSink, OpenConsoleError> {
        let queue_bytes = queue_bytes.unwrap_or(stream::QUEUE_BYTES);
        match stderr {
            None => ConsoleSink::new(Outlet::stdout()?, None, queue_bytes),
            // All there are: standard output may be another program's.
            Some(Level::Trace) => ConsoleSink::new(Outlet::stderr()?, None, queue_bytes),
            Some(level) => {
                let grave = Some((level, Outlet::stderr()?));
                ConsoleSink::new(Outlet::stdout()?, grave, queue_bytes)
            }
        }
    }

    /// A console on any writers.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn new(
        usual: Outlet,
        grave: Option<(Level, Outlet)>,
        queue_bytes: usize,
    ) -> Result<ConsoleSink, OpenConsoleError> {
        let grave = grave.map(|(level, outlet)| Ok((level, Way::start(outlet, queue_bytes)?)));
        let grave = grave.transpose()?;
        Ok(ConsoleSink {
            // Of two streams it is not known which line was shown last.
            layout: Layout::new(grave.is_some()),
            usual: Way::start(usual, queue_bytes)?,
            grave,
        })
    }

    fn ways(&mut self) -> (&mut Layout, impl Iterator<Item = &mut Way>) {
        let grave = self.grave.as_mut().map(|(_, way)| way);
        (
            &mut self.layout,
            std::iter::once(&mut self.usual).chain(grave),
        )
    }
}

impl Render for Layout {
    fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        Layout::push(self, out, record);
    }
}

impl Sink for ConsoleSink {
    fn name(&self) -> String {
        "console".to_owned()
    }

    fn record(&mut self, record: &Record<'_>) {
        let way = match &mut self.grave {
            Some((level, grave)) if record.level >= *level => grave,
            _ => &mut self.usual,
        };
        way.record(&mut self.layout, record);
    }

    fn commit(&mut self) -> io::Result<()> {
        let (layout, ways) = self.ways();
        let outcomes: Vec<_> = ways.map(|way| way.commit(layout)).collect();
        outcomes.into_iter().collect()
    }

    fn backlog(&self) -> u64 {
        let grave = self.grave.as_ref().map(|(_, way)| way);
        let ways = std::iter::once(&self.usual).chain(grave);
        ways.map(|way| way.stream.waiting() as u64).sum()
    }

    fn settled(&self) -> bool {
        let grave = self.grave.as_ref().map(|(_, way)| way);
        std::iter::once(&self.usual)
            .chain(grave)
            .all(|way| way.stream.settled())
    }

    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        let (layout, ways) = self.ways();
        let outcomes: Vec<_> = ways.map(|way| way.finish(layout, patience)).collect();
        outcomes.into_iter().collect()
    }
}
