//! Writing what waits, over as many files as it needs; and what to do when the next one cannot be had.
//!
//! A file that should be followed by another, because of its size or the hour, can be written all the same: so when
//! none can be made (the folder may not be written, there is no inode, no quota) the lines go on in the present one, and
//! it is tried again later. It is the other way round with a file that is as long as the system lets it be, by `ulimit -f`
//! or as FAT has it: that one takes nothing more, and another may.

use std::io;
use std::time::{Duration, Instant};

use super::open::LogFile;
use super::{FileSink, LOOK_EVERY, OpenFileError, foreign, period};
use crate::clock;

/// The pauses between two tries at a new file: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A new file could not be had when it was time for one.
pub(in crate::sink) struct Overdue {
    pub(in crate::sink) next_try: Instant,
    pause: Duration,
}

impl Overdue {
    /// At this time, after others or for the first time.
    pub(in crate::sink) fn after(before: Option<&Overdue>, now: Instant) -> Overdue {
        let pause = before.map_or(PAUSES.0, |late| late.pause);
        Overdue {
            next_try: now + pause,
            pause: (pause * 2).min(PAUSES.1),
        }
    }
}

impl FileSink {
    /// Writes all that waits, over as many files as it needs.
    pub(super) fn write_out(&mut self) -> io::Result<()> {
        self.leave_lost_file()?;
        if self.backlog.unwritten() > 0 {
            self.meet_strangers()?;
            self.turn_if_overdue();
        }
        loop {
            match self.backlog.write_to(&mut self.log) {
                Ok(true) => return Ok(()),
                Ok(false) => self.turn(),
                Err(error) if self.is_full_for_good(&error) => self.leave_full_file()?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Others may have written to the file, or truncated it, since we did.
    fn meet_strangers(&mut self) -> io::Result<()> {
        let length = self.log.look()?.length;
        if length.is_none_or(|length| length == self.log.end) {
            return Ok(());
        }
        // The rest of a record must not stand behind what is not its beginning.
        self.take_back_begun()?;
        let length = self.log.look()?.length.unwrap_or(self.log.end);
        if foreign::ends_amid_line(&self.log.file, length)? {
            io::Write::write_all(&mut self.log, b"\n")?;
        } else {
            self.log.end = length;
        }
        self.backlog.note_length(self.log.end);
        self.backlog.forget_witness();
        self.log.witness = foreign::witness_in(&self.log.file, self.log.end)?;
        Ok(())
    }

    /// Takes what is there of a record that is not whole out of the file: it is to be written from its beginning.
    pub(super) fn take_back_begun(&mut self) -> io::Result<()> {
        let begun = self.backlog.count_begun();
        self.log.take_back(begun)?;
        self.backlog.restart_record();
        Ok(())
    }

    /// Goes on in a new file where one has to begin, or in the present one if there is none to be had.
    fn turn(&mut self) {
        let now = Instant::now();
        if self
            .overdue
            .as_ref()
            .is_some_and(|late| now < late.next_try)
        {
            return self.backlog.go_on();
        }
        match self.begin_file() {
            Ok(last) => {
                self.upkeep.close(&last);
                self.upkeep.note_turn(Ok(&self.log.path));
                self.overdue = None;
            }
            Err(error) => {
                self.overdue = Some(Overdue::after(self.overdue.as_ref(), now));
                self.backlog.go_on();
                self.upkeep.note_turn(Err((error, &self.log.path)));
            }
        }
    }

    fn turn_if_overdue(&mut self) {
        let is_due = |late: &Overdue| Instant::now() >= late.next_try;
        if self.overdue.as_ref().is_some_and(is_due) {
            self.turn();
        }
    }

    /// Whether the file takes nothing more though the disk may: it is as long as a file may be.
    fn is_full_for_good(&mut self, error: &io::Error) -> bool {
        let holds_something = self.log.end > self.backlog.count_begun();
        error.kind() == io::ErrorKind::FileTooLarge && holds_something
    }

    fn leave_full_file(&mut self) -> io::Result<()> {
        let length = self.log.end;
        let last = self.begin_file()?;
        self.troubles.news.push(format!(
            "the log file {:?} cannot grow beyond {length} bytes, by a limit of the process (ulimit -f) or of the file \
             system; the log goes on in {:?}",
            last.path, self.log.path
        ));
        self.upkeep.close(&last);
        Ok(())
    }

    /// Goes on in a new file if the present one was deleted or renamed from outside.
    fn leave_lost_file(&mut self) -> io::Result<()> {
        let now = Instant::now();
        // Deletion is asked for at every write, it is one cheap call; the path only now and then.
        let deleted = self.backlog.unwritten() > 0 && self.log.is_deleted();
        if deleted || (now >= self.next_look && !self.log.is_in_place()) {
            let (path, mut records) = (self.log.path.clone(), self.backlog.in_file().to_string());
            if self.log.inherited {
                records += " or more";
            }
            // Not by `deleted`: that is asked for only when there is something to write.
            let fate = match self.log.is_deleted() {
                true => "deleted",
                false => "moved or replaced",
            };
            self.begin_file()?;
            self.note_lost_file(&path, fate, &records);
        }
        // Not before it succeeded: nothing may be written to a file that is known to be lost.
        if now >= self.next_look {
            self.next_look = now + LOOK_EVERY;
        }
        Ok(())
    }

    /// Goes on in a new file; returns the one before, with whole records in it only.
    fn begin_file(&mut self) -> io::Result<LogFile> {
        let now = clock::wall_ns();
        let time_ns = self.backlog.cut_time_ns();
        // Named after its first record, so that the name tells what is in it though this process may be behind.
        let time_ns = time_ns.map_or(now, |time_ns| period::believed(time_ns, now));
        let (folder, names) = (&self.config.folder, &self.names);
        let next = self
            .log
            .create_next(folder, names, time_ns, &mut *self.announce)
            .map_err(|error| self.without_name(error))?;
        // If it cannot be taken back the last line there stays torn: the record stands whole in the next file.
        let _ = self.log.take_back(self.backlog.count_begun());
        self.backlog.begin_file();
        self.upkeep.turn(&self.log, &next);
        Ok(std::mem::replace(&mut self.log, next))
    }

    /// Each try is at a file of another name: what is told once must not have that in it.
    fn without_name(&self, error: OpenFileError) -> io::Error {
        match error {
            OpenFileError::File { source, .. } => {
                let text = format!(
                    "cannot make a log file in {:?}: {source}",
                    self.config.folder
                );
                io::Error::new(source.kind(), text)
            }
            error => error.into(),
        }
    }
}
