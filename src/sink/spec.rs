//! What a sink is told at its start, as plain data and as text: in the builder, in `SHMLOG_SINKS`, and on its way to
//! the drainer.
//!
//! ```text
//!   list  =  [spec] { ";" [spec] }                        blanks around a spec do not count
//!   spec  =  kind [":" place] ["?" option { "&" option }]
//!   option = key "=" value
//! ```
//!
//! In each of the four `%` and two hexadecimal digits stand for a byte that would end it otherwise. What is written
//! escapes blanks, control characters and bytes that are no UTF-8 too, so it is always one line of valid text.

mod read;

pub(crate) use read::duration_of;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::str::FromStr;

use crate::errors::debug_is_text;

/// What a percent sign must be followed by.
const ESCAPED: &str =
    "text in which each % begins an escape of two hexadecimal digits, like %25 for itself";

/// What a sink is told: its kind, its place, and options by name.
///
/// The settings of each kind, like [`TextFile`](crate::sink::TextFile), turn into this; so does text:
///
/// ```
/// use shmlog::sink::{SinkSpec, TextFile};
///
/// let spec: SinkSpec = "file:logs?keep=3&level=warn".parse()?;
/// assert_eq!(spec.get("keep"), Some("3"));
/// let spec = SinkSpec::from(TextFile::new("logs").keep(3).level("warn"));
/// assert_eq!(spec.get("level"), Some("warn"));
/// assert_eq!(SinkSpec::new("file").at("100% sure").to_string(), "file:100%25%20sure");
/// # Ok::<(), shmlog::sink::SpecError>(())
/// ```
///
/// The text is `kind[:place][?key=value[&key=value…]]`. In a place, a key or a value `%3B` stands for `;`, `%26` for `&`,
/// `%3F` for `?`, `%25` for `%`, and likewise for any other byte. Which kinds there are and what they are told says
/// [the module](crate::sink).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a spec does nothing until it is given to Builder::sink()"]
pub struct SinkSpec {
    kind: String,
    place: Option<OsString>,
    options: Vec<(String, String)>,
}

impl SinkSpec {
    /// A sink of this kind, without a place and options.
    pub fn new(kind: impl Into<String>) -> SinkSpec {
        SinkSpec {
            kind: kind.into(),
            place: None,
            options: Vec::new(),
        }
    }

    /// Sets its place: what that is, a folder, an address, depends on the kind.
    pub fn at(mut self, place: impl Into<OsString>) -> SinkSpec {
        self.place = Some(place.into());
        self
    }

    /// Sets an option, in place of what it was.
    pub fn option(mut self, key: impl Into<String>, value: impl fmt::Display) -> SinkSpec {
        let (key, value) = (key.into(), value.to_string());
        match self.options.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => self.options.push((key, value)),
        }
        self
    }

    /// Sets which records the sink gets: a [`Level`](crate::Level), or directives like `warn,imu=debug`. Without it all.
    pub fn level(self, directives: impl fmt::Display) -> SinkSpec {
        self.option(Common::LEVEL, directives)
    }

    /// The kind, like `file`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The place, if one was given; it may be empty, and need not be UTF-8.
    pub fn place(&self) -> Option<&OsStr> {
        self.place.as_deref()
    }

    /// What an option was set to.
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut options = self.options.iter();
        let (_, value) = options.find(|(known, _)| known == key)?;
        Some(value)
    }

    /// The specs of a list separated by `;`, as it stands in `SHMLOG_SINKS`.
    ///
    /// # Errors
    /// As [`from_str`](SinkSpec::from_str), for the first that is wrong.
    pub fn list(text: &str) -> Result<Vec<SinkSpec>, SpecError> {
        let specs = text.split(';').map(str::trim_ascii);
        let specs = specs.filter(|spec| !spec.is_empty());
        specs.map(SinkSpec::from_str).collect()
    }

    /// What is said of this sink when its place (called `place`) or an option is not allowed.
    pub fn refuse(
        &self,
        option: impl Into<String>,
        value: impl Into<String>,
        allowed: impl Into<String>,
    ) -> SpecError {
        SpecError {
            sink: self.to_string(),
            option: option.into(),
            value: value.into(),
            allowed: allowed.into(),
        }
    }
}

