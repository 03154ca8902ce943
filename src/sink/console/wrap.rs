//! Text in columns: how wide it is, how much of it fits, where to break it.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that `text` takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.width()
    }
}

/// The first piece of `text` that fits into `columns`, and what is left for the next ones (`None` at the
/// end). Breaks between words where there are any; the blanks at a break go.
pub(super) fn first_piece(text: &str, columns: usize) -> (&str, Option<&str>) {
    // No character takes more columns than bytes.
    let Some(head) = text.as_bytes().get(..=columns) else {
        return (text, None);
    };
    if !head.is_ascii() {
        return first_piece_of_any(text, columns);
    }
    let blank_fits = head[columns] == b' ';
    let word = head[..columns].iter().rposition(|byte| *byte == b' ');
    let indented = |at: &usize| head[..*at].iter().all(|byte| *byte == b' ');
    match word.filter(|at| !blank_fits && !indented(at)) {
        Some(at) => break_at(text, at + 1),
        None => break_at(text, columns),
    }
}

/// [`first_piece`], character by character.
fn first_piece_of_any(text: &str, columns: usize) -> (&str, Option<&str>) {
    let (mut used, mut word) = (0, None);
    for (at, character) in text.char_indices() {
        let wide = character.width().unwrap_or(0);
        if used + wide > columns && at > 0 {
            // A blank that does not fit is a break itself.
            let at = if character == ' ' {
                at
            } else {
                word.unwrap_or(at)
            };
            return break_at(text, at);
        }
        used += wide;
        // Blanks in front are an indentation: to break behind them would gain nothing.
        if character == ' ' && !text[..at].trim_start_matches(' ').is_empty() {
            word = Some(at + 1);
        }
    }
    (text, None)
}

fn break_at(text: &str, at: usize) -> (&str, Option<&str>) {
    let (piece, rest) = text.split_at(at);
    let rest = rest.trim_start_matches(' ');
    (
        piece.trim_end_matches(' '),
        (!rest.is_empty()).then_some(rest),
    )
}

/// As much from the front of `text` as fits into `columns`.
pub(super) fn front(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let too_far = |(_, character): &(usize, char)| {
        used += character.width().unwrap_or(0);
        used > columns
    };
    let end = text.char_indices().find(too_far);
    end.map_or(text, |(at, _)| &text[..at])
}

/// As much from the back of `text` as fits into `columns`.
pub(super) fn back(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let too_far = |(_, character): &(usize, char)| {
        used += character.width().unwrap_or(0);
        used > columns
    };
    let start = text.char_indices().rev().find(too_far);
    start.map_or(text, |(at, character)| &text[at + character.len_utf8()..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(text: &str, columns: usize) -> Vec<&str> {
        let (mut pieces, mut rest) = (vec![], Some(text));
        while let Some(text) = rest {
            let (piece, more) = first_piece(text, columns);
            pieces.push(piece);
            rest = more;
        }
        pieces
    }

    #[test]
    fn text_breaks_between_words_and_inside_words_that_are_too_long() {
        assert_eq!(
            pieces("the quick brown fox", 10),
            ["the quick", "brown fox"]
        );
        assert_eq!(pieces("abcdefghijkl", 5), ["abcde", "fghij", "kl"]);
        assert_eq!(pieces("  - abc defg", 6), ["  -", "abc", "defg"]);
        assert_eq!(pieces("漢字漢字", 5), ["漢字", "漢字"]);
        assert_eq!(pieces("", 5), [""]);
        assert_eq!(pieces("abcde   ", 5), ["abcde"]);
    }

    #[test]
    fn front_and_back_keep_what_fits() {
        assert_eq!(
            (front("a漢字", 2), front("a漢字", 3), front("abc", 9)),
            ("a", "a漢", "abc")
        );
        assert_eq!(
            (back("漢字a", 2), back("漢字a", 3), back("abc", 9)),
            ("a", "字a", "abc")
        );
    }

    proptest! {
        #[test]
        fn fast_equals_naive(text in "[ab ]{0,30}[é]?", columns in 1..12_usize) {
            prop_assert_eq!(first_piece(&text, columns), first_piece_of_any(&text, columns));
        }

        #[test]
        fn pieces_fit_and_lose_nothing_but_blanks(text in "[a-c 漢é]{0,40}", columns in 2..12_usize) {
            let pieces = pieces(&text, columns);
            for piece in &pieces {
                prop_assert!(width(piece) <= columns, "{:?}", pieces);
            }
            prop_assert_eq!(pieces.concat().replace(' ', ""), text.replace(' ', ""));
        }
    }
}
