//! Texts of other processes, which may have put anything there: nothing in them may steer the terminal or look like
//! something else.

/// The same text with what a terminal might obey written out: control characters, and those that turn the direction of
/// what follows or that can't be seen.
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let is_hidden = matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
        match c.is_control() || is_hidden {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(harmless("left-arm µ 手"), "left-arm µ 手");
        assert_eq!(harmless("a\x1b[2Jb\n\u{9b}1m"), "a\\u{1b}[2Jb\\n\\u{9b}1m");
        assert_eq!(harmless("a\u{202e}b"), "a\\u{202e}b");
    }
}
