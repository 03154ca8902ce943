//! What a record says beside its text: key-values, and facts about itself.
//!
//! ```text
//!   values of the call site's keys    as its other arguments: kinds in front, see capture.rs
//!   entries, up to the record's end   kind 8 │ about 8 │ bytes of the key 32 │ key │ value, as captured
//! ```
//!
//! The keys of a statement are known when it is compiled and stand in its table entry. Whatever is known only when it runs
//! (the context, what was suppressed, the fields of a `log` or `tracing` record) comes as entries.

use std::borrow::Cow;
use std::fmt;

use super::capture::{Capture, Kind, Put};
use super::codec::take_word;
use super::format::{Captured, Rest, lossy, take_text};
use super::site::{MAX_NAME, cut, key_names};

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum About {
    /// A value of the record, under its key.
    Value = 0,
    /// The spans that it lies in.
    Scope = 1,
    /// The process that it comes from, if that is not the one that wrote it.
    Process = 2,
    /// The id of that process.
    Pid = 3,
    /// The name of the thread, likewise.
    Thread = 4,
}

const ABOUT_AT: u32 = 8;
const KEY_LEN_AT: u32 = 32;

/// Puts one entry.
pub(crate) fn put_entry(
    out: &mut impl Put,
    about: About,
    key: &str,
    value: &(impl Capture + ?Sized),
) {
    put_entry_head(out, about, key, kind_of(value));
    value.capture(out);
}

fn kind_of<C: Capture + ?Sized>(_: &C) -> Kind {
    C::KIND
}

fn put_entry_head(out: &mut impl Put, about: About, key: &str, kind: Kind) {
    let key = cut(key);
    out.word(kind as u64 | (about as u64) << ABOUT_AT | (key.len() as u64) << KEY_LEN_AT);
    out.bytes(key.as_bytes());
}

/// One value, as it was logged.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// An unsigned integer of any width.
    Unsigned(u128),
    /// A signed integer of any width.
    Signed(i128),
    /// An `f32`, whose shortest text is not that of the `f64` of the same value.
    Single(f32),
    /// An `f64`.
    Double(f64),
    /// A `bool`.
    Bool(bool),
    /// A `char`.
    Char(char),
    /// Text, or what any other value was written as. Like all text of a record, not escaped.
    Text(Cow<'a, str>),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Unsigned(value) => value.fmt(f),
            Value::Signed(value) => value.fmt(f),
            Value::Single(value) => value.fmt(f),
            Value::Double(value) => value.fmt(f),
            Value::Bool(value) => value.fmt(f),
            Value::Char(value) => value.fmt(f),
            Value::Text(value) => value.fmt(f),
        }
    }
}

impl<'a> From<Captured<'a>> for Value<'a> {
    fn from(value: Captured<'a>) -> Value<'a> {
        match value {
            Captured::Unsigned(value) => Value::Unsigned(value),
            Captured::Signed(value, _) => Value::Signed(value),
            Captured::Single(value) => Value::Single(value),
            Captured::Double(value) => Value::Double(value),
            Captured::Bool(value) => Value::Bool(value),
            Captured::Char(value) => Value::Char(value),
            Captured::Text(bytes) => Value::Text(lossy(bytes)),
            Captured::Rendered(_) => {
                let mut text = String::new();
                value.write_plain(&mut text);
                Value::Text(text.into())
            }
        }
    }
}

macro_rules! value_from {
    ($($from:ty: $variant:ident;)*) => {$(
        impl From<$from> for Value<'_> {
            fn from(value: $from) -> Self {
                Value::$variant(value as _)
            }
        }
    )*};
}

value_from! {
    u8: Unsigned; u16: Unsigned; u32: Unsigned; u64: Unsigned; usize: Unsigned; u128: Unsigned;
    i8: Signed; i16: Signed; i32: Signed; i64: Signed; isize: Signed; i128: Signed;
    f32: Single; f64: Double; bool: Bool; char: Char;
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::Text(text.into())
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Value<'a> {
        Value::Text(text.into())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(text.into())
    }
}

/// The key-values of a record, in their order. A key may come more than once.
///
/// ```
/// use shmlog::sink::{Record, Value};
/// fn torque(record: &Record<'_>) -> Option<f64> {
///     record.values.iter().find_map(|(key, value)| match value {
///         Value::Double(torque) if key == "torque" => Some(torque),
///         _ => None,
///     })
/// }
/// ```
#[derive(Clone, Copy, Default)]
pub struct Values<'a> {
    keys: &'a str,
    rest: Rest<'a>,
}

