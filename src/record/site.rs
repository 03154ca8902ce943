//! Call sites: what is the same for all records of one log statement, stored once in the segment.
//!
//! The table is append-only and open-addressed by a hash of the content, so that many processes of one
//! program share entries. Its entry points into the text area:
//!
//! ```text
//!   entry   0 hash (0: free)  │ 1 seal: place of the text + 1, in words (0: not finished)  │ 2 line
//!           3 bytes of target │ 4 bytes of file
//!   text    0 words in use    │ target, padded to a word │ file, padded to a word │ …
//! ```
//!
//! An entry is taken by a compare-and-swap of its hash and becomes valid with its seal. Nobody waits for a
//! seal: who finds an unfinished entry of its own hash (the one who began it may be dead) writes its call
//! site into the record itself, which is also what happens when the table is full.

use std::sync::atomic::{AtomicU64 as StdAtomicU64, Ordering};

use crate::segment::SITE_WORDS;
use crate::sync::AtomicU64;
use crate::words::{WORD, load_bytes, store_bytes, words_for};

const HASH: usize = 0;
const SEAL: usize = 1;
const LINE: usize = 2;
const TARGET_LEN: usize = 3;
const FILE_LEN: usize = 4;

/// How many entries are looked at from the hash's own on.
const PROBES: usize = 32;

/// The longest target or file name that is stored; longer ones are cut.
pub(crate) const MAX_NAME: usize = 4096;

/// The number of a call site in a table, below 2²⁴; 0 stands for none.
pub(crate) type SiteId = u32;

/// One log statement, as the macros make it: a `static` of the calling program.
#[derive(Debug)]
pub struct CallSite {
    pub(crate) target: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    /// The number found last, and the generation it was found in: `generation << 24 | id`.
    known: StdAtomicU64,
}

impl CallSite {
    /// Made by the macros only.
    #[doc(hidden)]
    pub const fn new(target: &'static str, file: &'static str, line: u32) -> CallSite {
        CallSite {
            target,
            file,
            line,
            known: StdAtomicU64::new(0),
        }
    }

    /// The number of this call site in `table`, entered at the first use in each `generation` (which
    /// changes with the process and with the ring, and is never 0). 0 when there is no room.
    #[inline]
    pub(crate) fn id(&self, table: &SiteTable<'_>, generation: u64) -> SiteId {
        // Relaxed: the number is all there is; the entry is read by the drainer, which sees it through
        // the publish of the record that names it.
        let known = self.known.load(Ordering::Relaxed);
        if known >> 24 == generation & (u64::MAX >> 24) {
            return (known & 0xff_ffff) as SiteId;
        }
        self.enter(table, generation)
    }

    #[cold]
    fn enter(&self, table: &SiteTable<'_>, generation: u64) -> SiteId {
        let id = table.enter(self.target, self.file, self.line);
        self.known
            .store((generation << 24) | u64::from(id), Ordering::Relaxed);
        id
    }
}

/// The table in the segment.
#[derive(Clone, Copy)]
pub(crate) struct SiteTable<'a> {
    entries: &'a [AtomicU64],
    text: &'a [AtomicU64],
}

/// A call site as the drainer read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) target: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl<'a> SiteTable<'a> {
    /// `entries` holds a power of two of entries.
    pub(crate) fn new(entries: &'a [AtomicU64], text: &'a [AtomicU64]) -> SiteTable<'a> {
        debug_assert!((entries.len() / SITE_WORDS).is_power_of_two() && !text.is_empty());
        SiteTable { entries, text }
    }

    fn entry(&self, index: usize) -> &'a [AtomicU64] {
        &self.entries[index * SITE_WORDS..][..SITE_WORDS]
    }

    /// Finds or adds a call site. 0 when there is no room or the entry is not finished.
    pub(super) fn enter(&self, target: &str, file: &str, line: u32) -> SiteId {
        let (target, file) = (cut(target), cut(file));
        let hash = hash_of(target, file, line);
        let mask = self.entries.len() / SITE_WORDS - 1;
        for probe in 0..PROBES.min(mask + 1) {
            let index = (hash as usize).wrapping_add(probe) & mask;
            let entry = self.entry(index);
            let seen =
                match entry[HASH].compare_exchange(0, hash, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => {
                        return if self.fill(entry, target, file, line) {
                            index as SiteId + 1
                        } else {
                            0
                        };
                    }
                    Err(seen) => seen,
                };
            if seen == hash {
                match self.is(index, target, file, line) {
                    Some(true) => return index as SiteId + 1,
                    Some(false) => {}
                    None => return 0,
                }
            }
        }
        0
    }

    /// Writes the text and the entry, and seals it. An entry that finds no room for its text stays
    /// unfinished, which tells all others that there is none.
    fn fill(&self, entry: &[AtomicU64], target: &str, file: &str, line: u32) -> bool {
        let needed = (words_for(target.len()) + words_for(file.len())) as u64;
        let (used, area) = (&self.text[0], &self.text[1..]);
        if used.load(Ordering::Relaxed).saturating_add(needed) > area.len() as u64 {
            return false;
        }
        let at = used.fetch_add(needed, Ordering::Relaxed);
        if at.saturating_add(needed) > area.len() as u64 {
            return false;
        }
        let place = &area[at as usize..];
        store_bytes(place, target.as_bytes());
        store_bytes(&place[words_for(target.len())..], file.as_bytes());
        entry[LINE].store(line.into(), Ordering::Relaxed);
        entry[TARGET_LEN].store(target.len() as u64, Ordering::Relaxed);
        entry[FILE_LEN].store(file.len() as u64, Ordering::Relaxed);
        // [seal] Release: pairs with the load in `read`.
        entry[SEAL].store(at + 1, Ordering::Release);
        true
    }

    /// Whether the entry is that of this call site; `None` when it is not finished. Allocates nothing: a
    /// signal handler may come by.
    fn is(&self, index: usize, target: &str, file: &str, line: u32) -> Option<bool> {
        let found = self.find(index as SiteId + 1)?;
        Some(
            found.line == line
                && is_text(found.target, target.as_bytes())
                && is_text(found.file, file.as_bytes()),
        )
    }

    /// The call site of a number, if there is a finished one whose text lies within the table.
    pub(crate) fn read(&self, id: SiteId) -> Option<Site> {
        let found = self.find(id)?;
        Some(Site {
            target: text_of(found.target),
            file: text_of(found.file),
            line: found.line,
        })
    }

    /// Where the parts of the call site of a number are.
    fn find(&self, id: SiteId) -> Option<Found<'a>> {
        let index = (id as usize).checked_sub(1)?;
        if index >= self.entries.len() / SITE_WORDS {
            return None;
        }
        let entry = self.entry(index);
        // [seal] Acquire: pairs with the store in `fill`.
        let at = entry[SEAL].load(Ordering::Acquire).checked_sub(1)?;
        let lengths = [TARGET_LEN, FILE_LEN].map(|word| entry[word].load(Ordering::Relaxed));
        if lengths.iter().any(|&len| len > MAX_NAME as u64) {
            return None;
        }
        let [target_len, file_len] = lengths.map(|len| len as usize);
        let target_at = usize::try_from(at).ok()?.checked_add(1)?;
        let file_at = target_at.checked_add(words_for(target_len))?;
        let end = file_at.checked_add(words_for(file_len))?;
        Some(Found {
            target: (self.text.get(target_at..file_at)?, target_len),
            file: (self.text.get(file_at..end)?, file_len),
            line: entry[LINE].load(Ordering::Relaxed) as u32,
        })
    }
}

