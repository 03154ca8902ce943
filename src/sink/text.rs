//! Text as it may stand in a log: escaping, and the small pieces that several sinks write.
//!
//! Whatever a program logs, it must not be able to forge a record line or to steer the terminal of who
//! reads it. So everything that ends a line, moves the cursor or turns the direction of writing is shown
//! as an escape (`\r`, `\0`, `\x1b`, `\u{202e}`, in JSON its own `\u202e`); all other text, emoji with their
//! joiners included, goes through untouched, by one copy when there is nothing to escape.

use std::io::Write;

/// Appends text that belongs in one line and in one column: newline and tab are escaped too.
pub(super) fn push_field(out: &mut Vec<u8>, text: &str) {
    push_escaped::<false>(out, text, |out, character| {
        push_escape(out, character, b"\\t")
    });
}

/// Appends one line of a message (see [`message_lines`]): a tab stays a tab.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    push_escaped::<false>(out, text, |out, character| {
        push_escape(out, character, b"\t")
    });
}

/// Appends text in quotes, as one field that can be read back: `"` and `\` are escaped too.
pub(super) fn push_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_escaped::<true>(out, text, |out, character| match character {
        '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
        _ => push_escape(out, character, b"\\t"),
    });
    out.push(b'"');
}

/// Appends text as a JSON string, in which every parser reads what was logged and no terminal finds anything to obey.
pub(super) fn push_json(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_escaped::<true>(out, text, push_json_escape);
    out.push(b'"');
}

/// Whether a message is one line in which nothing is to be escaped.
pub(super) fn is_clean_line(message: &str) -> bool {
    first_suspect::<false>(message.as_bytes(), 0).is_none()
}

/// The lines of a message, at least one; `\n` and `\r\n` end a line, a `\r` alone does not.
pub(super) fn message_lines(message: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(message);
    std::iter::from_fn(move || {
        let text = rest?;
        let (line, after) = match text.split_once('\n') {
            Some((line, after)) => (line.strip_suffix('\r').unwrap_or(line), Some(after)),
            None => (text, None),
        };
        rest = after;
        Some(line)
    })
}

