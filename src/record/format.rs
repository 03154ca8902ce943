//! Format strings at run time: what `format!` does when it is compiled, done by the drainer for each record.
//!
//! ```text
//!   "joint {} at {:>8.3}"  ──parse, once per call site──►  "joint " │ value {} │ " at " │ value {:>8.3}
//!   arguments              ──render, per record──────────►  the text that format! gives
//! ```
//!
//! Values come in the order of their places, whatever the places call them. The grammar is that of `std::fmt`;
//! widths and precisions that are themselves arguments do not occur here (see `crates/macros/`).

mod float;
mod room;
mod value;

use std::iter::Peekable;
use std::str::Chars;

pub(crate) use room::{CUT_MARK, Room, lossy};
pub(crate) use value::{Value as Captured, rendered_pieces, take_text};

use super::capture::Kind;
use super::site::MAX_NAME;
use crate::words::{WORD, words_for};

/// A format string, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
    /// How many values there are: of the pieces, and of keys.
    values: usize,
}

/// Values behind those of a format's places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest<'a> {
    /// The kinds of those that belong to keys.
    pub(crate) kinds: &'a [u8],
    /// They, and what comes behind them.
    pub(crate) bytes: &'a [u8],
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Spec),
}

/// How a value shall look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spec {
    fill: Option<char>,
    align: Option<Align>,
    plus: bool,
    alternate: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
    style: Style,
    look: Look,
}

/// What a spec comes to: most are one of two that are quickly done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Look {
    /// `{}`.
    #[default]
    Plain,
    /// `{:.3}`.
    Digits(usize),
    /// Any other.
    Styled,
}

impl Spec {
    fn look(&self) -> Look {
        let rest = Spec {
            precision: None,
            ..*self
        };
        match self.precision {
            _ if rest != Spec::default() => Look::Styled,
            None => Look::Plain,
            Some(digits) => Look::Digits(digits),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Align {
    Left,
    Centre,
    Right,
}

/// The trait of `std::fmt` that writes the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Style {
    #[default]
    Display,
    Debug,
    DebugLowerHex,
    DebugUpperHex,
    LowerHex,
    UpperHex,
    Octal,
    Binary,
    LowerExp,
    UpperExp,
}

/// `format!` allows no more.
const MOST: usize = u16::MAX as usize;
/// The macros capture no more values, and store no longer format. A member that writes what it must not could have
/// thousands of places.
const MOST_VALUES: usize = 16;
const MOST_BYTES: usize = MAX_NAME;

impl Format {
    /// With so many keys that have values too. `None` for what `format!` would not compile, or not without more
    /// arguments, and what no macro stores.
    pub(crate) fn parse(text: &str, keys: usize) -> Option<Format> {
        if text.len() > MOST_BYTES {
            return None;
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' if rest.next_if_eq(&'{').is_some() => literal.push('{'),
                '}' => {
                    rest.next_if_eq(&'}')?;
                    literal.push('}');
                }
                '{' => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal)));
                    }
                    pieces.push(Piece::Value(parse_place(&mut rest)?));
                }
                c => literal.push(c),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        let values = pieces
            .iter()
            .filter(|piece| matches!(piece, Piece::Value(_)));
        let values = values.count().saturating_add(keys);
        (values <= MOST_VALUES).then_some(Format { pieces, values })
    }

    /// The memory that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        let texts = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Value(_) => 0,
        });
        self.pieces.len() * size_of::<Piece>() + texts.sum::<usize>()
    }

    /// Appends the text for the arguments that stand in `bytes`, as `capture` wrote them, and returns what stands
    /// behind them. `None` when they are not whole: then what could be written has been. What `room` is too small for is
    /// left out.
    pub(crate) fn render<'a>(
        &self,
        bytes: &'a [u8],
        out: &mut String,
        room: &mut Room,
    ) -> Option<Rest<'a>> {
        let (kinds, mut rest) = bytes.split_at_checked(words_for(self.values) * WORD)?;
        let mut kinds = kinds[..self.values].iter();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(spec) => {
                    let kind = Kind::from_number(*kinds.next()?)?;
                    Captured::take(kind, &mut rest)?.write(spec, out, room)?;
                }
            }
        }
        Some(Rest {
            kinds: kinds.as_slice(),
            bytes: rest,
        })
    }
}

/// Reads on behind the `{` of a place, up to and with its `}`.
fn parse_place(rest: &mut Peekable<Chars<'_>>) -> Option<Spec> {
    let mut spec = Spec::default();
    loop {
        match rest.next()? {
            '}' => return Some(spec),
            ':' => break,
            '{' => return None,
            _ => {}
        }
    }
    let mut ahead = rest.clone();
    let first = ahead.next()?;
    if let Some(align) = ahead.next().and_then(align_of) {
        (spec.fill, spec.align) = (Some(first), Some(align));
        *rest = ahead;
    } else if let Some(align) = align_of(first) {
        spec.align = Some(align);
        rest.next();
    }
    spec.plus = rest.next_if_eq(&'+').is_some();
    if !spec.plus {
        rest.next_if_eq(&'-');
    }
    spec.alternate = rest.next_if_eq(&'#').is_some();
    spec.zero = rest.next_if_eq(&'0').is_some();
    spec.width = parse_number(rest)?;
    if rest.next_if_eq(&'.').is_some() {
        spec.precision = Some(parse_number(rest)??);
    }
    let mut style = String::new();
    loop {
        match rest.next()? {
            '}' => break,
            c if c.is_whitespace() => {}
            c if style.len() < 2 => style.push(c),
            _ => return None,
        }
    }
    spec.style = style_of(&style)?;
    spec.look = spec.look();
    Some(spec)
}

fn align_of(c: char) -> Option<Align> {
    match c {
        '<' => Some(Align::Left),
        '^' => Some(Align::Centre),
        '>' => Some(Align::Right),
        _ => None,
    }
}

fn style_of(text: &str) -> Option<Style> {
    Some(match text {
        "" => Style::Display,
        "?" => Style::Debug,
        "x?" => Style::DebugLowerHex,
        "X?" => Style::DebugUpperHex,
        "x" => Style::LowerHex,
        "X" => Style::UpperHex,
        "o" => Style::Octal,
        "b" => Style::Binary,
        "e" => Style::LowerExp,
        "E" => Style::UpperExp,
        _ => return None,
    })
}

/// A number, if there is one; `None` if it is too large.
fn parse_number(rest: &mut Peekable<Chars<'_>>) -> Option<Option<usize>> {
    let mut number = None;
    while let Some(digit) = rest.peek().and_then(|c| c.to_digit(10)) {
        rest.next();
        let next = number.unwrap_or(0) * 10 + digit as usize;
        if next > MOST {
            return None;
        }
        number = Some(next);
    }
    Some(number)
}

#[cfg(all(test, not(loom)))]
mod tests;
