//! Which records pass, by level and target, in the words of `env_logger`: `warn,imu=debug,can::bus=off`.
//!
//! ```text
//!   directives = directive { "," directive }              blanks around a directive do not count
//!   directive  = level | target | target "=" [level]      "off" is a level that no record has
//! ```
//!
//! A level alone is for all targets that no other directive is for; without one these are off. A directive for a target
//! is for all that begin with it, and of several the longest counts; of equal ones the last. A target alone, or one
//! without a level, lets all its levels pass; but a word that is plainly a level with a typo is refused (`advice`). Nothing here
//! allocates but [`Directives::parse`] and an error.

mod advice;

use std::fmt;

use crate::errors::debug_is_text;
use crate::level::Level;

/// The word for no record at all.
const OFF: &str = "off";

/// A target's beginning (empty for all), and the least level that passes; `None` when none does.
pub(crate) type Directive<'t> = (&'t str, Option<Level>);

/// The text names no directive, or one that can mean nothing.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterError {
    /// What is none; empty when there is nothing at all.
    pub directive: String,
    /// What is wrong with it, and what was probably meant, where that is known: `did you mean warn?`
    pub advice: Option<String>,
}

impl FilterError {
    fn of(piece: &str) -> FilterError {
        FilterError {
            directive: piece.to_owned(),
            advice: advice::on(piece),
        }
    }

    /// What may stand in its place.
    pub(crate) fn allowed(&self) -> String {
        let advice = self.advice.as_ref();
        let advice = advice.map_or(String::new(), |advice| format!("; {advice}"));
        format!("{ALLOWED}{advice}")
    }
}

debug_is_text!(FilterError);

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(directive) = Some(&self.directive).filter(|text| !text.is_empty()) else {
            return write!(f, "no filter is given; allowed: {ALLOWED}");
        };
        write!(f, "{directive:?} is no filter; ")?;
        if let Some(advice) = &self.advice {
            write!(f, "{advice}; ")?;
        }
        write!(f, "allowed: {ALLOWED}")
    }
}

/// What a filter may be, in words.
const ALLOWED: &str = "levels and targets like warn,imu=debug,can::bus=off, where a level is off, trace, \
                                  debug, info, warn (warning), error or critical";

impl std::error::Error for FilterError {}

/// The directives of a text, in its order.
pub(crate) fn directives(
    text: &str,
) -> impl Iterator<Item = Result<Directive<'_>, FilterError>> + Clone {
    pieces(text).map(|piece| read(piece).ok_or_else(|| FilterError::of(piece)))
}

/// The least level of `target` that passes by the directives of `text`; `None` when none does. What is no directive
/// counts for nothing.
pub(crate) fn least_for(text: &str, target: &str) -> Option<Level> {
    let (mut longest, mut least) = (0, None);
    for (beginning, level) in pieces(text).filter_map(read) {
        if beginning.len() >= longest && target.starts_with(beginning) {
            (longest, least) = (beginning.len(), level);
        }
    }
    least
}

fn pieces(text: &str) -> impl Iterator<Item = &str> + Clone {
    let pieces = text.split(',').map(str::trim);
    pieces.filter(|piece| !piece.is_empty())
}

fn read(piece: &str) -> Option<Directive<'_>> {
    match piece.split_once('=') {
        None => match level(piece) {
            Some(level) => Some(("", level)),
            None => Some((piece, Some(Level::Trace))),
        },
        Some((target, text)) => {
            let (target, text) = (target.trim(), text.trim());
            let least = match text {
                "" => Some(Level::Trace),
                text => level(text)?,
            };
            (!target.is_empty()).then_some((target, least))
        }
    }
}

/// `Some(None)` for [`OFF`].
fn level(text: &str) -> Option<Option<Level>> {
    match text.eq_ignore_ascii_case(OFF) {
        true => Some(None),
        false => Level::named(text).map(Some),
    }
}

/// Directives that are looked up often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directives {
    /// Of targets that no other directive is for.
    others: Option<Level>,
    /// The longest first.
    targets: Vec<(String, Option<Level>)>,
}

impl Directives {
    /// Lets everything pass.
    pub(crate) const ALL: Directives = Directives {
        others: Some(Level::Trace),
        targets: Vec::new(),
    };

