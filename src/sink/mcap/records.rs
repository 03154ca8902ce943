//! The records around the chunks: what a file begins with, and the summary that it ends with.
//!
//! ```text
//!   magic │ header │ metadata "shmlog" │ schema │ channel            the head
//!   … chunks …                                                       see recording.rs
//!   data end │ schema │ channel │ statistics │ chunk indexes │ metadata index │ offsets of these │ footer │ magic
//! ```

use std::collections::BTreeMap;
use std::io::Cursor;

use binrw::{BinWrite, Endian};
use mcap::MAGIC;
use mcap::records::{
    Channel, ChunkIndex, DataEnd, Header, Metadata, MetadataIndex, Statistics, SummaryOffset, op,
};

use super::log::{RECORD_HEAD, description};
use super::{CHANNEL, SCHEMA};

/// Bytes of an index record before its entries.
pub(super) const INDEX_HEAD: usize = RECORD_HEAD + 2 + 4;
/// Bytes of a footer's record.
const FOOTER: usize = RECORD_HEAD + 8 + 8 + 4;

/// Appends a record of the format.
pub(super) fn push_record(
    out: &mut Vec<u8>,
    code: u8,
    record: &impl for<'a> BinWrite<Args<'a> = ()>,
) {
    let start = push_head(out, code);
    let mut cursor = Cursor::new(&mut *out);
    cursor.set_position((start + RECORD_HEAD) as u64);
    // Writing into a Vec cannot fail, nor can what these records hold.
    let _ = record.write_options(&mut cursor, Endian::Little, ());
    close_record(out, start);
}

fn push_head(out: &mut Vec<u8>, code: u8) -> usize {
    let start = out.len();
    out.push(code);
    out.extend_from_slice(&[0; 8]);
    start
}

fn close_record(out: &mut [u8], start: usize) {
    let length = (out.len() - start - RECORD_HEAD) as u64;
    out[start + 1..start + RECORD_HEAD].copy_from_slice(&length.to_le_bytes());
}

fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text);
}

/// What a file begins with, and repeats in its summary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// All of it.
    pub(super) bytes: Vec<u8>,
    /// Where the record with the schema, and behind it that with the channel, are.
    pub(super) schema: std::ops::Range<usize>,
    pub(super) channel: std::ops::Range<usize>,
    pub(super) metadata: Vec<MetadataIndex>,
}

impl Head {
    /// That of a new file, whose messages have this topic.
    pub(super) fn new(topic: &str, facts: &[(&str, &str)]) -> Head {
        let mut head = Head {
            bytes: MAGIC.to_vec(),
            ..Head::default()
        };
        let header = Header {
            profile: String::new(),
            library: concat!("shmlog ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        push_record(&mut head.bytes, op::HEADER, &header);
        let facts = facts
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let metadata = Metadata {
            name: "shmlog".to_owned(),
            metadata: facts.collect(),
        };
        let start = head.bytes.len();
        push_record(&mut head.bytes, op::METADATA, &metadata);
        head.metadata.push(MetadataIndex {
            offset: start as u64,
            length: (head.bytes.len() - start) as u64,
            name: metadata.name,
        });
        let start = push_head(&mut head.bytes, op::SCHEMA);
        head.bytes.extend_from_slice(&SCHEMA.to_le_bytes());
        push_string(&mut head.bytes, b"foxglove.Log");
        push_string(&mut head.bytes, b"protobuf");
        push_string(&mut head.bytes, &description());
        close_record(&mut head.bytes, start);
        head.schema = start..head.bytes.len();
        let channel = Channel {
            id: CHANNEL,
            schema_id: SCHEMA,
            topic: topic.to_owned(),
            message_encoding: "protobuf".to_owned(),
            metadata: BTreeMap::new(),
        };
        let start = head.bytes.len();
        push_record(&mut head.bytes, op::CHANNEL, &channel);
        head.channel = start..head.bytes.len();
        head
    }
}

/// What the summary speaks of.
pub(super) struct Contents<'a> {
    pub(super) head: &'a Head,
    pub(super) chunks: &'a [ChunkIndex],
    /// Messages in the chunks, and their first and last time.
    pub(super) messages: u64,
    pub(super) times: (u64, u64),
    /// Of all before, 0 if it is not known.
    pub(super) data_crc: u32,
}

/// Bytes that [`ending`] makes for so many chunks, or a few more.
pub(super) fn ending_bytes(head: &Head, chunks: usize) -> u64 {
    let repeated = head.schema.len() + head.channel.len();
    let longest_index = 128;
    (repeated + chunks * longest_index + 512) as u64
}

/// Everything behind the chunks of a file in which `at` bytes are before it.
pub(super) fn ending(at: u64, contents: &Contents<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let data_end = DataEnd {
        data_section_crc: contents.data_crc,
    };
    push_record(&mut out, op::DATA_END, &data_end);
    let summary = out.len();
    let mut offsets = Vec::new();
    let mut group = |out: &mut Vec<u8>, code: u8, push: &dyn Fn(&mut Vec<u8>)| {
        let start = out.len();
        push(out);
        if out.len() > start {
            offsets.push(SummaryOffset {
                group_opcode: code,
                group_start: at + start as u64,
                group_length: (out.len() - start) as u64,
            });
        }
    };
    let Head {
        bytes,
        schema,
        channel,
        metadata,
    } = contents.head;
    group(&mut out, op::SCHEMA, &|out| {
        out.extend_from_slice(&bytes[schema.clone()])
    });
    group(&mut out, op::CHANNEL, &|out| {
        out.extend_from_slice(&bytes[channel.clone()])
    });
    let statistics = statistics(contents);
    group(&mut out, op::STATISTICS, &|out| {
        push_record(out, op::STATISTICS, &statistics)
    });
    group(&mut out, op::CHUNK_INDEX, &|out| {
        contents
            .chunks
            .iter()
            .for_each(|index| push_record(out, op::CHUNK_INDEX, index));
    });
    group(&mut out, op::METADATA_INDEX, &|out| {
        metadata
            .iter()
            .for_each(|index| push_record(out, op::METADATA_INDEX, index));
    });
    let offsets_start = at + out.len() as u64;
    offsets
        .iter()
        .for_each(|offset| push_record(&mut out, op::SUMMARY_OFFSET, offset));
    push_footer(&mut out, at, summary, offsets_start);
    out.extend_from_slice(MAGIC);
    out
}

fn statistics(contents: &Contents<'_>) -> Statistics {
    Statistics {
        message_count: contents.messages,
        schema_count: 1,
        channel_count: 1,
        attachment_count: 0,
        metadata_count: contents.head.metadata.len() as u32,
        chunk_count: contents.chunks.len() as u32,
        message_start_time: contents.times.0,
        message_end_time: contents.times.1,
        channel_message_counts: BTreeMap::from([(CHANNEL, contents.messages)]),
    }
}

/// The checksum in it is of all from the summary's beginning to right before itself.
fn push_footer(out: &mut Vec<u8>, at: u64, summary: usize, offsets_start: u64) {
    out.push(op::FOOTER);
    out.extend_from_slice(&((FOOTER - RECORD_HEAD) as u64).to_le_bytes());
    out.extend_from_slice(&(at + summary as u64).to_le_bytes());
    out.extend_from_slice(&offsets_start.to_le_bytes());
    let crc = crc32fast::hash(&out[summary..]);
    out.extend_from_slice(&crc.to_le_bytes());
}
