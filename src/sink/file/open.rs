//! Making a log file that no other session shares and no pruner takes away.
//!
//! A log file holds an exclusive `flock` for as long as it is open; a pruner takes only files that it can
//! lock itself. Between making a file and locking it a pruner may be faster: then the lock is refused, or
//! it is had on a file without a name. Both mean the same, make another one.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, fcntl_getfl, fcntl_setfl, flock};

use super::gzip::Closed;
use super::name::{Names, local_micros, time_ns_of};
use super::{Announce, OpenFileError, foreign};
use crate::clock;
use crate::failpoint;
use crate::sink::FilePlace;

/// Names tried, a microsecond apart, before giving up.
const ATTEMPTS: i64 = 1_000;

/// A log file that this process made, and alone may write.
pub(in crate::sink) struct LogFile {
    pub(in crate::sink) file: File,
    pub(in crate::sink) path: PathBuf,
    /// Bytes that we and our predecessors wrote to it.
    pub(super) written: u64,
    /// Where the last of them stands in it: others may write to it as well.
    pub(super) end: u64,
    /// What a successor knows that place by, as long as we have written nothing.
    pub(super) witness: u64,
    /// A predecessor of this process has written to it.
    pub(super) inherited: bool,
    /// Device and inode, to notice when another file stands at `path`.
    identity: (u64, u64),
    /// What it is named after: see [`local_micros`].
    micros: i64,
}

/// What there is to know of an open file before more is written to it.
pub(super) struct Found {
    pub(super) is_deleted: bool,
    /// `None`: it is no file, and has none.
    pub(super) length: Option<u64>,
}