/// Appends `number` in decimal.
pub(super) fn push_decimal(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes `number` into all of `place`, zeros in front; digits that do not fit are left out.
pub(super) fn put_padded(place: &mut [u8], number: u32) {
    let mut rest = number;
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

/// Appends `count` blanks.
pub(super) fn push_blanks(out: &mut Vec<u8>, count: usize) {
    out.resize(out.len() + count, b' ');
}

/// Leaves to `escape` what is harmful, and with `QUOTED` also `"` and `\`.
fn push_escaped<const QUOTED: bool>(
    out: &mut Vec<u8>,
    text: &str,
    escape: impl Fn(&mut Vec<u8>, char),
) {
    let bytes = text.as_bytes();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = first_suspect::<QUOTED>(bytes, at) {
        let Some(suspect) = text.get(found..).and_then(|rest| rest.chars().next()) else {
            break;
        };
        at = found + suspect.len_utf8();
        if is_harmful(suspect) || (QUOTED && matches!(suspect, '"' | '\\')) {
            out.extend_from_slice(&bytes[copied..found]);
            escape(out, suspect);
            copied = at;
        }
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// The first byte from `from` on that may begin something to escape.
fn first_suspect<const QUOTED: bool>(bytes: &[u8], from: usize) -> Option<usize> {
    const STRIDE: usize = 16;
    let quotes = |byte: u8| QUOTED & ((byte == b'"') | (byte == b'\\'));
    let mut at = from;
    // Whole strides of printable ASCII are passed by without a branch per byte: the compiler makes it one
    // vector comparison.
    while let Some(stride) = bytes.get(at..at + STRIDE) {
        let odd = |odd: bool, byte: &u8| odd | (*byte < b' ') | (*byte >= 0x7f) | quotes(*byte);
        if stride.iter().fold(false, odd)
            && let Some(found) = stride
                .iter()
                .position(|byte| is_suspect(*byte) || quotes(*byte))
        {
            return Some(at + found);
        }
        at += STRIDE;
    }
    let tail = bytes.get(at..)?;
    tail.iter()
        .position(|byte| is_suspect(*byte) || quotes(*byte))
        .map(|found| at + found)
}

/// Control characters, and the lead bytes of the UTF-8 forms of what [`is_harmful`] names beyond ASCII.
/// Continuation bytes (`0x80..=0xbf`) are none of these.
const fn is_suspect(byte: u8) -> bool {
    byte < b' ' || matches!(byte, 0x7f | 0xc2 | 0xd8 | 0xe2)
}

/// What may not stand in a log as it is: it would end the line, steer the terminal or reorder the text.
pub(super) const fn is_harmful(character: char) -> bool {
    matches!(character,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{2028}' | '\u{2029}')
}

#[cold]
fn push_escape(out: &mut Vec<u8>, character: char, tab: &[u8]) {
    match character {
        '\t' => out.extend_from_slice(tab),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\0' => out.extend_from_slice(b"\\0"),
        // Writing into a Vec cannot fail.
        '\x01'..='\x7f' => _ = write!(out, "\\x{:02x}", u32::from(character)),
        _ => _ = write!(out, "\\u{{{:x}}}", u32::from(character)),
    }
}

#[cold]
fn push_json_escape(out: &mut Vec<u8>, character: char) {
    match character {
        '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
        '\t' => out.extend_from_slice(b"\\t"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        // Nothing harmful has more than four digits. Writing into a Vec cannot fail.
        _ => _ = write!(out, "\\u{:04x}", u32::from(character)),
    }
}

/// For the fuzz target: nothing harmful is left, and what is harmless is untouched.
#[cfg(fuzzing)]
pub(crate) mod fuzz {
    pub(crate) fn escape(bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for line in super::message_lines(&text) {
            let (mut message, mut field) = (Vec::new(), Vec::new());
            super::push_text(&mut message, line);
            super::push_field(&mut field, line);
            for (escaped, tab) in [(message, true), (field, false)] {
                let escaped = String::from_utf8(escaped).expect("text stays text");
                let left = |c: char| super::is_harmful(c) && !(tab && c == '\t');
                assert!(!escaped.contains(left));
                if !line.contains(super::is_harmful) {
                    assert_eq!(escaped, line);
                }
            }
            let (mut quoted, mut json) = (Vec::new(), Vec::new());
            super::push_quoted(&mut quoted, line);
            super::push_json(&mut json, line);
            for escaped in [quoted, json] {
                let escaped = String::from_utf8(escaped).expect("text stays text");
                assert!(!escaped.contains(super::is_harmful));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(input: &str) -> String {
        let mut out = Vec::new();
        push_text(&mut out, input);
        String::from_utf8(out).unwrap()
    }

    /// The slow and obvious version.
    fn naive(input: &str) -> String {
        let mut out = Vec::new();
        for character in input.chars() {
            match is_harmful(character) {
                true => push_escape(&mut out, character, b"\t"),
                false => out.extend_from_slice(character.to_string().as_bytes()),
            }
        }
        String::from_utf8(out).unwrap()
    }

    /// Reads back what [`push_quoted`] wrote.
    fn unquoted(quoted: &str) -> String {
        let hexadecimal =
            |digits: String| char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap();
        let mut inner = quoted[1..quoted.len() - 1].chars();
        let mut text = String::new();
        while let Some(character) = inner.next() {
            if character != '\\' {
                assert_ne!(character, '"');
                text.push(character);
                continue;
            }
            text.push(match inner.next().unwrap() {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                '0' => '\0',
                'x' => hexadecimal(inner.by_ref().take(2).collect()),
                'u' => hexadecimal(inner.by_ref().skip(1).take_while(|c| *c != '}').collect()),
                other => other,
            });
        }
        text
    }

    #[test]
    fn what_could_end_a_line_or_steer_a_terminal_is_shown_escaped() {
        assert_eq!(text("a\rb\0c\x1b[2Jd\x7fe"), "a\\rb\\0c\\x1b[2Jd\\x7fe");
        assert_eq!(text("\u{85}\u{9b}31m"), "\\u{85}\\u{9b}31m");
        assert_eq!(
            text("\u{202e}\u{2066}\u{200f}\u{61c}"),
            "\\u{202e}\\u{2066}\\u{200f}\\u{61c}"
        );
        assert_eq!(text("\u{2028}\u{2029}\n"), "\\u{2028}\\u{2029}\\n");
    }

    #[test]
    fn a_tab_stays_in_a_message_and_is_escaped_in_a_field() {
        let mut field = Vec::new();
        push_field(&mut field, "a\tb\nc");
        assert_eq!(field, b"a\\tb\\nc");
        assert_eq!(text("a\tb"), "a\tb");
    }

    #[test]
    fn in_quotes_nothing_ends_the_text_but_the_last_quote() {
        let (mut quoted, mut json) = (Vec::new(), Vec::new());
        push_quoted(&mut quoted, "a \"b\" c:\\d\te\u{202e}\x1b");
        push_json(&mut json, "a \"b\" c:\\d\te\u{202e}\x1b");
        let [quoted, json] = [quoted, json].map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(quoted, r#""a \"b\" c:\\d\te\u{202e}\x1b""#);
        assert_eq!(json, r#""a \"b\" c:\\d\te\u202e\u001b""#);
    }

    #[test]
    fn emoji_with_joiners_and_letters_of_all_scripts_go_through() {
        let harmless = "naïve “quotes” — 👩‍👩‍👧‍👦 ⚠️ عربى 漢字 \u{a0}§";
        assert_eq!(text(harmless), harmless);
    }

    #[test]
    fn both_kinds_of_newline_end_a_line_and_a_lone_return_does_not() {
        let lines: Vec<_> = message_lines("a\r\nb\n\rc\r").collect();
        assert_eq!(lines, ["a", "b", "\rc\r"]);
        assert_eq!(message_lines("").collect::<Vec<_>>(), [""]);
        assert_eq!(message_lines("a\n").collect::<Vec<_>>(), ["a", ""]);
    }

    proptest! {
        #[test]
        fn fast_equals_naive(input in "(?s)[ -~]{0,40}.{0,20}[\\x00-\\x1f\\u{80}-\\u{9f}\\u{200d}-\\u{202f}]{0,3}[ -~]{0,40}") {
            prop_assert_eq!(text(&input), naive(&input));
            if is_clean_line(&input) {
                prop_assert_eq!(text(&input), input);
            }
        }

        #[test]
        fn what_is_quoted_is_harmless_and_can_be_read_back(
            input in "(?s)[ -~]{0,40}.{0,20}[\\x00-\\x1f\"\\\\\\u{80}-\\u{9f}\\u{200d}-\\u{202f}]{0,5}[ -~]{0,20}",
        ) {
            let (mut quoted, mut json) = (Vec::new(), Vec::new());
            push_quoted(&mut quoted, &input);
            push_json(&mut json, &input);
            let [quoted, json] = [quoted, json].map(|bytes| String::from_utf8(bytes).unwrap());
            prop_assert!(!quoted.contains(is_harmful) && !json.contains(is_harmful));
            prop_assert_eq!(unquoted(&quoted), &*input);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), input);
        }

        #[test]
        fn nothing_harmful_but_tab_is_left(input in any::<String>()) {
            prop_assert!(text(&input).chars().all(|c| c == '\t' || !is_harmful(c)));
        }
    }
}
