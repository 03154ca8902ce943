//! Why a filter was not set.

use std::fmt;

use crate::errors::debug_is_text;
use crate::filter::FilterError;
use crate::segment::TooLong;

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

debug_is_text!(SetFilterError);

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
