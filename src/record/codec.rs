//! How a record lies in the payload of its runs.
//!
//! ```text
//!   tag (48 bits)     producer 16 │ flags 5 │ level 3 │ call site 24
//!   first run         time │ [INLINE: line, bytes of target, file, format and keys, the four texts]
//!                          │ [TARGET: bytes, target] │ content …
//!   further runs      origin: sequence of the first run │ content …
//! ```
//!
//! The content is the arguments of the call site's format (`capture.rs`), the values of its keys, and entries that say more
//! (`values.rs`).
//! Numbers are words of the machine's byte order, and texts before the content are padded to words. All runs of a
//! record but the last carry the flag `MORE`, all but the first `CONTINUES`; a record that its producer had to break off
//! ends with a run that says `CUT`.

use super::capture::{Capture, Put};
use super::site::{MAX_NAME, STATEMENT_TEXTS, Site, SiteId, Statement, cut};
use crate::level::Level;
use crate::words::{WORD, words_for};

/// More runs of this record follow.
pub(crate) const MORE: u8 = 1;
/// This run goes on with a record; its payload begins with the sequence of the record's first run.
pub(crate) const CONTINUES: u8 = 2;
/// The record names its own target.
pub(crate) const TARGET: u8 = 4;
/// The record brings its call site along.
pub(crate) const INLINE: u8 = 8;
/// The producer could not write the rest.
pub(crate) const CUT: u8 = 16;

/// The 48 bits that stand beside a run's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// Number of the call site, 0 when it is inline.
    pub(crate) site: SiteId,
    /// Number of the level.
    pub(crate) level: u8,
    /// Flags of this run.
    pub(crate) flags: u8,
    /// The producer's entry in the registry.
    pub(crate) producer: u16,
}

impl Tag {
    #[inline(always)]
    pub(crate) fn pack(self) -> u64 {
        debug_assert!(self.site < 1 << 24 && self.level < 8 && self.flags < 32);
        u64::from(self.producer) << 32
            | u64::from(self.flags) << 27
            | u64::from(self.level) << 24
            | u64::from(self.site)
    }

