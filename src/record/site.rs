//! Call sites: what is the same for all records of one log statement, stored once in the segment.

mod table;

use std::sync::atomic::{AtomicU64 as StdAtomicU64, Ordering};

pub(crate) use self::table::SiteTable;
use super::format::Format;
use crate::boundary::floor_char_boundary;

/// The longest target or file name that is stored; longer ones are cut.
pub(crate) const MAX_NAME: usize = 4096;

/// The number of a call site in a table, below 2²⁴; 0 stands for none.
pub(crate) type SiteId = u32;

/// What a log statement says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    pub(crate) target: &'a str,
    pub(crate) file: &'a str,
    pub(crate) line: u32,
    /// Its format string.
    pub(crate) format: &'a str,
    /// The names of its key-values, one a line.
    pub(crate) keys: &'a str,
    /// The target was given by the statement: it is not the module's path.
    pub(crate) has_own_target: bool,
}

/// One log statement, as the macros make it: a `static` of the calling program.
#[derive(Debug)]
pub struct CallSite {
    pub(crate) statement: Statement<'static>,
    /// The number found last, and the generation it was found in: `generation << 24 | id`.
    known: StdAtomicU64,
    /// The least level of its target by the filter looked up last: `generation << 8 | level`.
    least: StdAtomicU64,
}

impl CallSite {
    /// Made by the macros only.
    #[doc(hidden)]
    pub const fn new(
        target: &'static str,
        file: &'static str,
        line: u32,
        format: &'static str,
        keys: &'static str,
        has_own_target: bool,
    ) -> CallSite {
        assert!(
            format.len() <= MAX_NAME && keys.len() <= MAX_NAME,
            "a format string that is too long"
        );
        CallSite {
            statement: Statement {
                target,
                file,
                line,
                format,
                keys,
                has_own_target,
            },
            known: StdAtomicU64::new(0),
            least: StdAtomicU64::new(0),
        }
    }

    /// The least level that was kept for the filter of this generation, which is never 0, as a number.
    #[inline(always)]
    pub(crate) fn known_least(&self, generation: u64) -> Option<u64> {
        // Relaxed: the word is all there is.
        let known = self.least.load(Ordering::Relaxed);
        (known >> 8 == generation).then_some(known & 0xff)
    }

    /// Keeps it.
    pub(crate) fn keep_least(&self, generation: u64, least: u64) {
        self.least.store(generation << 8 | least, Ordering::Relaxed);
    }

    /// The number of this call site in `table`, entered at the first use in each `generation` (which
    /// changes with the process and with the ring, and is never 0). 0 when there is no room.
    #[inline]
    pub(crate) fn id(&self, table: &SiteTable<'_>, generation: u64) -> SiteId {
        self.known_id(generation)
            .unwrap_or_else(|| self.enter(table, generation))
    }

    /// The number, if it has been entered in this generation.
    #[inline(always)]
    pub(crate) fn known_id(&self, generation: u64) -> Option<SiteId> {
        // Relaxed: the number is all there is; the entry is read by the drainer, which sees it through
        // the publish of the record that names it.
        let known = self.known.load(Ordering::Relaxed);
        let is_known = known >> 24 == generation & (u64::MAX >> 24);
        is_known.then_some((known & 0xff_ffff) as SiteId)
    }

    #[cold]
    fn enter(&self, table: &SiteTable<'_>, generation: u64) -> SiteId {
        let id = table.enter(&self.statement);
        self.known
            .store((generation << 24) | u64::from(id), Ordering::Relaxed);
        id
    }
}

/// A call site as the drainer read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) target: String,
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) format: Format,
    /// One a line.
    pub(crate) keys: String,
    pub(crate) has_own_target: bool,
}

impl Site {
    /// The memory that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        let texts = self.target.len() + self.file.len() + self.keys.len();
        size_of::<Site>() + texts + self.format.bytes()
    }

    /// From text that may be anything; `None` if the format is none.
    pub(crate) fn of(statement: &Statement<'_>) -> Option<Site> {
        let keys = key_names(statement.keys).count();
        Some(Site {
            target: statement.target.to_owned(),
            file: statement.file.to_owned(),
            line: statement.line,
            format: Format::parse(statement.format, keys)?,
            keys: statement.keys.to_owned(),
            has_own_target: statement.has_own_target,
        })
    }
}

impl<'a> Statement<'a> {
    /// With names that can be stored.
    pub(crate) fn cut(&self) -> Statement<'a> {
        Statement {
            target: cut(self.target),
            file: cut(self.file),
            ..*self
        }
    }

    /// All its texts, in their order in the table.
    pub(crate) fn texts(&self) -> [&'a str; STATEMENT_TEXTS] {
        [self.target, self.file, self.format, self.keys]
    }

    /// The line, and whether the target is its own, as one number.
    pub(crate) fn place(&self) -> u64 {
        u64::from(self.has_own_target) << 32 | u64::from(self.line)
    }

    /// Of what [`place`](Self::place) and [`texts`](Self::texts) gave.
    pub(crate) fn of(place: u64, texts: [&'a str; STATEMENT_TEXTS]) -> Statement<'a> {
        let [target, file, format, keys] = texts;
        Statement {
            target,
            file,
            line: place as u32,
            format,
            keys,
            has_own_target: place >> 32 != 0,
        }
    }
}

/// Texts of a statement.
pub(crate) const STATEMENT_TEXTS: usize = 4;

/// The names that a statement's `keys` lists.
pub(crate) fn key_names(keys: &str) -> std::str::Lines<'_> {
    keys.lines()
}

/// The beginning of `name` that may be stored.
pub(crate) fn cut(name: &str) -> &str {
    &name[..floor_char_boundary(name, MAX_NAME)]
}
