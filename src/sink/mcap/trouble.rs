//! What is said of an MCAP file, beside what all [troubles](crate::sink::trouble) of files have: in the log and of the log.

use std::io;
use std::path::Path;

use super::McapSink;
use crate::clock;
use crate::level::Level;
use crate::record::Record;
use crate::sink::file::backlog::Meaning;
use crate::sink::missing::Tally;

impl McapSink {
    /// Appends the message that says what is missing at this place.
    pub(super) fn append_gap(&mut self, text: &str, records: Tally) {
        let record = Record::of_drainer(clock::wall_ns(), Level::Error, text);
        self.append(&record, Meaning::Gap(Box::new(records)));
    }

    /// Says in the log, at the place of the gap, what is missing there, when all else is written.
    pub(super) fn tell_missing(&mut self) -> io::Result<()> {
        if self.troubles.missing.is_empty() || self.pending.count() > 0 {
            return Ok(());
        }
        let (text, records) = self.troubles.take_missing();
        self.append_gap(&text, records);
        self.write_pending()
    }

    /// The file was taken away: there is to be said how many messages it had.
    pub(super) fn note_lost_file(&mut self, path: &Path, fate: &str, messages: u64) {
        let next = &self.log.path;
        self.troubles.news.push(format!(
            "the MCAP file {path:?} was {fate} from outside; messages in it: {messages}; the log goes on in {next:?}"
        ));
    }

    /// No file could be begun when it was time for one.
    pub(super) fn note_overdue(&mut self, error: &io::Error) {
        let text = format!(
            "{error}; the log goes on in {:?}, though it is time for another file, until one can be made",
            self.log.path
        );
        if self.told_overdue.as_deref() != Some(&*text) {
            self.troubles.news.push(text.clone());
            self.told_overdue = Some(text);
        }
    }

    /// One could be begun again.
    pub(super) fn note_turn(&mut self) {
        self.told_overdue = None;
        let text = format!(
            "MCAP files can be begun again: the log goes on in {:?}",
            self.log.path
        );
        self.troubles.news.push(text);
    }

    /// The file takes messages again, if none waits: there is to be said how many records that has concerned.
    pub(super) fn note_recovery(&mut self) {
        if self.pending.count() > 0 {
            return;
        }
        self.troubles.note_recovery(&self.log.path);
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
}
