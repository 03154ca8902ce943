//! The lines that are not written yet, and where in them a new file has to begin.

use std::collections::VecDeque;
use std::io::{self, Write};

use super::foreign::witness;
use super::line::insert_offset;
use crate::record::Record;
use crate::sink::Owed;
use crate::sink::missing::Tally;

/// Memory that a buffer keeps for the next batches; what one huge message needed beyond it is given back.
const KEPT_BYTES: usize = 4 << 20;
/// As many records as such a buffer usually holds.
const KEPT_PIECES: usize = KEPT_BYTES / 128;

/// What the lines of a record mean for who counts records.
pub(in crate::sink) enum Meaning {
    /// A record of the process of this id.
    Record(u32),
    /// The drainer's own words.
    Own,
    /// Its words that so many records are missing, which are told of when this is in the file.
    Gap(Box<Tally>),
}

impl Meaning {
    pub(in crate::sink) fn of(record: &Record<'_>) -> Meaning {
        match record.sequence {
            Some(_) => Meaning::Record(record.pid),
            None => Meaning::Own,
        }
    }
}

/// A record of the backlog.
struct Piece {
    /// Where it ends, counted from the first byte that ever was in the backlog.
    end: u64,
    /// What its time is ahead of UTC by, if that is local.
    offset_s: Option<i32>,
    meaning: Meaning,
}

/// Where to go on in a new file.
struct Cut {
    /// Offset in the bytes.
    at: usize,
    /// When the first record of that file was logged, in nanoseconds since 1970.
    time_ns: i64,
}

/// Whole records in writing order, the first of which may be written in part.
///
/// Invariants: `whole <= sent <= bytes.len()`; `bytes` begins with a record; `cuts` ascend, lie beyond `sent` or
/// at it, and each is the start of a record; `pieces` are the records behind `whole`, and the tallies what they mean.
#[derive(Default)]
pub(super) struct Backlog {
    pub(super) bytes: Vec<u8>,
    /// Bytes in front that the file has already; not yet dropped because their record is not whole.
    sent: usize,
    /// Bytes of the whole records among those.
    whole: usize,
    /// Bytes that were dropped in front of the present ones.
    dropped: u64,
    /// In `bytes`.
    cuts: VecDeque<Cut>,
    pieces: VecDeque<Piece>,
    /// Records among the pieces.
    waiting: Tally,
    /// Records that gaps among the pieces speak of.
    untold: Tally,
    /// Length of the file that the last byte goes to, once that is written.
    last_file_length: u64,
    /// Records that were written whole into the present file.
    in_file: u64,
    /// A line of this process has said what its time is ahead of UTC by.
    told_offset: bool,
    /// Of the last of them; 0 as long as there is none.
    witness: u64,
}

impl Backlog {
    /// Bytes that no file has yet.
    pub(super) fn unwritten(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Whether the lines go to more than one file.
    pub(super) fn is_cut(&self) -> bool {
        !self.cuts.is_empty()
    }

    /// The present file is `bytes` long; other programs may have written some of them.
    pub(super) fn note_length(&mut self, bytes: u64) {
        if self.cuts.is_empty() {
            self.last_file_length = bytes + self.unwritten() as u64;
        }
    }

    /// What would have gone to a new file now goes to the present one after all.
    pub(super) fn go_on(&mut self) {
        if self.cut_time_ns().is_some() {
            self.cuts.pop_front();
        }
    }

    /// The same as [`begun`](Backlog::begun), also amid a batch.
    pub(super) fn count_begun(&mut self) -> u64 {
        self.count_whole();
        self.begun()
    }

    /// The record that is in the file in part has to be written from its beginning.
    pub(super) fn restart_record(&mut self) {
        self.count_whole();
        self.sent = self.whole;
    }

    /// Others have written behind the last record.
    pub(super) fn forget_witness(&mut self) {
        self.witness = 0;
    }

    /// What a successor knows the last record by that was written whole into the present file; 0 if there is none.
    pub(super) const fn witness(&self) -> u64 {
        self.witness
    }

    /// How much there is of a record that is in the file in part, and how long it is in all.
    pub(super) fn torn(&self) -> (u32, u32) {
        let whole = self.dropped + self.whole as u64;
        let length = self.pieces.front().map_or(0, |piece| piece.end - whole);
        match (u32::try_from(self.begun()), u32::try_from(length)) {
            (Ok(begun), Ok(length)) if begun > 0 => (begun, length),
            _ => (0, 0),
        }
    }

    /// Bytes of a record that is in the file in part, as it was when the last batch was dropped.
    pub(super) fn begun(&self) -> u64 {
        (self.sent - self.whole) as u64
    }

    /// Records that wait, or are told of by what waits.
    pub(super) fn owed(&self) -> Owed {
        let mut both = Tally::default();
        both.add_all(&self.waiting);
        both.add_all(&self.untold);
        Owed {
            waiting: self.waiting.total(),
            untold: self.untold.total(),
            whose: both.whose().to_vec(),
        }
    }

    /// Records that were written whole into the present file.
    pub(super) fn in_file(&mut self) -> u64 {
        self.count_whole();
        self.in_file
    }

    /// Records that no file has yet.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.total()
    }

