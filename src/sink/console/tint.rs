//! What stands out in a message: numbers, quoted text, paths, addresses, truth values. Found by one walk over the bytes;
//! the text itself is never changed.
//!
//! ```text
//! opened "arm 3" at /dev/ttyUSB0: 115200 baud, parity false, see https://example.org/tty
//!        ───Text──  ────Path────  Number              ─Word      ───────────Url─────────
//! ```

use std::ops::Range;

/// Lines longer than this are not looked through: they can't be read on a terminal.
const MOST_BYTES: usize = 4096;

/// What something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tint {
    /// `12`, `-0.5`, `0xff`, `17:45:12`, and of `250ms` the number.
    Number,
    /// In quotes; and values that are text.
    Text,
    /// `/a/b`, `./a`, `../a`, `~/a`.
    Path,
    /// `scheme://…`
    Url,
    /// `true`, `None` and their like in other languages.
    Word,
    /// The names of values, and spans.
    Quiet,
}

/// A piece of a line, by its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) bytes: Range<usize>,
    pub(super) tint: Tint,
}

/// Finds what stands out in `line` from byte `from` on. The spans ascend, do not overlap, and begin and end at characters.
pub(super) fn scan(line: &str, from: usize, spans: &mut Vec<Span>) {
    let bytes = line.as_bytes();
    if bytes.len() > MOST_BYTES {
        return;
    }
    let mut at = from;
    while at < bytes.len() {
        match found_at(bytes, at) {
            Some((end, tint)) => {
                let bytes = at..end;
                spans.push(Span { bytes, tint });
                at = end;
            }
            None => at = end_of_name(bytes, at).max(at + 1),
        }
    }
}

/// What begins at a byte that is not amid a word, and where it ends.
fn found_at(bytes: &[u8], at: usize) -> Option<(usize, Tint)> {
    let after_word = at > 0 && is_word(bytes[at - 1]);
    if matches!(bytes[at], b'/' | b'.' | b'~')
        && let Some(end) = end_of_path(bytes, at)
    {
        return Some((end, Tint::Path));
    }
    match bytes[at] {
        b'"' | b'\'' if !after_word => Some((end_of_quoted(bytes, at)?, Tint::Text)),
        b'+' | b'-' | b'.' | b'0'..=b'9' if !after_word => {
            Some((end_of_number(bytes, at)?, Tint::Number))
        }
        byte if is_word(byte) && !after_word => {
            let end = end_of_word(bytes, at);
            if bytes[end..].starts_with(b"://") {
                return Some((end_of_url(bytes, end), Tint::Url));
            }
            is_known_word(&bytes[at..end]).then_some((end, Tint::Word))
        }
        _ => None,
    }
}

/// What stands in names; of other scripts, everything.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn is_known_word(word: &[u8]) -> bool {
    const WORDS: [&[u8]; 10] = [
        b"true", b"false", b"True", b"False", b"None", b"null", b"nil", b"NaN", b"nan", b"inf",
    ];
    WORDS.contains(&word)
}

/// The first byte from `at` on that fails the test.
fn end_while(bytes: &[u8], at: usize, test: impl Fn(u8) -> bool) -> usize {
    let fails = |byte: &u8| !test(*byte);
    let length = bytes[at..].iter().position(fails);
    length.map_or(bytes.len(), |length| at + length)
}

fn end_of_word(bytes: &[u8], at: usize) -> usize {
    end_while(bytes, at, is_word)
}

/// Words that are joined: the digits of worker-1 or v2.3 are no numbers.
fn end_of_name(bytes: &[u8], at: usize) -> usize {
    let mut end = end_of_word(bytes, at);
    while end > at && matches!(bytes.get(end), Some(b'-' | b'.')) {
        let next = end_of_word(bytes, end + 1);
        if next == end + 1 {
            break;
        }
        end = next;
    }
    end
}

/// Signs that end a sentence, not what stands before them.
fn without_last_signs(bytes: &[u8], start: usize, end: usize) -> usize {
    let is_sign = |byte: &u8| b".,:;!?)]}".contains(byte);
    let signs = bytes[start..end].iter().rev().take_while(|b| is_sign(b));
    end - signs.count()
}

/// A quote that opens stands before no word, one that closes behind none, unless it is a `"`.
fn end_of_quoted(bytes: &[u8], at: usize) -> Option<usize> {
    let quote = bytes[at];
    let mut next = at + 1;
    while next < bytes.len() {
        let closes = bytes[next] == quote
            && (quote == b'"' || !bytes.get(next + 1).is_some_and(|byte| is_word(*byte)));
        if closes {
            return Some(next + 1);
        }
        next += if bytes[next] == b'\\' { 2 } else { 1 };
    }
    None
}

fn end_of_path(bytes: &[u8], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).map_or(b' ', |before| bytes[before]);
    let starts = [&b"/"[..], b"./", b"../", b"~/"];
    let start = starts
        .into_iter()
        .find(|start| bytes[at..].starts_with(start))?;
    let first = *bytes.get(at + start.len())?;
    if !b" \t=([{<,:;|\"'`".contains(&before) || !(is_word(first) || first == b'.') {
        return None;
    }
    let end = end_while(bytes, at, |byte| {
        is_word(byte) || b"/.-+~@%".contains(&byte)
    });
    Some(without_last_signs(bytes, at + start.len() + 1, end))
}

