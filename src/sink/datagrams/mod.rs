//! A bounded queue of datagrams in front of a socket: what the sinks for syslog and the journal have in common.
//!
//! ```text
//! record() ──► Batch (datagrams in memory) ── commit() ──► Sender's queue ── its thread ──► Socket
//!                  │ beyond queue_bytes                        │ no room: waits
//!                  ▼                                           ▼ error: rests, opens the socket anew, tries again
//!              Missing (counted, said in the log)          Standing (told in the other sinks, once)
//! ```
//!
//! A receiver that is being started anew costs nothing but memory: what was logged meanwhile waits for it. Past the bound
//! the newest records are counted, and the first datagram after the gap says how many and whose are missing. What waits
//! when this process is killed is lost.

mod batch;
mod sender;
mod socket;
#[cfg(test)]
mod tests;

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) use self::batch::shorten;
use self::batch::{Batch, Meaning};
use self::sender::{Sender, Standing, Waiting};
use self::socket::Socket;
pub(super) use self::socket::{Address, TooLarge};
use super::Sink;
use super::missing::{Missing, counted};
use crate::level::Level;
use crate::record::Record;

/// The usual number of bytes that may wait: 16 MiB.
const QUEUE_BYTES: usize = 16 << 20;

/// Writes records as a protocol has them.
pub(super) trait Encode {
    /// Appends the datagram of a record. Returns how many bytes stand in front of its text, which may be shortened from
    /// its end.
    fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) -> usize;
}

