//! What others write into our log files, told from what a drainer wrote that was killed.
//!
//! A mark by `echo >>`, an editor, `copytruncate`: the length of a file says nothing about whose bytes are in it. So a
//! checkpoint knows the place behind our last record, and the bytes before that place as a witness. A successor looks
//! at what stands behind:
//!
//! ```text
//!   witness found                          │ all lines of our form behind it belong to the batch that did not make it
//!     records │ mark │ records │           cut off: nothing is behind them
//!     records │ mark │ records │ mark │    the records are struck out in place, the marks stay where they are
//!   witness gone: truncated, or edited     │ only records that no checkpoint knows of belong to that batch
//! ```
//!
//! Lines are told by their form and their sequence number, since stamps differ by a microsecond when a successor
//! renders a record again. A line of another form is never touched.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::open::without_append;
use crate::hash::fnv1a;
use crate::sink::FilePlace;
use crate::sink::encoding::Encoding;

mod form;

use form::{Form, Looks};

/// Bytes at the end of the last record that [`witness`] is of: no record is shorter.
const WITNESS_BYTES: usize = 32;
/// Bytes that are read, or written over, at a time.
const CHUNK: usize = 64 << 10;

/// What a successor knows a place in a file by: a hash of the bytes before it. 0 when there are not enough.
pub(super) fn witness(before: &[u8]) -> u64 {
    let last = before.last_chunk::<WITNESS_BYTES>();
    last.map_or(0, |last| fnv1a(last).max(1))
}

/// The [`witness`] of the place at `end`, by what is in the file now.
pub(super) fn witness_in(file: &File, end: u64) -> io::Result<u64> {
    let Some(start) = end.checked_sub(WITNESS_BYTES as u64) else {
        return Ok(0);
    };
    let mut bytes = [0; WITNESS_BYTES];
    file.read_exact_at(&mut bytes, start)?;
    Ok(witness(&bytes))
}

/// Whether the file, which is `length` bytes long, ends within a line.
pub(super) fn ends_amid_line(file: &File, length: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if let Some(at) = length.checked_sub(1) {
        file.read_exact_at(&mut last, at)?;
    }
    Ok(last != *b"\n")
}

/// Takes away what a predecessor wrote behind `place`, and nothing that others wrote. Returns the file's length.
pub(super) fn settle(file: &File, path: &Path, place: &FilePlace) -> io::Result<u64> {
    let length = file.metadata()?.len();
    // After damage it may rightly hold more than the place knows.
    let Some(form) = Form::of(path).filter(|_| place.bytes != u64::MAX) else {
        return Ok(length);
    };
    let scan = Scan::begin(file, form, place, length)?;
    let mut spans = scan.spans()?;
    if let Some(last) = spans.pop_if(|last| last.end == length) {
        // A moment in which others can write remains, as the system has no call that cuts off only what we have seen.
        match file.metadata()?.len() == length {
            true => file.set_len(last.start)?,
            false => strike(file, form, &last)?,
        }
    }
    for span in &spans {
        strike(file, form, span)?;
    }
    Ok(file.metadata()?.len())
}

/// Writes over a stretch of the file with what no reader takes for a record, and ends it as a line.
pub(super) fn strike(file: &File, form: Form, span: &Range<u64>) -> io::Result<()> {
    let filler = vec![form.filler(); CHUNK];
    without_append(file, |file| {
        let mut at = span.start;
        while at < span.end {
            let count = (span.end - at).min(CHUNK as u64);
            file.write_all_at(&filler[..count as usize], at)?;
            at += count;
        }
        match span.is_empty() {
            true => Ok(()),
            false => file.write_all_at(b"\n", span.end - 1),
        }
    })
}

/// Takes a record back of which `begun` bytes are there up to `end`.
pub(super) fn take_back(file: &File, path: &Path, end: u64, begun: u64) -> io::Result<()> {
    let length = file.metadata()?.len();
    let start = end.saturating_sub(begun);
    match (length == end, Form::of(path)) {
        (true, _) => file.set_len(start),
        (false, Some(form)) if length > end => strike(file, form, &(start..end)),
        // The file was truncated, and this with it.
        _ => Ok(()),
    }
}

/// A walk over the lines behind a place.
struct Scan<'a> {
    file: &'a File,
    form: Form,
    /// The first byte to be looked at, and the file's length.
    from: u64,
    length: u64,
    /// The bytes before `from` are those that the checkpoint knew.
    vouched: bool,
    /// Records in sequence below this are known to a checkpoint.
    through: u64,
    /// Of a record that was there in part at the checkpoint: its end, so far and in all.
    torn: Option<(u64, u64)>,
}

