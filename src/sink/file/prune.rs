//! Retention: of the log files of one program only so many stay, and the oldest go.
//!
//! Several sessions may prune at the same moment. They take turns by a lock on the folder, so that two of
//! them never delete for the same surplus; and none deletes a file that it cannot lock, because a session
//! still writes it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, unlinkat};
use rustix::io::Errno;

use super::name::belongs_to;

/// What came of one attempt to prune.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Pruned {
    /// No more than the allowed files are left, or the rest is being written by running sessions.
    Done,
    /// Another session prunes the folder right now: try again.
    Busy,
}

/// Deletes the oldest files of `program` in `folder` until `keep` are left, leaving those that a session
/// has open. Age is read off the names, which sort by time (a clock put back an hour is believed).
///
/// # Errors
/// What the system said when the folder could not be read or a file not be deleted.
pub(super) fn prune(folder: &Path, program: &str, keep: usize) -> io::Result<Pruned> {
    let directory = File::open(folder)?;
    match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(Pruned::Busy),
        Err(error) => return Err(error.into()),
    }
    let mut names = own_files(folder, program)?;
    names.sort_unstable();
    let mut surplus = names.len().saturating_sub(keep);
    for name in &names {
        if surplus == 0 {
            break;
        }
        if delete_unless_open(&directory, name)? {
            surplus -= 1;
        }
    }
    Ok(Pruned::Done)
}

fn own_files(folder: &Path, program: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_own = |name: &String| belongs_to(name, program);
        if let Some(name) = entry.file_name().into_string().ok().filter(is_own)
            && entry.file_type().is_ok_and(|kind| kind.is_file())
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// Whether the file is gone now.
fn delete_unless_open(directory: &File, name: &str) -> io::Result<bool> {
    // The lock needs no right to write. Nothing that another user puts in the place of the file may lead
    // us elsewhere or make us wait.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(directory, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(false);
    }
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::file::name::file_name;
    use crate::sink::file::open::LogFile;
    use crate::sink::file::tests::Folder;
    use std::sync::Barrier;

    fn touch(folder: &Folder, program: &str, micros: i64) -> String {
        let name = file_name(program, micros);
        fs::write(folder.path().join(&name), "old").unwrap();
        name
    }

    #[test]
    fn only_the_oldest_files_of_the_program_itself_go() {
        let folder = Folder::new("own");
        let own: Vec<_> = (0..5)
            .map(|n| touch(&folder, "app", n * 60_000_000))
            .collect();
        let mut expected = own[3..].to_vec();
        expected.extend((0..5).map(|n| touch(&folder, "app_server", n)));
        for foreign in [
            "app.log",
            "app_notes.txt",
            "app_20261122_174512_123456.log.gz",
        ] {
            fs::write(folder.path().join(foreign), "").unwrap();
            expected.push(foreign.to_owned());
        }
        assert_eq!(prune(folder.path(), "app", 2).unwrap(), Pruned::Done);
        expected.sort();
        assert_eq!(folder.names(), expected);
    }

    #[test]
    fn a_file_that_a_session_writes_is_left_and_the_next_oldest_goes() {
        let folder = Folder::new("open");
        let open = LogFile::create_at(folder.path(), "app", 0, &mut |_| {}).unwrap();
        touch(&folder, "app", 60_000_000);
        let newest = touch(&folder, "app", 120_000_000);
        assert_eq!(prune(folder.path(), "app", 2).unwrap(), Pruned::Done);
        assert_eq!(folder.names(), [file_name("app", 0), newest]);
        drop(open);
    }

    #[test]
    fn a_folder_or_a_link_with_a_fitting_name_is_left_alone() {
        let folder = Folder::new("kinds");
        fs::create_dir(folder.path().join(file_name("app", 0))).unwrap();
        std::os::unix::fs::symlink("/dev/null", folder.path().join(file_name("app", 1))).unwrap();
        touch(&folder, "app", 2);
        touch(&folder, "app", 3);
        assert_eq!(prune(folder.path(), "app", 1).unwrap(), Pruned::Done);
        assert_eq!(
            folder.names(),
            [
                file_name("app", 0),
                file_name("app", 1),
                file_name("app", 3)
            ]
        );
    }

    #[test]
    fn sessions_that_prune_at_the_same_moment_leave_exactly_what_is_allowed() {
        let folder = Folder::new("together");
        for round in 0..20_i64 {
            let names: Vec<_> = (0..40)
                .map(|n| touch(&folder, "app", round * 1_000 + n))
                .collect();
            let barrier = Barrier::new(4);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        barrier.wait();
                        while prune(folder.path(), "app", 7).unwrap() == Pruned::Busy {}
                    });
                }
            });
            assert_eq!(folder.names(), names[33..]);
        }
    }

    #[test]
    fn a_file_already_gone_counts_as_deleted() {
        let folder = Folder::new("gone");
        let directory = File::open(folder.path()).unwrap();
        assert!(delete_unless_open(&directory, "never was").unwrap());
    }

    #[test]
    fn who_comes_while_another_prunes_is_told_so_and_does_not_wait() {
        let folder = Folder::new("busy");
        let other = File::open(folder.path()).unwrap();
        flock(&other, FlockOperation::LockExclusive).unwrap();
        assert_eq!(prune(folder.path(), "app", 1).unwrap(), Pruned::Busy);
    }
}