impl<'a> Values<'a> {
    pub(crate) fn of(keys: &'a str, rest: Rest<'a>) -> Values<'a> {
        Values { keys, rest }
    }

    /// Those that stand in such bytes as entries.
    pub(crate) fn of_entries(bytes: &'a [u8]) -> Values<'a> {
        Values::of("", Rest { kinds: &[], bytes })
    }

    /// The keys that a call site names, the kinds of their values, and the values and entries.
    pub(crate) fn parts(&self) -> (&'a str, &'a [u8], &'a [u8]) {
        (self.keys, self.rest.kinds, self.rest.bytes)
    }

    /// What [`parts`](Self::parts) gave.
    pub(crate) fn of_parts(keys: &'a str, kinds: &'a [u8], bytes: &'a [u8]) -> Values<'a> {
        Values::of(keys, Rest { kinds, bytes })
    }

    /// Whether there is none. Costs nothing.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.rest.bytes.is_empty()
    }

    /// All of them. Bytes that are none end it.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> + use<'a> {
        let values = self.said().filter(|said| said.about == About::Value as u8);
        values.map(|said| (said.key, said.value.into()))
    }

    /// What the entries say about the record itself; `None` if they say nothing.
    pub(crate) fn itself(&self) -> Option<Itself<'a>> {
        if self.rest.bytes.is_empty() {
            return None;
        }
        let mut itself = None;
        for said in self.said().filter(|said| said.about != About::Value as u8) {
            itself.get_or_insert_with(Itself::default).note(said);
        }
        itself
    }

    /// As many of them from the front on as `take` takes, which gets the key and the value of each; and whether that is
    /// all.
    pub(crate) fn as_far_as(
        &self,
        mut take: impl FnMut(&str, &Value<'a>) -> bool,
    ) -> (Values<'a>, bool) {
        let mut said = self.said();
        let mut end = 0;
        while let Some(one) = said.next() {
            if !take(&one.key, &one.value.into()) {
                let bytes = &self.rest.bytes[..end];
                let rest = Rest { bytes, ..self.rest };
                return (Values { rest, ..*self }, false);
            }
            end = self.rest.bytes.len() - said.bytes.len();
        }
        (*self, true)
    }

    fn said(&self) -> Said<'a> {
        Said {
            keys: key_names(self.keys),
            kinds: self.rest.kinds,
            bytes: self.rest.bytes,
        }
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// One value or entry.
struct OneSaid<'a> {
    about: u8,
    key: Cow<'a, str>,
    value: Captured<'a>,
}

/// All that stands behind the arguments.
struct Said<'a> {
    keys: std::str::Lines<'a>,
    kinds: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Iterator for Said<'a> {
    type Item = OneSaid<'a>;

    fn next(&mut self) -> Option<OneSaid<'a>> {
        if let Some((kind, kinds)) = self.kinds.split_first() {
            self.kinds = kinds;
            return Some(OneSaid {
                about: About::Value as u8,
                key: self.keys.next()?.into(),
                value: Captured::take(Kind::from_number(*kind)?, &mut self.bytes)?,
            });
        }
        let head = take_word(&mut self.bytes)?;
        let key = take_text(&mut self.bytes, (head >> KEY_LEN_AT) as usize);
        Some(OneSaid {
            about: (head >> ABOUT_AT) as u8,
            key: lossy(&key[..key.len().min(MAX_NAME)]),
            value: Captured::take(Kind::from_number(head as u8)?, &mut self.bytes)?,
        })
    }
}

/// What entries say about a record itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Itself<'a> {
    pub(crate) scope: Option<Cow<'a, str>>,
    pub(crate) process: Option<Cow<'a, str>>,
    pub(crate) pid: Option<u32>,
    pub(crate) thread: Option<Cow<'a, str>>,
}

impl<'a> Itself<'a> {
    fn note(&mut self, said: OneSaid<'a>) {
        let text = |value: Captured<'a>| match Value::from(value) {
            Value::Text(text) => Some(text),
            _ => None,
        };
        match said.about {
            about if about == About::Scope as u8 => self.scope = text(said.value),
            about if about == About::Process as u8 => self.process = text(said.value),
            about if about == About::Thread as u8 => self.thread = text(said.value),
            about if about == About::Pid as u8 => {
                if let Captured::Unsigned(pid) = said.value {
                    self.pid = u32::try_from(pid).ok();
                }
            }
            // Of another version, or damaged.
            _ => {}
        }
    }
}