/// What the system knows a file by: device and inode.
pub(super) fn identity_of(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

impl LogFile {
    /// Makes, opens and locks a new file named after now, and the folder if it is missing.
    pub(in crate::sink) fn create(
        folder: &Path,
        names: &Names,
        announce: &mut Announce,
    ) -> Result<LogFile, OpenFileError> {
        LogFile::create_at(folder, names, micros_now(), announce)
    }

    /// The file after this one, named after a time. Its name sorts behind this one's though the wall clock may have
    /// been set back, or pruning would take the newest for the oldest.
    pub(in crate::sink) fn create_next(
        &self,
        folder: &Path,
        names: &Names,
        time_ns: i64,
        announce: &mut Announce,
    ) -> Result<LogFile, OpenFileError> {
        LogFile::create_behind(self.micros, folder, names, time_ns, announce)
    }

    /// As [`create_next`](LogFile::create_next), for a file before of which only the time in its name is known.
    pub(in crate::sink) fn create_behind(
        last: i64,
        folder: &Path,
        names: &Names,
        time_ns: i64,
        announce: &mut Announce,
    ) -> Result<LogFile, OpenFileError> {
        let micros = local_micros(time_ns.max(0)).max(last.saturating_add(1));
        LogFile::create_at(folder, names, micros, announce)
    }

    /// As [`create`](LogFile::create), under names that `name` gives for local microseconds.
    pub(super) fn create_named(
        folder: &Path,
        name: &dyn Fn(i64) -> String,
        announce: &mut dyn FnMut(&str),
    ) -> Result<LogFile, OpenFileError> {
        LogFile::create_from(folder, name, micros_now(), announce)
    }

    pub(super) fn create_at(
        folder: &Path,
        names: &Names,
        micros: i64,
        announce: &mut Announce,
    ) -> Result<LogFile, OpenFileError> {
        LogFile::create_from(folder, &|micros| names.at(micros), micros, announce)
    }

    fn create_from(
        folder: &Path,
        name_at: &dyn Fn(i64) -> String,
        micros: i64,
        announce: &mut dyn FnMut(&str),
    ) -> Result<LogFile, OpenFileError> {
        fs::create_dir_all(folder).map_err(|source| OpenFileError::Folder {
            folder: folder.to_owned(),
            source,
        })?;
        for attempt in 0..ATTEMPTS {
            let name = name_at(micros + attempt);
            announce(&name);
            failpoint::hit("file.announced");
            let path = folder.join(name);
            match LogFile::try_create(&path) {
                Ok(Some(file)) => {
                    failpoint::hit("file.made");
                    let micros = micros + attempt;
                    return Ok(LogFile { micros, ..file });
                }
                // Another program's, or gone: not ours to report.
                Ok(None) => announce(""),
                Err(source) => return Err(OpenFileError::File { path, source }),
            }
        }
        Err(OpenFileError::NoFreeName {
            path: folder.join(name_at(micros)),
        })
    }

    /// `None` when the name is taken, or a pruner took the file before it was locked.
    fn try_create(path: &Path) -> io::Result<Option<LogFile>> {
        let file = match File::options()
            .read(true)
            .append(true)
            .create_new(true)
            .open(path)
        {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(error),
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let metadata = file.metadata()?;
        Ok((metadata.nlink() > 0).then(|| LogFile {
            file,
            path: path.to_owned(),
            written: 0,
            end: 0,
            witness: 0,
            inherited: false,
            identity: (metadata.dev(), metadata.ino()),
            micros: 0,
        }))
    }

    /// Opens a file that a predecessor of this process wrote, and named after `micros`, locks it, and takes away what
    /// that one wrote behind `place`: see [`foreign`]. `None` when it is gone, or another process has it locked.
    pub(in crate::sink) fn reopen(
        path: &Path,
        place: &FilePlace,
        micros: i64,
    ) -> io::Result<Option<LogFile>> {
        let Some(file) = open_unlocked(path)? else {
            return Ok(None);
        };
        let metadata = file.metadata()?;
        let length = foreign::settle(&file, path, place)?;
        Ok(Some(LogFile {
            witness: foreign::witness_in(&file, length)?,
            file,
            path: path.to_owned(),
            written: length,
            end: length,
            inherited: true,
            identity: (metadata.dev(), metadata.ino()),
            micros,
        }))
    }

    /// Removes the file if no program has written to it. A file that cannot be removed stays; it does no harm.
    pub(in crate::sink) fn remove_if_empty(&self) {
        let is_empty = self.file.metadata().is_ok_and(|found| found.len() == 0);
        if self.written == 0 && is_empty && self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// The time that its name tells, in nanoseconds since 1970.
    pub(in crate::sink) fn time_ns(&self) -> i64 {
        time_ns_of(self.micros).unwrap_or_else(clock::wall_ns)
    }

    /// Its name in its folder.
    pub(in crate::sink) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Its name in its folder, and what the system knows it by.
    pub(super) fn closed(&self) -> Option<Closed> {
        Some(Closed {
            name: self.path.file_name()?.to_str()?.to_owned(),
            identity: self.identity,
        })
    }

    /// Lets others have the file though there may be another descriptor of it yet.
    pub(super) fn unlock(&self) {
        let _ = flock(&self.file, FlockOperation::Unlock);
    }

    /// Whether the file has lost its last name: what is written to it now can't be read by its name.
    pub(in crate::sink) fn is_deleted(&self) -> bool {
        self.look().is_ok_and(|found| found.is_deleted)
    }

    /// Its length, if that means anything.
    #[cfg(feature = "mcap")]
    pub(in crate::sink) fn length(&self) -> Option<u64> {
        self.look().ok()?.length
    }

    /// Asks the system what has become of the file.
    pub(super) fn look(&self) -> io::Result<Found> {
        let metadata = self.file.metadata()?;
        Ok(Found {
            is_deleted: metadata.nlink() == 0,
            length: metadata.is_file().then_some(metadata.len()),
        })
    }

    /// Takes a record back of which the last `begun` bytes are the beginning.
    pub(super) fn take_back(&mut self, begun: u64) -> io::Result<()> {
        if begun > 0 {
            foreign::take_back(&self.file, &self.path, self.end, begun)?;
            self.end = self.end.saturating_sub(begun);
        }
        Ok(())
    }

    /// Whether `path` still leads to this file. A path that cannot be looked at counts as in place:
    /// only certainty moves the log to another file.
    pub(in crate::sink) fn is_in_place(&self) -> bool {
        match fs::symlink_metadata(&self.path) {
            Ok(found) => (found.dev(), found.ino()) == self.identity,
            Err(error) => !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ),
        }
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = failpoint::room_behind(self.end)?;
        let count = self.file.write(&bytes[..bytes.len().min(room)])?;
        failpoint::hit("file.wrote");
        self.written += count as u64;
        // The system appends wherever the end is by then, and says where that was. A pipe has no place.
        let end = self.file.stream_position();
        self.end = end.unwrap_or(self.end + count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has `file` written to at places of one's own choosing for once, not at its end. No other thread writes to it.
pub(super) fn without_append<T>(
    file: &File,
    work: impl FnOnce(&File) -> io::Result<T>,
) -> io::Result<T> {
    let flags = fcntl_getfl(file)?;
    fcntl_setfl(file, flags - OFlags::APPEND)?;
    let outcome = work(file);
    fcntl_setfl(file, flags)?;
    outcome
}

/// [Local microseconds](local_micros). A clock before 1970 counts as 1970: names must be unique, more than true.
fn micros_now() -> i64 {
    local_micros(clock::wall_ns().max(0))
}

/// Opens and locks a file that exists. `None` when it does not, another process has it locked, or it is not ours: what
/// another user puts at the name of a log file is neither waited for nor written.
pub(in crate::sink) fn open_unlocked(path: &Path) -> io::Result<Option<File>> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    // Asked of the name first: to open a device may have effects of its own.
    match fs::symlink_metadata(path) {
        Ok(found) if is_ours(&found, folder)? => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let file = File::options()
        .read(true)
        .append(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    // And of the open file again: the name may have changed hands in between, or been removed.
    let is_ours = is_ours(&file.metadata()?, folder)?;
    Ok(is_ours.then_some(file))
}

/// Whether a file may be one that we made, so that to write it harms no other program: a plain file of one name, of our user or
/// of the folder's. (Some file systems give all files one owner; and who owns the folder has his own files there anyway.)
fn is_ours(metadata: &fs::Metadata, folder: &Path) -> io::Result<bool> {
    if !metadata.is_file() || metadata.nlink() != 1 {
        return Ok(false);
    }
    let me = rustix::process::geteuid().as_raw();
    Ok(metadata.uid() == me || metadata.uid() == fs::metadata(folder)?.uid())
}

/// Removes a file that a predecessor of this process began and made no checkpoint of.
pub(in crate::sink) fn remove_unlocked(path: &Path) -> io::Result<()> {
    match open_unlocked(path)? {
        Some(_locked) => fs::remove_file(path),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::file::tests::Folder;

    fn app() -> Names {
        Names::new("app", ".log")
    }

    #[test]
    fn the_next_file_sorts_behind_though_the_clock_was_set_back() {
        let folder = Folder::new("set back");
        // As if this one had been made before the clock was set back a day.
        let micros = micros_now() + 86_400_000_000;
        let mut last = LogFile::create_at(folder.path(), &app(), micros, &mut |_| {}).unwrap();
        for _ in 0..3 {
            let now = clock::wall_ns();
            let next = last.create_next(folder.path(), &app(), now, &mut |_| {});
            let next = next.unwrap();
            assert!(next.path > last.path);
            last = next;
        }
        // Its successor knows that from the name.
        let micros = app().local_micros_of(last.path.file_name().unwrap().to_str().unwrap());
        let path = last.path.clone();
        drop(last);
        let last = LogFile::reopen(&path, &FilePlace::default(), micros.unwrap())
            .unwrap()
            .unwrap();
        let next = last
            .create_next(folder.path(), &app(), 0, &mut |_| {})
            .unwrap();
        assert!(next.path > last.path);
    }

    #[test]
    fn two_files_of_the_same_microsecond_get_names_of_their_own() {
        let folder = Folder::new("clash");
        let time = 1_795_369_512_999_999;
        let files: Vec<_> = (0..5)
            .map(|_| LogFile::create_at(folder.path(), &app(), time, &mut |_| {}).unwrap())
            .collect();
        let expected: Vec<_> = (0..5).map(|step| app().at(time + step)).collect();
        let names: Vec<_> = files
            .iter()
            .map(|file| file.path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn an_open_file_cannot_be_locked_by_others_and_a_closed_one_can() {
        let folder = Folder::new("locked");
        let log = LogFile::create(folder.path(), &app(), &mut |_| {}).unwrap();
        let other = File::open(&log.path).unwrap();
        let lock = || flock(&other, FlockOperation::NonBlockingLockExclusive);
        assert_eq!(lock(), Err(rustix::io::Errno::WOULDBLOCK));
        drop(log);
        assert_eq!(lock(), Ok(()));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_refused_by_name_with_the_way_out() {
        let refused = LogFile::create(Path::new("/proc/no/such"), &app(), &mut |_| {})
            .err()
            .unwrap();
        let text = refused.to_string();
        assert!(
            text.contains("/proc/no/such") && text.contains("file_path"),
            "{text}"
        );
    }

    #[test]
    fn what_others_put_at_the_name_of_a_log_file_is_neither_waited_for_nor_cut_nor_removed() {
        let folder = Folder::new("others");
        let name = folder.path().join(app().at(1_795_369_512_999_999));
        let other = folder.path().join("other");
        let spared = |put: &dyn Fn()| {
            fs::write(&other, "of another program").unwrap();
            put();
            let place = FilePlace {
                bytes: 2,
                ..FilePlace::default()
            };
            assert!(LogFile::reopen(&name, &place, 0).unwrap().is_none());
            remove_unlocked(&name).unwrap();
            assert!(fs::symlink_metadata(&name).is_ok());
            assert_eq!(fs::read(&other).unwrap(), b"of another program");
            fs::remove_file(&name).unwrap();
        };
        spared(&|| {
            use rustix::fs::{CWD, FileType, Mode, mknodat};
            mknodat(CWD, &name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        });
        spared(&|| std::os::unix::fs::symlink(&other, &name).unwrap());
        spared(&|| fs::hard_link(&other, &name).unwrap());
        spared(&|| std::os::unix::fs::symlink("/dev/zero", &name).unwrap());
        if rustix::process::geteuid().is_root() {
            spared(&|| {
                fs::write(&name, "of another user").unwrap();
                std::os::unix::fs::chown(&name, Some(65_534), None).unwrap();
            });
        }
    }
}
