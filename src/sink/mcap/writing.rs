//! Writing what waits, and when to fold, and to go on in another file.

use std::io;
use std::time::Instant;

use super::opening::begin;
use super::{CHUNK, MOST_LOOSE, McapSink};
use crate::clock;
use crate::sink::file::LOOK_EVERY;
use crate::sink::file::open::LogFile;
use crate::sink::file::period::believed;

impl McapSink {
    /// Writes what waits.
    pub(super) fn write_out(&mut self) -> io::Result<()> {
        self.leave_lost_file()?;
        if self.checkpointed.get() == self.recording.messages() {
            self.fold_if_due()?;
            self.turn_if_full()?;
        }
        self.write_pending()
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

    /// Goes on in a new file if the messages that wait would make the present one too long, or its time is over.
    fn turn_if_full(&mut self) -> io::Result<()> {
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
        self.recording.fold()?;
        // With little room, chunks would become small.
        let is_full = self.room() < (CHUNK as u64).min(most / 16);
        if is_over || is_full || !fits(self) {
            self.recording.finish()?;
            // Nothing was logged before midnight, say.
            self.begin_file()?.remove_if_empty();
        }
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
        let (folder, now) = (&self.config.folder, clock::wall_ns());
        let time_ns = self.over_at.map_or(now, |time_ns| believed(time_ns, now));
        let next = self
            .log
            .create_next(folder, &self.names, time_ns, &mut *self.announce)?;
        self.recording = begin(&next, &self.format, self.names.program())?;
        self.over_at = None;
        self.checkpointed.set(0);
        self.tidy_due = true;
        Ok(std::mem::replace(&mut self.log, next))
    }
}