fn end_of_url(bytes: &[u8], at: usize) -> usize {
    let end = end_while(bytes, at, |byte| {
        byte.is_ascii_graphic() && !b"\"'<>`".contains(&byte) || byte >= 0x80
    });
    without_last_signs(bytes, at + 3, end)
}

fn end_of_number(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = |at: usize| end_while(bytes, at, |byte| byte.is_ascii_digit() || byte == b'_');
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let start = at + usize::from(matches!(bytes[at], b'+' | b'-'));
    if bytes[start..].starts_with(b"0x") {
        let end = end_of_word(bytes, start);
        let are_hex = bytes[start + 2..end].iter().all(u8::is_ascii_hexdigit);
        return (are_hex && end > start + 2).then_some(end);
    }
    if !is_digit(start + usize::from(bytes.get(start) == Some(&b'.'))) {
        return None;
    }
    let mut end = digits(start);
    while matches!(bytes.get(end), Some(b'.' | b':')) && is_digit(end + 1) {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if is_digit(end + 1 + sign) {
            end = digits(end + 1 + sign);
        }
    }
    // A unit may follow. What is longer, or has digits again, is a name or a hash.
    let unit = &bytes[end..end_of_word(bytes, end)];
    let is_unit = unit.len() <= 4 && !unit.iter().any(u8::is_ascii_digit);
    is_unit.then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What was found, marked in the text by the first letter of what it is.
    fn marked(line: &str) -> String {
        let mut spans = vec![];
        scan(line, 0, &mut spans);
        let (mut text, mut at) = (String::new(), 0);
        for Span { bytes, tint } in spans {
            let mark = format!("{tint:?}").to_lowercase().remove(0);
            text += &line[at..bytes.start];
            text += &format!("{mark}‹{}›", &line[bytes.clone()]);
            at = bytes.end;
        }
        text + &line[at..]
    }

    #[test]
    fn numbers_are_found_with_their_signs_and_without_their_units() {
        let cases = [
            ("step 1: 8.370", "step n‹1›: n‹8.370›"),
            ("drift +9.11°/s, -3 V", "drift n‹+9.11›°/s, n‹-3› V"),
            ("took 250ms (80%)", "took n‹250›ms (n‹80›%)"),
            ("1e-9 .5 0xff 1_000", "n‹1e-9› n‹.5› n‹0xff› n‹1_000›"),
            (
                "at 17:45:12 of 10.0.0.1:80.",
                "at n‹17:45:12› of n‹10.0.0.1:80›.",
            ),
            ("[1, 2] x=3 #42", "[n‹1›, n‹2›] x=n‹3› #n‹42›"),
            ("1-2 3/4", "n‹1›-n‹2› n‹3›/n‹4›"),
        ];
        for (line, expected) in cases {
            assert_eq!(marked(line), expected);
        }
    }

    #[test]
    fn names_that_hold_digits_are_no_numbers() {
        for line in [
            "worker-1",
            "g1_07",
            "v2.3",
            "ä1",
            "7f27150",
            "3fa85f64-x",
            "0xyz",
            "- . + ..",
            "a.1",
        ] {
            assert_eq!(marked(line), line);
        }
    }

    #[test]
    fn quoted_text_is_found_and_apostrophes_are_not() {
        let cases = [
            (
                r#"said "no \"way\"" to 'a b'"#,
                r#"said t‹"no \"way\""› to t‹'a b'›"#,
            ),
            ("it isn't, the robots' arm", "it isn't, the robots' arm"),
            (r#"an "open end 1"#, r#"an "open end n‹1›"#),
            ("''", "t‹''›"),
        ];
        for (line, expected) in cases {
            assert_eq!(marked(line), expected);
        }
    }

    #[test]
    fn paths_addresses_and_truth_values_are_found() {
        let cases = [
            ("read /dev/ttyUSB0: no", "read p‹/dev/ttyUSB0›: no"),
            (
                "in ./a, ../b/c.rs:17 and ~/.x.",
                "in p‹./a›, p‹../b/c.rs›:n‹17› and p‹~/.x›.",
            ),
            ("m/s, and / or, a/b", "m/s, and / or, a/b"),
            (
                "see https://a.org/b?c=1#d).",
                "see u‹https://a.org/b?c=1#d›).",
            ),
            ("true None nullify Noneä", "w‹true› w‹None› nullify Noneä"),
            ("ok=false, NaN", "ok=w‹false›, w‹NaN›"),
        ];
        for (line, expected) in cases {
            assert_eq!(marked(line), expected);
        }
    }

    proptest! {
        #[test]
        fn spans_ascend_and_begin_and_end_at_characters(
            line in "([-+./:~'\"\\\\ =0-9xe_a]|true|://|漢|é|.){0,30}", from in 0..3_usize,
        ) {
            let from = line.char_indices().nth(from).map_or(0, |(at, _)| at);
            let mut spans = vec![];
            scan(&line, from, &mut spans);
            let mut at = from;
            for Span { bytes, .. } in spans {
                prop_assert!(at <= bytes.start && bytes.start < bytes.end);
                prop_assert!(line.get(bytes.clone()).is_some(), "{line:?} {bytes:?}");
                at = bytes.end;
            }
        }
    }
}
