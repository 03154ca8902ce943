//! Datagrams on their way: one after the other in one buffer.

use std::ops::Range;

/// Memory that a buffer keeps for the next batches; what a flood needed beyond it is given back.
const KEPT_BYTES: usize = 1 << 20;
/// As many datagrams as such a buffer usually holds.
const KEPT_PIECES: usize = KEPT_BYTES / 256;

/// What a datagram means for who counts records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A record.
    Record,
    /// The drainer's own words.
    Own,
    /// Its words that so many records are missing.
    Gap(u64),
}

/// A datagram of the batch.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    /// Where it ends in the buffer; it begins where the one before ends.
    end: usize,
    /// Bytes in front of the text that may be shortened.
    pub(super) text_at: usize,
    pub(super) meaning: Meaning,
}

/// Whole datagrams in the order of sending.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Batch {
    pub(super) const fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many datagrams.
    pub(super) const fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Makes a datagram of what was appended to the bytes since the last one.
    pub(super) fn close(&mut self, text_at: usize, meaning: Meaning) {
        let end = self.bytes.len();
        self.pieces.push(Piece {
            end,
            text_at,
            meaning,
        });
    }

    /// Takes back what was appended since the last datagram.
    pub(super) fn take_back(&mut self) {
        self.bytes.truncate(self.end_of_last());
    }

    /// Where the next datagram begins.
    pub(super) fn end_of_last(&self) -> usize {
        self.pieces.last().map_or(0, |piece| piece.end)
    }

    pub(super) fn piece(&self, index: usize) -> Piece {
        self.pieces[index]
    }

    /// The bytes of a datagram.
    pub(super) fn datagram(&self, index: usize) -> &[u8] {
        &self.bytes[self.range(index)]
    }

    fn range(&self, index: usize) -> Range<usize> {
        let start = match index {
            0 => 0,
            _ => self.pieces[index - 1].end,
        };
        start..self.pieces[index].end
    }

    /// Moves all of `other` to the end of this.
    pub(super) fn append(&mut self, other: &mut Batch) {
        if self.is_empty() {
            std::mem::swap(self, other);
        } else {
            let before = self.bytes.len();
            self.bytes.extend_from_slice(&other.bytes);
            let moved = other.pieces.iter().map(|piece| Piece {
                end: before + piece.end,
                ..*piece
            });
            self.pieces.extend(moved);
        }
        other.clear();
    }

    /// Empties it, and gives back what memory a flood has needed.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
        if self.bytes.capacity() > 8 * KEPT_BYTES {
            self.bytes.shrink_to(KEPT_BYTES);
            self.pieces.shrink_to(KEPT_PIECES);
        }
    }
}

/// What stands where the text of a record was cut.
pub(in crate::sink) const CUT: &str = " ‹cut off›";

/// Cuts what ends with text, from `text_at` on, to `most` bytes: at the end of a character, with a mark if there is room
/// for it.
pub(in crate::sink) fn shorten(bytes: &mut Vec<u8>, text_at: usize, most: usize) {
    if bytes.len() <= most {
        return;
    }
    let has_room = most >= text_at + CUT.len();
    let mut end = if has_room { most - CUT.len() } else { most };
    // Continuation bytes of UTF-8.
    while end > text_at && bytes[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    bytes.truncate(end.max(text_at));
    if has_room {
        bytes.extend_from_slice(CUT.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_too_long_is_cut_at_a_character_and_marked(head in "[a-z]{0,9}", text: String, most in 0..60_usize) {
            let mut bytes = [head.as_bytes(), text.as_bytes()].concat();
            let whole = bytes.clone();
            shorten(&mut bytes, head.len(), most);
            let left = std::str::from_utf8(&bytes).unwrap();
            if whole.len() <= most {
                prop_assert_eq!(&bytes, &whole);
            } else {
                prop_assert!(left.len() <= most.max(head.len()), "{}", left);
                let kept = left.strip_suffix(CUT).unwrap_or(left);
                prop_assert!(whole.starts_with(kept.as_bytes()));
                prop_assert!(kept.len() >= head.len());
                prop_assert_eq!(left != kept, most >= head.len() + CUT.len());
            }
        }

        #[test]
        fn batches_follow_one_another(all in prop::collection::vec(prop::collection::vec("[a-z]{0,5}", 0..4), 0..5)) {
            let mut queue = Batch::default();
            for texts in &all {
                let mut batch = Batch::default();
                for text in texts {
                    batch.bytes.extend_from_slice(text.as_bytes());
                    batch.close(0, Meaning::Record);
                }
                batch.bytes.extend_from_slice(b"not closed");
                batch.take_back();
                queue.append(&mut batch);
                prop_assert!(batch.is_empty() && batch.bytes.is_empty());
            }
            let sent: Vec<_> = (0..queue.len()).map(|index| queue.datagram(index).to_vec()).collect();
            let expected: Vec<_> = all.concat().into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(sent, expected);
        }
    }
}
