//! Files that were left without a summary, because all processes that could have written it were killed.
//!
//! The next session of the program that logs into the folder completes them: nothing is missing in them, but viewers open
//! a file much faster by its index. One that a process has locked is being written. One that was written a moment ago may be
//! that of a drainer which was killed and is being started anew. What does not look like a file of this sink is left alone.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use mcap::MAGIC;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::chunk::Packer;
use super::reading::{self, End, Reopened};
use super::{Compression, ENDING};
use crate::clock;
use crate::sink::FilePlace;
use crate::sink::file::OpenFileError;
use crate::sink::file::name::Names;
use crate::sink::file::open::{open_unlocked, remove_unlocked};

/// How long a file must not have been written.
const AGE: Duration = Duration::from_secs(10);

/// A descriptor of the file that writes where it is told to, not always at the end.
pub(super) fn to_overwrite(file: &File) -> io::Result<File> {
    let file = file.try_clone()?;
    let flags = fcntl_getfl(&file)?;
    fcntl_setfl(&file, flags - OFlags::APPEND)?;
    Ok(file)
}

/// Completes what dead sessions of the program left in the folder. What cannot be completed stays as it is.
pub(super) fn complete(folder: &Path, names: &Names, compression: Compression) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_own = name.to_str().is_some_and(|name| names.include(name));
        if is_own && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = complete_one(&folder.join(name), compression);
        }
    }
}

fn complete_one(path: &Path, compression: Compression) -> io::Result<()> {
    let Some(mut file) = open_unlocked(path)? else {
        return Ok(());
    };
    let metadata = file.metadata()?;
    let written_ns = metadata.mtime().saturating_mul(1_000_000_000);
    let age_ns = clock::wall_ns().saturating_sub(written_ns);
    if metadata.len() == 0 || is_complete(&mut file)? || age_ns < AGE.as_nanos() as i64 {
        return Ok(());
    }
    let mut file = to_overwrite(&file)?;
    let (found, end) = reading::read(&mut file, None)?;
    if end == End::Strange {
        return Ok(());
    }
    match reading::recording_of(file, Packer::new(compression), found)? {
        Some(mut recording) => recording.finish(),
        None => Ok(()),
    }
}

/// Whether it ends as a complete file does.
fn is_complete(file: &mut File) -> io::Result<bool> {
    let mut last = [0; MAGIC.len()];
    if file.seek(SeekFrom::End(0))? < last.len() as u64 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-(last.len() as i64)))?;
    file.read_exact(&mut last)?;
    Ok(last == MAGIC)
}

/// Makes the files of a program whose processes were all killed agree with its last checkpoint, before what that does not
/// know of is saved elsewhere: completes the file of `place` with no more than was in it then, and removes those that were
/// `begun` since. Files of other names are left alone.
///
/// # Errors
/// When the file is there and cannot be written: its last records would come twice.
pub(crate) fn cut_back(
    folder: &Path,
    program: &str,
    place: Option<&FilePlace>,
    begun: &[String],
) -> Result<(), OpenFileError> {
    let names = Names::new(program, ENDING);
    let known = place.map_or("", |place| &place.name);
    let at = begun.iter().position(|name| name == known);
    for name in begun[at.map_or(0, |at| at + 1)..]
        .iter()
        .filter(|name| names.include(name))
    {
        let _ = remove_unlocked(&folder.join(name));
    }
    let Some(place) = place.filter(|place| names.include(&place.name)) else {
        return Ok(());
    };
    let path = folder.join(&place.name);
    let cut = cut_back_to(&path, place);
    cut.map_err(|source| OpenFileError::File { path, source })
}

fn cut_back_to(path: &Path, place: &FilePlace) -> io::Result<()> {
    let Some(file) = open_unlocked(path)? else {
        return Ok(());
    };
    let most = (place.bytes != u64::MAX).then_some(place.extra);
    let packer = Packer::new(Compression::default());
    match reading::reopen(to_overwrite(&file)?, packer, most)? {
        Reopened::Recording(mut recording) => recording.finish(),
        Reopened::Headless | Reopened::OfOthers => Ok(()),
    }
}
