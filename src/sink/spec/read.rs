//! Reading a spec's options: what is not there is `None`, what is not allowed is told.

use std::ffi::OsStr;
use std::fmt::Display;
use std::ops::{Bound, RangeBounds};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::{Common, SinkSpec, SpecError};

/// A number's units, and what they stand for.
type Units = [(&'static str, u64)];

const BYTES: &Units = &[
    ("", 1),
    ("B", 1),
    ("K", 1 << 10),
    ("KiB", 1 << 10),
    ("M", 1 << 20),
    ("MiB", 1 << 20),
    ("G", 1 << 30),
    ("GiB", 1 << 30),
    ("T", 1 << 40),
    ("TiB", 1 << 40),
];

/// In milliseconds.
const TIMES: &Units = &[
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

impl SinkSpec {
    /// Asserts that no options are set but those that all kinds have, and `known`.
    ///
    /// # Errors
    /// For the first that is not known; the error lists those that are.
    pub fn allow(&self, known: &[&str]) -> Result<(), SpecError> {
        let mut all: Vec<&str> = known.iter().chain(Common::OPTIONS).copied().collect();
        let mut options = self.options.iter();
        match options.find(|(key, _)| !all.contains(&&**key)) {
            None => Ok(()),
            Some((key, _)) => {
                all.sort_unstable();
                all.dedup();
                Err(self.refuse("option", key, all.join(", ")))
            }
        }
    }

    /// The place as a folder, which is `usual` if none was given.
    ///
    /// # Errors
    /// When the place is empty.
    pub fn folder_or(&self, usual: &str) -> Result<PathBuf, SpecError> {
        match self.place() {
            None => Ok(PathBuf::from(usual)),
            Some(place) if place.is_empty() => {
                Err(self.refuse("place", "", format!("a folder, like {usual}")))
            }
            Some(place) => Ok(PathBuf::from(place)),
        }
    }

    /// Asserts that no place is given.
    ///
    /// # Errors
    /// When one is.
    pub fn allow_no_place(&self) -> Result<(), SpecError> {
        let refuse = |place: &OsStr| {
            let allowed = format!("no place: {} alone", self.kind());
            Err(self.refuse("place", place.to_string_lossy(), allowed))
        };
        self.place().map_or(Ok(()), refuse)
    }

    /// What an option says, by a function that knows what is allowed.
    ///
    /// # Errors
    /// When the function returns `None`; `allowed` is what the error says.
    pub fn read<T>(
        &self,
        key: &str,
        allowed: impl Display,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, SpecError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let refused = || self.refuse(key, value, allowed.to_string());
        parse(value).map(Some).ok_or_else(refused)
    }

    /// A number, like `10`.
    ///
    /// # Errors
    /// When it is none, or not in the range.
    pub fn number<T: FromStr + PartialOrd + Display>(
        &self,
        key: &str,
        range: impl RangeBounds<T>,
    ) -> Result<Option<T>, SpecError> {
        let allowed = format!("a number{}", said(&range));
        self.read(key, allowed, |text| {
            text.parse().ok().filter(|number| range.contains(number))
        })
    }

    /// A number of bytes, like `4096`, `64K`, `100M` or `2GiB`; `K` and `KiB` are 1024 bytes.
    ///
    /// # Errors
    /// When it is none, or not in the range.
    pub fn bytes(&self, key: &str, range: impl RangeBounds<u64>) -> Result<Option<u64>, SpecError> {
        let allowed = format!("bytes{}, like 4096, 64K, 100M or 2G", said(&range));
        self.read(key, allowed, |text| {
            with_unit(text, BYTES).filter(|bytes| range.contains(bytes))
        })
    }

    /// A time, like `500ms`, `2s`, `10min`, `1h` or `7d`.
    ///
    /// # Errors
    /// When it is none, or it is 0.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, SpecError> {
        let allowed = "a time of more than 0, like 500ms, 2s, 10min, 1h or 7d";
        self.read(key, allowed, duration_of)
    }

    /// `on` or `off`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn switch(&self, key: &str) -> Result<Option<bool>, SpecError> {
        self.one_of(key, &[("on", true), ("off", false)])
    }

    /// One of some words.
    ///
    /// # Errors
    /// When it is none of them; the error lists them.
    pub fn one_of<T: Clone>(&self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, SpecError> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.read(key, names.join(", "), |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, meaning)| meaning.clone())
        })
    }
}