/// A text in shared words, and its length in bytes.
type Text<'a> = (&'a [AtomicU64], usize);

/// A call site as it lies in the table.
struct Found<'a> {
    target: Text<'a>,
    file: Text<'a>,
    line: u32,
}

/// The beginning of `name` that may be stored.
pub(crate) fn cut(name: &str) -> &str {
    let mut end = name.len().min(MAX_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

fn is_text((words, len): Text<'_>, bytes: &[u8]) -> bool {
    let is_word = |(word, chunk): (&AtomicU64, &[u8])| {
        word.load(Ordering::Relaxed).to_ne_bytes()[..chunk.len()] == *chunk
    };
    len == bytes.len() && words.iter().zip(bytes.chunks(WORD)).all(is_word)
}

fn text_of((words, len): Text<'_>) -> String {
    let mut bytes = Vec::with_capacity(len);
    load_bytes(words, len, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// FNV-1a, 64 bits, over the parts with their lengths between them; never 0.
fn hash_of(target: &str, file: &str, line: u32) -> u64 {
    let parts = [
        target.as_bytes(),
        &[0xff],
        file.as_bytes(),
        &[0xff],
        &line.to_le_bytes(),
    ];
    let hash = parts
        .into_iter()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    hash.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(n: usize) -> Vec<AtomicU64> {
        (0..n).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn a_call_site_is_entered_once_and_read_back_whole() {
        let (entries, text) = (words(8 * SITE_WORDS), words(64));
        let table = SiteTable::new(&entries, &text);
        let id = table.enter("robot::arm", "src/arm.rs", 42);
        assert_ne!(id, 0);
        assert_eq!(table.enter("robot::arm", "src/arm.rs", 42), id);
        assert_ne!(table.enter("robot::arm", "src/arm.rs", 43), id);
        let site = table.read(id).unwrap();
        assert_eq!(
            (&*site.target, &*site.file, site.line),
            ("robot::arm", "src/arm.rs", 42)
        );
    }

    #[test]
    fn a_full_table_or_a_full_text_area_gives_no_number() {
        let (entries, text) = (words(2 * SITE_WORDS), words(1 + 4));
        let table = SiteTable::new(&entries, &text);
        assert_ne!(table.enter("12345678", "12345678", 1), 0);
        assert_eq!(
            table.enter("0123456789abcdef", "0123456789abcdef", 2),
            0,
            "no text left"
        );
        assert_eq!(table.enter("a", "b", 3), 0, "no entry left");
    }

    #[test]
    fn an_entry_that_somebody_died_in_is_not_waited_for() {
        let (entries, text) = (words(2 * SITE_WORDS), words(64));
        let table = SiteTable::new(&entries, &text);
        let hash = hash_of("a", "b", 1);
        let index = hash as usize & 1;
        entries[index * SITE_WORDS].store(hash, Ordering::Relaxed);
        assert_eq!(table.enter("a", "b", 1), 0);
        assert_eq!(table.read(index as SiteId + 1), None);
    }

    #[test]
    fn an_entry_that_points_outside_is_not_read() {
        let (entries, text) = (words(2 * SITE_WORDS), words(8));
        let table = SiteTable::new(&entries, &text);
        for (seal, target_len, file_len) in [
            (u64::MAX, 1, 1),
            (8, 8, 8),
            (1, 4096, 1),
            (1, u64::MAX, 1),
            (7, 1, 9),
            (1, 1, 4097),
        ] {
            for (word, value) in [(SEAL, seal), (TARGET_LEN, target_len), (FILE_LEN, file_len)] {
                entries[word].store(value, Ordering::Relaxed);
            }
            assert_eq!(
                table.read(1),
                None,
                "seal {seal}, lengths {target_len} and {file_len}"
            );
        }
        assert_eq!(table.read(0), None);
        assert_eq!(table.read(3), None);
    }
}
