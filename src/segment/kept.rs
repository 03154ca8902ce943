//! Descriptors that are kept for long in a process that belongs to others.
//!
//! A program may close all descriptors it finds (`for fd in 3..1024 { close(fd) }`, as daemons do), and another file of its own
//! may get the number afterwards. So the file behind the number is compared with the one that was kept before each use, and
//! before it is closed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which file it is: device and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl FileId {
    pub(super) fn of(fd: BorrowedFd<'_>) -> io::Result<FileId> {
        let stat = rustix::fs::fstat(fd)?;
        Ok(FileId {
            device: stat.st_dev,
            inode: stat.st_ino,
        })
    }
}

/// An open file that is used only as long as its number still means this file.
#[derive(Debug)]
pub(crate) struct Kept {
    fd: Mutex<Option<OwnedFd>>,
    id: FileId,
}

impl Kept {
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Kept> {
        Ok(Kept {
            id: FileId::of(fd.as_fd())?,
            fd: Mutex::new(Some(fd)),
        })
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Does something with the file; `None` if the program has closed it.
    pub(crate) fn with<T>(&self, act: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        let mut fd = self.lock();
        self.forget_what_is_not_ours(&mut fd);
        fd.as_ref().map(|fd| act(fd.as_fd()))
    }

    /// Closes it, unless the number is another file's by now.
    pub(crate) fn close(&self) {
        let mut fd = self.lock();
        self.forget_what_is_not_ours(&mut fd);
        drop(fd.take());
    }

    fn lock(&self) -> MutexGuard<'_, Option<OwnedFd>> {
        self.fd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_what_is_not_ours(&self, fd: &mut Option<OwnedFd>) {
        let is_foreign = |fd: &mut OwnedFd| FileId::of(fd.as_fd()).ok() != Some(self.id);
        if let Some(foreign) = fd.take_if(is_foreign) {
            // Not closed: the number is the program's.
            let _ = foreign.into_raw_fd();
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::{AsRawFd, FromRawFd};

    #[test]
    #[allow(unsafe_code)]
    fn a_number_that_means_another_file_by_now_is_neither_used_nor_closed() {
        let file = File::open("/proc/self/exe").unwrap();
        let kept = Kept::new(file.into()).unwrap();
        let number = kept.with(|fd| fd.as_raw_fd()).unwrap();
        let other = File::open("/proc/self/maps").unwrap();
        // SAFETY: both numbers are open; what stood at the first is closed by it, as a program does that closes all.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
        assert_eq!(kept.with(|_| ()), None);
        drop(kept);
        // SAFETY: dup2 has made it, nothing else owns it, and `kept` has forgotten it.
        let reused = unsafe { OwnedFd::from_raw_fd(number) };
        assert_eq!(
            FileId::of(reused.as_fd()).unwrap(),
            FileId::of(other.as_fd()).unwrap()
        );
    }
}
