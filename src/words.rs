//! Bytes in and out of shared words.
//!
//! All shared memory is seen as a slice of `AtomicU64`. Any bit pattern is a valid word and an atomic
//! access races with nothing, so whatever another process writes, and whenever, reading it is defined
//! and needs no `unsafe`. The price is that bytes travel eight at a time, in relaxed loads and stores,
//! which are plain moves on the machines we know.

use crate::sync::{AtomicU64, Ordering::Relaxed};

/// Bytes in a word.
pub(crate) const WORD: usize = 8;

/// The words that `bytes` bytes need.
pub(crate) const fn words_for(bytes: usize) -> usize {
    bytes.div_ceil(WORD)
}

/// Stores `bytes` from the first word on, the last word padded with zeros; what does not fit is left out.
/// Returns the number of bytes stored.
#[inline]
pub(crate) fn store_bytes(words: &[AtomicU64], bytes: &[u8]) -> usize {
    let bytes = &bytes[..bytes.len().min(words.len() * WORD)];
    let (whole, rest) = bytes.as_chunks::<WORD>();
    for (word, chunk) in words.iter().zip(whole) {
        word.store(u64::from_ne_bytes(*chunk), Relaxed);
    }
    if !rest.is_empty() {
        words[whole.len()].store(last_word(bytes, rest), Relaxed);
    }
    bytes.len()
}

/// The last bytes, `rest`, of `bytes`, and zeros. Without a copy whose length is not known, which is a call.
#[inline]
fn last_word(bytes: &[u8], rest: &[u8]) -> u64 {
    let word = match bytes.last_chunk::<WORD>() {
        Some(last) => u64::from_le_bytes(*last) >> (8 * (WORD - rest.len())),
        None => rest
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    word.to_le()
}

/// Appends the first `len` bytes that stand in `words` (fewer when there are not so many) to `out`.
#[inline]
pub(crate) fn load_bytes(words: &[AtomicU64], len: usize, out: &mut Vec<u8>) {
    let len = len.min(words.len() * WORD);
    let start = out.len();
    // Room for all at once, and one to cut off: cheaper than to ask for each word.
    out.resize(start + words_for(len) * WORD, 0);
    let (places, _) = out[start..].as_chunks_mut::<WORD>();
    for (place, word) in places.iter_mut().zip(words) {
        *place = word.load(Relaxed).to_ne_bytes();
    }
    out.truncate(start + len);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_come_back_as_they_went_in(bytes in proptest::collection::vec(any::<u8>(), 0..100), room in 0usize..16) {
            let words: Vec<AtomicU64> = (0..room).map(|_| AtomicU64::new(u64::MAX)).collect();
            let stored = store_bytes(&words, &bytes);
            prop_assert_eq!(stored, bytes.len().min(room * WORD));
            let mut out = vec![7];
            load_bytes(&words, stored, &mut out);
            prop_assert_eq!(&out[1..], &bytes[..stored]);
        }
    }
}
