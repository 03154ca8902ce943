//! Writing what waits, and when to fold, and to go on in another file.
//!
//! As with text files (`sink/file/turning.rs`), a file that should be followed by another goes on while none can be made, and one
//! that the system lets grow no further is followed at once. One that others have written to is left as they have made it:
//! behind their bytes no reader would find a message.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use super::opening::begin;
use super::recording::Recording;
use super::{CHUNK, MOST_LOOSE, McapSink};
use crate::clock;
use crate::sink::file::open::LogFile;
use crate::sink::file::period::believed;
use crate::sink::file::turning::Overdue;
use crate::sink::file::{LOOK_EVERY, OpenFileError};

impl McapSink {
    /// Writes what waits.
    pub(super) fn write_out(&mut self) -> io::Result<()> {
        self.leave_lost_file()?;
        self.leave_strangers_file()?;
        if self.checkpointed.get() == self.recording.messages() {
            self.leave_full_file()?;
            self.fold_if_due()?;
            self.turn_if_due()?;
        }
        match self.write_pending() {
            // What was written of it is to be in a checkpoint before another file is begun: the next commit does that.
            Err(error) if self.is_full_for_good(&error) => {
                self.is_full = true;
                if self.checkpointed.get() == self.recording.messages() {
                    self.leave_full_file()?;
                    return self.write_pending();
                }
                Ok(())
            }
            written => written,
        }
    }

    /// Whether the file takes nothing more though the disk may: it is as long as a file may be.
    fn is_full_for_good(&self, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::FileTooLarge && self.recording.messages() > 0
    }

    /// Goes on in a new file if the present one cannot grow.
    fn leave_full_file(&mut self) -> io::Result<()> {
        if !self.is_full {
            return Ok(());
        }
        let (path, bytes) = (self.log.path.clone(), self.recording.len());
        let (next, recording) = self.make_next()?;
        self.turn_to(next, recording)?;
        self.troubles.news.push(format!(
            "the MCAP file {path:?} cannot grow beyond {bytes} bytes, by a limit of the process (ulimit -f) or of the file \
             system; the log goes on in {:?}",
            self.log.path
        ));
        Ok(())
    }

    /// Goes on in a new file if others have written to the present one, or truncated it.
    fn leave_strangers_file(&mut self) -> io::Result<()> {
        let is_asked = self.pending.bytes() > 0 && !self.recording.may_be_torn();
        let length = self.log.length().filter(|_| is_asked);
        if length.is_none_or(|length| length == self.recording.len()) {
            return Ok(());
        }
        let (path, messages) = (self.log.path.clone(), self.recording.messages());
        let change = match length < Some(self.recording.len()) {
            true => "truncated",
            false => "written to",
        };
        self.begin_file()?;
        self.note_lost_file(&path, change, messages);
        Ok(())
    }

