//! The table of call sites in the segment.
//!
//! It is append-only and open-addressed by a hash of the content, so that many processes of one
//! program share entries. Its entry points into the text area:
//!
//! ```text
//!   entry   0 hash (0: free)  │ 1 seal: place of the text + 1, in words (0: not finished)
//!           2 line, and 2³² if the target is no module's path │ 3‥6 bytes of target, file, format, keys
//!           7 records delivered │ 8 their bytes │ 9 level of the last, + 1: the drainer's words
//!   text    0 words in use    │ target, padded to a word │ file, padded │ format, padded │ keys, padded │ …
//! ```
//!
//! An entry is taken by a compare-and-swap of its hash and becomes valid with its seal. No caller waits for a
//! seal: who finds an unfinished entry of its own hash (the one who began it may be dead) writes its call
//! site into the record itself, which is also what happens when the table is full.

use super::{MAX_NAME, STATEMENT_TEXTS, Site, SiteId, Statement};
use crate::hash::fnv1a;
use crate::segment::SITE_WORDS;
use crate::sync::{AtomicU64, Ordering, load_acquire};
use crate::words::{WORD, load_bytes, store_bytes, words_for};

const HASH: usize = 0;
const SEAL: usize = 1;
const PLACE: usize = 2;
const LENGTHS: usize = 3;
const RECORDS: usize = 7;
const BYTES: usize = 8;
const LEVEL: usize = 9;

const _: () = assert!(LENGTHS + STATEMENT_TEXTS <= RECORDS && LEVEL < SITE_WORDS);

/// How many entries are looked at from the hash's own on.
const PROBES: usize = 32;

