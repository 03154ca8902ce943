//! The drainer's book: what a drainer tells its successor, and the process that recovers the ring. It decides which files are cut
//! back, removed and made, so no member may write it: it is a file of its own beside the segment (`private.rs`), which the
//! drainer alone maps. A member that gave up rights keeps its mapping of the segment, but cannot open the book. The parent holds
//! on to its file, so that the next drainer has it though its name was removed, but by a descriptor that opens nothing.
//!
//! ```text
//!   words  0 READY, stored last │ 1 serial of the checkpoint
//!          2 length of the program's name │ 3 of the folder, 0 when there are no files
//!          4‥ how the ring was made: see Making in home.rs │ 32‥ name and folder, in a row
//!   ── two checkpoints, one of them valid: see drainer/ledger.rs
//!   ── files that were begun since, by sink: see announced.rs
//! ```

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;
use zerocopy::IntoBytes;

use super::layout::{
    ANNOUNCED_FILES, ANNOUNCED_WORDS, CHECKPOINT_ACCOUNT_WORDS, CHECKPOINT_ACCOUNTS_AT, FILE_SINKS,
    Geometry, LINE,
};
use super::platform::Anchor;
use super::{Making, Segment, map, private};
use crate::boundary::floor_char_boundary;
use crate::sync::{AtomicU64, Ordering};
use crate::words::{WORD, load_bytes, store_bytes};

/// The first word of a book that may be used. The low byte is its layout version, which rises with any change of this layout.
///
/// 2: it says how the ring was made.
const READY: u64 = u64::from_be_bytes(*b"logbook\x02");
const SERIAL: usize = 1;
const PROGRAM_LEN: usize = 2;
const FOLDER_LEN: usize = 3;
const MAKING: usize = 4;
const TEXT: usize = 2 * LINE;
const CHECKPOINTS_AT: usize = 22 * LINE;

const _: () = assert!(MAKING + Making::WORDS <= TEXT);
/// The longest name of a program that is kept, in bytes.
pub(super) const PROGRAM_MAX: usize = 255;
/// What the file is called beside the ring.
const NAME: &str = "book";

/// Whose files a drainer writes, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The program's name, as its files have it.
    pub(crate) program: String,
    /// Where the files of the first sink that has any go, absolute; `None` when there are none, or when the path is too
    /// long.
    pub(crate) folder: Option<PathBuf>,
}

/// A mapped book.
#[derive(Clone, Copy, Debug)]
pub(super) struct Book {
    words: &'static [AtomicU64],
    /// Words of one checkpoint.
    checkpoint_words: usize,
}

impl Book {
    fn of(words: &'static [AtomicU64], geometry: &Geometry) -> Book {
        Book {
            words,
            checkpoint_words: checkpoint_words(geometry),
        }
    }

    /// One that goes with this process.
    fn in_memory(geometry: &Geometry) -> Book {
        let words: Vec<_> = (0..words_for(geometry))
            .map(|_| AtomicU64::new(0))
            .collect();
        Book::of(words.leak(), geometry)
    }

