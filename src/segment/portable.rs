//! Segments through the crate `shared_memory`, for systems without `/dev/shm`.
//!
//! It knows no prefault, no owner check and no read before mapping, so where `linux.rs` asks the file system,
//! this relies on the name being unguessable and on the mode that the crate gives (0600). A shortage of
//! memory is not found at creation. `set_owner(false)` at once: an owner that is dropped in a forked child would take
//! the parent's segment away, so removing is done by name.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{BorrowedFd, OwnedFd};

use shared_memory::{Shmem, ShmemConf, ShmemError};

use super::error::{AttachError, CreateError, check_limit};
use super::map::words_of;
use super::missing::missing;
use super::opening::Access;
use crate::sync::{AtomicU64, Ordering};
use crate::words::WORD;

fn os_id(name: &str) -> String {
    format!("/{name}")
}

fn system_error(error: ShmemError) -> io::Error {
    match error {
        ShmemError::MapCreateFailed(code) | ShmemError::MapOpenFailed(code) => {
            io::Error::from_raw_os_error(code as i32)
        }
        other => io::Error::other(other.to_string()),
    }
}

/// A segment that is made, and opening it is refused until it is ready: here it has its name at once.
pub(super) struct Unnamed;

impl Unnamed {
    pub(super) fn give_name(self, _name: &str) -> Result<Handle, CreateError> {
        Ok(Handle)
    }
}

/// The crate hands out no descriptor, so all goes by the name.
pub(super) struct Handle;

impl Handle {
    pub(super) fn by_name(_name: &str) -> io::Result<Handle> {
        Ok(Handle)
    }

    pub(super) fn to_pass_on(&self, _name: &str) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The crate does not tell.
    pub(super) fn has_name(&self, _name: &str) -> bool {
        true
    }

    pub(super) fn put_name_back(&self, _name: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn lock(&self, name: &str) -> io::Result<Option<DrainLock>> {
        lock(name)
    }

    /// The crate has no way to give memory back early; it goes with the last process.
    pub(super) fn give_back(&self, _first: usize, _words: usize) {}

    pub(super) fn close(&self) {}
}

/// The crate does not tell.
pub(super) fn holds_nameless(_pid: u32) -> Option<bool> {
    None
}

pub(super) fn create(
    name: &str,
    bytes: usize,
) -> Result<(Unnamed, &'static [AtomicU64]), CreateError> {
    check_limit(bytes)?;
    let mut memory = ShmemConf::new()
        .os_id(os_id(name))
        .size(bytes)
        .create()
        .map_err(|error| CreateError::Map(system_error(error)))?;
    memory.set_owner(false);
    Ok((Unnamed, keep(memory, bytes)))
}

#[allow(unsafe_code)]
fn keep(memory: Shmem, bytes: usize) -> &'static [AtomicU64] {
    let memory = ManuallyDrop::new(memory);
    debug_assert!(memory.len() >= bytes);
    // SAFETY: the crate maps at page boundaries, readable and writable, at least `bytes` long (checked by
    // both callers); its owner is forgotten here, so it is never unmapped, and nothing else refers to it.
    let words = unsafe { words_of(memory.as_ptr(), bytes / WORD) };
    super::truncation::note(words, true);
    words
}

pub(super) struct Opened {
    memory: Shmem,
    pub(super) bytes: u64,
}

/// Where a file beside the segment is: it is known by its name alone here.
pub(super) struct Anchor(std::path::PathBuf);

impl Anchor {
    pub(super) fn of(_file: BorrowedFd<'_>, path: &std::path::Path) -> io::Result<Anchor> {
        Ok(Anchor(path.to_owned()))
    }

    pub(super) fn received(_file: OwnedFd) -> io::Result<Anchor> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Nothing is ever handed on here.
    pub(super) fn to_pass_on(&self) -> Option<OwnedFd> {
        None
    }

    pub(super) fn open(&self) -> io::Result<std::fs::File> {
        std::fs::File::options()
            .read(true)
            .write(true)
            .open(&self.0)
    }

    pub(super) fn path(&self) -> Option<std::path::PathBuf> {
        Some(self.0.clone())
    }

    pub(super) fn close(&self) {}
}

impl Opened {
    /// For writing, whatever is asked for: the crate knows no other way.
    pub(super) fn open(name: &str, _access: Access) -> Result<Opened, AttachError> {
        let mut memory = ShmemConf::new()
            .os_id(os_id(name))
            .open()
            .map_err(|error| {
                let source = system_error(error);
                match source.kind() {
                    io::ErrorKind::NotFound => missing(name),
                    _ => AttachError::Open {
                        name: name.to_owned(),
                        source,
                    },
                }
            })?;
        memory.set_owner(false);
        let bytes = memory.len() as u64;
        Ok(Opened { memory, bytes })
    }

    /// Nothing is ever handed on here.
    pub(super) fn received(name: &str, _file: OwnedFd) -> Result<Opened, AttachError> {
        Opened::open(name, Access::Write)
    }

    pub(super) fn handle(&self) -> io::Result<Option<Handle>> {
        Ok(Some(Handle))
    }

    #[allow(unsafe_code)]
    pub(super) fn first_words(&self, words: &mut [u64]) -> io::Result<()> {
        if self.memory.len() < words.len() * WORD {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (i, word) in words.iter_mut().enumerate() {
            // SAFETY: within the mapping by the check above, aligned because a mapping begins at a page, and
            // only ever seen as atomics, here and in other processes.
            let shared = unsafe { self.memory.as_ptr().cast::<AtomicU64>().add(i) };
            // SAFETY: as above.
            let shared = unsafe { &*shared };
            // [ready] Acquire: pairs with the store of READY.
            *word = shared.load(Ordering::Acquire);
        }
        Ok(())
    }

    pub(super) fn map(self, bytes: usize) -> io::Result<&'static [AtomicU64]> {
        if self.memory.len() < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(keep(self.memory, bytes))
    }
}

pub(super) fn prefault(words: &'static [AtomicU64]) {
    super::map::populate(words);
}

/// The folder for what belongs to a segment, and must outlive processes as that does.
pub(super) fn companions() -> std::path::PathBuf {
    std::env::temp_dir()
}

pub(super) fn remove(name: &str) -> io::Result<()> {
    // Opening as owner and dropping is how the crate removes a name.
    let mut memory = ShmemConf::new()
        .os_id(os_id(name))
        .open()
        .map_err(system_error)?;
    memory.set_owner(true);
    Ok(())
}

/// As [`remove`]: the memory goes with the last process.
pub(super) fn discard(name: &str) -> io::Result<()> {
    remove(name)
}

/// The crate knows no mapping that cannot be written.
pub(super) fn seal(_words: &'static [AtomicU64]) {}

/// Whether anything has the name. The crate tells only by mapping it.
pub(super) fn exists(name: &str) -> bool {
    ShmemConf::new().os_id(os_id(name)).open().is_ok()
}

/// The crate does not tell.
pub(super) fn owner(_name: &str) -> Option<(u32, u64)> {
    None
}

/// The crate cannot list what there is.
pub(super) fn names() -> Vec<String> {
    Vec::new()
}

/// Whether [`lock`] keeps drainers apart.
pub(crate) const CAN_LOCK: bool = false;

/// The crate knows no locks. A drainer is only ever started by its parent's one supervisor, which has seen
/// the last one end.
pub(crate) struct DrainLock;

pub(super) fn lock(_name: &str) -> io::Result<Option<DrainLock>> {
    Ok(Some(DrainLock))
}