impl fmt::Display for SinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(f, self.kind.as_bytes(), ":")?;
        if let Some(place) = &self.place {
            f.write_str(":")?;
            escape(f, place.as_bytes(), "")?;
        }
        for (position, (key, value)) in self.options.iter().enumerate() {
            f.write_str(if position == 0 { "?" } else { "&" })?;
            escape(f, key.as_bytes(), "=")?;
            f.write_str("=")?;
            escape(f, value.as_bytes(), "")?;
        }
        Ok(())
    }
}

/// Writes bytes so that they can stand between the signs of a spec, and do not end at `more` either.
fn escape(f: &mut fmt::Formatter<'_>, bytes: &[u8], more: &str) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let ends = matches!(c, '%' | '&' | '?' | ';' | ' ') || more.contains(c);
            if c.is_ascii() && (ends || c.is_ascii_control()) {
                write!(f, "%{:02X}", u32::from(c))?;
            } else {
                write!(f, "{c}")?;
            }
        }
        for byte in chunk.invalid() {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

/// Undoes [`escape`].
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_number)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}

impl FromStr for SinkSpec {
    type Err = SpecError;

    /// Reads the text form. Whether there is such a kind, and what it allows, shows when it is used.
    ///
    /// # Errors
    /// When there is no kind, an option is no `key=value` or is given twice, or a `%` begins no escape.
    fn from_str(text: &str) -> Result<SinkSpec, SpecError> {
        let text = text.trim_ascii();
        let refuse = |option: &str, value: &str, allowed: &str| SpecError {
            sink: text.to_owned(),
            option: option.to_owned(),
            value: value.to_owned(),
            allowed: allowed.to_owned(),
        };
        let readable = |option: &str, value: &str| {
            let bytes = unescape(value).ok_or_else(|| refuse(option, value, ESCAPED))?;
            String::from_utf8(bytes).map_err(|_| refuse(option, value, "valid UTF-8"))
        };
        let (head, options) = text.split_once('?').unwrap_or((text, ""));
        let (kind, place) = match head.split_once(':') {
            Some((kind, place)) => (kind, Some(place)),
            None => (head, None),
        };
        if kind.is_empty() {
            return Err(refuse(
                "kind",
                kind,
                "the name of a kind, like console or file:logs",
            ));
        }
        let mut spec = SinkSpec::new(readable("kind", kind)?);
        if let Some(place) = place {
            let bytes = unescape(place).ok_or_else(|| refuse("place", place, ESCAPED))?;
            spec.place = Some(OsString::from_vec(bytes));
        }
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let allowed = "a list of key=value, separated by &";
            let (key, value) = option
                .split_once('=')
                .ok_or_else(|| refuse("option", option, allowed))?;
            let key = readable("option", key)?;
            if spec.get(&key).is_some() {
                return Err(refuse(&key, value, "one value, not two"));
            }
            let value = readable(&key, value)?;
            spec.options.push((key, value));
        }
        Ok(spec)
    }
}

/// What the settings of all kinds have in common. A struct of settings holds one and has it turned into options by
/// [`common_setters`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Common {
    pub(crate) level: Option<String>,
}

impl Common {
    /// Which records a sink gets.
    pub(crate) const LEVEL: &str = "level";
    /// The options of all kinds.
    pub(crate) const OPTIONS: &[&str] = &[Common::LEVEL];

    pub(crate) fn of(spec: &SinkSpec) -> Common {
        Common {
            level: spec.get(Common::LEVEL).map(str::to_owned),
        }
    }

    pub(crate) fn put(self, spec: SinkSpec) -> SinkSpec {
        match self.level {
            Some(level) => spec.level(level),
            None => spec,
        }
    }
}

/// The setters that the settings of all kinds have: for a struct with a field `common`.
macro_rules! common_setters {
    ($settings:ty) => {
        impl $settings {
            /// Sets which records the sink gets: a [`Level`](crate::Level), or directives like `warn,imu=debug`. Without
            /// it all.
            pub fn level(mut self, directives: impl std::fmt::Display) -> Self {
                self.common.level = Some(directives.to_string());
                self
            }
        }
    };
}
pub(crate) use common_setters;

/// Why a sink cannot be as it was asked for.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpecError {
    /// The sink, as text.
    pub sink: String,
    /// The option that is wrong, or `kind`, `place` or `option`.
    pub option: String,
    /// What it was given.
    pub value: String,
    /// What it takes.
    pub allowed: String,
}

