//! Reading back a file that was left unfinished: what is in it, up to where it is whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

use binrw::BinRead;
use mcap::MAGIC;
use mcap::records::{ChunkHeader, ChunkIndex, MetadataIndex, op};

use super::CHANNEL;
use super::chunk::{Entry, Messages, Packer};
use super::log::{MESSAGE_HEAD, RECORD_HEAD};
use super::recording::{FENCE, Medium, Recording, SKIPPED};
use super::records::{Head, INDEX_HEAD};

/// The longest record of a head that is read.
const LONGEST_HEAD: u64 = 1 << 20;
/// More than a chunk's record has before what is packed.
const CHUNK_HEAD: u64 = 64;

/// What is in a file.
#[derive(Default)]
pub(super) struct Found {
    head: Head,
    /// Bytes from the beginning that stay as they are.
    settled: u64,
    /// The messages behind that.
    loose: Messages,
    chunks: Vec<(ChunkIndex, u64)>,
    /// Messages in all.
    messages: u64,
    /// A chunk without its index yet.
    open: Option<ChunkIndex>,
    /// Where a record that is skipped, and may stand before loose messages, began.
    fence: Option<u64>,
}

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// After so many messages as were asked for.
    Enough,
    /// In the middle of a record, or behind one.
    Cut,
    /// With a summary, or the beginning of one.
    Summary,
    /// With something that such a file does not have there.
    Strange,
}

/// A file in which a predecessor wrote.
pub(super) enum Reopened {
    /// To be gone on in.
    Recording(Box<Recording<File>>),
    /// Without a whole head: it holds no message.
    Headless,
    /// Others have written behind the messages. It stays as it is.
    OfOthers,
}

/// Reads a file up to `most` messages, or to its end, and cuts off what is behind them: to go on there. Where others have
/// written behind that, messages beyond `most` are struck out in place.
///
/// # Errors
/// When it cannot be read or cut.
pub(super) fn reopen(mut file: File, packer: Packer, most: Option<u64>) -> io::Result<Reopened> {
    let (found, _) = read(&mut file, most)?;
    let end = found.end();
    let length = file.seek(SeekFrom::End(0))?;
    if let Some(stranger) = strangers_at(&mut file, end, length)?.filter(|_| end > 0) {
        // No room for that: nothing of ours stands there.
        if stranger - end >= RECORD_HEAD as u64 {
            let mut head = vec![SKIPPED];
            head.extend_from_slice(&(stranger - end - RECORD_HEAD as u64).to_le_bytes());
            file.write_all_at(&head, end)?;
        }
        return Ok(Reopened::OfOthers);
    }
    Ok(match recording_of(file, packer, found)? {
        Some(recording) => Reopened::Recording(Box::new(recording)),
        None => Reopened::Headless,
    })
}

/// Where behind `at` something begins that is no record of ours, not even the beginning of one.
fn strangers_at(file: &mut File, at: u64, length: u64) -> io::Result<Option<u64>> {
    /// No record is so long; text that is taken for a length says more.
    const LONGEST: u64 = 1 << 40;
    let mut at = at;
    while at < length {
        let mut head = Vec::new();
        file.seek(SeekFrom::Start(at))?;
        file.take(RECORD_HEAD as u64).read_to_end(&mut head)?;
        let is_ours = matches!(
            head.first(),
            Some(&(op::MESSAGE | op::CHUNK | op::MESSAGE_INDEX | op::DATA_END | SKIPPED))
        );
        let Some(length_there) = head.get(1..RECORD_HEAD) else {
            return Ok((!is_ours).then_some(at));
        };
        let record = u64::from_le_bytes(length_there.try_into().unwrap_or_default());
        if !is_ours || record > LONGEST {
            return Ok(Some(at));
        }
        if head[0] == op::DATA_END {
            // A summary of ours: it is cut off.
            return Ok(None);
        }
        at += RECORD_HEAD as u64 + record;
    }
    Ok(None)
}

