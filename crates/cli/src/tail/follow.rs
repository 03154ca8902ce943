//! What comes to files, across rotation.
//!
//! A file that is called as shmlog's are is followed by the next of its program: once that is there nothing more comes
//! to the one before, so that is read to its end, and then the next from its beginning. What is open stays readable when
//! it is compressed or deleted meanwhile. A file of any other name is followed by what is called so next.
//!
//! A drainer that was killed is succeeded by another, which cuts its file back to what is sure and writes the rest anew.
//! Then the file is shorter than what was read of it; or it has grown again since, and other bytes stand where those were
//! that were read last. Records that were shown already are not shown again.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::Show;
use super::seen::{News, Seen};
use super::watch::{Watch, Woken};
use crate::failure::{self, Failure};
use crate::reading::lines::Reading;
use crate::reading::source::{self, Source};
use crate::reading::{Piece, files};

/// One file that is followed, and those after it.
pub struct Follower {
    /// Of several that are followed: a record that two of them bring is shown once.
    stream: usize,
    path: PathBuf,
    /// `None` for a compressed one, to which nothing comes.
    reading: Option<Box<Reading<File>>>,
    /// It has the name of a log file, so its successor has a name of its own.
    is_named: bool,
    /// Where the file is called so still.
    inode: u64,
    seen: Seen,
    /// The files of the same run that were followed before, the latest last: a drainer that succeeds another may go back to one of
    /// them, and remove those that its predecessor began since.
    previous: Vec<PathBuf>,
    /// The bytes that were read last.
    last_bytes: Vec<u8>,
}

/// So many files back a follower may have to go: more than a drainer begins in one batch.
const MOST_PREVIOUS: usize = 32;
/// So many bytes tell whether a file was rewritten: a time and a sequence are within, or a message of its own.
const LAST_BYTES: u64 = 256;

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
        stream: usize,
        path: &Path,
        reading: Option<Box<Reading<File>>>,
        seen: Seen,
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
        let mut follower = Follower {
            stream,
            inode: fs::metadata(path).map_or(0, |file| file.ino()),
            path: path.to_owned(),
            reading,
            is_named,
            seen,
            previous: Vec::new(),
            last_bytes: Vec::new(),
        };
        follower.note_last_bytes();
        Ok(follower)
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
        if begun && self.is_taken_back() {
            self.go_back(show)?;
        }
        while begun && let Some(next) = self.next() {
            // All that it got is there now; before, it may not have been.
            self.read_on(show)?;
            self.with_reading(show, |reading, take| reading.finish(take))?;
            let previous = std::mem::replace(&mut self.path, next);
            if self.previous.len() == MOST_PREVIOUS {
                self.previous.remove(0);
            }
            self.previous.push(previous);
            self.begin(show)?;
        }
        ControlFlow::Continue(())
    }

    /// Whether the file was removed, but not to be compressed: it was begun in a batch that did not make it.
    fn is_taken_back(&self) -> bool {
        let is_there = || fs::metadata(&self.path).is_ok_and(|file| file.ino() == self.inode);
        self.is_named
            && self.reading.is_some()
            && !is_there()
            && !files::packed(&self.path).exists()
    }

    /// To the last file before it that is left, which got less than it had; or to that which was begun anew under the same name.
    fn go_back(&mut self, show: &mut Show) -> ControlFlow<()> {
        self.read_on(show)?;
        let mut previous = self.previous.pop();
        // Of the files that were begun in a batch none is left, so the one before them has the records.
        let is_left = |path: &PathBuf| path.exists() || files::packed(path).exists();
        while previous.as_ref().is_some_and(|path| !is_left(path)) {
            previous = self.previous.pop();
        }
        // Otherwise it was too old to be kept, and there is a next one or will be.
        if previous.is_some() || self.path.exists() {
            self.path = previous.unwrap_or_else(|| self.path.clone());
            self.seen.go_back();
            self.begin(show)?;
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
        if grew {
            self.note_last_bytes();
        }
        ControlFlow::Continue(grew)
    }

    fn with_reading(
        &mut self,
        show: &mut Show,
        read: impl FnOnce(&mut Reading<File>, &mut crate::reading::Take<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (stream, seen, previous) = (self.stream, &mut self.seen, &mut self.previous);
        let mut take = |piece: Piece<'_>| show_new(stream, &piece, seen, previous, show);
        match &mut self.reading {
            Some(reading) => read(reading, &mut take),
            None => ControlFlow::Continue(()),
        }
    }

    /// Goes back if the file was cut.
    fn mind_cut(&mut self) {
        let Some(reading) = &mut self.reading else {
            return;
        };
        let (Ok(file), Ok(at)) = (reading.input.metadata(), reading.input.stream_position()) else {
            return;
        };
        let is_shorter = file.len() < at;
        if !is_shorter && last_bytes(&reading.input, at) == self.last_bytes {
            return;
        }
        // Of a file that is not ours, or has other bytes than it had, it is not known where it was cut.
        let to = if is_shorter && self.is_named {
            file.len()
        } else {
            0
        };
        if reading.input.seek(SeekFrom::Start(to)).is_ok() {
            reading.forget();
            match self.is_named {
                true => self.seen.go_back(),
                false => self.seen.forget(),
            }
            self.note_last_bytes();
        }
    }

    fn note_last_bytes(&mut self) {
        if let Some(reading) = &mut self.reading {
            let at = reading.input.stream_position().unwrap_or(0);
            self.last_bytes = last_bytes(&reading.input, at);
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

    /// Shows what is in the file of this path.
    fn begin(&mut self, show: &mut Show) -> ControlFlow<()> {
        let packed = files::packed(&self.path);
        let source = match source::open(&self.path, None) {
            // Since it was listed it was compressed,
            Err(_) if packed.exists() => source::open(&packed, None),
            other => other,
        };
        let source = match source {
            Ok(source) => source,
            Err(error) => {
                // or was too old to be kept.
                if self.path.exists() {
                    failure::tell(error);
                }
                self.reading = None;
                return ControlFlow::Continue(());
            }
        };
        self.inode = fs::metadata(&self.path).map_or(0, |file| file.ino());
        match source {
            Source::Lines { reading, .. } => {
                self.reading = Some(reading);
                self.note_last_bytes();
                self.read_on(show).map_continue(|_| ())
            }
            Source::Packed(packed) => {
                self.reading = None;
                let (stream, seen, previous) = (self.stream, &mut self.seen, &mut self.previous);
                packed.read(&mut |piece| show_new(stream, &piece, seen, previous, show))
            }
        }
    }
}

/// Shows a piece if it does not come again.
fn show_new(
    stream: usize,
    piece: &Piece<'_>,
    seen: &mut Seen,
    previous: &mut Vec<PathBuf>,
    show: &mut Show,
) -> ControlFlow<()> {
    match seen.note(piece) {
        News::Known => return ControlFlow::Continue(()),
        News::New => {}
        // There is no way back to another run's file.
        News::NewRun => previous.clear(),
    }
    match show.once.is_new(stream, piece) {
        true => show.take(piece),
        false => ControlFlow::Continue(()),
    }
}

/// The bytes before a place, as far as they can be read.
fn last_bytes(file: &File, at: u64) -> Vec<u8> {
    let from = at.saturating_sub(LAST_BYTES);
    let mut bytes = vec![0; (at - from) as usize];
    match file.read_exact_at(&mut bytes, from) {
        Ok(()) => bytes,
        Err(_) => Vec::new(),
    }
}

/// Shows what comes, until it is not read any more.
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