debug_is_text!(SpecError);

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SpecError {
            sink,
            option,
            value,
            allowed,
        } = self;
        write!(
            f,
            "of the sink {sink:?}, {option} is {value:?}; allowed: {allowed}"
        )
    }
}

impl std::error::Error for SpecError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn spec(text: &str) -> SinkSpec {
        text.parse().unwrap()
    }

    #[test]
    fn a_spec_is_read_as_it_is_written() {
        let file = spec(" file:/var/log/a:b?rotate=daily&level=warn,imu=debug ");
        assert_eq!(file.kind(), "file");
        assert_eq!(file.place(), Some(OsStr::new("/var/log/a:b")));
        assert_eq!(file.get("rotate"), Some("daily"));
        assert_eq!(file.get("level"), Some("warn,imu=debug"));
        assert_eq!(file.get("keep"), None);
        assert_eq!(spec("console"), SinkSpec::new("console"));
        assert_eq!(spec("file:").place(), Some(OsStr::new("")));
        assert_eq!(
            spec("syslog:udp://127.0.0.1:514").place(),
            Some(OsStr::new("udp://127.0.0.1:514"))
        );
        assert_eq!(
            spec("file:a%3Bb%ff").place(),
            Some(OsStr::from_bytes(b"a;b\xff"))
        );
    }

    #[test]
    fn a_list_may_have_blanks_and_empty_places() {
        let list = SinkSpec::list("; console ;\n file:logs;;").unwrap();
        assert_eq!(list, [spec("console"), spec("file:logs")]);
        assert_eq!(SinkSpec::list(" ").unwrap(), []);
    }

    #[test]
    fn what_is_no_spec_is_refused_with_what_was_written_and_what_is_allowed() {
        let cases = [
            ("?keep=1", "kind", "", "console"),
            (":logs", "kind", "", "console"),
            ("file?keep", "option", "keep", "key=value"),
            ("file?keep=1&keep=2", "keep", "2", "not two"),
            ("file:%", "place", "%", "%25"),
            ("file:%+1", "place", "%+1", "%25"),
            ("file:%4", "place", "%4", "%25"),
            ("file:%ä", "place", "%ä", "%25"),
            ("file?keep=%zz", "keep", "%zz", "%25"),
            ("file?keep=%ff", "keep", "%ff", "UTF-8"),
        ];
        for (text, option, value, allowed) in cases {
            let error = text.parse::<SinkSpec>().unwrap_err();
            assert_eq!(
                (&*error.sink, &*error.option, &*error.value),
                (text, option, value)
            );
            assert!(error.allowed.contains(allowed), "{error}");
            let said = error.to_string();
            assert!(
                said.contains(text) && said.contains(option) && said.contains(allowed),
                "{said}"
            );
        }
    }

    /// Any, but not empty.
    fn any_spec() -> impl Strategy<Value = SinkSpec> {
        let name = "[a-z]{1,4}|.{1,6}";
        let place = prop::option::of(prop::collection::vec(any::<u8>(), 0..20));
        let options = prop::collection::vec((name, ".{0,12}"), 0..4);
        (name, place, options).prop_map(|(kind, place, options)| {
            let mut spec = SinkSpec::new(kind);
            spec.place = place.map(OsString::from_vec);
            options
                .into_iter()
                .fold(spec, |spec, (key, value)| spec.option(key, value))
        })
    }

    proptest! {
        #[test]
        fn a_spec_comes_back_from_one_line_of_text_as_it_was(specs in prop::collection::vec(any_spec(), 0..4)) {
            let lines: Vec<String> = specs.iter().map(SinkSpec::to_string).collect();
            for (spec, line) in specs.iter().zip(&lines) {
                prop_assert!(!line.contains(['\n', '\r', '\0', ';']), "{line:?}");
                prop_assert_eq!(&line.parse::<SinkSpec>().unwrap(), spec);
            }
            prop_assert_eq!(SinkSpec::list(&lines.join(";")).unwrap(), specs);
        }

        #[test]
        fn any_other_text_is_read_or_refused_without_a_panic(text in ".{0,40}|[a-c:?&=%;0-9]{0,20}") {
            if let Ok(list) = SinkSpec::list(&text) {
                for spec in list {
                    prop_assert_eq!(spec.to_string().parse(), Ok(spec));
                }
            }
        }
    }
}
