//! Lines on their way to something that may stand still: a terminal, a pipe.
//!
//! ```text
//! record() ──► lines ──► batch ── commit() ──► Writer's queue ──► its thread ──► terminal, pipe
//!                ▲ beyond queue_bytes nothing is rendered, only counted; a line says so once there is room
//! ```
//!
//! Whatever the far end does, [`record`](Stream::record) and [`commit`](Stream::commit) never wait: only the thread does.

mod fifo;
mod pipe;
#[cfg(test)]
mod tests;
mod writer;

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) use self::pipe::{PipeSink, is_pipe};
use self::writer::Writer;
use crate::level::Level;
use crate::record::Record;
use crate::sink::encoding::Encoder;
use crate::sink::missing::Missing;

/// The usual bytes that may wait: 4 MiB.
pub(super) const QUEUE_BYTES: usize = 4 << 20;

/// Makes the lines of a record.
pub(super) trait Render {
    /// Appends them.
    fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>);
}

impl Render for Encoder {
    fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        Encoder::push(self, out, record);
    }
}

/// The near end. After an error that cannot pass, like a closed pipe, records are dropped quietly.
pub(super) struct Stream {
    pub(super) writer: Writer,
    /// What the present batch has so far.
    pub(super) batch: Vec<u8>,
    missing: Missing,
    /// What the line at a gap says of its cause.
    why: &'static str,
    /// Bytes that may wait. A single record may exceed it.
    queue_bytes: usize,
    /// Bytes in the writer's queue when last asked; never more by now.
    outstanding: usize,
    /// Bytes of a message larger than the queue that waits; 0 when there is none.
    oversize: usize,
    /// Nothing will ever be written again; renewed with each batch.
    closed: bool,
}

impl Stream {
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(
        out: Box<dyn Write + Send>,
        queue_bytes: usize,
        why: &'static str,
    ) -> io::Result<Stream> {
        Ok(Stream {
            writer: Writer::start(out)?,
            batch: Vec::new(),
            missing: Missing::default(),
            why,
            queue_bytes,
            outstanding: 0,
            oversize: 0,
            closed: false,
        })
    }

    /// Whether the next record is the first of its batch.
    pub(super) const fn begins_batch(&self) -> bool {
        self.batch.is_empty()
    }

    /// Whether records are being left out.
    pub(super) const fn is_full(&self) -> bool {
        !self.missing.is_empty()
    }

    /// Whether nothing will ever be written again.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes a record, or counts it. Returns how many records a line was written about that they are missing.
    pub(super) fn record(&mut self, render: &mut impl Render, record: &Record<'_>) -> u64 {
        if self.closed {
            return 0;
        }
        let told = self.tell_missing(render, self.queue_bytes / 2);
        // Once one is missing so are all behind it, up to the line that says so.
        if self.is_full() || self.is_full_for(record.message.len()) {
            self.missing.count(record);
        } else {
            render.push(&mut self.batch, record);
        }
        told
    }

    /// Hands the batch over. Returns as [`record`](Stream::record) does, and what went wrong since the last call.
    pub(super) fn commit(&mut self, render: &mut impl Render) -> (u64, Option<io::Error>) {
        let told = self.tell_missing(render, self.queue_bytes / 2);
        self.hand_over();
        (told, self.writer.take_error())
    }

    pub(super) fn settled(&self) -> bool {
        self.closed || (self.waiting() == 0 && self.missing.is_empty())
    }

    /// Hands over the rest and waits for it, giving up when nothing moves for `patience`. Returns as
    /// [`commit`](Stream::commit) does, and the bytes that are left.
    pub(super) fn finish(
        &mut self,
        render: &mut impl Render,
        patience: Duration,
    ) -> (u64, Option<io::Error>, usize) {
        let told = self.tell_missing(render, usize::MAX);
        self.hand_over();
        let left = self.writer.wait(patience);
        self.closed = self.writer.is_closed();
        (told, self.writer.take_error(), left)
    }

    /// Bytes that wait, the present batch included.
    pub(super) fn waiting(&self) -> usize {
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

    /// Says what is missing once no more than `room` bytes wait. Told at every
    /// single gap, it would itself fill the queue.
    fn tell_missing(&mut self, render: &mut impl Render, room: usize) -> u64 {
        if self.missing.is_empty() || self.waiting() > room {
            return 0;
        }
        let records = self.missing.records().total();
        let text = self.missing.take(self.why);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let time_ns = now.map_or(0, |since| since.as_nanos() as i64);
        let notice = Record::of_drainer(time_ns, Level::Warn, &text);
        render.push(&mut self.batch, &notice);
        records
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
