//! Messages of MCAP files, from their beginning to their end: the index there is not needed, so files that are still
//! being written, or were cut off, are read too.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::ops::ControlFlow;

use ::mcap::McapError;
use ::mcap::records::Record as Part;
use ::mcap::sans_io::linear_reader::{LinearReadEvent, LinearReader, LinearReaderOptions};

use super::complaints::Complaints;
use super::owned::Owned;
use super::{Piece, Take, log};

/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;
/// A record that says it is longer is damaged.
const LONGEST: usize = 256 << 20;

/// What a file says of its messages.
#[derive(Default)]
struct Contents {
    /// Schemas that are those of log messages.
    schemas: HashSet<u16>,
    /// The channels of these.
    logs: HashMap<u16, bool>,
    messages: u64,
    record: Owned,
}

/// Hands on all records.
pub fn read(
    input: &mut dyn Read,
    complaints: &mut Complaints,
    take: &mut Take<'_>,
) -> ControlFlow<()> {
    let options = LinearReaderOptions::default().with_skip_end_magic(true);
    let mut reader = LinearReader::new_with_options(options.with_record_length_limit(LONGEST));
    let mut contents = Contents::default();
    while let Some(event) = reader.next_event() {
        let failed = match event {
            Ok(LinearReadEvent::ReadRequest(need)) => {
                let room = reader.insert(need.max(CHUNK));
                match read_some(input, room) {
                    Ok(length) => {
                        reader.notify_read(length);
                        continue;
                    }
                    Err(error) => error.to_string(),
                }
            }
            Ok(LinearReadEvent::Record { data, opcode }) => {
                match ::mcap::parse_record(opcode, data) {
                    Ok(part) => {
                        contents.part(part, complaints, take)?;
                        continue;
                    }
                    Err(error) => error.to_string(),
                }
            }
            Err(McapError::UnexpectedEof) => {
                "the file ends amid a record: it is cut off, or still being written".to_owned()
            }
            Err(error) => error.to_string(),
        };
        complaints.file(&format!("behind message {}: {failed}", contents.messages));
        break;
    }
    if !contents.logs.values().any(|is_log| *is_log) {
        complaints.file("no channel of log messages (foxglove.Log, protobuf) is in this MCAP file");
    }
    ControlFlow::Continue(())
}

fn read_some(input: &mut dyn Read, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

impl Contents {
    fn part(
        &mut self,
        part: Part<'_>,
        complaints: &mut Complaints,
        take: &mut Take<'_>,
    ) -> ControlFlow<()> {
        match part {
            Part::Schema { header, .. }
                if header.name == "foxglove.Log" && header.encoding == "protobuf" =>
            {
                self.schemas.insert(header.id);
            }
            Part::Channel(channel) => {
                let is_log = self.schemas.contains(&channel.schema_id)
                    && channel.message_encoding == "protobuf";
                self.logs.insert(channel.id, is_log);
            }
            Part::Message { header, data } => {
                self.messages += 1;
                if self.logs.get(&header.channel_id) != Some(&true) {
                    return ControlFlow::Continue(());
                }
                self.record.clear();
                match log::read(&data, header.sequence, header.log_time, &mut self.record) {
                    Some(()) => return take(Piece::Record(&self.record.record())),
                    None => {
                        complaints.file(&format!("message {} is no foxglove.Log", self.messages))
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