    fn fold_if_due(&mut self) -> io::Result<()> {
        let (loose, pending) = (self.recording.loose.bytes.len(), self.pending.bytes());
        if loose < self.fold_at && (loose == 0 || pending < CHUNK) {
            return Ok(());
        }
        match self.recording.fold() {
            Ok(()) => self.fold_at = CHUNK,
            // They are in the file as they are. It may be that only the chunk finds no room beside them.
            Err(_) if loose < MOST_LOOSE => self.fold_at = self.fold_at.max(loose) + CHUNK / 4,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Goes on in a new file if the messages that wait would make the present one too long, or its time is over; in the present
    /// one if none is to be had.
    fn turn_if_due(&mut self) -> io::Result<()> {
        let most = self.config.max_file_size;
        let fits = |sink: &McapSink| {
            let pending = &sink.pending;
            sink.recording.len_with(pending.count(), pending.bytes()) <= most
        };
        let is_over = self.over_at.is_some();
        let is_empty = self.recording.messages() == 0;
        if self.pending.count() == 0 || (!is_over && (is_empty || fits(self))) {
            return Ok(());
        }
        let now = Instant::now();
        if self
            .overdue
            .as_ref()
            .is_some_and(|late| now < late.next_try)
        {
            return Ok(());
        }
        match self.recording.fold() {
            Err(error) if self.is_full_for_good(&error) => {
                self.is_full = true;
                return self.leave_full_file();
            }
            folded => folded?,
        }
        // With little room, chunks would become small.
        let is_full = self.room() < (CHUNK as u64).min(most / 16);
        if is_over || is_full || !fits(self) {
            // Made first: the present one goes on, and is not completed, if there is none.
            match self.make_next() {
                Ok((next, recording)) => {
                    self.turn_to(next, recording)?;
                    if self.overdue.take().is_some() {
                        self.note_turn();
                    }
                }
                Err(error) => {
                    self.overdue = Some(Overdue::after(self.overdue.as_ref(), now));
                    self.note_overdue(&error);
                }
            }
        }
        Ok(())
    }

    /// Completes the file and goes on in this new one.
    fn turn_to(&mut self, next: LogFile, recording: Recording<File>) -> io::Result<()> {
        match self.recording.finish() {
            Ok(()) => {}
            // The next session completes it, by the limits that there are then.
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                let text = self.not_completed(&error).to_string();
                self.troubles.news.push(text);
            }
            Err(error) => {
                next.remove_if_empty();
                return Err(error);
            }
        }
        // Nothing was logged before midnight, say.
        self.go_on_in(next, recording).remove_if_empty();
        Ok(())
    }

    pub(super) fn write_pending(&mut self) -> io::Result<()> {
        // What waited for a disk may be more than a file takes. The rest goes on waiting for the next.
        let mut room = match self.troubles.is_there() {
            true => self.room(),
            false => u64::MAX,
        };
        let (mut done, mut outcome) = (0, Ok(()));
        while done < self.pending.count() && (done == 0 || room > 0) {
            let slice = self.pending.some(done, CHUNK);
            let is_chunk =
                slice.bytes.len() >= CHUNK / 2 && self.recording.loose.entries.is_empty();
            outcome = match is_chunk {
                true => self.recording.append_chunk(slice),
                false => self.recording.append(slice),
            };
            if outcome.is_err() {
                break;
            }
            room = room.saturating_sub(slice.bytes.len() as u64);
            done += slice.count();
        }
        self.pending.drop_written(done);
        outcome
    }

    /// Goes on in a new file if the present one was deleted or renamed from outside.
    fn leave_lost_file(&mut self) -> io::Result<()> {
        let now = Instant::now();
        // Deletion is asked for at every write, it is one cheap call; the path only now and then.
        let deleted = self.pending.bytes() > 0 && self.log.is_deleted();
        if deleted || (now >= self.next_look && !self.log.is_in_place()) {
            let (path, messages) = (self.log.path.clone(), self.recording.messages());
            // Not by `deleted`: that is asked for only when there is something to write.
            let fate = match self.log.is_deleted() {
                true => "deleted",
                false => "moved or replaced",
            };
            // Where it is now, it should be whole.
            let _ = self.recording.finish();
            self.begin_file()?;
            self.note_lost_file(&path, fate, messages);
        }
        // Not before it succeeded: nothing may be written to a file that is known to be lost.
        if now >= self.next_look {
            self.next_look = now + LOOK_EVERY;
        }
        Ok(())
    }

    /// Goes on in a new file; returns the one before.
    fn begin_file(&mut self) -> io::Result<LogFile> {
        let (next, recording) = self.make_next()?;
        Ok(self.go_on_in(next, recording))
    }

    fn make_next(&mut self) -> io::Result<(LogFile, Recording<File>)> {
        let (folder, now) = (&self.config.folder, clock::wall_ns());
        let time_ns = self.over_at.map_or(now, |time_ns| believed(time_ns, now));
        let next = self
            .log
            .create_next(folder, &self.names, time_ns, &mut *self.announce)
            .map_err(|error| self.without_name(error))?;
        let recording = begin(&next, &self.format, self.names.program())?;
        Ok((next, recording))
    }

    /// Returns the file before.
    fn go_on_in(&mut self, next: LogFile, recording: Recording<File>) -> LogFile {
        self.recording = recording;
        self.over_at = None;
        self.is_full = false;
        self.checkpointed.set(0);
        self.fold_at = CHUNK;
        self.tidy_due = true;
        std::mem::replace(&mut self.log, next)
    }

    /// Each try is at a file of another name: what is told once must not have that in it.
    fn without_name(&self, error: OpenFileError) -> io::Error {
        match error {
            OpenFileError::File { source, .. } => {
                let folder: &PathBuf = &self.config.folder;
                let text = format!("cannot make an MCAP file in {folder:?}: {source}");
                io::Error::new(source.kind(), text)
            }
            error => error.into(),
        }
    }
}
