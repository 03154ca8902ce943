//! What the encoders make of a text at most, so that who hands records to sinks knows what they may become.
//!
//! A byte of a record may take six in a line: JSON shows a control character as `\u0001`, the text file begins a line
//! with blanks after each line feed. What a record costs is counted once, for the costliest encoder of all, and not by
//! each of them.

use super::text::is_harmful;

/// Bytes that any encoder makes of one byte of text at most.
const MOST_OF_BYTE: usize = 6;

/// Bytes that any encoder makes of a character at most.
const fn of_character(character: char) -> usize {
    match character {
        '"' | '\\' => 2,
        _ if !is_harmful(character) => character.len_utf8(),
        '\0'..='\x7f' => MOST_OF_BYTE,
        // `\u{202e}`
        _ => 8,
    }
}

/// Bytes that any encoder makes of `text` at most. Of a short text it is a number that is not less.
pub(crate) fn cost(text: &str) -> usize {
    const SHORT: usize = 64;
    match text.len() {
        0..=SHORT => MOST_OF_BYTE * text.len(),
        _ => text.chars().map(of_character).sum(),
    }
}

/// As much of the front of `text` as costs no more than `most`.
pub(crate) fn within(text: &str, most: usize) -> &str {
    if text.len() <= most / MOST_OF_BYTE {
        return text;
    }
    let mut cost = 0;
    let too_far = |&(_, character): &(usize, char)| {
        cost += of_character(character);
        cost > most
    };
    match text.char_indices().find(too_far) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples::{entry, values};
    use crate::record::{Record, Values};
    use crate::sink::samples::record;
    use crate::sink::{Encoder, Encoding};
    use proptest::prelude::*;

    fn written(encoding: Encoding, record: &Record<'_>) -> usize {
        let mut out = Vec::new();
        Encoder::new(encoding).push(&mut out, record);
        out.len()
    }

    proptest! {
        #[test]
        fn no_encoder_makes_more_of_a_text_than_it_costs(text in "(?s)([\\x00-\\x1f\"\\\\\u{7f}-\u{9f}\u{2020}-\u{2030}]|.){0,80}") {
            let bytes = entry("key", &*text);
            for encoding in Encoding::ALL {
                let with = |message, values| written(encoding, &Record { message, values, ..record(1, "") });
                let least = with("", Values::default());
                prop_assert!(with(&text, Values::default()) <= least + 2 + cost(&text));
                prop_assert!(with("", values(&bytes)) <= least + 32 + cost(&text));
            }
        }

        #[test]
        fn what_is_within_a_cost_is_the_longest_beginning_that_is(text in "(?s)([\\x00-\\x1f\"]|.){0,40}", most in 0usize..200) {
            let exact = |text: &str| text.chars().map(of_character).sum::<usize>();
            let kept = within(&text, most);
            prop_assert!(text.starts_with(kept) && exact(kept) <= most && exact(kept) <= cost(kept));
            if let Some(next) = text[kept.len()..].chars().next() {
                prop_assert!(exact(kept) + of_character(next) > most);
            }
        }
    }
}
