//! The key-values at the end of a message in a text file: ` bus=2 state="at rest"`.
//!
//! A reader can't tell `info!(bus = 2; "slow")` from `info!("slow bus=2")` there, and need not: both are taken for
//! key-values, and written down again they are the same text. What would not be stays in the message.

use shmlog::sink::{Encoder, Encoding, Value, ValuesBuf};

use super::owned::Owned;

/// So many places at which a quoted text may begin are tried; a damaged line must not be looked through for each.
const TRIES: usize = 32;

/// Takes key-values from messages.
pub struct TakeValues {
    encoder: Encoder,
    line: Vec<u8>,
}

impl Default for TakeValues {
    fn default() -> TakeValues {
        TakeValues {
            encoder: Encoder::new(Encoding::Text),
            line: Vec::new(),
        }
    }
}

impl TakeValues {
    /// Moves those at the end of the message to the values.
    pub fn take(&mut self, record: &mut Owned) {
        let last_line = record.message.rfind('\n').map_or(0, |at| at + 1);
        let mut end = record.message.len();
        let mut pairs = Vec::new();
        while let Some((at, key, value)) = last_pair(&record.message[last_line..end]) {
            pairs.push((key, value));
            end = last_line + at;
        }
        record.values.clear();
        for (key, value) in pairs.iter().rev() {
            record.values.push(key, value);
        }
        if !pairs.is_empty() && self.says_the_same(&record.values, &record.message[end..]) {
            record.message.truncate(end);
        } else {
            record.values.clear();
        }
    }

    fn says_the_same(&mut self, values: &ValuesBuf, text: &str) -> bool {
        let bare = Owned::default();
        let mut record = bare.record();
        record.values = values.values();
        self.line.clear();
        self.encoder.push(&mut self.line, &record);
        let said = self.line.strip_suffix(b"\n");
        said.and_then(|said| said.strip_suffix(text.as_bytes()))
            .is_some_and(|before| before.ends_with(b" - "))
    }
}

/// The last pair of a line, and where the blank before it stands.
fn last_pair(line: &str) -> Option<(usize, String, Value<'static>)> {
    let (sign, value) = match line.strip_suffix('"') {
        Some(open) => open
            .rmatch_indices("=\"")
            .take(TRIES)
            .find_map(|(at, _)| Some((at, Value::from(unquoted(&open[at + 2..])?))))?,
        None => {
            let word = line.rfind(' ')? + 1;
            let sign = word + line[word..].find('=')?;
            let value = &line[sign + 1..];
            (sign, is_bare(value).then(|| bare_value(value))?)
        }
    };
    let blank = line[..sign].rfind(' ')?;
    let key = &line[blank + 1..sign];
    is_bare(key).then(|| (blank, key.to_owned(), value))
}

fn is_bare(text: &str) -> bool {
    let breaks = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '=');
    !text.is_empty() && !text.contains(breaks)
}

/// What such a text was before it was written down: the kind that is written so.
fn bare_value(text: &str) -> Value<'static> {
    if let Ok(truth) = text.parse::<bool>() {
        return truth.into();
    }
    let first = text.trim_start_matches('-').as_bytes()[..].first();
    if first.is_some_and(|first| first.is_ascii_digit() || b"iN".contains(first)) {
        if let Some(number) = same::<u128>(text) {
            return number.into();
        }
        if let Some(number) = same::<i128>(text) {
            return number.into();
        }
        if let Some(number) = same::<f64>(text) {
            return number.into();
        }
    }
    text.to_owned().into()
}

/// The number, if it is written like that.
fn same<N: std::str::FromStr + ToString>(text: &str) -> Option<N> {
    let number: N = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// What stands between quotes; `None` where they end before, or an escape is none.
fn unquoted(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        out.push(match character {
            '"' => return None,
            '\\' => match rest.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '0' => '\0',
                'x' => hexadecimal(&rest.by_ref().take(2).collect::<String>())?,
                'u' => {
                    let digits: String = rest.by_ref().take_while(|c| *c != '}').collect();
                    hexadecimal(digits.strip_prefix('{')?)?
                }
                other => other,
            },
            other => other,
        });
    }
    Some(out)
}

fn hexadecimal(digits: &str) -> Option<char> {
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}
