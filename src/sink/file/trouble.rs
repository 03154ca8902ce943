//! What is said of a log file, beside what all [troubles](crate::sink::trouble) of files have: in the log and of the log.

use std::io;
use std::path::Path;

use super::FileSink;
use super::backlog::Meaning;
use crate::clock;
use crate::level::Level;
use crate::record::Record;
use crate::sink::missing::Tally;

impl FileSink {
    /// Appends the line that says what is missing at this place.
    pub(super) fn append_gap(&mut self, text: &str, records: Tally) {
        let record = Record::of_drainer(clock::wall_ns(), Level::Error, text);
        let start = self.backlog.bytes.len();
        self.lines.push(&mut self.backlog.bytes, &record);
        self.close_record(start, &record, Meaning::Gap(Box::new(records)));
    }

    /// Says in the log, at the place of the gap, what is missing there. Called when all else is written.
    pub(super) fn tell_missing(&mut self) -> io::Result<()> {
        if self.troubles.missing.is_empty() {
            return Ok(());
        }
        let (text, records) = self.troubles.take_missing();
        self.append_gap(&text, records);
        self.write_out()
    }

    /// The file was taken away: there is to be said how many records it had, as far as this process wrote them.
    pub(super) fn note_lost_file(&mut self, path: &Path, fate: &str, records: &str) {
        let next = &self.log.path;
        self.troubles.news.push(format!(
            "the log file {path:?} was {fate} from outside; records in it: {records}; the log goes on in {next:?}"
        ));
    }
}
