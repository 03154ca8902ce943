//! The link `{program}_latest.log` to the file that was begun last.
//!
//! It is replaced in one step, so that a program that follows it always finds a file, and never points at nothing: when its
//! file goes, it points at the newest that is left, or goes too.

use std::fmt;
use std::fs;
use std::io;

use rustix::fs::{readlinkat, renameat, symlinkat};
use rustix::io::Errno;

use super::folder::HeldFolder;
use super::name::Names;
use crate::failpoint;

/// Why the link is not there, or not right.
#[derive(Debug)]
pub(in crate::sink) enum LinkError {
    /// Something of that name is no link, and is left alone.
    Taken {
        /// The name.
        name: String,
    },
    /// The link cannot be made.
    Io {
        /// Its name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::Taken { name } => write!(
                f,
                "there is no link {name:?} to the latest log file: something else of that name is there, and is \
                 left alone; move it away, or do without the link with latest(false)"
            ),
            LinkError::Io { name, source } => {
                write!(
                    f,
                    "cannot make the link {name:?} to the latest log file: {source}"
                )
            }
        }
    }
}

impl From<LinkError> for io::Error {
    fn from(error: LinkError) -> io::Error {
        let kind = match &error {
            LinkError::Taken { .. } => io::ErrorKind::AlreadyExists,
            LinkError::Io { source, .. } => source.kind(),
        };
        io::Error::new(kind, error.to_string())
    }
}

/// Where the link of these names leads.
enum Link {
    Nowhere,
    To(String),
    /// It is no link.
    Taken,
}

/// Points the link at a file, which is in the same folder.
pub(in crate::sink) fn point_at(
    folder: &HeldFolder,
    names: &Names,
    file: &str,
) -> Result<(), LinkError> {
    let name = names.latest();
    let fail = |source| LinkError::Io {
        name: name.clone(),
        source,
    };
    match read(folder, &name).map_err(fail)? {
        Link::Taken => return Err(LinkError::Taken { name }),
        Link::To(known) if known == file => return Ok(()),
        Link::To(_) | Link::Nowhere => {}
    }
    replace(folder, &name, file).map_err(fail)
}

/// If the link leads to a file that is gone, points it at the newest plain one that is left, or takes it away. What is
/// no link, or leads elsewhere, is left alone.
pub(in crate::sink) fn mend(folder: &HeldFolder, names: &Names) -> Result<(), LinkError> {
    let name = names.latest();
    let fail = |source| LinkError::Io {
        name: name.clone(),
        source,
    };
    let Link::To(file) = read(folder, &name).map_err(fail)? else {
        return Ok(());
    };
    if !names.include(&file) || fs::symlink_metadata(folder.path.join(&file)).is_ok() {
        return Ok(());
    }
    let left = fs::read_dir(&folder.path).map_err(fail)?;
    let left = left.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    match left.filter(|file| names.include(file)).max() {
        Some(newest) => replace(folder, &name, &newest).map_err(fail),
        None => folder.remove(&name).map_err(fail),
    }
}

fn read(folder: &HeldFolder, name: &str) -> io::Result<Link> {
    match readlinkat(&folder.directory, name, Vec::new()) {
        // Of other bytes it is not ours, nor what we would write.
        Ok(target) => Ok(Link::To(target.into_string().unwrap_or_default())),
        Err(Errno::NOENT) => Ok(Link::Nowhere),
        Err(Errno::INVAL) => Ok(Link::Taken),
        Err(error) => Err(error.into()),
    }
}

fn replace(folder: &HeldFolder, name: &str, file: &str) -> io::Result<()> {
    let new = Names::unfinished(name);
    // Left by a process that was killed here: the folder is ours.
    if matches!(read(folder, &new)?, Link::To(_)) {
        folder.remove(&new)?;
    }
    symlinkat(file, &folder.directory, &new)?;
    failpoint::hit("latest.made");
    renameat(&folder.directory, &new, &folder.directory, name)?;
    failpoint::hit("latest.there");
    Ok(())
}

#[cfg(test)]
mod tests;