    /// Reads directives, at least one. Refuses what no writer of a filter can have meant as it stands.
    pub(crate) fn parse(text: &str) -> Result<Directives, FilterError> {
        let mut found = Directives {
            others: None,
            targets: Vec::new(),
        };
        let mut is_empty = true;
        let wrong = pieces(text).find(|piece| advice::on(piece).is_some());
        if let Some(piece) = wrong {
            return Err(FilterError::of(piece));
        }
        for directive in directives(text) {
            let (target, least) = directive?;
            is_empty = false;
            let mut known = found.targets.iter_mut();
            match known.find(|(known, _)| known == target) {
                _ if target.is_empty() => found.others = least,
                Some((_, known)) => *known = least,
                None => found.targets.push((target.to_owned(), least)),
            }
        }
        found
            .targets
            .sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        match is_empty {
            true => Err(FilterError {
                directive: String::new(),
                advice: None,
            }),
            false => Ok(found),
        }
    }

    /// The least level of a target that passes; `None` when none does.
    #[inline]
    pub(crate) fn least(&self, target: &str) -> Option<Level> {
        // The usual case compares no text.
        if self.targets.is_empty() {
            return self.others;
        }
        let mut targets = self.targets.iter();
        let found = targets.find(|(beginning, _)| target.starts_with(&**beginning));
        found.map_or(self.others, |(_, least)| *least)
    }

    /// Whether a record of this level and target passes.
    #[inline]
    pub(crate) fn passes(&self, level: Level, target: &str) -> bool {
        self.least(target).is_some_and(|least| level >= least)
    }

    /// Whether no record of any target passes.
    pub(crate) fn is_off(&self) -> bool {
        self.others.is_none() && self.targets.iter().all(|(_, least)| least.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Directives {
        Directives::parse(text).unwrap()
    }

    #[test]
    fn the_longest_beginning_of_a_target_decides_and_a_level_alone_is_for_all_others() {
        let filter = parse("can=off, warn ,imu=Debug,imu::raw=error,gps,arm=");
        assert_eq!(filter.least("planner"), Some(Level::Warn));
        assert_eq!(filter.least("imu"), Some(Level::Debug));
        assert_eq!(filter.least("imu::filter"), Some(Level::Debug));
        assert_eq!(filter.least("imu::raw::x"), Some(Level::Error));
        assert_eq!(filter.least("imuffle"), Some(Level::Debug));
        assert_eq!(filter.least("can::bus"), None);
        assert_eq!(filter.least("gps"), Some(Level::Trace));
        assert_eq!(filter.least("arm"), Some(Level::Trace));
        assert!(filter.passes(Level::Warn, "") && !filter.passes(Level::Info, ""));
        assert!(!filter.passes(Level::Critical, "can"));
    }

    #[test]
    fn without_a_level_alone_other_targets_are_off() {
        assert_eq!(parse("imu=debug").least("can"), None);
        assert_eq!(parse("imu").least("can"), None);
    }

    #[test]
    fn of_equal_directives_the_last_counts() {
        assert_eq!(
            parse("a=warn,info,a=off,error,a=info").least("a"),
            Some(Level::Info)
        );
        assert_eq!(parse("info,error").least("a"), Some(Level::Error));
    }

    #[test]
    fn off_is_off_for_all() {
        assert!(parse("off").is_off() && parse("off,a=off").is_off());
        assert!(!parse("off,a=critical").is_off() && !Directives::ALL.is_off());
    }

    #[test]
    fn what_is_no_directive_is_refused_by_itself_with_what_is_allowed() {
        for (text, wrong) in [
            ("warn,imu=loud", "imu=loud"),
            ("=warn", "=warn"),
            ("a=b=warn", "a=b=warn"),
        ] {
            let error = Directives::parse(text).unwrap_err();
            assert_eq!(error.directive, wrong);
            let said = error.to_string();
            assert!(
                said.contains(&format!("{wrong:?}")) && said.contains("imu=debug"),
                "{said}"
            );
        }
        for text in ["", " ", ",,"] {
            let said = Directives::parse(text).unwrap_err().to_string();
            assert!(said.contains("no filter is given"), "{said}");
        }
    }

    proptest! {
        #[test]
        fn directives_that_were_read_say_what_their_text_says(
            parts in prop::collection::vec(("(a|b|::){0,3}", prop::option::of("off|info|warn|Error|")), 1..6),
            target in "(a|b|::|c){0,4}",
        ) {
            let parts = parts.into_iter().map(|(target, level)| match level {
                Some(level) if target.is_empty() => level,
                Some(level) => format!("{target}={level}"),
                None => target,
            });
            let text = parts.collect::<Vec<_>>().join(",");
            if let Ok(filter) = Directives::parse(&text) {
                prop_assert_eq!(filter.least(&target), least_for(&text, &target), "{}", text);
            }
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".{0,30}", target in ".{0,8}") {
            let least = least_for(&text, &target);
            if let Ok(filter) = Directives::parse(&text) {
                prop_assert_eq!(filter.least(&target), least);
            }
        }
    }
}
