//! Which records are shown.

use regex::Regex;
use shmlog::Level;
use shmlog::sink::Record;
use std::fmt::Write;

use crate::failure::Failure;
use crate::reading::Piece;
use crate::reading::span::{self, Span};

/// What a record must meet.
#[derive(Debug, clap::Args)]
pub struct Wanted {
    /// Only this level and worse: trace, debug, info, warn, error, critical
    #[arg(short = 'l', visible_short_alias = 'p', long, value_name = "LEVEL")]
    level: Option<Level>,
    /// Only this target and those below it: `can` is for `can::bus` too
    #[arg(short, long, value_name = "PREFIX")]
    target: Option<String>,
    /// Only the process of this name, or of this id
    #[arg(long = "proc", value_name = "NAME")]
    process: Option<String>,
    /// Only records whose message or key-values match this regular expression
    #[arg(long, value_name = "REGEX")]
    grep: Option<Regex>,
    #[command(flatten)]
    span: span::Times,
}

impl Wanted {
    /// Whether a time is given.
    pub fn has_span(&self) -> bool {
        self.span.is_set()
    }
}

/// Lets pass what is to be shown.
pub struct Filter {
    level: Option<Level>,
    target: Option<String>,
    process: Option<String>,
    grep: Option<Regex>,
    span: Span,
    /// Whether the last record lay in the span, for the lines behind it that are none.
    in_span: bool,
    text: String,
}

impl Filter {
    /// As the arguments say.
    pub fn new(arguments: &Wanted) -> Result<Filter, Failure> {
        Ok(Filter {
            level: arguments.level,
            target: arguments.target.clone(),
            process: arguments.process.clone(),
            grep: arguments.grep.clone(),
            span: Span::of(&arguments.span)?,
            in_span: !arguments.span.is_set(),
            text: String::new(),
        })
    }

    /// Whether a piece is to be shown.
    pub fn passes(&mut self, piece: &Piece<'_>) -> bool {
        match piece {
            Piece::Record(record) => {
                self.in_span = self.span.contains(record.time_ns);
                self.in_span && self.is_of(record) && self.is_found(record)
            }
            Piece::Other(line) => {
                let has_origin =
                    self.level.is_some() || self.target.is_some() || self.process.is_some();
                let is_found = |grep: &Regex| grep.is_match(line);
                self.in_span && !has_origin && self.grep.as_ref().is_none_or(is_found)
            }
        }
    }

    fn is_of(&self, record: &Record<'_>) -> bool {
        let is_below = |prefix: &String| {
            let rest = record.target.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with("::") || prefix.ends_with("::")
            })
        };
        let is_process = |name: &String| {
            record.process == name || (record.pid > 0 && name.parse() == Ok(record.pid))
        };
        self.level.is_none_or(|level| record.level >= level)
            && self.target.as_ref().is_none_or(is_below)
            && self.process.as_ref().is_none_or(is_process)
    }

    /// Looks through what the record says, as it is written: spans, message, key-values.
    fn is_found(&mut self, record: &Record<'_>) -> bool {
        let Some(grep) = &self.grep else {
            return true;
        };
        if grep.is_match(record.message) {
            return true;
        }
        let text = &mut self.text;
        text.clear();
        // Writing into a String cannot fail.
        if !record.scope.is_empty() {
            _ = write!(text, "{}: ", record.scope);
        }
        text.push_str(record.message);
        for (key, value) in record.values.iter() {
            _ = write!(text, " {key}={value}");
        }
        grep.is_match(text)
    }
}