impl<'a> Scan<'a> {
    fn begin(file: &'a File, form: Form, place: &FilePlace, length: u64) -> io::Result<Scan<'a>> {
        let marks = &place.marks;
        let reaches = length >= place.bytes;
        let vouched =
            reaches && (marks.witness == 0 || witness_in(file, place.bytes)? == marks.witness);
        let from = if vouched { place.bytes } else { 0 };
        let (there, in_all) = marks.torn;
        let torn = (vouched && there > 0 && length > from)
            .then(|| (from + u64::from(there), from + u64::from(in_all)));
        Ok(Scan {
            file,
            form,
            from,
            length,
            vouched,
            through: marks.through,
            torn,
        })
    }

    /// The stretches that a predecessor wrote after the checkpoint, ascending.
    fn spans(&self) -> io::Result<Vec<Range<u64>>> {
        let mut spans: Vec<Range<u64>> = Vec::new();
        if !self.vouched && self.through == 0 {
            return Ok(spans);
        }
        let mut at = self.from;
        if let Some(end) = self.end_of_torn()? {
            spans.push(at..end);
            at = end;
        }
        let mut lines = Lines::from(self.file, at, self.length);
        while let Some((line, is_whole)) = lines.next()? {
            let start = at;
            at += line.length;
            let follows = spans.last().is_some_and(|last| last.end == start);
            if !self.is_of_batch(self.form.look(&line.head, is_whole), follows) {
                continue;
            }
            match spans.last_mut().filter(|_| follows) {
                Some(last) => last.end = at,
                None => spans.push(start..at),
            }
        }
        Ok(spans)
    }

    /// Whether a line belongs to the batch that did not make it; `follows`: the one before does.
    fn is_of_batch(&self, looks: Looks, follows: bool) -> bool {
        match looks {
            Looks::Record(sequence) => self.vouched || sequence >= self.through,
            Looks::Late | Looks::Own => self.vouched || follows,
            Looks::Further => follows,
            Looks::Begun => self.vouched || follows,
            Looks::Foreign => false,
        }
    }

    /// Where the record ends that was there in part: it may be whole by now, or others may have written behind the part.
    fn end_of_torn(&self) -> io::Result<Option<u64>> {
        let Some((so_far, in_all)) = self.torn else {
            return Ok(None);
        };
        let is_whole = in_all <= self.length && !ends_amid_line(self.file, in_all)?;
        Ok(Some(match is_whole {
            true => in_all,
            false if self.length < in_all && ends_amid_line(self.file, self.length)? => self.length,
            false => so_far.min(self.length),
        }))
    }
}

/// A line: how long it is, and its beginning.
struct Line {
    length: u64,
    head: Vec<u8>,
}

/// Lines of a file, read without moving the place at which it is written.
struct Lines<'a> {
    file: &'a File,
    at: u64,
    length: u64,
    chunk: Vec<u8>,
    taken: usize,
}

impl<'a> Lines<'a> {
    fn from(file: &'a File, at: u64, length: u64) -> Lines<'a> {
        Lines {
            file,
            at,
            length,
            chunk: Vec::new(),
            taken: 0,
        }
    }

    /// The next line, and whether it has its end.
    fn next(&mut self) -> io::Result<Option<(Line, bool)>> {
        let mut line = Line {
            length: 0,
            head: Vec::new(),
        };
        loop {
            if self.taken == self.chunk.len() && !self.fill()? {
                return Ok((line.length > 0).then_some((line, false)));
            }
            let rest = &self.chunk[self.taken..];
            let end = rest.iter().position(|byte| *byte == b'\n');
            let count = end.map_or(rest.len(), |end| end + 1);
            let wanted = Form::HEAD.saturating_sub(line.head.len()).min(count);
            line.head.extend_from_slice(&rest[..wanted]);
            line.length += count as u64;
            self.taken += count;
            if end.is_some() {
                return Ok(Some((line, true)));
            }
        }
    }

    /// `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let count = self.length.saturating_sub(self.at).min(CHUNK as u64) as usize;
        self.chunk.resize(count, 0);
        self.taken = 0;
        self.file.read_exact_at(&mut self.chunk, self.at)?;
        self.at += count as u64;
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests;
