//! Messages, and the chunks that they are packed into.
//!
//! What is in a chunk that is not compressed are the message records themselves, so the bytes of messages that stand in a
//! file become a chunk by a head before them: see [`Packed::head`].

use std::collections::BTreeMap;
use std::io::Write;

use mcap::records::{ChunkHeader, ChunkIndex, op};

use super::log::RECORD_HEAD;
use super::records::{INDEX_HEAD, push_record};
use super::{CHANNEL, Compression};

/// What zstd packs with: level 1, at which it packs log messages no slower than lz4, and smaller.
const ZSTD_LEVEL: i32 = 1;

/// Where a message begins, in bytes from the first one, and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) time: u64,
    pub(super) offset: u64,
}

/// Message records one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Messages {
    pub(super) bytes: Vec<u8>,
    pub(super) entries: Vec<Entry>,
}

impl Messages {
    /// Notes that what was appended to `bytes` from `start` on is a message of this time.
    pub(super) fn close(&mut self, start: usize, time: u64) {
        let offset = start as u64;
        self.entries.push(Entry { time, offset });
    }

    pub(super) fn all(&self) -> Slice<'_> {
        self.some(0..self.entries.len())
    }

    /// The messages of these positions.
    pub(super) fn some(&self, range: std::ops::Range<usize>) -> Slice<'_> {
        let at = |position: usize| {
            let entry = self.entries.get(position);
            entry.map_or(self.bytes.len(), |entry| entry.offset as usize)
        };
        Slice {
            bytes: &self.bytes[at(range.start)..at(range.end)],
            first: at(range.start) as u64,
            entries: &self.entries[range],
        }
    }

    pub(super) fn append(&mut self, slice: Slice<'_>) {
        let base = self.bytes.len() as u64;
        self.bytes.extend_from_slice(slice.bytes);
        self.entries.extend(slice.entries().map(|entry| Entry {
            offset: base + entry.offset,
            ..entry
        }));
    }

    /// Takes away the first messages, so many.
    pub(super) fn drop_first(&mut self, count: usize) {
        let bytes = self.some(0..count).bytes.len();
        self.bytes.drain(..bytes);
        self.entries.drain(..count);
        for entry in &mut self.entries {
            entry.offset -= bytes as u64;
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}

/// Some of these.
#[derive(Clone, Copy)]
pub(super) struct Slice<'a> {
    pub(super) bytes: &'a [u8],
    entries: &'a [Entry],
    /// What the offsets count from.
    first: u64,
}

impl Slice<'_> {
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    /// With offsets in `bytes`.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.entries.iter().map(|entry| Entry {
            offset: entry.offset - self.first,
            ..*entry
        })
    }

    /// The first and the last time.
    pub(super) fn times(&self) -> (u64, u64) {
        let times = self.entries.iter().map(|entry| entry.time);
        let (first, last) = (times.clone().min(), times.max());
        (first.unwrap_or(0), last.unwrap_or(0))
    }
}

/// A chunk that was made of messages, and the index behind it.
pub(super) struct Packed {
    /// All of its record up to what is packed in it.
    pub(super) head: Vec<u8>,
    /// What is packed in it; `None` for the bytes of the messages as they are.
    pub(super) body: Option<Vec<u8>>,
    /// The record that says where each message is.
    pub(super) index: Vec<u8>,
    /// Where all this is, with offsets from the beginning of the head.
    pub(super) place: ChunkIndex,
}

impl Packed {
    /// Bytes of head, body and index.
    pub(super) fn len(&self) -> u64 {
        self.place.chunk_length + self.place.message_index_length
    }
}

/// Packs messages into chunks.
pub(super) struct Packer {
    compression: Compression,
    /// Its memory is kept from chunk to chunk.
    zstd: zstd::bulk::Compressor<'static>,
}

impl Packer {
    pub(super) fn new(compression: Compression) -> Packer {
        let mut zstd = zstd::bulk::Compressor::default();
        // One that does not take the level has its usual one.
        let _ = zstd.set_compression_level(ZSTD_LEVEL);
        Packer { compression, zstd }
    }

    /// Packs them into one chunk; as they are, if compressing makes nothing smaller.
    pub(super) fn pack(&mut self, messages: Slice<'_>) -> Packed {
        let body = self.compress(messages.bytes);
        let body = body.filter(|body| body.len() < messages.bytes.len());
        put_together(messages, body, self.compression.method())
    }

    /// `None` when it is not to be compressed, or cannot be.
    fn compress(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self.compression {
            Compression::None => None,
            Compression::Zstd => self.zstd.compress(bytes).ok(),
            Compression::Lz4 => {
                let mut encoder = lz4::EncoderBuilder::new().build(Vec::new()).ok()?;
                encoder.write_all(bytes).ok()?;
                let (compressed, done) = encoder.finish();
                done.ok().map(|()| compressed)
            }
        }
    }
}

/// The chunk of messages whose bytes, packed by a method, are `body`.
pub(super) fn put_together(messages: Slice<'_>, body: Option<Vec<u8>>, method: &str) -> Packed {
    let method = body.as_ref().map_or("", |_| method);
    let (start, end) = messages.times();
    let uncompressed_size = messages.bytes.len() as u64;
    let compressed_size = body
        .as_ref()
        .map_or(uncompressed_size, |body| body.len() as u64);
    let mut head = Vec::new();
    let header = ChunkHeader {
        message_start_time: start,
        message_end_time: end,
        uncompressed_size,
        uncompressed_crc: crc32fast::hash(messages.bytes),
        compression: method.to_owned(),
        compressed_size,
    };
    push_record(&mut head, op::CHUNK, &header);
    // The record goes on behind its head.
    let length = (head.len() - RECORD_HEAD) as u64 + compressed_size;
    head[1..RECORD_HEAD].copy_from_slice(&length.to_le_bytes());
    let mut index = Vec::with_capacity(INDEX_HEAD + 16 * messages.count());
    push_index(&mut index, messages);
    let chunk_length = head.len() as u64 + compressed_size;
    let place = ChunkIndex {
        message_start_time: start,
        message_end_time: end,
        chunk_start_offset: 0,
        chunk_length,
        message_index_offsets: BTreeMap::from([(CHANNEL, chunk_length)]),
        message_index_length: index.len() as u64,
        compression: header.compression,
        compressed_size,
        uncompressed_size,
    };
    Packed {
        head,
        body,
        index,
        place,
    }
}

/// Appends the index of messages: their times and where they begin in what the chunk holds.
fn push_index(out: &mut Vec<u8>, messages: Slice<'_>) {
    let bytes = 16 * messages.count() as u32;
    out.push(op::MESSAGE_INDEX);
    out.extend_from_slice(&u64::from(2 + 4 + bytes).to_le_bytes());
    out.extend_from_slice(&CHANNEL.to_le_bytes());
    out.extend_from_slice(&bytes.to_le_bytes());
    for entry in messages.entries() {
        out.extend_from_slice(&entry.time.to_le_bytes());
        out.extend_from_slice(&entry.offset.to_le_bytes());
    }
}
