//! The sink for programs that read along: standard output, a FIFO or a character device, in JSON or logfmt.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::fifo::Fifo;
use super::{QUEUE_BYTES, Stream};
use crate::record::Record;
use crate::sink::Sink;
use crate::sink::encoding::{Encoder, Encoding};
use crate::sink::missing::counted;

/// What the line at a gap says of its cause.
const WHY: &str = "no program read them in time";

/// Whether this is something that a reader has at its other end.
pub(in crate::sink) fn is_pipe(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.file_type().is_fifo() || found.file_type().is_char_device())
}

/// The sink that writes to one.
pub(in crate::sink) struct PipeSink {
    /// Like `json -`.
    name: String,
    encoder: Encoder,
    pub(super) stream: Stream,
    queue_bytes: usize,
    /// There is no reader.
    is_alone: Arc<AtomicBool>,
    /// It has been said that records are being left out.
    said_full: bool,
    /// Records left out and not reported yet.
    untold: u64,
}

impl PipeSink {
    /// To standard output.
    ///
    /// # Errors
    /// When it is closed, or no thread can be started.
    pub(in crate::sink) fn stdout(
        name: String,
        encoding: Encoding,
        queue_bytes: Option<usize>,
    ) -> io::Result<PipeSink> {
        let out = io::stdout().as_fd().try_clone_to_owned()?;
        let out = Box::new(File::from(out));
        PipeSink::new(name, encoding, out, Arc::default(), queue_bytes)
    }

    /// To a FIFO or a character device, which need not have a reader yet.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(in crate::sink) fn at(
        name: String,
        encoding: Encoding,
        path: &Path,
        queue_bytes: Option<usize>,
    ) -> io::Result<PipeSink> {
        let out = Box::new(Fifo::new(path.to_owned()));
        let is_alone = out.is_alone();
        PipeSink::new(name, encoding, out, is_alone, queue_bytes)
    }

    pub(super) fn new(
        name: String,
        encoding: Encoding,
        out: Box<dyn Write + Send>,
        is_alone: Arc<AtomicBool>,
        queue_bytes: Option<usize>,
    ) -> io::Result<PipeSink> {
        let queue_bytes = queue_bytes.unwrap_or(QUEUE_BYTES);
        Ok(PipeSink {
            name,
            encoder: Encoder::new(encoding),
            stream: Stream::start(out, queue_bytes, WHY)?,
            queue_bytes,
            is_alone,
            said_full: false,
            untold: 0,
        })
    }

    /// That records begin to be left out, once.
    fn fullness(&mut self) -> io::Result<()> {
        let is_full = self.stream.is_full();
        if !is_full || std::mem::replace(&mut self.said_full, true) {
            self.said_full = is_full;
            return Ok(());
        }
        let text = format!(
            "its reader is behind, and the queue of {} bytes is full: records are left out there",
            self.queue_bytes
        );
        Err(io::Error::new(io::ErrorKind::WouldBlock, text))
    }
}

impl Sink for PipeSink {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn record(&mut self, record: &Record<'_>) {
        self.untold += self.stream.record(&mut self.encoder, record);
    }

    fn commit(&mut self) -> io::Result<()> {
        let (told, error) = self.stream.commit(&mut self.encoder);
        self.untold += told;
        match error {
            Some(error) => Err(error),
            None => self.fullness(),
        }
    }

    fn take_news(&mut self) -> Vec<String> {
        let records = std::mem::take(&mut self.untold);
        let news = || {
            let missing = counted(records, "record is", "records are");
            format!("{}: {missing} missing there: {WHY}", self.name)
        };
        (records > 0).then(news).into_iter().collect()
    }

    fn backlog(&self) -> u64 {
        self.stream.waiting() as u64
    }

    fn settled(&self) -> bool {
        // Who flushes waits for a reader that is slow, not for one that may never come.
        self.stream.settled() || self.is_alone.load(Ordering::Relaxed)
    }

    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        let (_, error, left) = self.stream.finish(&mut self.encoder, patience);
        match (error, left) {
            (Some(error), _) => Err(error),
            (None, 0) => Ok(()),
            (None, left) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{}: no program reads the last {left} bytes", self.name),
            )),
        }
    }
}
