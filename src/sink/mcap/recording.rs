//! An MCAP file while it is written: whole chunks, and behind them the messages that are not enough for one yet.
//!
//! A record must be safe when its batch ends, a chunk is not complete by then. So messages are written *loose*, as the
//! format allows it outside of chunks, and folded into a chunk when there are enough. Whenever the writing process dies
//! every reader that goes through the file from its beginning finds each message once:
//!
//! ```text
//!   settled                                 P = a record that readers skip: 49 bytes, as long as the head of a chunk
//!   │
//!   ▼P│messages                             loose
//!    P│messages│P│chunk, index              the chunk is written behind them, as what a P skips
//!    P┄┄┄┄┄┄┄┄┄┄┄│chunk, index              by one write the first P skips all up to the chunk
//!    P┄│chunk, index│P┄┄┄┄┄┄┄┄              what is skipped is written over with the chunk, and a P to the end
//!    P│chunk, index│P┄┄┄┄┄┄┄┄┄              by one write the first P ends before it
//!    P│chunk, index│                        the rest is cut off: settled again
//! ```
//!
//! If compressing makes nothing smaller, the index is written behind the messages, and a chunk's head in the place of the P.
//! The two writes that change what readers see lie in one page of the file each, so they are done or not done.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

use mcap::records::ChunkIndex;

use super::chunk::{Messages, Packed, Packer, Slice, put_together};
use super::log::RECORD_HEAD;
use crate::segment::process::check_file_size;

use super::records::{Contents, Head, INDEX_HEAD, ending, ending_bytes};

/// The code of a record that readers skip: one of those that the format leaves to applications.
pub(super) const SKIPPED: u8 = 0xe5;
/// Bytes of that before loose messages, and of a chunk's head without compression.
pub(super) const FENCE: usize = RECORD_HEAD + 40;
/// What the kernel writes as a whole or not at all lies in one of these.
const PAGE: u64 = 4096;

/// What a recording is written to: a file, or in tests what may fail and is looked at after each step.
pub(super) trait Medium {
    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()>;
    fn set_len(&mut self, length: u64) -> io::Result<()>;
}

impl Medium for File {
    fn write_all_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        // A recovery completes files in a process that is not ours alone.
        check_file_size(at + bytes.len() as u64)?;
        self.seek(SeekFrom::Start(at))?;
        self.write_all(bytes)
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        File::set_len(self, length)
    }
}

/// An MCAP file that this process writes.
pub(super) struct Recording<M> {
    medium: M,
    head: Head,
    pub(super) packer: Packer,
    /// Bytes of the file that stay as they are; 0 when not even the head is written.
    pub(super) settled: u64,
    /// The messages behind that, which are in no chunk.
    pub(super) loose: Messages,
    pub(super) chunks: Vec<ChunkIndex>,
    /// Messages in the chunks, and their first and last time.
    pub(super) packed: u64,
    pub(super) times: Option<(u64, u64)>,
    /// Of what is settled; `None` when a predecessor of this process wrote some of it.
    crc: Option<crc32fast::Hasher>,
    /// There may be more in the file than there should be.
    torn: bool,
}

impl<M: Medium> Recording<M> {
    /// Begins in an empty file, which stays empty until there is a message.
    pub(super) fn begin(medium: M, head: Head, packer: Packer) -> Recording<M> {
        Recording {
            medium,
            head,
            packer,
            settled: 0,
            loose: Messages::default(),
            chunks: Vec::new(),
            packed: 0,
            times: None,
            crc: Some(crc32fast::Hasher::new()),
            torn: false,
        }
    }

    /// Goes on in a file of which `settled` bytes are as they should be, and nothing else is there but `loose`.
    pub(super) fn go_on(
        medium: M,
        head: Head,
        packer: Packer,
        settled: u64,
        loose: Messages,
    ) -> Recording<M> {
        Recording {
            settled,
            loose,
            crc: None,
            ..Recording::begin(medium, head, packer)
        }
    }

    /// Whether more may be in the file than should be, which we could not cut off.
    pub(super) fn may_be_torn(&self) -> bool {
        self.torn
    }

    /// Messages in the file.
    pub(super) fn messages(&self) -> u64 {
        self.packed + self.loose.entries.len() as u64
    }

