//! From the bytes that a program writes to the lines that it means.
//!
//! ```text
//!   \n, \r\n         ends a line
//!   \r alone         what follows takes the place of what stood there, as on a terminal: of a progress bar the last
//!                    state counts; nothing follows: it stays
//!   ESC …            sequences for terminals (colours, titles) are left out; what is none stays
//!   bytes beyond 64 KiB of a line   make another part of it
//!   not UTF-8        is replaced by U+FFFD
//! ```
//!
//! An empty line is none. All other control characters are the sinks' to escape.

use std::borrow::Cow;

/// Bytes of a line, or of a part of one.
pub(super) const MOST: usize = 64 << 10;
/// A sequence that has not ended after so many bytes is not waited for at the end of a part.
const LONGEST_SEQUENCE: usize = 64;
/// Of a sequence that holds text, like a window's title: one that does not end is not sought through the whole line,
/// again for each.
const LONGEST_TEXT: usize = 4096;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

/// One stream, on its way from bytes to lines.
#[derive(Default)]
pub(super) struct Lines {
    /// What stands in the line so far, without the parts of it that were given out.
    held: Vec<u8>,
    /// A `\r` came last.
    returned: bool,
    /// Parts that were given out.
    parts: u32,
}

impl Lines {
    /// Whether a line is begun that has not ended.
    pub(super) fn is_begun(&self) -> bool {
        !self.held.is_empty() || self.returned
    }

    /// Takes more bytes, and calls `put` with the text of each line that they end, and with the number of the part,
    /// from 1, if it is not a whole line.
    pub(super) fn take(&mut self, bytes: &[u8], put: &mut impl FnMut(&str, Option<u32>)) {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if std::mem::take(&mut self.returned) && !matches!(first, b'\n' | b'\r') {
                self.held.clear();
            }
            let sign = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            self.hold(&rest[..sign.unwrap_or(rest.len())], put);
            let Some(at) = sign else { break };
            match rest[at] {
                b'\n' => self.end(put),
                _ => self.returned = true,
            }
            rest = &rest[at + 1..];
        }
    }

    fn hold(&mut self, bytes: &[u8], put: &mut impl FnMut(&str, Option<u32>)) {
        self.held.extend_from_slice(bytes);
        while self.held.len() > MOST {
            let cut = end_of_part(&self.held);
            self.parts += 1;
            put(&text_of(&self.held[..cut]), Some(self.parts));
            self.held.drain(..cut);
        }
    }

    /// The line ends here, if there is one.
    pub(super) fn end(&mut self, put: &mut impl FnMut(&str, Option<u32>)) {
        let parts = std::mem::take(&mut self.parts);
        let text = text_of(&self.held);
        if !text.is_empty() {
            put(&text, (parts > 0).then_some(parts + 1));
        }
        self.held.clear();
        self.returned = false;
    }
}

/// Where a part ends that must be no longer than [`MOST`]: not within a character or a sequence, if it can be helped.
fn end_of_part(line: &[u8]) -> usize {
    let begin = MOST - LONGEST_SEQUENCE;
    let last = line[begin..MOST].iter().rposition(|&byte| byte == ESC);
    if let Some(at) = last
        && sequence(&line[begin + at..MOST]).is_none()
    {
        return begin + at;
    }
    let is_begin = |&at: &usize| line[at] & 0xc0 != 0x80;
    (MOST - 3..=MOST).rev().find(is_begin).unwrap_or(MOST)
}

/// The text of a line without sequences for terminals.
fn text_of(line: &[u8]) -> Cow<'_, str> {
    if !line.contains(&ESC) {
        return String::from_utf8_lossy(line);
    }
    let (mut plain, mut rest) = (Vec::with_capacity(line.len()), line);
    while let Some(at) = rest.iter().position(|&byte| byte == ESC) {
        plain.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        match sequence(rest) {
            Some(length) => rest = &rest[length..],
            None => {
                plain.push(ESC);
                rest = &rest[1..];
            }
        }
    }
    plain.extend_from_slice(rest);
    String::from_utf8_lossy(&plain).into_owned().into()
}

