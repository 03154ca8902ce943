//! Arguments of a log call as bytes: what the drainer needs to write the text that `format!` would have.
//!
//! ```text
//!   kinds: a byte per value │ values, one behind the other
//!   number, bool, char      its bits in a word (128 bits: in two, the lower ones first)
//!   text                    length │ bytes
//!   rendered                pieces: length │ bytes; a length of 0 ends them
//! ```
//!
//! Everything begins at a word, of the machine's byte order, and is padded to one with zeros: so it goes from
//! registers into the slot as it is, without lying in pieces in between.
//!
//! A value is captured once per place of the format string, so a place says all about it. Which values can be
//! captured is decided by their type ([`Held`]); any other is rendered here, with the flags of its place.

use std::borrow::Cow;
use std::fmt::{self, Write};

use super::values::{About, put_entry};
use crate::boundary::floor_char_boundary;
use crate::words::{WORD, words_for};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[doc(hidden)]
pub enum Kind {
    U8 = 1,
    U16 = 2,
    U32 = 3,
    U64 = 4,
    U128 = 5,
    I8 = 6,
    I16 = 7,
    I32 = 8,
    I64 = 9,
    I128 = 10,
    F32 = 11,
    F64 = 12,
    Bool = 13,
    Char = 14,
    Text = 15,
    Rendered = 16,
}

const KINDS: [Kind; 16] = [
    Kind::U8,
    Kind::U16,
    Kind::U32,
    Kind::U64,
    Kind::U128,
    Kind::I8,
    Kind::I16,
    Kind::I32,
    Kind::I64,
    Kind::I128,
    Kind::F32,
    Kind::F64,
    Kind::Bool,
    Kind::Char,
    Kind::Text,
    Kind::Rendered,
];

impl Kind {
    /// The kind of a byte, if it is one of them.
    pub(crate) fn from_number(number: u8) -> Option<Kind> {
        KINDS.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// Where captured words go.
#[doc(hidden)]
pub trait Put {
    /// Appends a word.
    fn word(&mut self, word: u64);
    /// Appends bytes, and zeros up to the end of the word.
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(WORD) {
            let mut word = [0; WORD];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_ne_bytes(word));
        }
    }
}

impl Put for Vec<u8> {
    fn word(&mut self, word: u64) {
        self.extend(word.to_ne_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.extend(bytes);
        self.resize(self.len().next_multiple_of(8), 0);
    }
}

/// A value that can be captured.
#[doc(hidden)]
pub trait Capture {
    /// What it is.
    const KIND: Kind;
    /// How many words it takes; `None` if that is known only when it has been rendered.
    fn words(&self) -> Option<usize>;
    /// Hands it over.
    fn capture(&self, out: &mut impl Put);
}

/// Values of a size that their type says, and their words.
macro_rules! values {
    ($($type:ty: $kind:ident |$value:ident| [$($word:expr),*];)*) => {$(
        impl Capture for $type {
            const KIND: Kind = Kind::$kind;
            #[inline]
            fn words(&self) -> Option<usize> {
                Some([$(stringify!($word)),*].len())
            }
            #[inline]
            fn capture(&self, out: &mut impl Put) {
                let $value = *self;
                $(out.word($word);)*
            }
        }
    )*};
}

// Signed integers go through the unsigned type of the same width, so that they are not sign-extended.
values! {
    u8: U8 |value| [value.into()];
    u16: U16 |value| [value.into()];
    u32: U32 |value| [value.into()];
    u64: U64 |value| [value];
    u128: U128 |value| [value as u64, (value >> 64) as u64];
    i8: I8 |value| [(value as u8).into()];
    i16: I16 |value| [(value as u16).into()];
    i32: I32 |value| [(value as u32).into()];
    i64: I64 |value| [value as u64];
    i128: I128 |value| [value as u64, (value >> 64) as u64];
    f32: F32 |value| [value.to_bits().into()];
    f64: F64 |value| [value.to_bits()];
    bool: Bool |value| [value.into()];
    char: Char |value| [u32::from(value).into()];
}

#[cfg(target_pointer_width = "64")]
values! {
    usize: U64 |value| [value as u64];
    isize: I64 |value| [value as u64];
}
#[cfg(target_pointer_width = "32")]
values! {
    usize: U32 |value| [value as u64];
    isize: I32 |value| [(value as u32).into()];
}

impl Capture for str {
    const KIND: Kind = Kind::Text;
    #[inline]
    fn words(&self) -> Option<usize> {
        Some(1 + words_for(self.len()))
    }
    #[inline]
    fn capture(&self, out: &mut impl Put) {
        out.word(self.len() as u64);
        out.bytes(self.as_bytes());
    }
}

macro_rules! like_what_it_points_to {
    ($(($($generic:tt)*) $type:ty: $target:ty;)*) => {$(
        impl<$($generic)*> Capture for $type {
            const KIND: Kind = <$target>::KIND;
            #[inline]
            fn words(&self) -> Option<usize> {
                <$target>::words(self)
            }
            #[inline]
            fn capture(&self, out: &mut impl Put) {
                <$target>::capture(self, out);
            }
        }
    )*};
}

like_what_it_points_to! {
    (T: Capture + ?Sized) &T: T;
    (T: Capture + ?Sized) &mut T: T;
    (T: Capture + ?Sized) Box<T>: T;
    () String: str;
    () Cow<'_, str>: str;
}

/// A value in one place of a format string, on its way to be captured or, if its type is none that can be,
/// rendered. Which of the two, the compiler decides: `(&Held(&value)).__shmlog_hold(…)` finds [`ByValue`] first, where
/// that is implemented, and [`ByText`] through one more reference.
#[doc(hidden)]
#[derive(Debug)]
pub struct Held<'a, T: ?Sized>(pub &'a T);