    pub(super) fn erase(self) {
        self.words
            .iter()
            .for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// How the ring was made; `None` in a book that goes with this process and was told nothing.
    fn making(self) -> Option<Making> {
        let words = &self.words[MAKING..][..Making::WORDS];
        let words = std::array::from_fn(|at| words[at].load(Ordering::Relaxed));
        let making = Making::of_words(&words);
        making.geometry.is_allowed().then_some(making)
    }

    fn set_making(self, making: &Making) {
        for (place, word) in self.words[MAKING..].iter().zip(making.to_words()) {
            place.store(word, Ordering::Relaxed);
        }
    }

    fn origin(self) -> Origin {
        let len = |at: usize| {
            let len = self.words[at].load(Ordering::Relaxed);
            usize::try_from(len).unwrap_or(usize::MAX)
        };
        let program = len(PROGRAM_LEN).min(PROGRAM_MAX);
        let (text, mut bytes) = (&self.words[TEXT..CHECKPOINTS_AT], Vec::new());
        load_bytes(text, program.saturating_add(len(FOLDER_LEN)), &mut bytes);
        let folder = bytes.split_off(program.min(bytes.len()));
        let folder = PathBuf::from(OsString::from_vec(folder));
        Origin {
            program: String::from_utf8_lossy(&bytes).into_owned(),
            folder: Some(folder).filter(|folder| is_usable(folder)),
        }
    }

    fn set_origin(self, origin: &Origin) {
        let store = |at: usize, value: usize| self.words[at].store(value as u64, Ordering::Relaxed);
        let end = floor_char_boundary(&origin.program, PROGRAM_MAX);
        let program = &origin.program.as_bytes()[..end];
        let folder = origin
            .folder
            .as_deref()
            .map_or(&[][..], |folder| folder.as_os_str().as_bytes());
        let text = &self.words[TEXT..CHECKPOINTS_AT];
        let fits = end + folder.len() <= text.len() * WORD;
        let folder = if fits { folder } else { &[] };
        store_bytes(text, &[program, folder].concat());
        store(PROGRAM_LEN, end);
        store(FOLDER_LEN, folder.len());
    }
}

const fn checkpoint_words(geometry: &Geometry) -> usize {
    let accounts = geometry.max_producers as usize * CHECKPOINT_ACCOUNT_WORDS;
    (CHECKPOINT_ACCOUNTS_AT + accounts).next_multiple_of(LINE)
}

const fn words_for(geometry: &Geometry) -> usize {
    let announced = FILE_SINKS * ANNOUNCED_FILES * ANNOUNCED_WORDS;
    CHECKPOINTS_AT + 2 * checkpoint_words(geometry) + announced
}

/// Holds on to the book of the ring, or to a new one that a drainer will fill. `None` when neither is to be had.
pub(super) fn anchor(ring: &str) -> Option<Anchor> {
    let found = private::find(ring, NAME).ok()?;
    let (file, path) = found.map_or_else(|| private::make(ring, NAME), Ok).ok()?;
    Some(with_anchor(file, &path).ok()?.1)
}

fn with_anchor(file: File, path: &Path) -> io::Result<(File, Anchor)> {
    let anchor = Anchor::of(file.as_fd(), path)?;
    Ok((file, anchor))
}

/// Whether a drainer has begun to keep this book.
fn is_begun(file: &File) -> bool {
    let mut first = [0_u64];
    let read = file.read_exact_at(first.as_mut_bytes(), 0);
    read.is_ok() && first == [READY]
}

/// How the ring `name` was made, as its book says; `None` when there is no book of ours, or none of this version.
pub(super) fn making(name: &str) -> Option<Making> {
    let (file, _) = private::find(name, NAME).ok()??;
    let mut words = [0_u64; MAKING + Making::WORDS];
    file.read_exact_at(words.as_mut_bytes(), 0).ok()?;
    let (head, making) = words.split_at(MAKING);
    // [book] Pairs with the store in open_book: the kernel copies the first word first.
    let making = Making::of_words(making.try_into().ok()?);
    (head[0] == READY && making.geometry.is_allowed()).then_some(making)
}

/// A path that leads to the same place for each reader.
fn is_usable(folder: &Path) -> bool {
    folder.is_absolute() && !folder.as_os_str().as_bytes().contains(&0)
}

impl Segment {
    /// Opens the book that a predecessor left, or begins one that says `origin` and `making`. For the process that holds the
    /// drain lock. A process that does not call this, or is refused, has one in its own memory.
    ///
    /// A drainer is `handed` the file by the process that starts it: the book may have lost its name. It holds on to it.
    pub(crate) fn open_book(
        &self,
        origin: &Origin,
        making: &Making,
        handed: Option<OwnedFd>,
    ) -> io::Result<()> {
        let opened = self.find_book(origin, making, handed);
        if opened.is_err() {
            let book = Book::in_memory(&self.geometry);
            book.set_making(making);
            let _ = self.book.set(book);
        }
        opened
    }

    fn find_book(
        &self,
        origin: &Origin,
        making: &Making,
        handed: Option<OwnedFd>,
    ) -> io::Result<()> {
        let handed = handed.and_then(|file| {
            let anchor = Anchor::received(file).ok()?;
            // A drainer that has become another user may not.
            let file = anchor.open().ok()?;
            Some((file, anchor))
        });
        let found = match handed {
            Some(handed) if is_begun(&handed.0) => handed,
            // Where two services begin at the same moment, the name decides whose book it is.
            handed => match (private::find(&self.name, NAME)?, handed) {
                (Some((file, path)), _) => with_anchor(file, &path)?,
                (None, Some(handed)) => handed,
                (None, None) => {
                    let (file, path) = private::make(&self.name, NAME)?;
                    with_anchor(file, &path)?
                }
            },
        };
        let (file, anchor) = found;
        let bytes = words_for(&self.geometry) * WORD;
        // The space is taken before it is touched. One that is there has it, and a limit of file sizes may refuse it now.
        if file.metadata()?.len() < bytes as u64 {
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes as u64)?;
        }
        let book = Book::of(map::file(&file, bytes)?, &self.geometry);
        // Relaxed: the drainer that wrote it has ended, and let go of the lock that this process holds.
        if book.words[0].load(Ordering::Relaxed) != READY {
            book.erase();
            book.set_origin(origin);
            book.set_making(making);
            // [book] Release: others may look at how the ring was made.
            book.words[0].store(READY, Ordering::Release);
        }
        let _ = self.book.set(book);
        let _ = self.book_file.set(anchor);
        Ok(())
    }

