//! The text of a string literal, which the compiler shows only as it was written.

use proc_macro::{Delimiter, Span, TokenStream, TokenTree};

/// The text of `tokens`, if that is one string literal, and where it stands.
pub(crate) fn read(tokens: TokenStream) -> Option<(String, Span)> {
    let mut tokens = tokens.into_iter();
    let (only, None) = (tokens.next()?, tokens.next()) else {
        return None;
    };
    match only {
        TokenTree::Literal(literal) => Some((text_of(&literal.to_string())?, literal.span())),
        // What a macro_rules! macro has matched comes in an invisible group.
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => read(group.stream()),
        _ => None,
    }
}

/// The text of a literal that is written `"…"` or `r#"…"#`.
fn text_of(written: &str) -> Option<String> {
    if let Some(raw) = written.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let inner = raw.get(hashes + 1..raw.len().checked_sub(hashes + 1)?)?;
        return raw[hashes..].starts_with('"').then(|| newlines(inner));
    }
    unescape(&newlines(written.strip_prefix('"')?.strip_suffix('"')?))
}

/// A line's end in a literal is one character, however the file ends its lines.
fn newlines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match rest.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '0' => '\0',
            '\n' => {
                let next = rest.as_str().trim_start_matches([' ', '\t', '\n', '\r']);
                rest = next.chars();
                continue;
            }
            'x' => {
                let digits: String = rest.by_ref().take(2).collect();
                char::from(u8::from_str_radix(&digits, 16).ok()?)
            }
            'u' => {
                let digits: String = rest.by_ref().take_while(|c| *c != '}').collect();
                let digits = digits.strip_prefix('{')?.replace('_', "");
                char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?
            }
            c @ ('\\' | '\'' | '"') => c,
            _ => return None,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::text_of;

    #[test]
    fn literals_are_read_as_the_compiler_reads_them() {
        // The first of each pair is the second as it was written.
        macro_rules! check {
            ($($literal:literal)*) => {
                $(assert_eq!(text_of(stringify!($literal)).as_deref(), Some($literal));)*
            };
        }
        check! {
            "" "plain" "a\n\t\r\0\\\'\"b" "\x41\u{e4}\u{1F_600}" "äöü" r"raw \n" r#"with "quotes""# r##"a"#b"##
            "goes \
               on" "two
lines"
        }
    }

    #[test]
    fn what_is_no_string_is_not_read() {
        for written in ["1", "'a'", "b\"bytes\"", "c\"text\"", "\"\\q\"", "r#\"", ""] {
            assert_eq!(text_of(written), None, "{written}");
        }
    }
}
