//! Segments as files in `/dev/shm`, which is what `shm_open` makes on Linux.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use memmap2::{Advice, MmapOptions, MmapRaw};
use rustix::fs::{FallocateFlags, FlockOperation};

use super::error::{AttachError, CreateError, check_limit};
use super::kept::{FileId, Kept};
use super::map::words_of;
use super::missing::missing;
use super::opening::Access;
use super::{private, truncation};
use crate::sync::AtomicU64;
use crate::words::WORD;

/// Where the kernel keeps shared memory.
const FOLDER: &str = "/dev/shm";
/// A process's open files, by number.
const DESCRIPTORS: &str = "/proc/self/fd";

fn path_of(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// A segment that is made and mapped, and that no process can find yet.
pub(super) struct Unnamed {
    file: File,
    /// It has its name already: without /proc, or where the file system makes no nameless files, it gets one at once.
    is_named: bool,
}

/// Makes a segment of zeros, mapped and with all its pages present, that is to get a new name. Without
/// one it is gone when its maker is killed.
pub(super) fn create(
    name: &str,
    bytes: usize,
) -> Result<(Unnamed, &'static [AtomicU64]), CreateError> {
    check_limit(bytes)?;
    let refused = |source| CreateError::Open {
        path: path_of(name),
        source,
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    // To give it a name later takes /proc. Where nameless files are not known, or not allowed, it has one at once.
    let nameless = match Path::new(DESCRIPTORS).exists() {
        true => options
            .clone()
            .custom_flags(libc::O_TMPFILE)
            .open(FOLDER)
            .ok(),
        false => None,
    };
    let is_named = nameless.is_none();
    let file = match nameless {
        Some(file) => file,
        None => {
            options.create_new(true).custom_flags(libc::O_NOFOLLOW);
            options.open(path_of(name)).map_err(refused)?
        }
    };
    let made = Unnamed { file, is_named };
    match reserve_and_map(&made.file, bytes) {
        Ok(words) => Ok((made, words)),
        Err(error) => {
            if is_named {
                let _ = remove(name);
            }
            Err(no_space_by_name(error, bytes))
        }
    }
}

impl Unnamed {
    /// Lets others find it.
    pub(super) fn give_name(self, name: &str) -> Result<Handle, CreateError> {
        let refused = |source| CreateError::Open {
            path: path_of(name),
            source,
        };
        if !self.is_named {
            link(self.file.as_fd(), name).map_err(refused)?;
        }
        Handle::of(self.file.into()).map_err(refused)
    }
}

/// The path of an open file of this process, whatever names it has or has lost.
fn path_of_descriptor(file: BorrowedFd<'_>) -> String {
    format!("{DESCRIPTORS}/{}", file.as_raw_fd())
}

/// Gives an open file a name in shared memory.
fn link(file: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    // As open(2) has it: naming the descriptor itself needs a capability.
    let this = path_of_descriptor(file);
    Ok(linkat(
        CWD,
        this,
        CWD,
        path_of(name),
        AtFlags::SYMLINK_FOLLOW,
    )?)
}

/// The segment's file, kept open by the ring's maker and its drainers: they go on when its name is taken away.
pub(super) struct Handle(Kept);

impl Handle {
    fn of(file: OwnedFd) -> io::Result<Handle> {
        Kept::new(file).map(Handle)
    }

    /// Of the segment that has this name now, if it is of our user.
    pub(super) fn by_name(name: &str) -> io::Result<Handle> {
        let opened = Opened::open(name, Access::Change).map_err(io::Error::other)?;
        Handle::of(opened.file.into())
    }

    /// The file, to be handed to a drainer; by its name if the program has closed our descriptor.
    pub(super) fn to_pass_on(&self, name: &str) -> io::Result<OwnedFd> {
        let copy = self.0.with(|file| file.try_clone_to_owned());
        copy.unwrap_or_else(|| self.open_by_name(name))
    }

    /// Whether the name leads to this file. Where the folder can't be looked at, it counts as there.
    pub(super) fn has_name(&self, name: &str) -> bool {
        match std::fs::symlink_metadata(path_of(name)) {
            Ok(metadata) => self.is(&metadata),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    fn is(&self, metadata: &std::fs::Metadata) -> bool {
        let FileId { device, inode } = self.0.id();
        (metadata.dev(), metadata.ino()) == (device, inode)
    }

    /// Gives the file its name again. The kernel does that only while it has another one.
    pub(super) fn put_name_back(&self, name: &str) -> io::Result<()> {
        let linked = self.0.with(|file| link(file, name));
        linked.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
    }

    /// Opens the file anew, so that a lock on it is ours alone and ends with us.
    fn open_anew(&self, name: &str) -> io::Result<OwnedFd> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let anew = self.0.with(|file| {
            let anew = options.open(path_of_descriptor(file));
            // A user who may not open it any more still has what was handed to it.
            anew.map_or_else(|_| file.try_clone_to_owned(), |anew| Ok(anew.into()))
        });
        anew.unwrap_or_else(|| self.open_by_name(name))
    }

    fn open_by_name(&self, name: &str) -> io::Result<OwnedFd> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = options.open(path_of(name))?;
        match self.is(&file.metadata()?) {
            true => Ok(file.into()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// As [`lock`], whatever has become of the name.
    pub(super) fn lock(&self, name: &str) -> io::Result<Option<DrainLock>> {
        let file = self.open_anew(name)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(DrainLock { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the memory of the words from `first` on back to the system, though it stays mapped here and there.
    /// No process may need what stood there.
    pub(super) fn give_back(&self, first: usize, words: usize) {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let (offset, len) = (first * WORD, (words - first) * WORD);
        self.0
            .with(|file| rustix::fs::fallocate(file, flags, offset as u64, len as u64));
    }

    /// Lets go of the file: who looks for a ring that lost its name looks for this.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

/// Holds on to a file beside the segment, without the right to read or write it (`O_PATH`): a process that gives up rights
/// keeps its descriptors.
pub(super) struct Anchor(Kept);

impl Anchor {
    pub(super) fn of(file: BorrowedFd<'_>, _path: &Path) -> io::Result<Anchor> {
        use rustix::fs::{Mode, OFlags, open};
        let this = path_of_descriptor(file);
        Anchor::received(open(this, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// The file, from a process that is believed.
    pub(super) fn received(file: OwnedFd) -> io::Result<Anchor> {
        Kept::new(file).map(Anchor)
    }

    /// The file, to be handed to a drainer; `None` if the program has closed our descriptor.
    pub(super) fn to_pass_on(&self) -> Option<OwnedFd> {
        self.0.with(|file| file.try_clone_to_owned())?.ok()
    }

    /// Opens the file for reading and writing, if this process may.
    pub(super) fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let opened = self.0.with(|file| options.open(path_of_descriptor(file)));
        opened.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
    }

    /// The path that the file has now; `None` when it has none any more.
    pub(super) fn path(&self) -> Option<PathBuf> {
        let leads_to = |file: BorrowedFd<'_>| std::fs::read_link(path_of_descriptor(file));
        let path = self.0.with(leads_to)?.ok()?;
        let found = std::fs::symlink_metadata(&path).ok()?;
        let FileId { device, inode } = self.0.id();
        ((found.dev(), found.ino()) == (device, inode)).then_some(path)
    }

    /// Lets go of the file.
    pub(super) fn close(&self) {
        self.0.close();
    }
}

/// Whether the process `pid` holds a segment that has no name any more; `None` where that cannot be seen.
pub(super) fn holds_nameless(pid: u32) -> Option<bool> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let is_nameless = |entry: std::fs::DirEntry| {
        let leads_to = std::fs::read_link(entry.path()).unwrap_or_default();
        let is_shared = leads_to.starts_with(FOLDER);
        is_shared && std::fs::metadata(entry.path()).is_ok_and(|file| file.nlink() == 0)
    };
    Some(descriptors.flatten().any(is_nameless))
}

/// The space is taken before the pages are touched: "no space" is an error now, not a SIGBUS later.
fn reserve_and_map(file: &File, bytes: usize) -> io::Result<&'static [AtomicU64]> {
    rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes as u64)?;
    let map = MmapRaw::map_raw(file)?;
    // Where the kernel is older than 5.14 the pages come one by one, at first touch.
    let _ = map.advise(Advice::PopulateWrite);
    Ok(keep(map, bytes))
}

fn no_space_by_name(error: io::Error, bytes: usize) -> CreateError {
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EFAULT | libc::ENOMEM) => CreateError::NoSpace {
            folder: FOLDER,
            needed: bytes as u64,
            available: rustix::fs::statvfs(FOLDER)
                .map(|s| s.f_bavail.saturating_mul(s.f_frsize))
                .unwrap_or(0),
        },
        _ => CreateError::Map(error),
    }
}

#[allow(unsafe_code)]
fn keep(map: MmapRaw, bytes: usize) -> &'static [AtomicU64] {
    let map = ManuallyDrop::new(map);
    debug_assert!(map.len() >= bytes);
    // SAFETY: a mapping begins at a page, so it is aligned; it is `bytes` long or longer, shared, read-write (or, of
    // an observer, read-only, and nothing of this crate stores through one), and never unmapped, since its owner is
    // forgotten here. A process that cuts the file off (of the same user) ends this process, or has the mapping replaced by another
    // of the same kind: see truncation.rs. Nothing else in this process refers to it.
    let words = unsafe { words_of(map.as_mut_ptr(), bytes / WORD) };
    truncation::note(words, true);
    words
}

/// Opens the segment `name` and hands out its first `header_words` words and its size in bytes.
/// The whole is mapped by [`Opened::map`] once the header was found good.
pub(super) struct Opened {
    file: File,
    access: Access,
    pub(super) bytes: u64,
}

impl Opened {
    pub(super) fn open(name: &str, access: Access) -> Result<Opened, AttachError> {
        let path = path_of(name);
        let gone = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => missing(name),
            _ => AttachError::Open {
                name: name.to_owned(),
                source,
            },
        };
        // Asked of the name first: a file of another user may not even be opened.
        refuse_foreign(name, &std::fs::symlink_metadata(&path).map_err(gone)?)?;
        let file = OpenOptions::new()
            .read(true)
            .write(access != Access::Read)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&path)
            .map_err(gone)?;
        // And of the open file again: the name may have changed hands in between.
        let metadata = file.metadata().map_err(gone)?;
        refuse_foreign(name, &metadata)?;
        Ok(Opened {
            file,
            access,
            bytes: metadata.len(),
        })
    }

    /// A segment's open file, from a process that is believed.
    pub(super) fn received(name: &str, file: OwnedFd) -> Result<Opened, AttachError> {
        let file = File::from(file);
        let metadata = file.metadata().map_err(|source| AttachError::Open {
            name: name.to_owned(),
            source,
        })?;
        Ok(Opened {
            bytes: metadata.len(),
            file,
            access: Access::Write,
        })
    }

    /// To keep it open beyond the mapping.
    pub(super) fn handle(&self) -> io::Result<Option<Handle>> {
        Handle::of(self.file.as_fd().try_clone_to_owned()?).map(Some)
    }

    /// Reads the first words of the file without mapping it.
    pub(super) fn first_words(&self, words: &mut [u64]) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        use zerocopy::IntoBytes;
        self.file.read_exact_at(words.as_mut_bytes(), 0)
    }

    /// Maps the first `bytes` bytes, to be written with all pages present.
    pub(super) fn map(self, bytes: usize) -> io::Result<&'static [AtomicU64]> {
        let mut options = MmapOptions::new();
        options.len(bytes);
        let map = match self.access {
            Access::Read => options.map_raw_read_only(&self.file)?,
            Access::Change | Access::Write => options.map_raw(&self.file)?,
        };
        if self.access == Access::Write {
            let _ = map.advise(Advice::PopulateWrite);
        }
        Ok(keep(map, bytes))
    }
}

fn refuse_foreign(name: &str, metadata: &std::fs::Metadata) -> Result<(), AttachError> {
    let me = rustix::process::geteuid().as_raw();
    if !metadata.is_file() {
        return Err(AttachError::NotASegment {
            name: name.to_owned(),
        });
    }
    if metadata.uid() != me || metadata.mode() & 0o077 != 0 {
        return Err(AttachError::Foreign {
            name: name.to_owned(),
            owner: metadata.uid(),
            me,
            mode: metadata.mode() & 0o777,
        });
    }
    Ok(())
}

/// Makes the mapping one of an observer. No code may store through `words` any more.
pub(super) fn seal(words: &'static [AtomicU64]) {
    super::map::seal(words);
}

/// Brings all pages of `words` into this process's page table. A forked child begins without them.
pub(super) fn prefault(words: &'static [AtomicU64]) {
    super::map::populate(words);
}

/// The folder for what belongs to a segment, and must outlive processes as that does.
pub(super) fn companions() -> PathBuf {
    FOLDER.into()
}

/// Opens the segment's file without a look at what is in it. What another user put in its place is not there.
fn open_ours(name: &str, write: bool) -> io::Result<File> {
    private::open(&path_of(name), write)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Takes the name away; who has the segment mapped keeps it.
pub(super) fn remove(name: &str) -> io::Result<()> {
    std::fs::remove_file(path_of(name))
}

/// Takes the name away, then gives its memory back, also where it is still mapped.
pub(super) fn discard(name: &str) -> io::Result<()> {
    let file = open_ours(name, true);
    remove(name)?;
    let (file, flags) = (
        file?,
        FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
    );
    rustix::fs::fallocate(&file, flags, 0, file.metadata()?.len())?;
    Ok(())
}

/// Whether anything has the name.
pub(super) fn exists(name: &str) -> bool {
    owner(name).is_some()
}

/// Owner and size in bytes.
pub(super) fn owner(name: &str) -> Option<(u32, u64)> {
    let metadata = std::fs::symlink_metadata(path_of(name)).ok()?;
    Some((metadata.uid(), metadata.len()))
}

/// The names of all files in shared memory.
pub(super) fn names() -> Vec<String> {
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Whether [`lock`] keeps drainers apart.
pub(crate) const CAN_LOCK: bool = true;

/// Held by the drainer at work; the kernel lets go of it when that process ends, however it ends.
pub(crate) struct DrainLock {
    _file: OwnedFd,
}

/// Takes the drainer's lock, an advisory lock on the segment's file, if no process has it.
pub(super) fn lock(name: &str) -> io::Result<Option<DrainLock>> {
    let file = open_ours(name, false)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        // The drainer before may have taken the ring away meanwhile: then this is the lock of nothing.
        Ok(()) if file.metadata()?.nlink() == 0 => Err(io::ErrorKind::NotFound.into()),
        Ok(()) => Ok(Some(DrainLock { _file: file.into() })),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