    /// Makes the file of the book, for drainers to come, and holds on to it. For the ring's maker. Where that is refused, the
    /// first drainer makes it, or says why not.
    pub(crate) fn make_book(&self) {
        if let Some(anchor) = anchor(&self.name) {
            let _ = self.book_file.set(anchor);
        }
    }

    /// The book's file, for a drainer that is to be started.
    pub(crate) fn book_to_pass_on(&self) -> Option<OwnedFd> {
        self.book_file.get().and_then(Anchor::to_pass_on)
    }

    /// Gives the book its name again if it has another one. The kernel has none for a file that was removed.
    pub(crate) fn put_book_name_back(&self) {
        let path = self.book_file.get().and_then(Anchor::path);
        if let Some(path) = path {
            let _ = private::name_again(&path, &self.name, NAME);
        }
    }

    /// Takes the book away, by its path: a drainer without a free descriptor cannot list the files that there are.
    pub(super) fn remove_book(&self) {
        let path = self.book_file.get().and_then(Anchor::path);
        if let Some(path) = path {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Lets go of the book's file. Its words stay mapped.
    pub(super) fn close_book(&self) {
        if let Some(anchor) = self.book_file.get() {
            anchor.close();
        }
    }

    pub(super) fn book(&self) -> Book {
        *self.book.get_or_init(|| Book::in_memory(&self.geometry))
    }

    /// Whose files the ring's records go to, as its first drainer knew it.
    pub(crate) fn origin(&self) -> Origin {
        self.book().origin()
    }

    /// How the ring was made, for a process that keeps its book.
    pub(crate) fn making(&self) -> Option<Making> {
        self.book.get().and_then(|book| book.making())
    }

    /// Has the files be looked for elsewhere.
    pub(crate) fn set_origin(&self, origin: &Origin) {
        self.book().set_origin(origin);
    }

    /// Counts the drainer's checkpoints; 0 before the first.
    pub(crate) fn checkpoint_serial(&self) -> &'static AtomicU64 {
        &self.book().words[SERIAL]
    }

    /// The words of the checkpoint of this serial, until the one after the next.
    pub(crate) fn checkpoint(&self, serial: u64) -> &'static [AtomicU64] {
        let Book {
            words,
            checkpoint_words,
        } = self.book();
        &words[CHECKPOINTS_AT + (serial & 1) as usize * checkpoint_words..][..checkpoint_words]
    }

    /// The words of the files that the `sink`th sink has begun since.
    pub(super) fn announced_words(&self, sink: usize) -> &'static [AtomicU64] {
        let Book {
            words,
            checkpoint_words,
        } = self.book();
        let each = ANNOUNCED_FILES * ANNOUNCED_WORDS;
        &words[CHECKPOINTS_AT + 2 * checkpoint_words + sink * each..][..each]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Settings;
    use proptest::prelude::*;

    const GEOMETRY: Geometry = Geometry {
        slots: 16,
        slot_size: 64,
        max_producers: 1,
        site_slots: 16,
        site_bytes: 1024,
    };

    const SETTINGS: Settings = Settings::PLAIN;

    proptest! {
        #[test]
        fn an_origin_comes_back_as_it_was(program in "[^\0]{0,300}", folder in "(/[^\0/]{1,200}){0,9}") {
            let book = Book::in_memory(&GEOMETRY);
            let folder = Some(PathBuf::from(folder)).filter(|folder| folder.is_absolute());
            let origin = Origin { program, folder };
            book.set_origin(&origin);
            let found = book.origin();
            prop_assert!(origin.program.starts_with(&found.program));
            prop_assert!(found.folder == origin.folder || found.folder.is_none());
        }

        #[test]
        fn whatever_stands_there_is_read_without_a_panic(words: [u64; 4], text in proptest::collection::vec(any::<u64>(), 64)) {
            let book = Book::in_memory(&GEOMETRY);
            for (word, value) in book.words.iter().zip(words.iter().chain(&text)) {
                word.store(*value, Ordering::Relaxed);
            }
            prop_assert!(book.origin().folder.is_none_or(|folder| folder.is_absolute()));
        }
    }

    #[test]
    fn its_parts_do_not_overlap_and_fill_it() {
        let segment = Segment::private("shmlog-book", GEOMETRY, SETTINGS);
        let end = |words: &[AtomicU64]| words.as_ptr_range().end;
        let start = |words: &[AtomicU64]| words.as_ptr();
        let [even, odd] = [0, 1].map(|serial| segment.checkpoint(serial));
        assert_eq!(end(even), start(odd));
        assert_eq!(end(odd), start(segment.announced_words(0)));
        let last = segment.announced_words(FILE_SINKS - 1);
        assert_eq!(end(last), end(segment.book().words));
    }
}