    /// Counts the record that was appended at `start`. It goes to a new file if it must, because its `time_ns` is
    /// that of another one (even if nothing is in the present one), or the one before would exceed `max_file_size`
    /// bytes, unless it is the first of its file.
    pub(super) fn close_record(
        &mut self,
        start: usize,
        max_file_size: u64,
        (time_ns, must_cut): (i64, bool),
        offset_s: Option<i32>,
        meaning: Meaning,
    ) {
        let is_too_long = |length: u64, before: u64| before > 0 && before + length > max_file_size;
        let length = (self.bytes.len() - start) as u64;
        let must_cut = must_cut || is_too_long(length, self.last_file_length);
        if let Some(offset_s) = offset_s
            && (must_cut || self.last_file_length == 0 || !self.told_offset)
        {
            insert_offset(&mut self.bytes, start, offset_s);
            self.told_offset = true;
        }
        match &meaning {
            Meaning::Record(pid) => self.waiting.add(*pid, 1),
            Meaning::Own => {}
            Meaning::Gap(tally) => self.untold.add_all(tally),
        }
        let end = self.dropped + self.bytes.len() as u64;
        self.pieces.push_back(Piece {
            end,
            offset_s,
            meaning,
        });
        let length = (self.bytes.len() - start) as u64;
        if must_cut || is_too_long(length, self.last_file_length) {
            self.cuts.push_back(Cut { at: start, time_ns });
            self.last_file_length = 0;
        }
        self.last_file_length += length;
    }

    /// When the first record was logged of the file that has to be begun now; `None` when that is begun for another
    /// reason.
    pub(super) fn cut_time_ns(&self) -> Option<i64> {
        let cut = self.cuts.front().filter(|cut| cut.at == self.sent);
        cut.map(|cut| cut.time_ns)
    }

    /// Writes as far as the present file goes. `true` if all is written, `false` if a new file has to be begun: then
    /// [`begin_file`](Backlog::begin_file) or [`go_on`](Backlog::go_on).
    pub(super) fn write_to(&mut self, file: &mut impl Write) -> io::Result<bool> {
        let end = self.cuts.front().map_or(self.bytes.len(), |cut| cut.at);
        while self.sent < end {
            match file.write(&self.bytes[self.sent..end]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.cuts.is_empty())
    }

    /// The rest goes to a new, empty file: the first record that is not whole from its beginning.
    pub(super) fn begin_file(&mut self) {
        self.count_whole();
        self.in_file = 0;
        self.witness = 0;
        self.sent = self.whole;
        if self.cut_time_ns().is_some() {
            self.cuts.pop_front();
        }
        self.tell_offset();
        if self.cuts.is_empty() {
            self.last_file_length = self.unwritten() as u64;
        }
    }

    /// Has the first record that waits, which becomes the first of a file, say what its time is ahead of UTC by.
    fn tell_offset(&mut self) {
        if let Some(offset_s) = self.pieces.front().and_then(|piece| piece.offset_s) {
            let longer = insert_offset(&mut self.bytes, self.whole, offset_s);
            self.pieces
                .iter_mut()
                .for_each(|piece| piece.end += longer as u64);
            self.cuts.iter_mut().for_each(|cut| cut.at += longer);
        }
    }

    /// Finds out which records are written whole.
    fn count_whole(&mut self) {
        let before = self.whole;
        self.pass_whole();
        if self.whole > before {
            self.witness = witness(&self.bytes[..self.whole]);
        }
    }

    fn pass_whole(&mut self) {
        if self.sent == self.bytes.len() {
            // The usual case.
            self.whole = self.sent;
            self.pieces.clear();
            self.in_file += self.waiting.total();
            self.waiting.clear();
            self.untold.clear();
            return;
        }
        let sent = self.dropped + self.sent as u64;
        while let Some(piece) = self.pieces.front().filter(|piece| piece.end <= sent) {
            self.whole = (piece.end - self.dropped) as usize;
            match &piece.meaning {
                Meaning::Record(pid) => {
                    self.in_file += 1;
                    self.waiting.remove(*pid, 1);
                }
                Meaning::Own => {}
                Meaning::Gap(tally) => self.untold.remove_all(tally),
            }
            self.pieces.pop_front();
        }
    }

    /// Drops the records that are written whole.
    pub(super) fn drop_written(&mut self) {
        self.count_whole();
        let done = std::mem::take(&mut self.whole);
        self.dropped += done as u64;
        self.bytes.drain(..done);
        self.sent -= done;
        for cut in &mut self.cuts {
            cut.at -= done;
        }
        if self.bytes.capacity() > 2 * KEPT_BYTES && self.bytes.len() < KEPT_BYTES {
            self.bytes.shrink_to(KEPT_BYTES);
            self.pieces.shrink_to(self.pieces.len().max(KEPT_PIECES));
        }
    }
}

#[cfg(test)]
mod tests;
