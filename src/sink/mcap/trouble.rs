//! When the file takes nothing: what is said of that, and of the records that have to wait or find no room.

use std::io;
use std::path::Path;

use super::McapSink;
use crate::clock;
use crate::level::Level;
use crate::record::Record;
use crate::sink::Owed;
use crate::sink::file::backlog::Meaning;
use crate::sink::missing::{Tally, counted};

/// A time in which the file takes nothing.
pub(super) struct Trouble {
    cause: io::Error,
    /// Records that have had to wait.
    pub(super) delayed: u64,
    /// Records that found no room to wait in.
    given_up: u64,
}

impl McapSink {
    pub(super) fn give_up(&mut self, record: &Record<'_>) {
        self.missing.count(record);
        let records = u64::from(record.sequence.is_some());
        self.lost += records;
        if let Some(trouble) = &mut self.trouble {
            trouble.given_up += records;
        }
    }

    /// Appends the message that says what is missing at this place.
    pub(super) fn append_gap(&mut self, text: &str, records: Tally) {
        let record = Record::of_drainer(clock::wall_ns(), Level::Error, text);
        self.append(&record, Meaning::Gap(Box::new(records)));
    }

    /// Says in the log, at the place of the gap, what is missing there, when all else is written.
    pub(super) fn tell_missing(&mut self) -> io::Result<()> {
        if self.missing.is_empty() || self.pending.count() > 0 {
            return Ok(());
        }
        let cause = self.trouble.as_ref();
        let cause = cause.map_or_else(String::new, |trouble| trouble.cause.to_string());
        let queue = self.config.queue_bytes;
        let why = format!("{cause}, and the queue of {queue} bytes was full");
        let records = self.missing.records().clone();
        let text = self.missing.take(&why);
        self.append_gap(&text, records);
        self.write_pending()
    }

    /// The file was taken away: there is to be said how many messages it had.
    pub(super) fn note_lost_file(&mut self, path: &Path, fate: &str, messages: u64) {
        let next = self.path();
        self.news.push(format!(
            "the MCAP file {path:?} was {fate} from outside; messages in it: {messages}; the log goes on in {next:?}"
        ));
    }

    /// The file takes messages again, if none waits: there is to be said how many records that has concerned.
    pub(super) fn note_recovery(&mut self) {
        if self.pending.count() > 0 {
            return;
        }
        if let Some(trouble) = self.trouble.take() {
            let waited = counted(trouble.delayed, "record", "records");
            let (path, missing) = (self.path(), trouble.given_up);
            self.news.push(format!(
                "the MCAP file {path:?} can be written again: {waited} waited for that, and {missing} more found no \
                 room to wait and are missing"
            ));
        }
    }

    /// The error as the drainer tells it, or nothing if it told that already.
    pub(super) fn news_of(&mut self, error: io::Error) -> io::Result<()> {
        let known = self.trouble.as_ref().map(|known| known.cause.to_string());
        if known.is_some_and(|known| known == error.to_string()) {
            return Ok(());
        }
        let (path, waiting) = (self.path(), self.pending.waiting());
        let text = format!(
            "cannot write the MCAP file {path:?}: {error}; {} ({} bytes) in memory, which has room for {} bytes",
            counted(waiting, "record waits", "records wait"),
            self.pending.bytes(),
            self.config.queue_bytes
        );
        let news = io::Error::new(error.kind(), text);
        match &mut self.trouble {
            Some(trouble) => trouble.cause = error,
            None => {
                self.trouble = Some(Trouble {
                    cause: error,
                    delayed: waiting,
                    given_up: 0,
                });
            }
        }
        Err(news)
    }

    pub(super) fn owed(&self) -> Owed {
        let (mut owed, missing) = (self.pending.owed(), self.missing.records());
        if missing.total() > 0 {
            owed.untold = owed.untold.saturating_add(missing.total());
            owed.whose.extend_from_slice(missing.whose());
        }
        owed
    }

    pub(super) fn not_pruned(&self, error: &io::Error) -> io::Error {
        let (program, folder, most) = (
            self.names.program(),
            &self.config.folder,
            self.config.backup_count,
        );
        let text = format!(
            "cannot delete the oldest MCAP files of {program:?} in {folder:?}: {error}; more than {most} may remain"
        );
        io::Error::new(error.kind(), text)
    }

    pub(super) fn not_completed(&self, error: &io::Error) -> io::Error {
        let text = format!(
            "cannot complete the MCAP file {:?}: {error}; it has no index, all records are in it",
            self.path()
        );
        io::Error::new(error.kind(), text)
    }

    /// Gives up what is not in the file, and says how much that is.
    pub(super) fn lose_the_rest(&mut self) -> io::Error {
        let owed = self.owed();
        self.lost = self.lost.saturating_add(owed.waiting);
        let cause = self.trouble.as_ref().map(|trouble| &trouble.cause);
        let kind = cause.map_or(io::ErrorKind::TimedOut, io::Error::kind);
        let cause = cause.map_or_else(|| "it takes nothing".to_owned(), io::Error::to_string);
        let text = format!(
            "cannot write the MCAP file {:?}: {cause}; at its end {} missing",
            self.path(),
            counted(owed.total(), "record is", "records are")
        );
        io::Error::new(kind, text)
    }
}