/// Goes on with what was found, and nothing behind it.
pub(super) fn recording_of<M: Medium>(
    mut medium: M,
    packer: Packer,
    found: Found,
) -> io::Result<Option<Recording<M>>> {
    if found.settled == 0 {
        return Ok(None);
    }
    let loose = found.loose.bytes.len();
    let loose = if loose > 0 { FENCE + loose } else { 0 };
    medium.set_len(found.settled + loose as u64)?;
    let mut recording = Recording::go_on(medium, found.head, packer, found.settled, found.loose);
    for (place, messages) in found.chunks {
        recording.keep_chunk(place, messages);
    }
    Ok(Some(recording))
}

/// What a file holds, and how it ends.
pub(super) fn read(file: &mut (impl Read + Seek), most: Option<u64>) -> io::Result<(Found, End)> {
    let mut records = Records::of(file)?;
    let mut found = Found::default();
    if !found.read_head(&mut records)? {
        return Ok((Found::default(), End::Strange));
    }
    loop {
        if most.is_some_and(|most| found.messages >= most && found.open.is_none()) {
            return Ok((found, End::Enough));
        }
        let Some(record) = records.next()? else {
            return Ok((found, End::Cut));
        };
        if record.code == op::DATA_END {
            return Ok((found, End::Summary));
        }
        if !found.take(&mut records, record)? {
            return Ok((found, End::Strange));
        }
    }
}

impl Found {
    /// Where what is behind its messages begins.
    fn end(&self) -> u64 {
        match self.loose.bytes.len() as u64 {
            0 => self.settled,
            loose => self.settled + FENCE as u64 + loose,
        }
    }

    /// Reads all up to the channel. `false` if it is not there as a whole.
    fn read_head(&mut self, records: &mut Records<impl Read + Seek>) -> io::Result<bool> {
        if !records.begin()? {
            return Ok(false);
        }
        let mut bytes = MAGIC.to_vec();
        while let Some(record) = records.next()? {
            if record.length > LONGEST_HEAD
                || record.code == op::MESSAGE
                || record.code == op::CHUNK
            {
                return Ok(false);
            }
            let start = bytes.len();
            bytes.push(record.code);
            bytes.extend_from_slice(&record.length.to_le_bytes());
            let body = records.body(record.length)?;
            if mcap::parse_record(record.code, &body).is_err() {
                return Ok(false);
            }
            bytes.extend_from_slice(&body);
            let range = start..bytes.len();
            match record.code {
                op::SCHEMA => self.head.schema = range,
                op::METADATA => self.head.metadata.push(MetadataIndex {
                    offset: record.start,
                    length: range.len() as u64,
                    name: "shmlog".to_owned(),
                }),
                op::CHANNEL => {
                    let ours = bytes[start + RECORD_HEAD..].starts_with(&CHANNEL.to_le_bytes());
                    self.head.channel = range;
                    self.settled = bytes.len() as u64;
                    self.head.bytes = bytes;
                    return Ok(ours && !self.head.schema.is_empty());
                }
                _ => {}
            }
        }
        Ok(false)
    }

    /// Takes one record. `false` if it is none that stands there.
    fn take(
        &mut self,
        records: &mut Records<impl Read + Seek>,
        record: RecordHead,
    ) -> io::Result<bool> {
        let end = record.start + RECORD_HEAD as u64 + record.length;
        if self.open.is_some() && record.code != op::MESSAGE_INDEX {
            return Ok(false);
        }
        match record.code {
            op::MESSAGE => return self.take_message(records, record),
            op::CHUNK if self.loose.entries.is_empty() => return self.take_chunk(records, record),
            op::MESSAGE_INDEX => {
                let entries =
                    (RECORD_HEAD as u64 + record.length).saturating_sub(INDEX_HEAD as u64) / 16;
                // Behind loose messages it stands before they are a chunk.
                if let Some(mut place) = self.open.take() {
                    place.message_index_offsets = BTreeMap::from([(CHANNEL, record.start)]);
                    place.message_index_length = end - record.start;
                    self.chunks.push((place, entries));
                    self.messages += entries;
                    self.settled = end;
                }
            }
            SKIPPED if self.loose.entries.is_empty() => {
                let is_fence = RECORD_HEAD as u64 + record.length == FENCE as u64;
                self.fence = is_fence.then_some(record.start);
                self.settled = end;
            }
            SKIPPED => {}
            _ => return Ok(false),
        }
        records.skip(record.length)?;
        Ok(true)
    }