/// The length of the sequence that bytes which begin with ESC begin with; `None` if that is none, or does not end.
fn sequence(bytes: &[u8]) -> Option<usize> {
    let while_in = |from: usize, range: std::ops::RangeInclusive<u8>| {
        let rest = bytes.get(from..)?;
        let end = rest.iter().position(|byte| !range.contains(byte))?;
        Some(from + end)
    };
    match bytes.get(1)? {
        // CSI: parameters, intermediates, the final byte.
        b'[' => {
            let at = while_in(while_in(2, 0x30..=0x3f)?, 0x20..=0x2f)?;
            matches!(bytes[at], 0x40..=0x7e).then_some(at + 1)
        }
        // OSC, DCS, SOS, PM, APC: text up to ESC \, or for OSC also BEL.
        b']' | b'P' | b'X' | b'^' | b'_' => {
            let is_end = |(at, &byte): (usize, &u8)| match byte {
                BEL if bytes[1] == b']' => Some(at + 1),
                ESC if bytes.get(at + 1) == Some(&b'\\') => Some(at + 2),
                _ => None,
            };
            let bytes = bytes.iter().enumerate();
            bytes.take(LONGEST_TEXT).skip(2).find_map(is_end)
        }
        0x20..=0x2f => {
            let at = while_in(2, 0x20..=0x2f)?;
            matches!(bytes[at], 0x30..=0x7e).then_some(at + 1)
        }
        0x30..=0x7e => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Line = (String, Option<u32>);

    /// The lines of a stream that comes in such pieces.
    fn lines<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Vec<Line> {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        let mut put = |text: &str, part| all.push((text.to_owned(), part));
        for piece in pieces {
            lines.take(piece, &mut put);
        }
        lines.end(&mut put);
        all
    }

    fn texts(stream: &[u8]) -> Vec<String> {
        let lines = lines([stream]).into_iter();
        lines
            .map(|(text, part)| part.map_or(text, |_| panic!("a part")))
            .collect()
    }

    #[test]
    fn a_line_ends_at_its_line_feed_with_a_carriage_return_or_without_and_at_the_end() {
        assert_eq!(
            texts(b"one\ntwo\r\nthree\r\r\nfour"),
            ["one", "two", "three", "four"]
        );
    }

    #[test]
    fn of_a_progress_bar_the_last_state_counts() {
        assert_eq!(texts(b"1%\r50%\r\x1b[K100%\ndone\n"), ["100%", "done"]);
        assert_eq!(texts(b"1%\r57%\r"), ["57%"]);
        assert_eq!(texts(b"1%\r57%\r\x1b[K\nkilled"), ["killed"]);
    }

    #[test]
    fn empty_lines_and_such_as_hold_only_sequences_are_none_but_blanks_are_something() {
        assert_eq!(texts(b"\n\n\r\na\n\x1b[0m\n  \n"), ["a", "  "]);
        assert_eq!(texts(b""), [""; 0]);
    }

    #[test]
    fn sequences_for_terminals_are_left_out_and_all_other_bytes_stay() {
        let colours = b"\x1b[1;31merror\x1b[0m: \x1b]8;;file:///x\x1b\\here\x1b]8;;\x07 \x1b(B\x1b=\x1bPq\x1b\\.";
        assert_eq!(texts(colours), ["error: here ."]);
        for odd in [
            "bell \x07 and\x08 nul \0",
            "\x1b",
            "\x1b[",
            "\x1b[3\x01m",
            "\x1b]0;title",
            "\x1b\u{e4}",
        ] {
            assert_eq!(texts(odd.as_bytes()), [odd]);
        }
        assert_eq!(texts(b"\xff\xfe ok"), ["\u{fffd}\u{fffd} ok"]);
    }

    #[test]
    fn a_long_line_comes_in_numbered_parts_that_end_at_characters_and_beside_sequences() {
        let whole = vec![b'x'; MOST];
        assert_eq!(lines([&whole[..]]).len(), 1);
        let long = "x".repeat(MOST - 1) + &"é".repeat(MOST) + "\nnext\n";
        let found = lines([long.as_bytes()]);
        let parts: Vec<_> = found.iter().map(|(_, part)| *part).collect();
        assert_eq!(parts, [Some(1), Some(2), Some(3), None]);
        let joined: String = found[..3].iter().map(|(text, _)| &**text).collect();
        assert_eq!(joined + "\nnext\n", long);

        let split = "x".repeat(MOST - 2) + "\x1b[31mred";
        let found = lines([split.as_bytes()]);
        assert_eq!(found[1], ("red".to_owned(), Some(2)));
    }

    /// Without state: all lines at once, by a terminal's rules.
    fn naive(stream: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for line in stream.split(|&byte| byte == b'\n') {
            let end = line
                .iter()
                .rposition(|&byte| byte != b'\r')
                .map_or(0, |at| at + 1);
            let begin = line[..end].iter().rposition(|&byte| byte == b'\r');
            lines.push(text_of(&line[begin.map_or(0, |at| at + 1)..end]).into_owned());
        }
        lines.retain(|line| !line.is_empty());
        lines
    }

    proptest! {
        #[test]
        fn in_whatever_pieces_a_stream_comes_its_lines_are_the_same(
            pieces in prop::collection::vec(prop::collection::vec(prop::sample::select(b"ab\r\n\x1b[m\xc3\xa4".to_vec()), 0..9), 0..20),
        ) {
            let found = lines(pieces.iter().map(Vec::as_slice));
            let expected = naive(&pieces.concat());
            prop_assert_eq!(found, expected.into_iter().map(|text| (text, None)).collect::<Vec<_>>());
        }

        #[test]
        fn what_anstream_takes_for_a_sequence_is_one(
            words in prop::collection::vec(prop::sample::select(vec![
                "\x1b[0m", "\x1b[38;5;208m", "\x1b[2K", "\x1b[?25h", "\x1b]0;title\x07", "\x1b]8;;url\x1b\\", "\x1b(B", "\x1b7", "text ", "é",
            ]), 0..20),
        ) {
            let line = words.concat();
            let expected = anstream::adapter::strip_str(&line).to_string();
            prop_assert_eq!(text_of(line.as_bytes()), expected);
        }

        #[test]
        fn a_part_is_never_empty_nor_too_long(mut line in prop::collection::vec(any::<u8>(), 200), at in 0..128_usize) {
            let mut long = vec![b'x'; MOST - 128 + at];
            long.append(&mut line);
            long.resize(MOST + 128, ESC);
            prop_assert!((1..=MOST).contains(&end_of_part(&long)));
        }
    }
}