/// The severity of syslog, which the journal has too.
pub(super) const fn severity(level: Level) -> u8 {
    match level {
        Level::Critical => 2,
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// A sink that sends each record as a datagram.
pub(super) struct DatagramSink<E> {
    name: String,
    encoder: E,
    sender: Sender,
    queue_bytes: usize,
    batch: Batch,
    /// Records in it.
    batch_records: u64,
    /// What waited when last asked; never more by now.
    waiting: Waiting,
    missing: Missing,
    /// The trouble that the drainer was told of, while it lasts.
    told: Option<Trouble>,
    /// Records given up since the drainer last asked.
    lost: u64,
    /// What there is to say and was not asked for yet.
    news: Vec<String>,
}

/// A time in which the receiver takes nothing.
struct Trouble {
    cause: String,
    /// Records that have had to wait.
    delayed: u64,
    /// Records that found no room to wait in.
    given_up: u64,
}

impl<E: Encode> DatagramSink<E> {
    /// A sink of the kind `kind`. The receiver need not be there yet.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn open(
        kind: &str,
        address: Address,
        too_large: TooLarge,
        encoder: E,
        queue_bytes: Option<usize>,
    ) -> io::Result<DatagramSink<E>> {
        let name = format!("{kind} {address}");
        Ok(DatagramSink {
            name,
            encoder,
            sender: Sender::start(kind, Socket::new(address, too_large))?,
            queue_bytes: queue_bytes.unwrap_or(QUEUE_BYTES),
            batch: Batch::default(),
            batch_records: 0,
            waiting: Waiting::default(),
            missing: Missing::default(),
            told: None,
            lost: 0,
            news: Vec::new(),
        })
    }

    /// Whether what was just put at the end of the batch has to wait behind too much. One that need not wait behind
    /// anything is taken however long it is.
    fn is_full(&mut self) -> bool {
        if self.waiting.bytes + self.batch.bytes.len() <= self.queue_bytes {
            return false;
        }
        self.waiting = self.sender.waiting();
        let is_first = self.waiting.datagrams == 0 && self.batch.is_empty();
        !is_first && self.waiting.bytes + self.batch.bytes.len() > self.queue_bytes
    }

    fn give_up(&mut self, record: &Record<'_>) {
        self.missing.count(record);
        let records = u64::from(record.sequence.is_some());
        self.lost += records;
        if let Some(trouble) = &mut self.told {
            trouble.given_up += records;
        }
    }

    fn hand_over(&mut self) -> Standing {
        let records = std::mem::take(&mut self.batch_records);
        if let Some(trouble) = &mut self.told {
            trouble.delayed += records;
        }
        let standing = self.sender.hand_over(&mut self.batch);
        self.waiting = standing.waiting;
        standing
    }

    /// Says what is missing at this place, if no more than `room` bytes wait: told at every single gap, it would itself
    /// fill the queue.
    fn tell_missing(&mut self, room: usize) {
        if self.missing.is_empty() || self.waiting.bytes > room {
            return;
        }
        let records = self.missing.records().total();
        let cause = self.told.as_ref().map(|trouble| &*trouble.cause);
        let why = format!(
            "{}, and the queue of {} bytes was full",
            cause.unwrap_or(TAKES_NOTHING),
            self.queue_bytes
        );
        let text = self.missing.take(&why);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let time_ns = now.map_or(0, |since| since.as_nanos() as i64);
        let notice = Record::of_drainer(time_ns, Level::Error, &text);
        let text_at = self.encoder.push(&mut self.batch.bytes, &notice);
        self.batch.close(text_at, Meaning::Gap(records));
        self.waiting = self.sender.hand_over(&mut self.batch).waiting;
    }

    /// The trouble as the drainer tells it, once; notes when it is over.
    fn news_of(&mut self, standing: Standing) -> io::Result<()> {
        if standing.too_large > 0 {
            self.lost += standing.too_large;
            let records = counted(standing.too_large, "record is", "records are");
            self.news.push(format!(
                "{records} missing in {}: too large for it, even cut off",
                self.name
            ));
        }
        let missing = self.missing.records().total();
        let cause = match standing.trouble {
            None if missing > 0 => Some(TAKES_NOTHING.to_owned()),
            trouble => trouble,
        };
        match (cause, &mut self.told) {
            (None, None) => Ok(()),
            (None, Some(trouble)) => {
                let waited = counted(trouble.delayed, "record", "records");
                self.news.push(format!(
                    "{} takes records again: {waited} waited for that, and {} more found no room to wait and are \
                     missing",
                    self.name, trouble.given_up
                ));
                self.told = None;
                Ok(())
            }
            (Some(cause), told) => {
                let begun = told.get_or_insert_with(|| Trouble {
                    cause: String::new(),
                    delayed: standing.waiting.records,
                    given_up: missing,
                });
                // While the receiver is started anew it is missing in several ways; one is enough.
                let is_known = !begun.cause.is_empty() && begun.cause != TAKES_NOTHING;
                if is_known || begun.cause == cause {
                    return Ok(());
                }
                let text = format!(
                    "{cause}; {} ({} bytes) in memory, which has room for {} bytes",
                    counted(standing.waiting.records, "record waits", "records wait"),
                    standing.waiting.bytes,
                    self.queue_bytes
                );
                begun.cause = cause;
                Err(io::Error::other(text))
            }
        }
    }

    /// Gives up what is not sent, and says how much that is.
    fn lose_the_rest(&mut self, standing: &Standing) -> io::Error {
        let left = standing.waiting;
        self.lost += left.records;
        let cause = standing.trouble.as_deref().unwrap_or(TAKES_NOTHING);
        let missing = left.records + left.untold + self.missing.records().total();
        let records = counted(missing, "record is", "records are");
        io::Error::other(format!(
            "{}: {cause}; at its end {records} missing",
            self.name
        ))
    }
}

/// In place of an error, when there is none.
const TAKES_NOTHING: &str = "it takes nothing";

impl<E: Encode> Sink for DatagramSink<E> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn record(&mut self, record: &Record<'_>) {
        // Once one is missing so are all behind it, up to the words that say so.
        if !self.missing.is_empty() {
            return self.give_up(record);
        }
        let text_at = self.encoder.push(&mut self.batch.bytes, record);
        if self.is_full() {
            self.batch.take_back();
            return self.give_up(record);
        }
        let meaning = match record.sequence {
            Some(_) => Meaning::Record,
            None => Meaning::Own,
        };
        self.batch_records += u64::from(meaning == Meaning::Record);
        self.batch.close(text_at, meaning);
    }

    fn commit(&mut self) -> io::Result<()> {
        let standing = self.hand_over();
        self.tell_missing(self.queue_bytes / 2);
        self.news_of(standing)
    }

    fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn take_news(&mut self) -> Vec<String> {
        std::mem::take(&mut self.news)
    }

    fn backlog(&self) -> u64 {
        self.sender.waiting().bytes as u64
    }

    fn settled(&self) -> bool {
        self.missing.is_empty() && self.batch.is_empty() && self.sender.waiting().datagrams == 0
    }

    fn finish(&mut self, patience: Duration) -> io::Result<()> {
        self.hand_over();
        self.tell_missing(usize::MAX);
        let is_sent = self.sender.wait(patience);
        let standing = self.hand_over();
        self.lost += standing.too_large;
        match is_sent {
            true => Ok(()),
            false => Err(self.lose_the_rest(&standing)),
        }
    }
}