#[doc(hidden)]
pub trait ByValue<'a> {
    /// What is captured.
    type Value: Capture + ?Sized;
    /// Drops the text, which was not rendered.
    fn __shmlog_hold(&self, _text: fmt::Arguments<'_>) -> &'a Self::Value;
}

impl<'a, T: Capture + ?Sized> ByValue<'a> for Held<'a, T> {
    type Value = T;
    #[inline]
    fn __shmlog_hold(&self, _text: fmt::Arguments<'_>) -> &'a T {
        self.0
    }
}

#[doc(hidden)]
pub trait ByText {
    /// Keeps the text, to be rendered.
    fn __shmlog_hold<'t>(&self, text: fmt::Arguments<'t>) -> Rendered<'t>;
}

impl<T: ?Sized> ByText for &Held<'_, T> {
    #[inline]
    fn __shmlog_hold<'t>(&self, text: fmt::Arguments<'t>) -> Rendered<'t> {
        Rendered(text)
    }
}

/// A value that is rendered before the record is claimed.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Rendered<'t>(pub fmt::Arguments<'t>);

/// What stands in a record whose arguments' own formatting reported an error.
pub(crate) const FORMATTING_FAILED: &str = "‹formatting failed›";

impl Capture for Rendered<'_> {
    const KIND: Kind = Kind::Rendered;
    #[inline]
    fn words(&self) -> Option<usize> {
        None
    }
    #[inline(never)]
    fn capture(&self, out: &mut impl Put) {
        let mut pieces = Pieces {
            out,
            piece: [0; PIECE],
            filled: 0,
        };
        if pieces.write_fmt(self.0).is_err() {
            // Never an error of ours.
            let _ = pieces.write_str(FORMATTING_FAILED);
        }
        pieces.send();
        out.word(0);
    }
}

/// Bytes of text that are sent together, whole characters: formatting comes in many small steps.
const PIECE: usize = 256;

/// Text on its way, in pieces with their lengths before them.
struct Pieces<'p, P: Put> {
    out: &'p mut P,
    piece: [u8; PIECE],
    filled: usize,
}

impl<P: Put> Pieces<'_, P> {
    fn send(&mut self) {
        if self.filled > 0 {
            self.out.word(self.filled as u64);
            self.out.bytes(&self.piece[..self.filled]);
            self.filled = 0;
        }
    }
}

impl<P: Put> Write for Pieces<'_, P> {
    /// Never an error, though the rest of a record may go nowhere: `format!` gives none, and an argument's own
    /// `Display` may rely on that.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while !rest.is_empty() {
            let now = floor_char_boundary(rest, PIECE - self.filled);
            if now == 0 {
                self.send();
                continue;
            }
            let (part, left) = rest.split_at(now);
            self.piece[self.filled..][..now].copy_from_slice(part.as_bytes());
            self.filled += now;
            rest = left;
        }
        Ok(())
    }
}

/// All arguments of one log call: a tuple of values.
#[doc(hidden)]
pub trait Arguments {
    /// How many words they take, kinds and all; `None` if that is known only when they have been rendered.
    fn words(&self) -> Option<usize>;
    /// Hands over the kinds, then the values.
    fn capture_all(&self, out: &mut impl Put);
}

const SUPPRESSED: &str = "suppressed";
/// Words of the entry that says how many.
const SUPPRESSED_WORDS: usize = 2 + words_for(SUPPRESSED.len());

/// Arguments, and how many records were left out before this one.
#[derive(Debug)]
pub(crate) struct Suppressed<'a, A>(pub(crate) &'a A, pub(crate) u64);

impl<A: Arguments> Arguments for Suppressed<'_, A> {
    #[inline]
    fn words(&self) -> Option<usize> {
        let words = if self.1 > 0 { SUPPRESSED_WORDS } else { 0 };
        Some(self.0.words()? + words)
    }
    #[inline]
    fn capture_all(&self, out: &mut impl Put) {
        self.0.capture_all(out);
        if self.1 > 0 {
            put_entry(out, About::Value, SUPPRESSED, &self.1);
        }
    }
}

macro_rules! tuples {
    ($(($($value:ident $index:tt)*))*) => {$(
        impl<$($value: Capture),*> Arguments for ($($value,)*) {
            #[inline]
            fn words(&self) -> Option<usize> {
                const KINDS: usize = words_for(<[u8]>::len(&[$($index),*]));
                Some(KINDS $(+ self.$index.words()?)*)
            }
            #[inline]
            fn capture_all(&self, _out: &mut impl Put) {
                _out.bytes(&[$($value::KIND as u8),*]);
                $(self.$index.capture(_out);)*
            }
        }
    )*};
}

tuples! {
    ()
    (A 0)
    (A 0 B 1)
    (A 0 B 1 C 2)
    (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4)
    (A 0 B 1 C 2 D 3 E 4 F 5)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14)
    (A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11 M 12 N 13 O 14 P 15)
}
