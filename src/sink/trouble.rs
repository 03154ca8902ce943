//! When a file takes nothing: what is said of that, and of the records that have to wait or find no room. The same for
//! all sinks with files, but for what they call theirs.

use std::io;
use std::path::Path;

use super::Owed;
use super::missing::{Missing, Tally, counted};
use crate::record::Record;

/// What a sink keeps of its file's troubles.
pub(super) struct Troubles {
    /// What the file is called, like `log file`.
    file: &'static str,
    /// What has room in memory while the file takes nothing.
    queue_bytes: usize,
    pub(super) missing: Missing,
    /// Records given up since the drainer last asked.
    lost: u64,
    /// What the last commit met; `None` when it could write.
    trouble: Option<Trouble>,
    /// What there is to say and was not asked for yet.
    pub(super) news: Vec<String>,
}

/// A time in which the file takes nothing.
struct Trouble {
    cause: io::Error,
    /// Records that have had to wait.
    delayed: u64,
    /// Records that found no room to wait in.
    given_up: u64,
}

impl Troubles {
    pub(super) fn none(file: &'static str, queue_bytes: usize) -> Troubles {
        Troubles {
            file,
            queue_bytes,
            missing: Missing::default(),
            lost: 0,
            trouble: None,
            news: Vec::new(),
        }
    }

    /// Whether the last commit could not write.
    pub(super) const fn is_there(&self) -> bool {
        self.trouble.is_some()
    }

    /// The record, which comes amid trouble, has to wait.
    pub(super) fn delay(&mut self, record: &Record<'_>) {
        if let Some(trouble) = &mut self.trouble {
            trouble.delayed += u64::from(record.sequence.is_some());
        }
    }

    pub(super) fn give_up(&mut self, record: &Record<'_>) {
        self.missing.count(record);
        let records = u64::from(record.sequence.is_some());
        self.lost += records;
        if let Some(trouble) = &mut self.trouble {
            trouble.given_up += records;
        }
    }

    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// What there is to say at the place of the gap, and the records that it speaks of; none are missing then.
    pub(super) fn take_missing(&mut self) -> (String, Tally) {
        let cause = self.trouble.as_ref();
        let cause = cause.map_or_else(String::new, |trouble| trouble.cause.to_string());
        let queue = self.queue_bytes;
        let why = format!("{cause}, and the queue of {queue} bytes was full");
        let records = self.missing.records().clone();
        (self.missing.take(&why), records)
    }

    /// The file takes records again: there is to be said how many that has concerned.
    pub(super) fn note_recovery(&mut self, path: &Path) {
        if let Some(trouble) = self.trouble.take() {
            let waited = counted(trouble.delayed, "record", "records");
            let (file, missing) = (self.file, trouble.given_up);
            self.news.push(format!(
                "the {file} {path:?} can be written again: {waited} waited for that, and {missing} more found no \
                 room to wait and are missing"
            ));
        }
    }

    /// The error as the drainer tells it, or nothing if it told that already. So many records and bytes wait.
    pub(super) fn news_of(
        &mut self,
        error: io::Error,
        path: &Path,
        (records, bytes): (u64, usize),
    ) -> io::Result<()> {
        let known = self.trouble.as_ref().map(|known| known.cause.to_string());
        if known.is_some_and(|known| known == error.to_string()) {
            return Ok(());
        }
        let text = format!(
            "cannot write the {} {path:?}: {error}; {} ({bytes} bytes) in memory, which has room for {} bytes",
            self.file,
            counted(records, "record waits", "records wait"),
            self.queue_bytes
        );
        let news = io::Error::new(error.kind(), text);
        match &mut self.trouble {
            Some(trouble) => trouble.cause = error,
            None => {
                self.trouble = Some(Trouble {
                    cause: error,
                    delayed: records,
                    given_up: 0,
                });
            }
        }
        Err(news)
    }

    /// What is owed in all, if this is what the memory holds.
    pub(super) fn owed(&self, mut held: Owed) -> Owed {
        let missing = self.missing.records();
        if missing.total() > 0 {
            held.untold = held.untold.saturating_add(missing.total());
            held.whose.extend_from_slice(missing.whose());
        }
        held
    }

    /// Gives up what the memory holds, and says how much is not in the file.
    pub(super) fn lose_the_rest(&mut self, path: &Path, held: Owed) -> io::Error {
        let owed = self.owed(held);
        self.lost = self.lost.saturating_add(owed.waiting);
        let cause = self.trouble.as_ref().map(|trouble| &trouble.cause);
        let kind = cause.map_or(io::ErrorKind::TimedOut, io::Error::kind);
        let cause = cause.map_or_else(|| "it takes nothing".to_owned(), io::Error::to_string);
        let text = format!(
            "cannot write the {} {path:?}: {cause}; at its end {} missing",
            self.file,
            counted(owed.total(), "record is", "records are")
        );
        io::Error::new(kind, text)
    }
}
