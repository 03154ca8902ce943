//! Call sites: what is the same for all records of one log statement, stored once in the segment.

mod table;

use std::sync::atomic::{AtomicU64 as StdAtomicU64, Ordering};

pub(crate) use self::table::SiteTable;
use super::format::Format;

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
    /// Its format string, if records bring their arguments; none if they bring their text.
    pub(crate) format: Option<&'a str>,
}

/// One log statement, as the macros make it: a `static` of the calling program.
#[derive(Debug)]
pub struct CallSite {
    pub(crate) statement: Statement<'static>,
    /// The number found last, and the generation it was found in: `generation << 24 | id`.
    known: StdAtomicU64,
}

impl CallSite {
    /// Made by the macros only.
    #[doc(hidden)]
    pub const fn new(
        target: &'static str,
        file: &'static str,
        line: u32,
        format: Option<&'static str>,
    ) -> CallSite {
        if let Some(format) = format {
            assert!(format.len() <= MAX_NAME, "a format string that is too long");
        }
        CallSite {
            statement: Statement {
                target,
                file,
                line,
                format,
            },
            known: StdAtomicU64::new(0),
        }
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
    pub(crate) format: Option<Format>,
}

impl Site {
    /// From text that may be anything; `None` if the format is none.
    pub(crate) fn of(statement: &Statement<'_>) -> Option<Site> {
        let format = match statement.format {
            Some(text) => Some(Format::parse(text)?),
            None => None,
        };
        Some(Site {
            target: statement.target.to_owned(),
            file: statement.file.to_owned(),
            line: statement.line,
            format,
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
    pub(super) fn texts(&self) -> [&'a str; 3] {
        [self.target, self.file, self.format.unwrap_or("")]
    }

    /// One more than the bytes of the format; 0 without one.
    pub(crate) fn format_len(&self) -> u64 {
        self.format.map_or(0, |format| format.len() as u64 + 1)
    }
}

/// The beginning of `name` that may be stored.
pub(crate) fn cut(name: &str) -> &str {
    let mut end = name.len().min(MAX_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}
