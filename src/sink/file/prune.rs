//! Retention: of the log files of one program only so many stay, so old ones, and so many bytes; the oldest go.
//!
//! Several sessions may prune at the same moment. They take turns by the lock on the folder, so that two of
//! them never delete for the same surplus; and none deletes a file that it cannot lock, because a session
//! still writes it.
//!
//! Files of recovered records count by themselves: as many may stay as log files, so that a program which crashes at
//! each start neither fills the disk nor pushes its logs out. Those that the present start has made stay whatever their
//! number and bytes, until a later one has found them.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::fs::MetadataExt;

use super::config::FileConfig;
use super::folder::HeldFolder;
use super::gzip;
use super::name::{Kind, Names};

/// What may stay.
#[derive(Clone, Debug)]
pub(in crate::sink) struct Keep {
    /// Files.
    pub(super) files: usize,
    /// Bytes of all of them.
    pub(super) bytes: u64,
    /// What was last written before that goes: nanoseconds since 1970.
    pub(super) since_ns: Option<i128>,
    /// The first file of the session that prunes.
    pub(super) session: String,
}

impl Keep {
    /// As it is set, `now_ns` nanoseconds after 1970, for a session whose first file has that name.
    pub(in crate::sink) fn of(config: &FileConfig, now_ns: i64, session: &str) -> Keep {
        let since = |age: std::time::Duration| i128::from(now_ns) - age.as_nanos() as i128;
        Keep {
            files: config.backup_count,
            bytes: config.keep_bytes.unwrap_or(u64::MAX),
            since_ns: config.keep_for.map(since),
            session: session.to_owned(),
        }
    }
}

/// A log file, plain or compressed.
struct Found {
    name: String,
    /// Its records were recovered.
    is_recovered: bool,
    /// Bytes, and when it was last written in nanoseconds since 1970; zeros when no limit needs them.
    bytes: u64,
    written_ns: i128,
}

/// Deletes the oldest of a program's files until no more are left than may stay, leaving those that a session
/// has open. Which are the oldest is read off the names, which rise within a session (a clock put back is
/// believed from one session to the next). What a compression has left behind whose process was killed goes first.
///
/// # Errors
/// What the system said when the folder could not be read or a file not be deleted.
pub(in crate::sink) fn prune(folder: &HeldFolder, names: &Names, keep: &Keep) -> io::Result<()> {
    let mut files = own_files(folder, names, keep)?;
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let recovered = files.iter().filter(|file| file.is_recovered).count();
    let mut counts = [files.len() - recovered, recovered];
    let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
    // Names begin with the time: behind the last log of the sessions before there is what this start has recovered.
    let before = |file: &&Found| !file.is_recovered && file.name < keep.session;
    let last = files.iter().rfind(before).map(|file| &file.name);
    let is_news = |file: &Found| file.is_recovered && last.is_none_or(|last| file.name > *last);
    for file in &files {
        let count = &mut counts[usize::from(file.is_recovered)];
        let is_old = keep.since_ns.is_some_and(|since| file.written_ns < since);
        let is_surplus = *count > keep.files || bytes > keep.bytes;
        let goes = is_old || (is_surplus && !is_news(file));
        if goes && folder.remove_unless_open(&file.name)? {
            *count -= 1;
            bytes -= file.bytes;
        }
    }
    Ok(())
}

/// The program's files, once each.
fn own_files(folder: &HeldFolder, names: &Names, keep: &Keep) -> io::Result<Vec<Found>> {
    let (mut files, mut compressed) = (Vec::new(), Vec::new());
    let mut plain = HashSet::new();
    for entry in fs::read_dir(&folder.path)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let kind = names.kind(&name);
        let is_recovered = names.is_recovered(&name);
        if (kind.is_none() && !is_recovered) || !entry.file_type().is_ok_and(|kind| kind.is_file())
        {
            continue;
        }
        match kind {
            Some(Kind::Unfinished) => _ = folder.remove_unless_open(&name)?,
            None => files.extend(found(&entry, name, is_recovered, keep)?),
            Some(Kind::Compressed) => compressed.extend(found(&entry, name, is_recovered, keep)?),
            _ => {
                plain.insert(Names::compressed(&name));
                files.extend(found(&entry, name, is_recovered, keep)?);
            }
        }
    }
    for file in compressed {
        if !plain.contains(&file.name) || !remove_left_behind(folder, &file.name)? {
            files.push(file);
        }
    }
    Ok(files)
}

/// Removes a compressed file whose maker was killed before it removed the original: that is sure to be whole. One that
/// somebody else makes of it just now is left, or he would remove the original for nothing. Whether it is gone.
fn remove_left_behind(folder: &HeldFolder, name: &str) -> io::Result<bool> {
    match folder.open(name)? {
        Some(file) if !gzip::is_ours(&file) => Ok(false),
        _ => folder.remove_unless_open(name),
    }
}

/// `None` when it is gone by now.
fn found(
    entry: &DirEntry,
    name: String,
    is_recovered: bool,
    keep: &Keep,
) -> io::Result<Option<Found>> {
    if keep.since_ns.is_none() && keep.bytes == u64::MAX {
        return Ok(Some(Found {
            name,
            is_recovered,
            bytes: 0,
            written_ns: 0,
        }));
    }
    match entry.metadata() {
        Ok(metadata) => Ok(Some(Found {
            name,
            is_recovered,
            bytes: metadata.len(),
            written_ns: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
