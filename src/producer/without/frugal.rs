//! The same line without allocating: where signals are blocked, this may be a signal handler that has interrupted the
//! allocator. The values stand where the format has its places, without widths and digits; what does not fit is cut off.

use std::fmt::{self, Write};

use crate::level::Level;
use crate::record::capture::Kind;
use crate::record::format::{Captured, rendered_pieces};
use crate::record::{CallSite, key_names};
use crate::words::{WORD, words_for};

/// The longest line, and the most that is captured for one, in bytes.
pub(super) const LONGEST: usize = 1024;

/// Says the line of a record whose arguments stand in `captured`, perhaps not all of them.
pub(super) fn say_line(
    level: Level,
    site: &CallSite,
    target: Option<&str>,
    captured: &[u8],
    say: impl FnOnce(&[u8]),
) {
    let statement = &site.statement;
    let mut line = Line {
        bytes: [0; LONGEST],
        filled: 0,
    };
    // What does not fit is cut off.
    let _ = write!(line, "{level} {}: ", target.unwrap_or(statement.target))
        .and_then(|()| write_message(&mut line, statement.format, statement.keys, captured))
        .and_then(|()| match statement.file {
            "" => Ok(()),
            file => write!(line, " ({file}:{})", statement.line),
        });
    line.end(say);
}

fn write_message(line: &mut Line, format: &str, keys: &str, captured: &[u8]) -> fmt::Result {
    let places = pieces(format).filter(|piece| matches!(piece, Piece::Place));
    let values = places.count() + key_names(keys).count();
    let Some((kinds, rest)) = captured.split_at_checked(words_for(values) * WORD) else {
        return line.write_str(format);
    };
    let mut values = Values { kinds, rest };
    for piece in pieces(format) {
        match piece {
            Piece::Text(text) => line.write_str(text)?,
            Piece::Place => values.write_next(line)?,
        }
    }
    for key in key_names(keys) {
        write!(line, " {key}=")?;
        values.write_next(line)?;
    }
    Ok(())
}

/// What a format string is made of.
enum Piece<'f> {
    Text(&'f str),
    Place,
}

/// The pieces of a format string that `format!` takes.
fn pieces(format: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = format;
    std::iter::from_fn(move || {
        let first = *rest.as_bytes().first()?;
        let is_place = first == b'{' && !rest.starts_with("{{");
        // Braces that stand for themselves come twice.
        let (len, skipped) = match first {
            b'{' if is_place => (rest.find('}').map_or(rest.len(), |end| end + 1), 0),
            b'{' | b'}' => (1, usize::from(rest.len() > 1)),
            _ => (rest.find(['{', '}']).unwrap_or(rest.len()), 0),
        };
        let piece = rest.get(..len)?;
        rest = rest.get(len + skipped..)?;
        Some(match is_place {
            true => Piece::Place,
            false => Piece::Text(piece),
        })
    })
}

struct Values<'c> {
    kinds: &'c [u8],
    rest: &'c [u8],
}

impl Values<'_> {
    fn write_next(&mut self, line: &mut Line) -> fmt::Result {
        let value = self.kinds.split_off_first();
        let kind = value.and_then(|&kind| Kind::from_number(kind));
        match kind.and_then(|kind| Captured::take(kind, &mut self.rest)) {
            Some(Captured::Unsigned(value)) => write!(line, "{value}"),
            Some(Captured::Signed(value, _)) => write!(line, "{value}"),
            Some(Captured::Single(value)) => write!(line, "{value}"),
            Some(Captured::Double(value)) => write!(line, "{value}"),
            Some(Captured::Bool(value)) => write!(line, "{value}"),
            Some(Captured::Char(value)) => line.write_char(value),
            Some(Captured::Text(bytes)) => line.write_bytes(bytes),
            Some(Captured::Rendered(bytes)) => {
                rendered_pieces(bytes).try_for_each(|piece| line.write_bytes(piece))
            }
            None => line.write_char('…'),
        }
    }
}

/// A line on the stack. It takes nothing that steers a terminal or ends a line.
struct Line {
    bytes: [u8; LONGEST],
    filled: usize,
}

impl Line {
    /// Text that may have been cut off within a character.
    fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        let mut chunks = bytes.utf8_chunks();
        chunks.try_for_each(|chunk| self.write_str(chunk.valid()))
    }

    fn end(mut self, say: impl FnOnce(&[u8])) {
        if let Some(place) = self.bytes.get_mut(self.filled) {
            *place = b'\n';
            self.filled += 1;
        }
        say(&self.bytes[..self.filled]);
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        // Controls, and what turns the direction of writing.
        let is_harmful =
            c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let c = if is_harmful { '?' } else { c };
        // One byte is for the end of the line.
        let end = self.filled + c.len_utf8();
        let place = self.bytes[..LONGEST - 1].get_mut(self.filled..end);
        c.encode_utf8(place.ok_or(fmt::Error)?);
        self.filled = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::capture::{Arguments, Rendered};

    fn line(site: &CallSite, target: Option<&str>, captured: &[u8]) -> String {
        let mut said = String::new();
        say_line(Level::Warn, site, target, captured, |line| {
            said = std::str::from_utf8(line).unwrap().to_owned();
        });
        said
    }

    #[test]
    fn the_values_stand_in_their_places_and_nothing_steers_a_terminal() {
        let format = "{} {{of}} {:>8.2}, {x:?}";
        let site = CallSite::new("imu", "imu.rs", 12, format, "axis\non", false);
        let mut captured = Vec::new();
        let rendered = Rendered(format_args!("\x1b[2J\nü"));
        (3_u8, -1.5, rendered, "z", true).capture_all(&mut captured);
        let whole = "WARN imu: 3 {of} -1.5, ?[2J?ü axis=z on=true (imu.rs:12)\n";
        assert_eq!(line(&site, None, &captured), whole);
        let cut_off = line(&site, Some("arm"), &captured[..16]);
        assert_eq!(cut_off, "WARN arm: 3 {of} …,  axis=… on=… (imu.rs:12)\n");
        assert_eq!(
            line(&site, None, &[]),
            format!("WARN imu: {format} (imu.rs:12)\n")
        );
    }

    #[test]
    fn what_does_not_fit_is_cut_off() {
        let site = CallSite::new("t", "f", 1, "{}", "", false);
        let mut captured = Vec::new();
        ("ü".repeat(LONGEST).as_str(),).capture_all(&mut captured);
        let said = line(&site, None, &captured);
        assert!(said.len() <= LONGEST && said.ends_with("ü\n"), "{said}");
    }
}
