//! The folder of log files while this process alone rearranges it.
//!
//! A process takes the folder's lock to remove or rename closed files, so that sessions take turns, and
//! none counts a file twice that is about to be replaced by a compressed one. Nothing that another
//! user puts in the place of a file may lead us elsewhere or make us wait.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, unlinkat};
use rustix::io::Errno;

/// A folder, locked.
pub(in crate::sink) struct HeldFolder {
    pub(super) directory: File,
    pub(super) path: PathBuf,
}

/// Opens a folder, and waits for nothing else that may lie at its path by now.
pub(super) fn open_folder(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    options.custom_flags(libc::O_DIRECTORY | libc::O_NONBLOCK);
    options.open(path)
}

impl HeldFolder {
    /// `None` while another session, or another thread of this one, holds it.
    pub(in crate::sink) fn try_hold(path: &Path) -> io::Result<Option<HeldFolder>> {
        HeldFolder::lock(path, FlockOperation::NonBlockingLockExclusive)
    }

    /// Waits for the process that holds it.
    pub(super) fn hold(path: &Path) -> io::Result<HeldFolder> {
        let held = HeldFolder::lock(path, FlockOperation::LockExclusive)?;
        held.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    fn lock(path: &Path, how: FlockOperation) -> io::Result<Option<HeldFolder>> {
        let directory = open_folder(path)?;
        loop {
            return match flock(&directory, how) {
                Ok(()) => Ok(Some(HeldFolder {
                    directory,
                    path: path.to_owned(),
                })),
                Err(Errno::WOULDBLOCK) => Ok(None),
                Err(Errno::INTR) => continue,
                Err(error) => Err(error.into()),
            };
        }
    }

    /// Opens a file for reading. `None` when there is none.
    pub(super) fn open(&self, name: &str) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => Ok(Some(File::from(file))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a file, or a link.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a file that no process has locked, so that no session writes it. Whether it is gone now.
    pub(super) fn remove_unless_open(&self, name: &str) -> io::Result<bool> {
        let Some(file) = self.open(name)? else {
            return Ok(true);
        };
        // The lock needs no right to write.
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(false);
        }
        self.remove(name).map(|()| true)
    }
}
