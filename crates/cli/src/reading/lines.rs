//! Lines, put together to records. Each line says itself what it is, so a file may hold several kinds.

use std::io::{self, Read};
use std::ops::ControlFlow;

use super::complaints::Complaints;
use super::owned::Owned;
use super::times::LocalTimes;
use super::values::TakeValues;
use super::{Piece, Take, json, text};
use crate::show;

/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;
/// A line, and a message of many lines, is cut at this length: what has no end must not fill the memory.
const LONGEST: usize = 16 << 20;

/// Reads lines from `input`, as far as there are any; there may be more later.
pub struct Reading<R> {
    pub input: R,
    /// Whether what is read are bytes of a file as they stand there.
    pub note_read: bool,
    chunk: Vec<u8>,
    /// A line whose end was not there yet.
    begun: Vec<u8>,
    /// A record to which further lines may belong.
    open: Option<Owned>,
    /// The last that was open, for its memory.
    spare: Owned,
    times: LocalTimes,
    values: TakeValues,
    complaints: Complaints,
    /// Whole lines before the present one.
    number: u64,
    /// What stands before the first whole record belongs to nothing that is read here.
    skipping: Skip,
}

/// What is left out at the beginning.
#[derive(PartialEq)]
enum Skip {
    Nothing,
    /// The rest of a line.
    Line,
    /// Further lines of a record.
    Indented,
}

impl<R: Read> Reading<R> {
    /// From the beginning of a file.
    pub fn new(input: R, complaints: Complaints) -> Reading<R> {
        Reading {
            input,
            note_read: false,
            chunk: vec![0; CHUNK],
            begun: Vec::new(),
            open: None,
            spare: Owned::default(),
            times: LocalTimes::default(),
            values: TakeValues::default(),
            complaints,
            number: 0,
            skipping: Skip::Nothing,
        }
    }

    /// From amid one: begins with the first whole record.
    pub fn from_amid(input: R, complaints: Complaints) -> Reading<R> {
        Reading {
            skipping: Skip::Line,
            ..Reading::new(input, complaints)
        }
    }

    /// Takes note of how the file begins, of which only a later part is read.
    pub fn begin_with(&mut self, head: &[u8]) {
        let line = head.split(|byte| *byte == b'\n').next();
        let line = line.and_then(|line| std::str::from_utf8(line).ok());
        self.times.begin_with(line.unwrap_or_default());
    }

    /// Hands on all that is there, up to the last whole line. `true` when there was anything.
    pub fn read_on(&mut self, take: &mut Take<'_>) -> io::Result<(bool, ControlFlow<()>)> {
        let mut chunk = std::mem::take(&mut self.chunk);
        let mut grew = false;
        let outcome = loop {
            match self.input.read(&mut chunk) {
                Ok(0) => break Ok((grew, ControlFlow::Continue(()))),
                Ok(length) => {
                    grew = true;
                    if self.note_read {
                        show::note_read(length);
                    }
                    if self.chunk(&chunk[..length], take).is_break() {
                        break Ok((grew, ControlFlow::Break(())));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.chunk = chunk;
        outcome
    }

    /// No more will come for now: hands on the record to which further lines might have belonged.
    pub fn rest(&mut self, take: &mut Take<'_>) -> ControlFlow<()> {
        let Some(mut record) = self.open.take() else {
            return ControlFlow::Continue(());
        };
        self.values.take(&mut record);
        let flow = take(Piece::Record(&record.record()));
        self.spare = record;
        flow
    }

    /// No more will come at all: hands on a last line without its end, too.
    pub fn finish(&mut self, take: &mut Take<'_>) -> ControlFlow<()> {
        if !self.begun.is_empty() {
            let begun = std::mem::take(&mut self.begun);
            let what = "the last line has no end: it is cut off, or still being written";
            self.complaints.line(self.number + 1, what);
            self.bytes_of_line(&begun, take)?;
        }
        self.rest(take)
    }

    /// Whether the last line has its end.
    pub fn is_at_line(&self) -> bool {
        self.begun.is_empty()
    }

    /// Forgets what was begun and is not handed on yet: it was taken back.
    pub fn forget(&mut self) {
        self.begun.clear();
        self.open = None;
    }

    /// Says that reading ended here.
    pub fn complain(&mut self, what: &str) {
        self.complaints.line(self.number + 1, what);
    }

    fn chunk(&mut self, mut bytes: &[u8], take: &mut Take<'_>) -> ControlFlow<()> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.begun.is_empty() {
                self.bytes_of_line(line, take)?;
            } else {
                let mut begun = std::mem::take(&mut self.begun);
                begun.extend_from_slice(line);
                self.bytes_of_line(&begun, take)?;
                begun.clear();
                self.begun = begun;
            }
        }
        self.begun.extend_from_slice(bytes);
        if self.begun.len() > LONGEST {
            let begun = std::mem::take(&mut self.begun);
            self.complain(
                "the line is too long: what is behind its first 16 MiB comes as a line of its own",
            );
            self.bytes_of_line(&begun, take)?;
        }
        ControlFlow::Continue(())
    }

    fn bytes_of_line(&mut self, line: &[u8], take: &mut Take<'_>) -> ControlFlow<()> {
        self.number += 1;
        match self.skipping {
            Skip::Line => {
                self.skipping = Skip::Indented;
                return ControlFlow::Continue(());
            }
            Skip::Indented if line.starts_with(text::INDENT.as_bytes()) => {
                return ControlFlow::Continue(());
            }
            _ => self.skipping = Skip::Nothing,
        }
        match std::str::from_utf8(line) {
            Ok(line) => self.line(line, take),
            Err(_) => {
                self.complaints
                    .line(self.number, "not UTF-8: what is not is shown as U+FFFD");
                self.line(&String::from_utf8_lossy(line), take)
            }
        }
    }

    fn line(&mut self, line: &str, take: &mut Take<'_>) -> ControlFlow<()> {
        if let Some(record) = &mut self.open
            && let Some(more) = line.strip_prefix(text::INDENT)
            && record.message.len() < LONGEST
        {
            record.message.push('\n');
            record.message.push_str(more);
            return ControlFlow::Continue(());
        }
        self.rest(take)?;
        let mut record = std::mem::take(&mut self.spare);
        record.clear();
        if line.starts_with('{') && json::read(line, &mut record).is_some() {
            let flow = take(Piece::Record(&record.record()));
            self.spare = record;
            return flow;
        }
        record.clear();
        if text::read(line, &mut self.times, &mut record).is_some() {
            self.open = Some(record);
            return ControlFlow::Continue(());
        }
        self.spare = record;
        take(Piece::Other(line))
    }
}