/// Puts one entry with a value of any type.
pub(crate) fn put_value(out: &mut impl Put, about: About, key: &str, value: &Value<'_>) {
    match value {
        Value::Unsigned(value) => match u64::try_from(*value) {
            Ok(value) => put_entry(out, about, key, &value),
            Err(_) => put_entry(out, about, key, value),
        },
        Value::Signed(value) => match i64::try_from(*value) {
            Ok(value) => put_entry(out, about, key, &value),
            Err(_) => put_entry(out, about, key, value),
        },
        Value::Single(value) => put_entry(out, about, key, value),
        Value::Double(value) => put_entry(out, about, key, value),
        Value::Bool(value) => put_entry(out, about, key, value),
        Value::Char(value) => put_entry(out, about, key, value),
        Value::Text(value) => put_entry(out, about, key, &**value),
    }
}

/// Key-values as they stand in a record, for tests of who reads them.
#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    /// A pair, as an entry.
    pub(crate) fn entry(key: &str, value: &(impl Capture + ?Sized)) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_entry(&mut bytes, About::Value, key, value);
        bytes
    }

    /// The same of a value of any type.
    pub(crate) fn entry_of(key: &str, value: &Value<'_>) -> Vec<u8> {
        match value {
            Value::Unsigned(value) => entry(key, value),
            Value::Signed(value) => entry(key, value),
            Value::Single(value) => entry(key, value),
            Value::Double(value) => entry(key, value),
            Value::Bool(value) => entry(key, value),
            Value::Char(value) => entry(key, value),
            Value::Text(value) => entry(key, &**value),
        }
    }

    /// The values that such bytes hold.
    pub(crate) fn values(bytes: &[u8]) -> Values<'_> {
        Values::of_entries(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{entry, values};
    use super::*;
    use crate::record::capture::{Arguments, Rendered};
    use crate::record::format::Room;
    use proptest::prelude::*;

    #[test]
    fn values_of_keys_and_entries_come_in_their_order_with_their_types() {
        let format = crate::record::format::Format::parse("{}", 2).unwrap();
        let mut bytes = Vec::new();
        (7_u8, -3_i64, "two words").capture_all(&mut bytes);
        bytes.extend(entry("robot", "g1"));
        bytes.extend(entry("mass", &1.5_f32));
        bytes.extend(entry("joint", &Rendered(format_args!("{:?}", Some(3)))));
        let mut text = String::new();
        let rest = format
            .render(&bytes, &mut text, &mut Room::behind(""))
            .unwrap();
        assert_eq!(text, "7");
        let all: Vec<_> = Values::of("a\nb", rest).iter().collect();
        let expected = [
            ("a", Value::Signed(-3)),
            ("b", Value::Text("two words".into())),
            ("robot", Value::Text("g1".into())),
            ("mass", Value::Single(1.5)),
            ("joint", Value::Text("Some(3)".into())),
        ];
        assert_eq!(all, expected.map(|(key, value)| (key.into(), value)));
    }

    #[test]
    fn what_a_record_says_about_itself_is_no_value_of_it() {
        let mut bytes = entry("k", &true);
        put_entry(&mut bytes, About::Scope, "", "outer{a=1}:inner");
        put_entry(&mut bytes, About::Process, "", "camera");
        put_entry(&mut bytes, About::Pid, "", &4711_u32);
        put_entry(&mut bytes, About::Thread, "", "stderr");
        let values = values(&bytes);
        assert_eq!(values.iter().count(), 1);
        let itself = values.itself().unwrap();
        assert_eq!(itself.scope.as_deref(), Some("outer{a=1}:inner"));
        assert_eq!(itself.process.as_deref(), Some("camera"));
        assert_eq!(itself.pid, Some(4711));
        assert_eq!(itself.thread.as_deref(), Some("stderr"));
        assert_eq!(Values::default().itself(), None);
        assert_eq!(super::samples::values(&entry("k", &true)).itself(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_end_it(kinds: [u8; 2], mut bytes: Vec<u8>, like_an_entry: bool) {
            if like_an_entry {
                bytes.splice(0..0, entry("k", "v"));
            }
            let values = Values::of("a\nb", Rest { kinds: &kinds, bytes: &bytes });
            prop_assert!(values.iter().count() <= 2 + bytes.len());
            let _ = values.itself();
        }
    }
}