    fn take_message(
        &mut self,
        records: &mut Records<impl Read + Seek>,
        record: RecordHead,
    ) -> io::Result<bool> {
        if self.loose.entries.is_empty() {
            let before = self
                .fence
                .filter(|fence| fence + FENCE as u64 == record.start);
            let Some(fence) = before else {
                return Ok(false);
            };
            self.settled = fence;
        }
        let start = self.loose.bytes.len();
        let body = records.body(record.length)?;
        let is_next = record.start == self.settled + (FENCE + start) as u64;
        let Some(time) = time_of(&body).filter(|_| is_next) else {
            return Ok(false);
        };
        self.loose.bytes.push(record.code);
        self.loose
            .bytes
            .extend_from_slice(&record.length.to_le_bytes());
        self.loose.bytes.extend_from_slice(&body);
        self.loose.entries.push(Entry {
            time,
            offset: start as u64,
        });
        self.messages += 1;
        Ok(true)
    }

    fn take_chunk(
        &mut self,
        records: &mut Records<impl Read + Seek>,
        record: RecordHead,
    ) -> io::Result<bool> {
        let head = records.body(record.length.min(CHUNK_HEAD))?;
        let Ok(header) = ChunkHeader::read_le(&mut Cursor::new(&head)) else {
            return Ok(false);
        };
        records.skip(record.length - head.len() as u64)?;
        self.open = Some(ChunkIndex {
            message_start_time: header.message_start_time,
            message_end_time: header.message_end_time,
            chunk_start_offset: record.start,
            chunk_length: RECORD_HEAD as u64 + record.length,
            message_index_offsets: BTreeMap::new(),
            message_index_length: 0,
            compression: header.compression,
            compressed_size: header.compressed_size,
            uncompressed_size: header.uncompressed_size,
        });
        Ok(true)
    }
}

/// The time that stands in the body of a message's record.
fn time_of(body: &[u8]) -> Option<u64> {
    let bytes = body
        .get(6..14)
        .filter(|_| body.len() >= MESSAGE_HEAD - RECORD_HEAD)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// What stands before the body of a record, and where that begins.
#[derive(Clone, Copy)]
struct RecordHead {
    code: u8,
    length: u64,
    start: u64,
}

/// The records of a file, as far as they are whole.
struct Records<R> {
    reader: BufReader<R>,
    at: u64,
    end: u64,
}

impl<R: Read + Seek> Records<R> {
    fn of(mut file: R) -> io::Result<Records<R>> {
        let end = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        Ok(Records {
            reader: BufReader::with_capacity(64 << 10, file),
            at: 0,
            end,
        })
    }

    /// Whether it begins as such files do.
    fn begin(&mut self) -> io::Result<bool> {
        if self.end < MAGIC.len() as u64 {
            return Ok(false);
        }
        Ok(self.body(MAGIC.len() as u64)? == MAGIC)
    }

    /// The next one, if all of it is there; its body is to be read or skipped.
    fn next(&mut self) -> io::Result<Option<RecordHead>> {
        let start = self.at;
        if self.end - start < RECORD_HEAD as u64 {
            return Ok(None);
        }
        let head = self.body(RECORD_HEAD as u64)?;
        let length = u64::from_le_bytes(head[1..].try_into().unwrap_or_default());
        let code = head[0];
        Ok((length <= self.end - self.at).then_some(RecordHead {
            code,
            length,
            start,
        }))
    }

    fn body(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut body = vec![0; length as usize];
        self.reader.read_exact(&mut body)?;
        self.at += length;
        Ok(body)
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        // No file is longer than an i64 can say.
        self.reader.seek_relative(length as i64)?;
        self.at += length;
        Ok(())
    }
}