    /// Length of the file.
    pub(super) fn len(&self) -> u64 {
        match self.loose.entries.is_empty() {
            true => self.settled,
            false => self.loose_at() + self.loose.bytes.len() as u64,
        }
    }

    /// What the length of the complete file is at the most, with so many messages more of so many bytes.
    pub(super) fn len_with(&self, messages: usize, bytes: usize) -> u64 {
        let indexed = 16 * (self.loose.entries.len() + messages) + INDEX_HEAD;
        self.len().max(self.head.bytes.len() as u64)
            + (2 * FENCE + bytes + indexed) as u64
            + ending_bytes(&self.head, self.chunks.len() + 2)
    }

    fn loose_at(&self) -> u64 {
        self.settled + FENCE as u64
    }

    /// Appends messages as they are.
    ///
    /// # Errors
    /// What the system said; then the file is as it was.
    pub(super) fn append(&mut self, messages: Slice<'_>) -> io::Result<()> {
        self.begin_data()?;
        if self.loose.entries.is_empty() {
            self.align()?;
            let mut fence = Vec::new();
            push_skipped(&mut fence, FENCE as u64);
            self.write_behind(&[&fence, messages.bytes])?;
        } else {
            self.write_behind(&[messages.bytes])?;
        }
        self.loose.append(messages);
        Ok(())
    }

    /// Appends messages as a chunk. There are no loose ones.
    ///
    /// # Errors
    /// What the system said; then the file is as it was.
    pub(super) fn append_chunk(&mut self, messages: Slice<'_>) -> io::Result<()> {
        debug_assert!(self.loose.entries.is_empty());
        self.begin_data()?;
        let packed = self.packer.pack(messages);
        let body = packed.body.as_deref().unwrap_or(messages.bytes);
        self.write_behind(&[&packed.head, body, &packed.index])?;
        let at = self.settled;
        self.settle(&[&packed.head, body, &packed.index]);
        self.note_chunk(&packed, at, messages.count());
        Ok(())
    }

    /// Makes a chunk of the loose messages.
    ///
    /// # Errors
    /// What the system said; they are loose, as before.
    pub(super) fn fold(&mut self) -> io::Result<()> {
        if self.loose.entries.is_empty() {
            return Ok(());
        }
        let packed = self.packer.pack(self.loose.all());
        let room = self.loose.bytes.len() as u64;
        match &packed.body {
            Some(body) if packed.len() <= room => self.fold_compressed(&packed, body),
            Some(_) => self.fold_in_place(&put_together(self.loose.all(), None, "")),
            None => self.fold_in_place(&packed),
        }
    }

    fn fold_in_place(&mut self, packed: &Packed) -> io::Result<()> {
        self.write_behind(&[&packed.index])?;
        if let Err(error) = self.medium.write_all_at(&packed.head, self.settled) {
            self.cut_back();
            return Err(error);
        }
        let (at, loose) = (self.settled, std::mem::take(&mut self.loose));
        self.settle(&[&packed.head, &loose.bytes, &packed.index]);
        self.note_chunk(packed, at, loose.entries.len());
        Ok(())
    }

    fn fold_compressed(&mut self, packed: &Packed, body: &[u8]) -> io::Result<()> {
        let chunk = [&packed.head, body, &packed.index].concat();
        let (at, behind) = (self.loose_at(), self.len() + RECORD_HEAD as u64);
        self.write_behind(&[&[SKIPPED], &packed.len().to_le_bytes(), &chunk])?;
        if let Err(error) = self.skip_to(behind) {
            self.cut_back();
            return Err(error);
        }
        // From here on it is a chunk, whatever goes wrong: that wastes some room and nothing else.
        let count = self.loose.entries.len();
        self.loose.clear();
        match self.move_forward(&chunk, at, behind) {
            Ok(true) => {
                let mut fence = Vec::new();
                push_skipped(&mut fence, FENCE as u64);
                self.settle(&[&fence, &chunk]);
                self.note_chunk(packed, at, count);
            }
            moved => {
                self.settled = behind + packed.len();
                self.crc = None;
                self.note_chunk(packed, if moved.is_ok() { at } else { behind }, count);
            }
        }
        Ok(())
    }

