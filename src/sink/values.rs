//! Key-values as people read them: `joint=3 state="at rest"`.
//!
//! A text that holds blanks, quotes, `=` or what [`text`](super::text) escapes, or nothing, stands in quotes. So the end
//! of each value is known, and no value can look like another key.

use std::io::Write;

use super::text::{is_harmful, push_quoted};
use crate::record::{Value, Values};

/// Appends all of them, a blank before each.
pub(super) fn push_values(out: &mut Vec<u8>, values: &Values<'_>) {
    for (key, value) in values.iter() {
        out.push(b' ');
        push_key(out, &key);
        out.push(b'=');
        push_value(out, &value);
    }
}

/// Appends a key; each character that may not stand in one becomes `_`, and so does an empty key.
pub(super) fn push_key(out: &mut Vec<u8>, key: &str) {
    if is_bare(key) {
        return out.extend_from_slice(key.as_bytes());
    }
    if key.is_empty() {
        out.push(b'_');
    }
    for character in key.chars() {
        let harmless = if is_bare_character(character) {
            character
        } else {
            '_'
        };
        out.extend_from_slice(harmless.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Appends a value: numbers as `{}` writes them, text in quotes if it needs them.
pub(super) fn push_value(out: &mut Vec<u8>, value: &Value<'_>) {
    // Writing into a Vec cannot fail.
    match value {
        Value::Unsigned(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
        }
        Value::Signed(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
        }
        Value::Single(number) => _ = write!(out, "{number}"),
        Value::Double(number) => _ = write!(out, "{number}"),
        Value::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Value::Char(character) => push_text_value(out, character.encode_utf8(&mut [0; 4])),
        Value::Text(text) => push_text_value(out, text),
    }
}

fn push_text_value(out: &mut Vec<u8>, text: &str) {
    if is_bare(text) {
        out.extend_from_slice(text.as_bytes());
    } else {
        push_quoted(out, text);
    }
}

/// Whether a text can stand without quotes.
pub(super) fn is_bare(text: &str) -> bool {
    if text.is_ascii() {
        let bare = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'=';
        return !text.is_empty() && text.bytes().all(bare);
    }
    text.chars().all(is_bare_character)
}

fn is_bare_character(character: char) -> bool {
    !(character.is_whitespace() || matches!(character, '"' | '=') || is_harmful(character))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples::{entry, values};
    use proptest::prelude::*;

    fn shown(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        push_values(&mut out, &values(bytes));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_kind_of_value_is_shown_by_its_key() {
        let entries = [
            entry("joint", &3_u8),
            entry("offset", &-7_i64),
            entry("most", &u128::MAX),
            entry("mass", &0.1_f32),
            entry("torque", &1e-3_f64),
            entry("ok", &true),
            entry("key", &' '),
            entry("who", "g1-07"),
        ];
        let expected = " joint=3 offset=-7 most=340282366920938463463374607431768211455 mass=0.1 torque=0.001 \
                        ok=true key=\" \" who=g1-07";
        assert_eq!(shown(&entries.concat()), expected);
    }

    #[test]
    fn text_is_quoted_where_its_end_would_not_be_seen() {
        let shown_of = |text: &str| shown(&entry("k", text));
        assert_eq!(shown_of("at rest"), r#" k="at rest""#);
        assert_eq!(shown_of(""), r#" k="""#);
        assert_eq!(shown_of("a=b"), r#" k="a=b""#);
        assert_eq!(shown_of("\"no\""), r#" k="\"no\"""#);
        assert_eq!(shown_of("a\nb\t\x1b[2J"), r#" k="a\nb\t\x1b[2J""#);
        assert_eq!(shown_of("漢\u{a0}字"), " k=\"漢\u{a0}字\"");
        assert_eq!(shown_of(r"C:\x"), r" k=C:\x");
        assert_eq!(shown_of("漢字"), " k=漢字");
    }

    #[test]
    fn keys_are_made_harmless() {
        let entries = [entry("", &1_u8), entry("a b=\"\n\x1b", &2_u8)];
        assert_eq!(shown(&entries.concat()), " _=1 a_b____=2");
    }

    /// Where a value ends, read in the simplest way.
    fn end_of_value(text: &str) -> usize {
        if !text.starts_with('"') {
            return text.find(' ').unwrap_or(text.len());
        }
        let mut escaped = false;
        for (at, byte) in text.bytes().enumerate().skip(1) {
            match byte {
                b'"' if !escaped => return at + 1,
                b'\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        panic!("no end: {text:?}")
    }

    proptest! {
        #[test]
        fn all_values_stand_in_one_line_each_behind_its_key(
            pairs in prop::collection::vec(("(?s).{0,6}", "(?s)([a-z]|[ =\"\\\\\n]|.){0,6}"), 0..6),
        ) {
            let entries = pairs.iter().map(|(key, value)| entry(key, value.as_str()));
            let text = shown(&entries.collect::<Vec<_>>().concat());
            prop_assert!(!text.contains(is_harmful));
            let mut rest = text.as_str();
            for _ in &pairs {
                let (key, behind) = rest.strip_prefix(' ').unwrap().split_once('=').unwrap();
                prop_assert!(!key.is_empty() && !key.contains([' ', '"']));
                rest = &behind[end_of_value(behind)..];
            }
            prop_assert_eq!(rest, "");
        }
    }
}
