//! What outlives its writer: mapped files of words. The book of an author says what that thread has attempted and
//! what came of it; a process that is killed leaves it exactly as it was at that moment.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapRaw;

use crate::text::Author;

/// A mapped file of words.
struct Words(MmapRaw);

impl Words {
    fn open(path: &Path, words: usize, new: bool) -> io::Result<Words> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(new).open(path)?;
        if new {
            file.set_len(words as u64 * 8)?;
        }
        MmapRaw::map_raw(&file).map(Words)
    }

    #[expect(unsafe_code, reason = "memory that is shared with other processes")]
    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.0.len() / 8);
        let word = self.0.as_mut_ptr().cast::<u64>().wrapping_add(index);
        // SAFETY: the mapping begins at a page, so the word is aligned; it lies within the mapping by the assertion,
        // and the mapping lives as long as `self`. Everybody who maps the file accesses it through this function.
        unsafe { AtomicU64::from_ptr(word) }
    }

    fn get(&self, index: usize) -> u64 {
        self.word(index).load(Ordering::SeqCst)
    }

    fn set(&self, index: usize, value: u64) {
        self.word(index).store(value, Ordering::SeqCst);
    }
}

const ATTEMPTED: usize = 0;
const RETURNED: usize = 1;
const LOOKS: usize = 2;
const FIRST_LOOK: usize = 8;
/// How often an author can write down how many of its records were dropped.
const MOST_LOOKS: usize = 16_000;

/// The book of one author.
pub struct Book(Words);

impl Book {
    /// # Errors
    /// Also when there is one already: two authors of the same ids could not be told apart.
    pub fn create(folder: &Path, author: Author) -> io::Result<Book> {
        Words::open(&path(folder, author), FIRST_LOOK + MOST_LOOKS, true).map(Book)
    }

    /// `None` when its author was killed while it made the book, and so has logged nothing.
    pub fn open(folder: &Path, author: Author) -> io::Result<Option<Book>> {
        let path = path(folder, author);
        if path.metadata()?.len() == 0 {
            return Ok(None);
        }
        Words::open(&path, 0, false).map(|words| Some(Book(words)))
    }

    /// Log calls begun.
    pub fn attempted(&self) -> u64 {
        self.0.get(ATTEMPTED)
    }

    /// Log calls returned.
    pub fn returned(&self) -> u64 {
        self.0.get(RETURNED)
    }

    /// Makes the next log call, which is given its number.
    pub fn count(&self, log: impl FnOnce(u64)) {
        let number = self.attempted();
        self.0.set(ATTEMPTED, number + 1);
        log(number);
        self.0.set(RETURNED, number + 1);
    }

    /// Writes down how many of the records so far were dropped, as the ring says.
    pub fn note_dropped(&self, dropped: u64) {
        let looks = self.0.get(LOOKS) as usize;
        if looks < MOST_LOOKS {
            let look = self.returned() << 32 | dropped;
            self.0.set(FIRST_LOOK + looks, look);
            self.0.set(LOOKS, looks as u64 + 1);
        }
    }

    pub fn is_full(&self) -> bool {
        self.0.get(LOOKS) as usize >= MOST_LOOKS
    }

    /// What was written down: of so many records, so many were dropped.
    pub fn looks(&self) -> Vec<(u64, u64)> {
        let looks = (self.0.get(LOOKS) as usize).min(MOST_LOOKS);
        let look = |index| self.0.get(FIRST_LOOK + index);
        let both = |word: u64| (word >> 32, word & u64::from(u32::MAX));
        (0..looks).map(|index| both(look(index))).collect()
    }
}

fn path(folder: &Path, author: Author) -> PathBuf {
    folder.join(format!("{}-{}.book", author.pid, author.tid))
}

/// The authors who have a book in the folder.
pub fn authors(folder: &Path) -> io::Result<Vec<Author>> {
    let mut authors = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let ids = name
            .strip_suffix(".book")
            .and_then(|ids| ids.split_once('-'));
        if let Some((pid, tid)) = ids
            && let (Ok(pid), Ok(tid)) = (pid.parse(), tid.parse())
        {
            authors.push(Author { pid, tid });
        }
    }
    Ok(authors)
}

const OVER: usize = 0;
const PAUSE: usize = 1;
const BEATS: usize = 2;

/// What a round tells its members, most of whom it does not know.
pub struct Control(Words);

impl Control {
    pub fn create(folder: &Path) -> io::Result<Control> {
        Words::open(&folder.join("control"), 8, true).map(Control)
    }

    pub fn open(folder: &Path) -> io::Result<Control> {
        Words::open(&folder.join("control"), 8, false).map(Control)
    }

    /// Everybody is to end.
    pub fn say_over(&self) {
        self.0.set(OVER, 1);
    }

    pub fn is_over(&self) -> bool {
        self.0.get(OVER) != 0
    }

    /// Everybody is to rest, for the checker is behind.
    pub fn say_pause(&self, on: bool) {
        self.0.set(PAUSE, u64::from(on));
    }

    pub fn is_pause(&self) -> bool {
        self.0.get(PAUSE) != 0
    }

    /// Counts on as long as the round's process lives: a child whose parent is gone can tell by it.
    pub fn beat(&self) {
        self.0.set(BEATS, self.0.get(BEATS) + 1);
    }

    pub fn beats(&self) -> u64 {
        self.0.get(BEATS)
    }
}