/// A time of more than 0, like `500ms` or `7d`.
pub(crate) fn duration_of(text: &str) -> Option<Duration> {
    let millis = with_unit(text, TIMES).filter(|millis| *millis > 0);
    millis.map(Duration::from_millis)
}

/// A whole number and a unit; `None` also when it is too large.
fn with_unit(text: &str, units: &Units) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let (_, times) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*times)
}

/// A range in words, to stand behind what it is a range of.
fn said<T: Display>(range: &impl RangeBounds<T>) -> String {
    let least = match range.start_bound() {
        Bound::Included(least) => format!(" from {least}"),
        Bound::Excluded(below) => format!(" above {below}"),
        Bound::Unbounded => String::new(),
    };
    match range.end_bound() {
        Bound::Included(most) => format!("{least} to {most}"),
        Bound::Excluded(above) => format!("{least}, below {above}"),
        Bound::Unbounded if least.is_empty() => least,
        Bound::Unbounded => format!("{least} on"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::spec;
    use super::*;

    #[test]
    fn options_are_read_by_what_they_are() {
        let spec = spec("x?n=7&size=64K&plain=12&every=500ms&long=2h&gzip=on&how=zstd");
        assert_eq!(spec.number("n", 1..=9), Ok(Some(7_u64)));
        assert_eq!(spec.number("none", 1_u64..), Ok(None));
        assert_eq!(spec.bytes("size", 1..), Ok(Some(65_536)));
        assert_eq!(spec.bytes("plain", 1..), Ok(Some(12)));
        assert_eq!(spec.duration("every"), Ok(Some(Duration::from_millis(500))));
        assert_eq!(spec.duration("long"), Ok(Some(Duration::from_secs(7200))));
        assert_eq!(spec.switch("gzip"), Ok(Some(true)));
        assert_eq!(spec.one_of("how", &[("lz4", 1), ("zstd", 2)]), Ok(Some(2)));
        let known = ["n", "size", "plain", "every", "long", "gzip", "how"];
        assert_eq!(spec.allow(&known), Ok(()));
        assert_eq!(spec.level("warn").allow(&known), Ok(()));
    }

    #[test]
    fn options_that_are_not_allowed_are_refused_with_what_is() {
        let of = |text: &str| spec(&format!("x?a={text}"));
        let long = "9".repeat(30);
        let refusals = [
            (
                of("10").number("a", 1..=9_u64).unwrap_err(),
                "a number from 1 to 9",
            ),
            (
                of("0").number("a", 1_u64..).unwrap_err(),
                "a number from 1 on",
            ),
            (of("-1").number::<u64>("a", ..).unwrap_err(), "a number"),
            (
                of("1.5").bytes("a", 1..).unwrap_err(),
                "from 1 on, like 4096",
            ),
            (of("1kB").bytes("a", ..).unwrap_err(), "64K"),
            (of("").bytes("a", ..).unwrap_err(), "64K"),
            (of("99999999999999T").bytes("a", ..).unwrap_err(), "64K"),
            (of(&long).bytes("a", ..).unwrap_err(), "64K"),
            (of("5").duration("a").unwrap_err(), "500ms"),
            (of("0s").duration("a").unwrap_err(), "more than 0"),
            (of("yes").switch("a").unwrap_err(), "on, off"),
            (of("1").allow(&["keep", "b"]).unwrap_err(), "b, keep, level"),
        ];
        for (error, allowed) in refusals {
            assert!(error.allowed.contains(allowed), "{error}");
            assert!(error.sink.starts_with("x?a="), "{error}");
        }
    }
}
