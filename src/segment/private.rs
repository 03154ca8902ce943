//! Files beside a segment, in a folder where every user of the machine may make files.
//!
//! The name of a ring is no secret once the ring is there, so a name that follows from it could be taken by another user
//! before we come: he would read what we write into his file, or have us read what he wrote. Therefore:
//!
//! ```text
//!   made     under `{ring}.{what}-{64 random bits}`, only if nothing has that name (O_EXCL), mode 0600
//!   found    by listing the folder: a regular file of our own user, of one name, closed to all others
//!   opened   never through a link, never waiting, and looked at again when it is open
//! ```
//!
//! What passes was made by a process with our user's rights. A member that gave up root keeps its mapping of the ring, but
//! can neither make nor change such a file.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{name, platform};

/// Makes the file `what` of the ring `ring`, empty, for reading and writing.
pub(crate) fn make(ring: &str, what: &str) -> io::Result<(File, PathBuf)> {
    let random = name::random()? as u64;
    let path = platform::companions().join(format!("{ring}.{what}-{random:016x}"));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.custom_flags(libc::O_NOFOLLOW);
    Ok((options.open(&path)?, path))
}

/// The file `what` of the ring `ring` that a process of our user made, for reading and writing. `None` when there is none:
/// files of that name which are not ours do not count.
pub(crate) fn find(ring: &str, what: &str) -> io::Result<Option<(File, PathBuf)>> {
    for path in companions_of(ring, what)? {
        if let Some(file) = open(&path, true)? {
            return Ok(Some((file, path)));
        }
    }
    Ok(None)
}

/// Gives a file that [`make`] made another `what`, in place of any of that name.
pub(crate) fn rename(path: &Path, ring: &str, what: &str) -> io::Result<()> {
    let random = path
        .extension()
        .and_then(|end| end.to_str()?.rsplit_once('-'));
    let random = random.map_or("", |(_, random)| random);
    fs::rename(
        path,
        platform::companions().join(format!("{ring}.{what}-{random}")),
    )
}

/// Gives the file `what` that is at this path a name again by which [`find`] finds it, if it has another one.
pub(super) fn name_again(path: &Path, ring: &str, what: &str) -> io::Result<()> {
    let prefix = format!("{ring}.{what}-");
    let folder = platform::companions();
    let name = path.file_name().and_then(|name| name.to_str());
    if path.parent() == Some(&*folder) && name.is_some_and(|name| name.starts_with(&prefix)) {
        return Ok(());
    }
    // Not a second name: a file with two would not be taken for ours.
    let random = name::random()? as u64;
    fs::rename(path, folder.join(format!("{prefix}{random:016x}")))
}

/// Removes the file `what` of the ring `ring`, if it is ours.
pub(crate) fn remove(ring: &str, what: &str) {
    for path in companions_of(ring, what).unwrap_or_default() {
        if is_ours_at(&path) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes all files of the ring `ring` that are ours.
pub(super) fn remove_all(ring: &str) {
    remove(ring, "");
}

/// The paths of all files whose name says that they are `what` of the ring; of whatever kind if `what` is empty.
fn companions_of(ring: &str, what: &str) -> io::Result<Vec<PathBuf>> {
    let prefix = match what {
        "" => format!("{ring}."),
        what => format!("{ring}.{what}-"),
    };
    let folder = platform::companions();
    let entries = fs::read_dir(&folder)?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(&prefix)).collect();
    names.sort_unstable();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Opens a file of ours, to be written too if `write`. `None` when it is not ours, or is gone.
pub(super) fn open(path: &Path, write: bool) -> io::Result<Option<File>> {
    // Asked of the name first: to open a device, or to be refused another user's file, may have effects of its own.
    if !is_ours_at(path) {
        return Ok(None);
    }
    let mut options = OpenOptions::new();
    options.read(true).write(write);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    // And of the open file again: the name may have changed hands in between.
    let is_ours = is_ours(&file.metadata()?);
    Ok(is_ours.then_some(file))
}

fn is_ours_at(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| is_ours(&metadata))
}

/// Whether only our user can have made the file, or can read or write it. A second name would be one that
/// another user gave it: what is removed would still be there.
fn is_ours(metadata: &Metadata) -> bool {
    metadata.is_file()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o077 == 0
        && metadata.nlink() == 1
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// The name of a ring that is not there, and whose files are gone in the end.
    struct Ring(String);

    impl Ring {
        fn new() -> Ring {
            Ring(name::unguessable().unwrap())
        }

        /// A path that another process may have put something at.
        fn squatted(&self) -> PathBuf {
            platform::companions().join(format!("{}.notes-0000000000000000", self.0))
        }
    }

    impl Drop for Ring {
        fn drop(&mut self) {
            for path in companions_of(&self.0, "").unwrap() {
                let _ = fs::remove_file(path);
            }
        }
    }

    #[test]
    fn what_one_process_made_the_next_finds_and_nobody_can_foresee_its_name() {
        let ring = Ring::new();
        assert!(find(&ring.0, "notes").unwrap().is_none());
        let (mut file, path) = make(&ring.0, "notes").unwrap();
        file.write_all(b"text").unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        let (mut found, at) = find(&ring.0, "notes").unwrap().unwrap();
        let mut text = String::new();
        found.rewind().unwrap();
        found.read_to_string(&mut text).unwrap();
        assert_eq!((&*text, &at), ("text", &path));
        assert!(find(&ring.0, "note").unwrap().is_none());
        let (_, other) = make(&ring.0, "notes").unwrap();
        let end = |path: &Path| {
            path.to_str()
                .unwrap()
                .rsplit_once('-')
                .unwrap()
                .1
                .to_owned()
        };
        assert_ne!(end(&other), end(&path));
        fs::remove_file(other).unwrap();
        rename(&path, &ring.0, "orders").unwrap();
        assert!(find(&ring.0, "notes").unwrap().is_none());
        assert!(find(&ring.0, "orders").unwrap().is_some());
        remove_all(&ring.0);
        assert!(companions_of(&ring.0, "").unwrap().is_empty());
    }

    #[test]
    fn what_others_may_have_put_there_is_neither_opened_nor_waited_for() {
        let refused = |put: &dyn Fn(&Path)| {
            let ring = Ring::new();
            let path = ring.squatted();
            put(&path);
            assert!(find(&ring.0, "notes").unwrap().is_none());
            remove(&ring.0, "notes");
            assert!(
                fs::symlink_metadata(&path).is_ok(),
                "it is not ours to remove"
            );
        };
        refused(&|path| {
            fs::write(path, "open to others").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o620)).unwrap();
        });
        refused(&|path| symlink("/etc/passwd", path).unwrap());
        refused(&|path| {
            use rustix::fs::{CWD, FileType, Mode, mknodat};
            mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        });
        let ring = Ring::new();
        let (_, path) = make(&ring.0, "notes").unwrap();
        fs::hard_link(&path, ring.squatted()).unwrap();
        assert!(
            find(&ring.0, "notes").unwrap().is_none(),
            "it has two names"
        );
        if rustix::process::geteuid().is_root() {
            refused(&|path| {
                fs::write(path, "of another user").unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
                std::os::unix::fs::chown(path, Some(65_534), None).unwrap();
            });
        }
    }
}
