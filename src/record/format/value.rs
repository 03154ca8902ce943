//! One value: read from the bytes that `capture` wrote, and written as its place asks for.

use std::fmt::{Binary, Debug, Display, LowerExp, LowerHex, Octal, UpperExp, UpperHex, Write};

use super::room::{Room, Within, lossy_within};
use super::{Align, Look, Spec, Style, float};
use crate::record::capture::Kind;
use crate::record::codec::take_word;
use crate::words::WORD;

/// A value as it was captured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// Of any width.
    Unsigned(u128),
    /// With the number of its bits, which hexadecimal, octal and binary digits show of a negative one.
    Signed(i128, u32),
    /// A float of 32 bits.
    Single(f32),
    /// A float of 64 bits.
    Double(f64),
    /// `true` or `false`.
    Bool(bool),
    /// One character.
    Char(char),
    /// Text; its bytes may be anything.
    Text(&'a [u8]),
    /// Pieces of text, made ready by the producer as the place asks for.
    Rendered(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Takes the next value from `rest`. `None` when it is not whole, or none of its kind.
    pub(crate) fn take(kind: Kind, rest: &mut &'a [u8]) -> Option<Value<'a>> {
        let mut word = || take_word(rest);
        macro_rules! unsigned {
            ($type:ty) => {
                Value::Unsigned((word()? as $type).into())
            };
        }
        macro_rules! signed {
            ($type:ty) => {
                Value::Signed((word()? as $type).into(), <$type>::BITS)
            };
        }
        Some(match kind {
            Kind::U8 => unsigned!(u8),
            Kind::U16 => unsigned!(u16),
            Kind::U32 => unsigned!(u32),
            Kind::U64 => unsigned!(u64),
            Kind::U128 => Value::Unsigned(take_two(rest)?),
            Kind::I8 => signed!(i8),
            Kind::I16 => signed!(i16),
            Kind::I32 => signed!(i32),
            Kind::I64 => signed!(i64),
            Kind::I128 => Value::Signed(take_two(rest)? as i128, i128::BITS),
            Kind::F32 => Value::Single(f32::from_bits(word()? as u32)),
            Kind::F64 => Value::Double(f64::from_bits(word()?)),
            Kind::Bool => Value::Bool(word()? != 0),
            Kind::Char => Value::Char(char::from_u32(word()? as u32)?),
            Kind::Text => {
                let len = usize::try_from(word()?).ok()?;
                Value::Text(take_text(rest, len))
            }
            Kind::Rendered => {
                let pieces = *rest;
                pass_pieces(rest);
                Value::Rendered(&pieces[..pieces.len() - rest.len()])
            }
        })
    }

    /// Appends the value as `{}` does.
    pub(crate) fn write_plain(&self, out: &mut String) {
        let mut room = Room::behind(out);
        // Each can look so.
        let _ = self.write(&Spec::default(), out, &mut room);
    }

    /// Appends the value. `None` when no value of this kind can look so.
    #[inline]
    pub(crate) fn write(&self, spec: &Spec, out: &mut String, room: &mut Room) -> Option<()> {
        match (*self, spec.look) {
            (Value::Rendered(pieces), _) => write_pieces(pieces, out, room),
            (Value::Unsigned(value), Look::Plain) => write_plain(value, out),
            (Value::Signed(value, _), Look::Plain) => {
                if value < 0 {
                    out.push('-');
                }
                write_plain(value.unsigned_abs(), out);
            }
            (Value::Text(bytes), Look::Plain) => push_lossy(bytes, out, room),
            (Value::Double(value), Look::Plain) if float::push_shortest(value, out) => {}
            (Value::Single(value), Look::Plain) if float::push_shortest_single(value, out) => {}
            (Value::Double(value), Look::Digits(n)) if float::push_fixed(value, n, out) => {}
            (Value::Single(value), Look::Digits(n)) if float::push_fixed(value.into(), n, out) => {}
            _ => return self.write_styled(spec, out, room),
        }
        Some(())
    }

    fn write_styled(&self, spec: &Spec, out: &mut String, room: &mut Room) -> Option<()> {
        let start = out.len();
        let spec = &self.with_room_for(spec, room);
        let number = match *self {
            Value::Unsigned(value) => write_integer(value, value, spec, out),
            Value::Signed(value, bits) => {
                let digits = value as u128 & (u128::MAX >> (128 - bits));
                write_integer(value, digits, spec, out)
            }
            Value::Single(value) => write_float(value, spec, out)?,
            Value::Double(value) => write_float(value, spec, out)?,
            Value::Bool(value) => write_text(value, spec, &mut Within { out, room })?,
            Value::Char(value) => write_text(value, spec, &mut Within { out, room })?,
            Value::Text(bytes) => {
                let text = lossy_within(bytes, room.left(out));
                write_text(&*text, spec, &mut Within { out, room })?
            }
            Value::Rendered(_) => return None,
        };
        // `Debug` of text knows no width.
        let padded = match *self {
            Value::Char(_) | Value::Text(_) => spec.style == Style::Display,
            _ => true,
        };
        if let Some(width) = spec.width.filter(|_| padded && !spec.zero) {
            let usual = if number { Align::Right } else { Align::Left };
            pad(
                out,
                start,
                width,
                spec.align.unwrap_or(usual),
                spec.fill.unwrap_or(' '),
                room,
            );
        }
        Some(())
    }

    /// The spec with as many digits as there is room for. The precision of a text only shortens it, and blanks are put in
    /// by [`pad`].
    fn with_room_for(&self, spec: &Spec, room: &mut Room) -> Spec {
        let mut spec = *spec;
        if spec.zero {
            spec.width = spec.width.map(|width| room.take_fill(width));
        }
        let is_number = !matches!(self, Value::Bool(_) | Value::Char(_) | Value::Text(_));
        if is_number {
            spec.precision = spec.precision.map(|digits| room.take_fill(digits));
        }
        spec
    }
}

/// Writes with one trait of `std::fmt` and every flag but fill and alignment, which it knows at compile time only.
/// The width counts with zeros only, which no padding afterwards can put behind the sign.
macro_rules! put {
    ($out:expr, $spec:expr, $value:expr, $style:literal) => {{
        let (w, p) = ($spec.width.unwrap_or(0), $spec.precision.unwrap_or(0));
        let value = &$value;
        let flags = (
            $spec.plus,
            $spec.alternate,
            $spec.zero,
            $spec.precision.is_some(),
        );
        // A String takes everything, and what is cut off by lack of room is marked.
        let _ = match flags {
            (false, false, false, false) => write!($out, concat!("{:", $style, "}"), value),
            (false, false, false, true) => {
                write!($out, concat!("{:.p$", $style, "}"), value, p = p)
            }
            (false, false, true, false) => {
                write!($out, concat!("{:0w$", $style, "}"), value, w = w)
            }
            (false, false, true, true) => {
                write!($out, concat!("{:0w$.p$", $style, "}"), value, w = w, p = p)
            }
            (false, true, false, false) => write!($out, concat!("{:#", $style, "}"), value),
            (false, true, false, true) => {
                write!($out, concat!("{:#.p$", $style, "}"), value, p = p)
            }
            (false, true, true, false) => {
                write!($out, concat!("{:#0w$", $style, "}"), value, w = w)
            }
            (false, true, true, true) => {
                write!($out, concat!("{:#0w$.p$", $style, "}"), value, w = w, p = p)
            }
            (true, false, false, false) => write!($out, concat!("{:+", $style, "}"), value),
            (true, false, false, true) => {
                write!($out, concat!("{:+.p$", $style, "}"), value, p = p)
            }
            (true, false, true, false) => {
                write!($out, concat!("{:+0w$", $style, "}"), value, w = w)
            }
            (true, false, true, true) => {
                write!($out, concat!("{:+0w$.p$", $style, "}"), value, w = w, p = p)
            }
            (true, true, false, false) => write!($out, concat!("{:+#", $style, "}"), value),
            (true, true, false, true) => {
                write!($out, concat!("{:+#.p$", $style, "}"), value, p = p)
            }
            (true, true, true, false) => {
                write!($out, concat!("{:+#0w$", $style, "}"), value, w = w)
            }
            (true, true, true, true) => write!(
                $out,
                concat!("{:+#0w$.p$", $style, "}"),
                value,
                w = w,
                p = p
            ),
        };
    }};
}

/// Writes `value`, or where bits are shown, `digits`. Returns that it is a number.
fn write_integer(
    value: impl Display + Debug + LowerExp + UpperExp,
    digits: u128,
    spec: &Spec,
    out: &mut String,
) -> bool {
    match spec.style {
        Style::Display => put!(out, spec, value, ""),
        Style::Debug => put!(out, spec, value, "?"),
        Style::LowerExp => put!(out, spec, value, "e"),
        Style::UpperExp => put!(out, spec, value, "E"),
        _ => write_digits(digits, spec, out),
    }
    true
}

fn write_digits(digits: impl LowerHex + UpperHex + Octal + Binary, spec: &Spec, out: &mut String) {
    match spec.style {
        Style::Octal => put!(out, spec, digits, "o"),
        Style::Binary => put!(out, spec, digits, "b"),
        Style::UpperHex | Style::DebugUpperHex => put!(out, spec, digits, "X"),
        _ => put!(out, spec, digits, "x"),
    }
}

/// Returns that it is a number.
fn write_float(
    value: impl Display + Debug + LowerExp + UpperExp,
    spec: &Spec,
    out: &mut String,
) -> Option<bool> {
    match spec.style {
        Style::Display => put!(out, spec, value, ""),
        Style::Debug | Style::DebugLowerHex | Style::DebugUpperHex => put!(out, spec, value, "?"),
        Style::LowerExp => put!(out, spec, value, "e"),
        Style::UpperExp => put!(out, spec, value, "E"),
        _ => return None,
    }
    Some(true)
}

/// Returns that it is no number.
fn write_text(value: impl Display + Debug, spec: &Spec, out: &mut Within<'_>) -> Option<bool> {
    match spec.style {
        Style::Display => put!(out, spec, value, ""),
        Style::Debug | Style::DebugLowerHex | Style::DebugUpperHex => put!(out, spec, value, "?"),
        _ => return None,
    }
    Some(false)
}

fn write_plain(value: u128, out: &mut String) {
    let mut digits = itoa::Buffer::new();
    match u64::try_from(value) {
        Ok(value) => out.push_str(digits.format(value)),
        Err(_) => out.push_str(digits.format(value)),
    }
}

/// Fills what stands from `start` on up to `width` characters.
fn pad(out: &mut String, start: usize, width: usize, align: Align, fill: char, room: &mut Room) {
    let missing = width.saturating_sub(out[start..].chars().count());
    let bytes = fill.len_utf8();
    let missing = room.take_fill(missing * bytes) / bytes;
    if missing == 0 {
        return;
    }
    let before = match align {
        Align::Left => 0,
        Align::Centre => missing / 2,
        Align::Right => missing,
    };
    let mut buffer = [0; 4];
    let fill = fill.encode_utf8(&mut buffer);
    if before > 0 {
        out.insert_str(start, &fill.repeat(before));
    }
    out.push_str(&fill.repeat(missing - before));
}

fn push_lossy(bytes: &[u8], out: &mut String, room: &mut Room) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        room.push(text, out);
        return;
    }
    for piece in bytes.utf8_chunks() {
        let replaced = if piece.invalid().is_empty() {
            ""
        } else {
            "\u{fffd}"
        };
        if !room.push(piece.valid(), out) || !room.push(replaced, out) {
            return;
        }
    }
}

fn take_two(rest: &mut &[u8]) -> Option<u128> {
    let (low, high) = (take_word(rest)?, take_word(rest)?);
    Some(u128::from(high) << 64 | u128::from(low))
}

/// Takes text and its padding; of text that was cut off, what is left.
pub(crate) fn take_text<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let text = &rest[..len.min(rest.len())];
    let padded = len.checked_next_multiple_of(WORD).unwrap_or(len);
    *rest = &rest[padded.min(rest.len())..];
    text
}

/// The next piece of rendered text, if there are more of them.
fn take_piece<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_word(rest).filter(|&len| len > 0)?;
    Some(take_text(rest, usize::try_from(len).ok()?))
}

/// The pieces of a value that was rendered.
pub(crate) fn rendered_pieces(mut pieces: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || take_piece(&mut pieces))
}

fn pass_pieces(rest: &mut &[u8]) {
    while take_piece(rest).is_some() {}
}

fn write_pieces(pieces: &[u8], out: &mut String, room: &mut Room) {
    rendered_pieces(pieces).for_each(|piece| push_lossy(piece, out, room));
}