/// The table in the segment.
#[derive(Clone, Copy)]
pub(crate) struct SiteTable<'a> {
    entries: &'a [AtomicU64],
    text: &'a [AtomicU64],
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
    pub(crate) fn enter(&self, statement: &Statement<'_>) -> SiteId {
        let statement = &statement.cut();
        let hash = hash_of(statement);
        let mask = self.entries.len() / SITE_WORDS - 1;
        for probe in 0..PROBES.min(mask + 1) {
            let index = (hash as usize).wrapping_add(probe) & mask;
            let entry = self.entry(index);
            let seen =
                // [hash]: the entry is taken; what is in it is visible by its seal alone.
                match entry[HASH].compare_exchange(0, hash, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => {
                        return if self.fill(entry, statement) {
                            index as SiteId + 1
                        } else {
                            0
                        };
                    }
                    Err(seen) => seen,
                };
            if seen == hash {
                match self.is(index, statement) {
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
    fn fill(&self, entry: &[AtomicU64], statement: &Statement<'_>) -> bool {
        let texts = statement.texts();
        let needed: usize = texts.iter().map(|text| words_for(text.len())).sum();
        let needed = needed as u64;
        let (used, area) = (&self.text[0], &self.text[1..]);
        if used.load(Ordering::Relaxed).saturating_add(needed) > area.len() as u64 {
            return false;
        }
        let at = used.fetch_add(needed, Ordering::Relaxed);
        if at.saturating_add(needed) > area.len() as u64 {
            return false;
        }
        let mut place = &area[at as usize..];
        for text in texts {
            store_bytes(place, text.as_bytes());
            place = &place[words_for(text.len())..];
        }
        entry[PLACE].store(statement.place(), Ordering::Relaxed);
        for (word, text) in entry[LENGTHS..].iter().zip(texts) {
            word.store(text.len() as u64, Ordering::Relaxed);
        }
        // [seal] Release: pairs with the load in `read`.
        entry[SEAL].store(at + 1, Ordering::Release);
        true
    }

    /// Whether the entry is that of this call site; `None` when it is not finished. Allocates nothing: a
    /// signal handler may come by.
    fn is(&self, index: usize, statement: &Statement<'_>) -> Option<bool> {
        let found = self.find(index as SiteId + 1)?;
        let are_same = |(found, text): (&Text<'_>, &str)| is_text(*found, text.as_bytes());
        Some(
            found.place == statement.place()
                && found.texts.iter().zip(statement.texts()).all(are_same),
        )
    }

    /// Counts a delivered record of a call site. Only the drainer does this; one that is killed may have counted its last
    /// batch, which its successor counts again.
    #[inline]
    pub(crate) fn count(&self, id: SiteId, level: u8, bytes: u64) {
        let index = (id as usize).wrapping_sub(1);
        if index >= self.entries.len() / SITE_WORDS {
            return;
        }
        let entry = self.entry(index);
        for (at, n) in [(RECORDS, 1), (BYTES, bytes)] {
            // Relaxed: observers need no more, and no other process writes it.
            let before = entry[at].load(Ordering::Relaxed);
            entry[at].store(before.wrapping_add(n), Ordering::Relaxed);
        }
        entry[LEVEL].store(u64::from(level) + 1, Ordering::Relaxed);
    }

    /// All call sites of which records were delivered: their numbers, records, bytes and the level of the last.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (SiteId, u64, u64, u8)> {
        let entries = self.entries.chunks_exact(SITE_WORDS).enumerate();
        entries.filter_map(|(index, entry)| {
            let [records, bytes, level] =
                [RECORDS, BYTES, LEVEL].map(|at| entry[at].load(Ordering::Relaxed));
            let level = level.saturating_sub(1).min(u8::MAX.into()) as u8;
            (records > 0).then_some((index as SiteId + 1, records, bytes, level))
        })
    }

    /// Target, file, line and format of a call site, as [`read`](SiteTable::read) finds it.
    pub(crate) fn say(&self, id: SiteId) -> Option<(String, String, u32, String)> {
        let found = self.find(id)?;
        let [target, file, format, _] = found.texts.map(text_of);
        Some((target, file, found.place as u32, format))
    }

    /// The call site of a number, if there is a finished one whose text lies within the table.
    pub(crate) fn read(&self, id: SiteId) -> Option<Site> {
        let found = self.find(id)?;
        let texts = found.texts.map(text_of);
        Site::of(&Statement::of(
            found.place,
            texts.each_ref().map(|text| &**text),
        ))
    }

    /// Where the parts of the call site of a number are.
    fn find(&self, id: SiteId) -> Option<Found<'a>> {
        let index = (id as usize).checked_sub(1)?;
        if index >= self.entries.len() / SITE_WORDS {
            return None;
        }
        let entry = self.entry(index);
        // [seal] Acquire: pairs with the store in `fill`.
        let at = load_acquire(&entry[SEAL]).checked_sub(1)?;
        let mut rest = self.text.get(usize::try_from(at).ok()?.checked_add(1)?..)?;
        let mut texts: [Text<'a>; STATEMENT_TEXTS] = Default::default();
        for (text, word) in texts.iter_mut().zip(&entry[LENGTHS..]) {
            let len = word.load(Ordering::Relaxed) as usize;
            if len > MAX_NAME {
                return None;
            }
            let (words, behind) = rest.split_at_checked(words_for(len))?;
            (*text, rest) = ((words, len), behind);
        }
        Some(Found {
            texts,
            place: entry[PLACE].load(Ordering::Relaxed),
        })
    }
}

/// A text in shared words, and its length in bytes.
type Text<'a> = (&'a [AtomicU64], usize);

/// A call site as it lies in the table.
struct Found<'a> {
    /// Target, file, format, keys.
    texts: [Text<'a>; STATEMENT_TEXTS],
    /// See [`Statement::place`].
    place: u64,
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

/// Over the parts with what is in no text between them; never 0.
fn hash_of(statement: &Statement<'_>) -> u64 {
    let place = statement.place().to_le_bytes();
    let texts = statement.texts().into_iter();
    let bytes = texts.flat_map(|text| text.as_bytes().iter().chain(&[0xff]));
    fnv1a(bytes.chain(&place)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<'a>(target: &'a str, file: &'a str, line: u32) -> Statement<'a> {
        Statement {
            target,
            file,
            line,
            format: "",
            keys: "",
            has_own_target: false,
        }
    }

    fn words(n: usize) -> Vec<AtomicU64> {
        (0..n).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn a_call_site_is_entered_once_and_read_back_whole() {
        let (entries, text) = (words(8 * SITE_WORDS), words(64));
        let table = SiteTable::new(&entries, &text);
        let id = table.enter(&said("robot::arm", "src/arm.rs", 42));
        assert_ne!(id, 0);
        assert_eq!(table.enter(&said("robot::arm", "src/arm.rs", 42)), id);
        assert_ne!(table.enter(&said("robot::arm", "src/arm.rs", 43)), id);
        let formatted = Statement {
            format: "joint {}",
            keys: "torque\nlimit",
            ..said("robot::arm", "src/arm.rs", 42)
        };
        let with_format = table.enter(&formatted);
        assert_ne!(with_format, id);
        assert_eq!(table.enter(&formatted), with_format);
        assert_eq!(table.read(with_format), Site::of(&formatted));
        let own = Statement {
            has_own_target: true,
            ..formatted
        };
        assert_ne!(table.enter(&own), with_format);
        assert!(table.read(table.enter(&own)).unwrap().has_own_target);
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
        assert_ne!(table.enter(&said("12345678", "12345678", 1)), 0);
        assert_eq!(
            table.enter(&said("0123456789abcdef", "0123456789abcdef", 2)),
            0,
            "no text left"
        );
        assert_eq!(table.enter(&said("a", "b", 3)), 0, "no entry left");
    }

    #[test]
    fn an_entry_that_somebody_died_in_is_not_waited_for() {
        let (entries, text) = (words(2 * SITE_WORDS), words(64));
        let table = SiteTable::new(&entries, &text);
        let hash = hash_of(&said("a", "b", 1));
        let index = hash as usize & 1;
        entries[index * SITE_WORDS].store(hash, Ordering::Relaxed);
        assert_eq!(table.enter(&said("a", "b", 1)), 0);
        assert_eq!(table.read(index as SiteId + 1), None);
    }

    #[test]
    fn an_entry_that_points_outside_is_not_read() {
        let (entries, text) = (words(2 * SITE_WORDS), words(8));
        let table = SiteTable::new(&entries, &text);
        for (seal, target, keys) in [
            (u64::MAX, 1, 1),
            (8, 8, 8),
            (1, 4096, 1),
            (1, u64::MAX, 1),
            (7, 1, 10),
            (1, 1, 4097),
        ] {
            for (word, value) in [(SEAL, seal), (LENGTHS, target), (LENGTHS + 3, keys)] {
                entries[word].store(value, Ordering::Relaxed);
            }
            assert_eq!(
                table.read(1),
                None,
                "seal {seal}, lengths {target} and {keys}"
            );
        }
        assert_eq!(table.read(0), None);
        assert_eq!(table.read(3), None);
    }
}
