//! What can go wrong when a ring is flushed, or its filter set.

use std::fmt;
use std::time::Duration;

use crate::errors::debug_is_text;
use crate::filter::FilterError;
use crate::segment::TooLong;

/// Why [`ShmLogger::flush`](crate::ShmLogger::flush) or [`Observer::flush`](crate::observe::Observer::flush) gave up.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlushError {
    /// It took too long.
    Timeout {
        /// How long it was allowed to take.
        timeout: Duration,
        /// How many sequences the sinks were behind; about as many records, or fewer long ones.
        behind: u64,
    },
    /// The drainer has ended.
    Over,
}

debug_is_text!(FlushError, SetFilterError);

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlushError::Timeout { timeout, behind } => write!(
                f,
                "not flushed within {timeout:?}: the sinks are {behind} sequences behind; allow more time, or \
                 see whether the console or the disk is stuck"
            ),
            FlushError::Over => write!(f, "not flushed: the ring's drainer has ended"),
        }
    }
}

impl std::error::Error for FlushError {}

/// Why [`ShmLogger::set_filter`](crate::ShmLogger::set_filter) changed nothing.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetFilterError {
    /// It is no filter.
    NotOne(FilterError),
    /// It does not fit into the ring.
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

impl fmt::Display for SetFilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetFilterError::NotOne(why) => write!(f, "the filter stays as it was: {why}"),
            SetFilterError::TooLong { bytes } => {
                write!(
                    f,
                    "the filter stays as it was: one of {bytes} bytes is too long: {TooLong}"
                )
            }
        }
    }
}

impl std::error::Error for SetFilterError {}
