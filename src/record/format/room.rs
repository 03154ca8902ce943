//! How long the text of a record may become, whatever its bytes ask for.
//!
//! Any member may write any bytes. Sixteen places with a fill of 65,535 characters are 330 bytes in the ring and would be
//! four megabytes in every sink. So what widths and precisions add is bounded for a record as a whole, and so is the
//! text. Within these bounds the text is what `format!` writes; where one of them cuts it, the record is marked.

use std::borrow::Cow;
use std::fmt;

use crate::boundary::floor_char_boundary;

/// Bytes of a record's text at most: more than the longest record that is put together needs.
pub(crate) const MOST_TEXT: usize = 17 << 20;
/// Bytes that the widths and precisions of one record may add, all of its places together: eight columns of a thousand.
pub(crate) const MOST_FILL: usize = 8 << 10;
/// Stands behind a text whose end is missing.
pub(crate) const CUT_MARK: &str = " ‹cut off›";
/// Bytes by which the replacement of bytes that are no text may lengthen a value.
const MOST_REPLACED: usize = 64 << 10;

/// What one record may still take.
#[derive(Debug)]
pub(crate) struct Room {
    /// Where the text must end, as a length of the string that it is appended to.
    end: usize,
    fill: usize,
    /// Something was left out.
    pub(crate) is_cut: bool,
}

impl Room {
    /// For one record whose text is appended to `out`.
    pub(crate) fn behind(out: &str) -> Room {
        Room {
            end: out.len().saturating_add(MOST_TEXT),
            fill: MOST_FILL,
            is_cut: false,
        }
    }

    /// Bytes that there is room for.
    pub(super) fn left(&self, out: &str) -> usize {
        self.end.saturating_sub(out.len())
    }

    /// Appends as much of `text` as there is room for. `false` when that is not all of it.
    pub(super) fn push(&mut self, text: &str, out: &mut String) -> bool {
        let left = self.left(out);
        let fits = text.len() <= left;
        match fits {
            true => out.push_str(text),
            false => out.push_str(&text[..floor_char_boundary(text, left)]),
        }
        self.is_cut |= !fits;
        fits
    }

    /// Takes what a width or a precision asks for, as far as there is any left.
    pub(super) fn take_fill(&mut self, bytes: usize) -> usize {
        let taken = bytes.min(self.fill);
        self.fill -= taken;
        self.is_cut |= taken < bytes;
        taken
    }
}

/// A string that takes no more than there is room for: `std::fmt` stops there.
pub(super) struct Within<'a> {
    pub(super) out: &'a mut String,
    pub(super) room: &'a mut Room,
}

impl fmt::Write for Within<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match self.room.push(text, self.out) {
            true => Ok(()),
            false => Err(fmt::Error),
        }
    }
}

/// The text of a value whose bytes may be anything. What is no text is replaced, which makes three bytes of one; where
/// that makes it much longer than it was, the rest is left out and a mark says so.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    let most = bytes.len().saturating_add(MOST_REPLACED);
    let mut text = lossy_within(bytes, most);
    if let Cow::Owned(text) = &mut text
        && text.len() > most
    {
        text.push_str(CUT_MARK);
    }
    text
}

/// The same, up to the piece with which it becomes longer than `most` bytes.
pub(super) fn lossy_within(bytes: &[u8], most: usize) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    let mut text = String::new();
    for piece in bytes.utf8_chunks() {
        text.push_str(piece.valid());
        if !piece.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        if text.len() > most {
            break;
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_that_are_no_text_do_not_grow_threefold() {
        let text = lossy(&[0xff; 1 << 20]);
        assert!(text.len() <= (1 << 20) + MOST_REPLACED + 20);
        assert!(text.ends_with("\u{fffd} ‹cut off›"));
        assert!(matches!(
            lossy("ä".repeat(1 << 20).as_bytes()),
            Cow::Borrowed(_)
        ));
    }

    proptest! {
        #[test]
        fn what_is_short_is_replaced_as_std_does_it(bytes: Vec<u8>) {
            prop_assert_eq!(lossy(&bytes), String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn what_is_taken_in_pieces_is_the_beginning_of_all(pieces in prop::collection::vec(".{0,9}", 0..9), end in 0usize..60) {
            let (mut out, all) = (String::new(), pieces.concat());
            let mut room = Room { end, ..Room::behind("") };
            let fits = pieces.iter().all(|piece| room.push(piece, &mut out));
            prop_assert!(all.starts_with(&out) && out.len() <= end);
            prop_assert_eq!((fits, room.is_cut), (all.len() <= end, all.len() > end));
            prop_assert!(fits || out.len() + 4 > end);
        }
    }
}
