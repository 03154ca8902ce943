//! Which files are meant: a file, or the files of a program in a folder, in the order of their times.
//!
//! ```text
//!   app_20261122_174512_123456.log            .jsonl  .mcap
//!   app_20261122_174512_123456.log.gz         compressed
//!   app_20261122_174512_123456_recovered.log  what a dead program left unread
//!   app_latest.log                            a link to the newest
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// What stands behind the program's name; `#` is a digit.
const TIME: &[u8] = b"_########_######_######";
/// Endings that can be read. Of a record that stands in files of several kinds the first is shown: JSON tells most.
const ENDINGS: [&str; 3] = [".jsonl", ".log", ".mcap"];
const RECOVERED: &str = "_recovered.log";

/// What a file's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    program: String,
    /// Without its dot.
    ending: &'static str,
    /// As it stands there: later times are greater.
    time: String,
    packed: bool,
}

impl Name {
    /// `None` if the file is not called as log files are.
    pub fn of(path: &Path) -> Option<Name> {
        let name = path.file_name()?.to_str()?;
        let plain = name.strip_suffix(".gz").unwrap_or(name);
        let (stem, ending) = match plain.strip_suffix(RECOVERED) {
            Some(stem) => (stem, ".log"),
            None => ENDINGS
                .iter()
                .find_map(|ending| Some((plain.strip_suffix(ending)?, *ending)))?,
        };
        let (program, time) = stem.split_at_checked(stem.len().checked_sub(TIME.len())?)?;
        let fits = |(byte, place): (u8, &u8)| match place {
            b'#' => byte.is_ascii_digit(),
            other => byte == *other,
        };
        time.bytes().zip(TIME).all(fits).then(|| Name {
            program: program.to_owned(),
            ending,
            time: time.to_owned(),
            packed: plain.len() < name.len(),
        })
    }

    /// The program's, as far as it may stand in a file's name.
    pub fn program(&self) -> &str {
        &self.program
    }

    fn is_of(&self, other: &Name) -> bool {
        (&self.program, self.ending) == (&other.program, other.ending)
    }
}

/// The files that an argument means: for each kind of file its files, in the order in which they are to be read.
///
/// Of a folder these are the files of its newest program. A program may write several kinds there at once, text of all and
/// JSON of warnings: the same records then stand in both.
pub fn of(argument: &Path) -> Result<Vec<Vec<PathBuf>>, Failure> {
    let failed = |error| Failure::new(format!("{} cannot be read: {error}", argument.display()));
    if !fs::metadata(argument).map_err(failed)?.is_dir() {
        return Ok(vec![vec![argument.to_owned()]]);
    }
    let all = named_in(argument).map_err(failed)?;
    let Some((newest, _)) = all.last() else {
        return Err(Failure::new(format!(
            "no log files are in {}; they are called {{program}}_{{date}}_{{time}}_{{microseconds}} and .log, .jsonl or .mcap: \
             name other files themselves",
            argument.display()
        )));
    };
    let kinds = ENDINGS.map(|ending| {
        let of_it = all
            .iter()
            .filter(|(name, _)| name.program == newest.program && name.ending == ending);
        of_it.map(|(_, path)| path.clone()).collect()
    });
    Ok(kinds
        .into_iter()
        .filter(|of_it: &Vec<_>| !of_it.is_empty())
        .collect())
}

/// The files that several arguments mean, as streams to be merged. Files of one program and kind that are named one by one are
/// one stream, in the order in which they are named.
pub fn of_all(arguments: &[PathBuf]) -> Result<Vec<Vec<PathBuf>>, Failure> {
    let mut streams: Vec<Vec<PathBuf>> = Vec::new();
    for argument in arguments {
        for files in of(argument)? {
            let last = streams
                .last_mut()
                .filter(|last| is_one_stream(last, &files));
            match last {
                Some(last) => last.extend(files),
                None => streams.push(files),
            }
        }
    }
    Ok(streams)
}

/// The bytes of all files together, as far as they can be known.
pub fn bytes_of<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> u64 {
    let paths = paths.into_iter();
    paths
        .filter_map(|path| fs::metadata(path).ok())
        .map(|file| file.len())
        .sum()
}

fn is_one_stream(one: &[PathBuf], other: &[PathBuf]) -> bool {
    let name = |files: &[PathBuf]| files.first().and_then(|path| Name::of(path));
    name(one).is_some_and(|one| name(other).is_some_and(|other| one.is_of(&other)))
}

/// Whether a file's name says that it cannot be read while it grows.
pub fn is_read_as_a_whole(path: &Path) -> bool {
    Name::of(path).is_some_and(|name| name.ending == ".mcap")
}

/// What a file is called when it is compressed.
pub fn packed(path: &Path) -> PathBuf {
    let mut packed = path.as_os_str().to_owned();
    packed.push(".gz");
    packed.into()
}

/// The file of the same program that was begun next; `None` while there is none.
pub fn next_after(path: &Path) -> std::io::Result<Option<PathBuf>> {
    let (Some(name), Some(folder)) = (Name::of(path), path.parent()) else {
        return Ok(None);
    };
    let all = named_in(folder)?;
    let next = all
        .into_iter()
        .find(|(other, _)| other.is_of(&name) && other.time > name.time);
    Ok(next.map(|(_, path)| path))
}

/// All files of a folder that are called so, by their times; of one that is there compressed and not, only the latter. What is
/// no file is not among them, whatever it is called: a pipe would be waited for.
fn named_in(folder: &Path) -> std::io::Result<Vec<(Name, PathBuf)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_file = || fs::metadata(&path).is_ok_and(|entry| entry.is_file());
        if let Some(name) = Name::of(&path).filter(|_| is_file()) {
            all.push((name, path));
        }
    }
    all.sort_by(|(a, a_path), (b, b_path)| {
        (&a.time, a.packed, a_path).cmp(&(&b.time, b.packed, b_path))
    });
    all.dedup_by(|(packed, _), (plain, _)| {
        packed.packed && packed.is_of(plain) && packed.time == plain.time
    });
    Ok(all)
}