    /// Moves a chunk from `behind`, the end of the file, to `at`, where all up to there is skipped, and cuts off the rest.
    /// `false` if that could not be cut off: then it is skipped.
    fn move_forward(&mut self, chunk: &[u8], at: u64, behind: u64) -> io::Result<bool> {
        let (end, new_end) = (behind + chunk.len() as u64, at + chunk.len() as u64);
        let mut moved = Vec::with_capacity(chunk.len() + RECORD_HEAD);
        moved.extend_from_slice(chunk);
        moved.push(SKIPPED);
        moved.extend_from_slice(&(end - new_end - RECORD_HEAD as u64).to_le_bytes());
        self.medium.write_all_at(&moved, at)?;
        self.skip_to(at)?;
        Ok(self.medium.set_len(new_end).is_ok())
    }

    /// Has the record before the loose messages skip all up to `end`.
    fn skip_to(&mut self, end: u64) -> io::Result<()> {
        let length = end - self.settled - RECORD_HEAD as u64;
        self.medium
            .write_all_at(&length.to_le_bytes(), self.settled + 1)
    }

    /// Writes the summary: the file is complete, and nothing may follow. One without messages stays empty.
    ///
    /// # Errors
    /// What the system said; then the file is as it was, or its last messages are in a chunk now.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.settled == 0 {
            return Ok(());
        }
        self.fold()?;
        let contents = Contents {
            head: &self.head,
            chunks: &self.chunks,
            messages: self.packed,
            times: self.times.unwrap_or_default(),
            data_crc: self.crc.clone().map_or(0, crc32fast::Hasher::finalize),
        };
        let ending = ending(self.settled, &contents);
        self.write_behind(&[&ending])?;
        // A successor that goes on after all takes it away first.
        self.torn = true;
        Ok(())
    }

    /// Writes the head, if that is not there.
    fn begin_data(&mut self) -> io::Result<()> {
        if self.settled == 0 {
            let head = std::mem::take(&mut self.head.bytes);
            let written = self.write_behind(&[&head]);
            self.head.bytes = head;
            written?;
            let head = std::mem::take(&mut self.head.bytes);
            self.settle(&[&head]);
            self.head.bytes = head;
        }
        Ok(())
    }

    /// Goes on to the next page if there is no room for a fence in the present one.
    fn align(&mut self) -> io::Result<()> {
        let left = PAGE - self.settled % PAGE;
        if left < FENCE as u64 {
            let mut bytes = Vec::new();
            push_skipped(&mut bytes, left.max(RECORD_HEAD as u64));
            self.write_behind(&[&bytes])?;
            self.settle(&[&bytes]);
        }
        Ok(())
    }

    /// Writes behind all that is there, or nothing.
    fn write_behind(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        if self.torn {
            self.medium.set_len(self.len())?;
            self.torn = false;
        }
        let written = self.write_all(parts);
        if written.is_err() {
            self.cut_back();
        }
        written
    }

    fn write_all(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let mut at = self.len();
        for part in parts {
            self.medium.write_all_at(part, at)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    fn cut_back(&mut self) {
        self.torn = self.medium.set_len(self.len()).is_err();
    }

    /// These bytes, which are behind what is settled, are too.
    fn settle(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.settled += part.len() as u64;
            if let Some(crc) = &mut self.crc {
                crc.update(part);
            }
        }
    }

    fn note_chunk(&mut self, packed: &Packed, at: u64, count: usize) {
        let mut place = packed.place.clone();
        place.chunk_start_offset += at;
        place
            .message_index_offsets
            .values_mut()
            .for_each(|offset| *offset += at);
        self.keep_chunk(place, count as u64);
    }

    /// Counts a chunk that is in the file.
    pub(super) fn keep_chunk(&mut self, place: ChunkIndex, messages: u64) {
        let (start, end) = (place.message_start_time, place.message_end_time);
        let times = self.times.map_or((start, end), |(first, last)| {
            (first.min(start), last.max(end))
        });
        self.times = Some(times);
        self.packed += messages;
        self.chunks.push(place);
    }
}

/// Appends a record that readers skip, of so many bytes in all.
fn push_skipped(out: &mut Vec<u8>, bytes: u64) {
    let length = bytes - RECORD_HEAD as u64;
    out.push(SKIPPED);
    out.extend_from_slice(&length.to_le_bytes());
    out.resize(out.len() + length as usize, 0);
}