    pub(crate) fn unpack(bits: u64) -> Tag {
        Tag {
            site: (bits & 0xff_ffff) as SiteId,
            level: ((bits >> 24) & 0x7) as u8,
            flags: ((bits >> 27) & 0x1f) as u8,
            producer: (bits >> 32) as u16,
        }
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Puts what stands before the content of a record, and returns the flags for it. `inline` is the call site when
/// it has no number.
#[inline(always)]
pub(crate) fn write_head(
    time: u64,
    inline: Option<&Statement<'_>>,
    target: Option<&str>,
    out: &mut impl Put,
) -> u8 {
    let mut flags = 0;
    out.word(time);
    if let Some(statement) = inline {
        flags |= INLINE;
        write_statement(&statement.cut(), out);
    }
    if let Some(target) = target {
        flags |= TARGET;
        cut(target).capture(out);
    }
    flags
}

/// The words that [`write_head`] puts when the call site has a number.
#[inline(always)]
pub(crate) fn head_words(target: Option<&str>) -> usize {
    1 + target.map_or(0, |target| 1 + words_for(cut(target).len()))
}

#[cold]
fn write_statement(statement: &Statement<'_>, out: &mut impl Put) {
    out.word(statement.place());
    for text in statement.texts() {
        out.word(text.len() as u64);
    }
    for text in statement.texts() {
        out.bytes(text.as_bytes());
    }
}

/// A record's bytes, taken apart. Text is as the producer wrote it, which may be anything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Body<'a> {
    /// Ticks of the ring's clock.
    pub(crate) time: u64,
    /// The call site, when the record brought it along.
    pub(crate) inline: Option<Site>,
    /// The record's own target.
    pub(crate) target: Option<&'a [u8]>,
    /// Arguments, values, entries.
    pub(crate) content: &'a [u8],
}

impl<'a> Body<'a> {
    /// `None` when the bytes end before what the flags promise.
    pub(crate) fn parse(flags: u8, bytes: &'a [u8]) -> Option<Body<'a>> {
        let mut rest = bytes;
        let time = take_word(&mut rest)?;
        let mut inline = None;
        if flags & INLINE != 0 {
            let place = take_word(&mut rest)?;
            let lens = [(); STATEMENT_TEXTS].map(|()| take_word(&mut rest));
            let mut texts: [&[u8]; STATEMENT_TEXTS] = Default::default();
            for (text, len) in texts.iter_mut().zip(lens) {
                let whole = take_text(&mut rest, len?)?;
                // No producer writes more, and a megabyte of bytes that are no text would be three of names.
                *text = &whole[..whole.len().min(MAX_NAME + 1)];
            }
            let texts = texts.map(String::from_utf8_lossy);
            let texts = texts.each_ref().map(|text| &**text);
            inline = Some(Site::of(&Statement::of(place, texts))?);
        }
        let mut target = None;
        if flags & TARGET != 0 {
            let len = take_word(&mut rest)?;
            let whole = take_text(&mut rest, len)?;
            target = Some(&whole[..whole.len().min(MAX_NAME)]);
        }
        Some(Body {
            time,
            inline,
            target,
            content: rest,
        })
    }
}

/// Splits the sequence of the first run off the payload of a further one.
pub(crate) fn split_origin(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut rest = bytes;
    let origin = take_word(&mut rest)?;
    Some((origin, rest))
}

/// Takes a number.
pub(super) fn take_word(rest: &mut &[u8]) -> Option<u64> {
    let (word, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(u64::from_ne_bytes(*word))
}

/// Takes text and its padding.
fn take_text<'a>(rest: &mut &'a [u8], len: u64) -> Option<&'a [u8]> {
    let len = usize::try_from(len).ok()?;
    let (text, left) = rest.split_at_checked(len.checked_next_multiple_of(WORD)?)?;
    *rest = left;
    Some(&text[..len])
}

/// The level of a tag; a number that none has is shown as an error, never hidden.
pub(crate) fn level_of(tag: Tag) -> Level {
    Level::from_number(tag.level).unwrap_or(Level::Error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATEMENT: Statement<'_> = Statement {
        target: "t",
        file: "f",
        line: 9,
        format: "{}",
        keys: "k",
        has_own_target: true,
    };

    #[test]
    fn the_format_is_what_it_was() {
        let tag = Tag {
            site: 0x00ab_cdef,
            level: 3,
            flags: TARGET | MORE,
            producer: 0x1234,
        };
        assert_eq!(tag.pack(), 0x1234_2bab_cdef);
        let mut bytes = Vec::new();
        let flags = write_head(7, Some(&STATEMENT), Some("imu"), &mut bytes);
        assert_eq!(flags, INLINE | TARGET);
        let numbers = |numbers: &[u64]| -> Vec<u8> {
            let bytes = numbers.iter().map(|number| number.to_ne_bytes());
            bytes.flatten().collect()
        };
        let golden = [
            &numbers(&[7, 9 + (1 << 32), 1, 1, 2, 1])[..],
            b"t\0\0\0\0\0\0\0f\0\0\0\0\0\0\0{}\0\0\0\0\0\0k\0\0\0\0\0\0\0",
            &numbers(&[3]),
            b"imu\0\0\0\0\0",
        ];
        assert_eq!(bytes, golden.concat());
    }

    proptest! {
        #[test]
        fn a_tag_comes_back_as_it_went_in(site in 0u32..1 << 24, level in 0u8..8, flags in 0u8..32, producer: u16) {
            let tag = Tag { site, level, flags, producer };
            prop_assert_eq!(Tag::unpack(tag.pack()), tag);
            prop_assert!(tag.pack() < 1 << 48);
        }

        #[test]
        fn a_record_comes_back_as_it_went_in(
            time: u64, line: u32, inline: bool, target: Option<String>, site in ".{0,20}",
            format in "[a-z]{0,9}", keys in "[a-z]{0,9}", has_own_target: bool, content: Vec<u8>,
        ) {
            let mut bytes = Vec::new();
            let texts = [&*site, "src/main.rs", &*format, &*keys];
            let statement = Statement { line, has_own_target, ..Statement::of(0, texts) };
            let site = inline.then_some(&statement);
            let flags = write_head(time, site, target.as_deref(), &mut bytes);
            if site.is_none() {
                prop_assert_eq!(bytes.len(), head_words(target.as_deref()) * 8);
            }
            bytes.extend_from_slice(&content);
            let body = Body::parse(flags, &bytes).unwrap();
            prop_assert_eq!(body.time, time);
            prop_assert_eq!(body.content, &content[..]);
            prop_assert_eq!(body.target, target.as_deref().map(str::as_bytes));
            prop_assert_eq!(body.inline, site.and_then(Site::of));
        }

        #[test]
        fn any_bytes_are_taken_apart_or_refused(flags in 0u8..32, bytes: Vec<u8>) {
            let _ = Body::parse(flags, &bytes);
            let _ = split_origin(&bytes);
        }
    }
}
