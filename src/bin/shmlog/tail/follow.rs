//! What comes to files, across rotation.
//!
//! A file that is called as shmlog's are is followed by the next of its program: once that is there nothing more comes
//! to the one before, so that is read to its end, and then the next from its beginning. What is open stays readable when
//! it is compressed or deleted meanwhile. A file of any other name is followed by what is called so next.
//!
//! A drainer that was killed is succeeded by another, which cuts its file back to what is sure and writes the rest anew;
//! records that were shown already are not shown again then.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Show;
use super::watch::{Watch, Woken};
use crate::failure::Failure;
use crate::reading::lines::Reading;
use crate::reading::source::{self, Source};
use crate::reading::{Piece, files};

/// One file that is followed, and those after it.
pub struct Follower {
    path: PathBuf,
    /// `None` for a compressed one, to which nothing comes.
    reading: Option<Box<Reading<File>>>,
    /// It has the name of a log file, so its successor has a name of its own.
    is_named: bool,
    /// Where the file is called so still.
    inode: u64,
    /// The sequence that was read last.
    last_sequence: Option<u64>,
    /// Records up to this one come again; `None` once one behind it has come.
    known: Option<u64>,
}

/// The sequence of a record that came in its turn.
pub fn sequence(piece: &Piece<'_>) -> Option<u64> {
    match piece {
        Piece::Record(record) if !record.late => record.sequence,
        _ => None,
    }
}

/// Where links lead to: a link to the latest file is not the file's name.
pub fn real_path(path: &Path) -> Result<PathBuf, Failure> {
    let failed = |error| Failure::new(format!("{} cannot be followed: {error}", path.display()));
    match files::Name::of(path) {
        Some(_) => Ok(path.to_owned()),
        None => {
            let real = fs::canonicalize(path).map_err(failed)?;
            Ok(if files::Name::of(&real).is_some() {
                real
            } else {
                path.to_owned()
            })
        }
    }
}

/// The folder in which a file's successors appear.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        _ if path.is_dir() => path,
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

impl Follower {
    /// Of a file that was read up to here.
    pub fn new(
        path: &Path,
        reading: Option<Box<Reading<File>>>,
        last_sequence: Option<u64>,
    ) -> Result<Follower, Failure> {
        let is_named = files::Name::of(path).is_some();
        if reading.is_none()
            && path.exists()
            && !(is_named && path.extension().is_some_and(|e| e == "gz"))
        {
            return Err(Failure::new(format!(
                "{} cannot be followed: only text and JSON lines can be read while they grow; leave -f out, or follow \
                 those, or the ring",
                path.display()
            )));
        }
        Ok(Follower {
            inode: fs::metadata(path).map_or(0, |file| file.ino()),
            path: path.to_owned(),
            reading,
            is_named,
            last_sequence,
            known: None,
        })
    }

    /// Shows what has come. With `begun` there may be another file.
    fn go_on(&mut self, begun: bool, show: &mut Show) -> ControlFlow<()> {
        let grew = self.read_on(show)?;
        if !grew {
            // Nothing came in a while, so nothing more belongs to the last record.
            self.with_reading(show, |reading, take| match reading.is_at_line() {
                true => reading.rest(take),
                false => ControlFlow::Continue(()),
            })?;
        }
        while begun && let Some(next) = self.next() {
            // All that it got is there now; before, it may not have been.
            self.read_on(show)?;
            self.with_reading(show, |reading, take| reading.finish(take))?;
            self.begin(next, show)?;
        }
        ControlFlow::Continue(())
    }

    /// Shows what has come to the file. `true` when something had.
    fn read_on(&mut self, show: &mut Show) -> ControlFlow<(), bool> {
        self.mind_cut();
        let mut grew = false;
        self.with_reading(show, |reading, take| match reading.read_on(take) {
            Ok((some, flow)) => {
                grew = some;
                flow
            }
            // It may pass: a file of another machine.
            Err(_) => ControlFlow::Continue(()),
        })?;
        ControlFlow::Continue(grew)
    }

    fn with_reading(
        &mut self,
        show: &mut Show,
        read: impl FnOnce(&mut Reading<File>, &mut crate::reading::Take<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (last_sequence, known) = (&mut self.last_sequence, &mut self.known);
        let mut take = |piece: Piece<'_>| {
            if let Some(sequence) = sequence(&piece) {
                if known.is_some_and(|known| sequence <= known) {
                    return ControlFlow::Continue(());
                }
                // What follows may be another run's, which counts from its own beginning.
                (*last_sequence, *known) = (Some(sequence), None);
            }
            show.take(&piece)
        };
        match &mut self.reading {
            Some(reading) => read(reading, &mut take),
            None => ControlFlow::Continue(()),
        }
    }

    /// Goes back if the file has become shorter.
    fn mind_cut(&mut self) {
        let Some(reading) = &mut self.reading else {
            return;
        };
        let (Ok(file), Ok(at)) = (reading.input.metadata(), reading.input.stream_position()) else {
            return;
        };
        if file.len() < at {
            // Of a file that is not ours nobody knows what it holds now.
            let to = if self.is_named { file.len() } else { 0 };
            if reading.input.seek(SeekFrom::Start(to)).is_ok() {
                reading.forget_begun();
                self.known = self.last_sequence.filter(|_| self.is_named);
            }
        }
    }

    /// The file to go on with.
    fn next(&self) -> Option<PathBuf> {
        if self.is_named {
            // A folder that cannot be read now may be later.
            return files::next_after(&self.path).ok().flatten();
        }
        let now = fs::metadata(&self.path).ok()?;
        (now.ino() != self.inode).then(|| self.path.clone())
    }

    fn begin(&mut self, path: PathBuf, show: &mut Show) -> ControlFlow<()> {
        let source = match source::open(&path, None) {
            Ok(source) => source,
            // Compressed since: it is found under its new name.
            Err(_) if self.is_named && !path.exists() => return ControlFlow::Continue(()),
            Err(error) => {
                eprintln!("shmlog: {error}");
                (self.path, self.reading) = (path, None);
                return ControlFlow::Continue(());
            }
        };
        self.inode = fs::metadata(&path).map_or(0, |file| file.ino());
        self.path = path;
        match source {
            Source::Lines { reading, .. } => {
                self.reading = Some(reading);
                self.read_on(show).map_continue(|_| ())
            }
            Source::Packed(packed) => {
                self.reading = None;
                packed.read(&mut |piece| show.take(&piece))
            }
        }
    }
}

/// Shows what comes, until nobody reads it any more.
pub fn go_on(mut followers: Vec<Follower>, watch: &Watch, show: &mut Show) -> Result<(), Failure> {
    let mut begun = true;
    loop {
        for follower in &mut followers {
            if follower.go_on(begun, show).is_break() {
                return Ok(());
            }
        }
        show.output.flush();
        if show.output.flow().is_break() {
            return Ok(());
        }
        begun = match watch.wait() {
            Woken::Unread => return Ok(()),
            woken => woken == Woken::Begun,
        };
    }
}
