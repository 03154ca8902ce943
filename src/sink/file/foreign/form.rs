//! The form of our lines, by their first bytes.

use std::path::Path;

use super::Encoding;
use crate::sink::file::line::INDENT;

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sink::file) enum Looks {
    /// A record of this sequence, in its place.
    Record(u64),
    /// A record that came late.
    Late,
    /// The drainer's own words.
    Own,
    /// A further line of a message.
    Further,
    /// The beginning of a line of ours that has no end.
    Begun,
    /// Not a line of ours.
    Foreign,
}

/// How the lines of a file begin. `#` is a digit, `~` a letter, in any number, with blanks behind.
#[derive(Clone, Copy, Debug)]
pub(in crate::sink::file) struct Form {
    encoding: Encoding,
    head: &'static [u8],
    /// What stands before a sequence, behind a late one, and where there is none.
    sequence: &'static [u8],
    late: &'static [u8],
    own: &'static [u8],
}

/// Bytes of a time in text.
const STAMP: usize = 26;

const TEXT: Form = Form {
    encoding: Encoding::Text,
    head: b"####-##-## ##:##:##.###### ~ ",
    sequence: b"#",
    late: b"/late ",
    own: b"#- ",
};
const JSON: Form = Form {
    encoding: Encoding::Json,
    head: b"{\"time\":\"####-##-##T##:##:##.#########Z\",\"level\":\"~\",\"",
    sequence: b"seq\":",
    late: b",\"late\":true",
    own: b"process\":",
};
const LOGFMT: Form = Form {
    encoding: Encoding::Logfmt,
    head: b"time=####-##-##T##:##:##.#########Z level=~ ",
    sequence: b"seq=",
    late: b" late=true",
    own: b"process=",
};

impl Form {
    /// Bytes of a line that say what it is.
    pub(super) const HEAD: usize = 128;

    /// That of the lines of a file, by its name.
    pub(in crate::sink::file) fn of(path: &Path) -> Option<Form> {
        let ending = path.extension()?.to_str()?;
        let all = [TEXT, JSON, LOGFMT].into_iter();
        all.into_iter()
            .find(|form| form.encoding.ending().strip_prefix('.') == Some(ending))
    }

    /// What a stretch is struck out with: no reader takes it for a record or for part of one.
    pub(super) const fn filler(self) -> u8 {
        match self.encoding {
            // Blanks would be a further line of the message before.
            Encoding::Text => b'-',
            Encoding::Json | Encoding::Logfmt => b' ',
        }
    }

    /// What a line of this head looks like.
    pub(super) fn look(self, line: &[u8], is_whole: bool) -> Looks {
        let joined;
        let line = match (self.encoding, line.get(STAMP)) {
            // Its offset from UTC stands behind the time.
            (Encoding::Text, Some(b'+' | b'-')) => {
                joined = [&line[..STAMP], line.get(STAMP + 6..).unwrap_or_default()].concat();
                &joined
            }
            _ => line,
        };
        match self.behind_head(line) {
            Ok(rest) => match self.of_record(rest, is_whole) {
                Some(looks) => looks,
                None if is_whole => Looks::Foreign,
                None => Looks::Begun,
            },
            // It ends where it fitted so far.
            Err(true) if !is_whole => Looks::Begun,
            Err(_) if self.encoding == Encoding::Text && line.starts_with(INDENT) => Looks::Further,
            Err(_) => Looks::Foreign,
        }
    }

    /// By what is behind the head, if that is a record's.
    fn of_record(self, rest: &[u8], is_whole: bool) -> Option<Looks> {
        if rest.starts_with(self.own) {
            return Some(if is_whole { Looks::Own } else { Looks::Begun });
        }
        let rest = rest.strip_prefix(self.sequence)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let sequence = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        if !is_whole {
            return Some(Looks::Begun);
        }
        match rest[digits..].starts_with(self.late) {
            true => Some(Looks::Late),
            false => Some(Looks::Record(sequence)),
        }
    }

    /// What is behind the head; if that does not fit, whether it did up to the end of the line.
    fn behind_head(self, line: &[u8]) -> Result<&[u8], bool> {
        let mut rest = line;
        for place in self.head {
            let is_letter = |byte: &&u8| byte.is_ascii_alphabetic();
            let count = match (place, rest.first()) {
                (_, None) => return Err(true),
                (b'~', Some(_)) => {
                    let letters = rest.iter().take_while(is_letter).count();
                    let padding = rest[letters..].iter().take_while(|byte| **byte == b' ');
                    // One blank stands in the pattern.
                    letters + padding.count().saturating_sub(1)
                }
                (b'#', Some(byte)) if byte.is_ascii_digit() => 1,
                (place, Some(byte)) if place == byte => 1,
                _ => return Err(false),
            };
            rest = &rest[count..];
        }
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::Level;
    use crate::record::Record;
    use crate::sink::Encoder;
    use crate::sink::samples::record;
    use proptest::prelude::*;

    fn lines(form: Form, record: &Record<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::new(form.encoding).push(&mut out, record);
        out
    }

    proptest! {
        #[test]
        fn our_own_lines_are_known_whole_and_cut_anywhere(
            form in prop::sample::select(vec![TEXT, JSON, LOGFMT]), level in prop::sample::select(&Level::ALL[..]),
            sequence: Option<u64>, late: bool, time_ns in 0..i64::MAX, at: prop::sample::Index,
        ) {
            let late = late && sequence.is_some();
            let record = Record { sequence, late, level, time_ns, ..record(0, "x") };
            let line = lines(form, &record);
            let head = &line[..line.len().min(Form::HEAD)];
            let expected = match sequence {
                None => Looks::Own,
                Some(_) if late => Looks::Late,
                Some(sequence) => Looks::Record(sequence),
            };
            prop_assert_eq!(form.look(head, true), expected);
            let cut = 1 + at.index(head.len() - 1);
            prop_assert_eq!(form.look(&head[..cut], false), Looks::Begun);
        }

        #[test]
        fn what_others_write_is_none_of_ours(form in prop::sample::select(vec![TEXT, JSON, LOGFMT]), text in "[a-zA-Z=\"{ ]{0,40}") {
            prop_assume!(!text.starts_with("    ") && !"{\"time\":\"".starts_with(&text) && !"time=".starts_with(&text));
            prop_assert_eq!(form.look((text.clone() + "\n").as_bytes(), true), Looks::Foreign);
        }
    }

    #[test]
    fn a_file_is_of_the_form_that_its_name_says() {
        let form = |name: &str| Form::of(Path::new(name)).map(|form| form.encoding);
        assert_eq!(form("/x/app_1.log"), Some(Encoding::Text));
        assert_eq!(form("app_1_recovered.log"), Some(Encoding::Text));
        assert_eq!(form("app_1.jsonl"), Some(Encoding::Json));
        assert_eq!(form("app_1.logfmt"), Some(Encoding::Logfmt));
        assert_eq!(form("app_1.mcap"), None);
    }
}
