//! Draining rings of other programs: what a service of the system does for those that ask for it.

use std::fmt;
use std::io;

use crate::builder::{InitError, Prepared};
use crate::drainer::external;
use crate::errors::debug_is_text;
use crate::segment;
use crate::sink::SinkSpec;

/// Drains the ring `name`, whose maker asked for it by [`Builder::external_drainer`](crate::Builder::external_drainer),
/// until it is over: starts a drainer, a process of its own, and another whenever it is killed. Without `sinks` records go
/// where the program wants them; with some they go there instead. The drainer is this very executable, started again,
/// and knows only those [own sinks](crate::register_sink) that are built into it.
///
/// When this process is killed the drainer goes on. If one is at work already, this waits until it is needed.
///
/// # Errors
/// [`DrainError`]: there is nothing to be drained, or the sinks cannot be as they are asked for.
pub fn drain(name: &str, sinks: &[SinkSpec]) -> Result<(), DrainError> {
    let named = || name.to_owned();
    if segment::owner(name).is_none() {
        return Err(DrainError::NotThere { name: named() });
    }
    let orders = external::orders(name).map_err(|source| DrainError::Orders {
        name: named(),
        source,
    })?;
    let mut config = orders.ok_or_else(|| DrainError::HasOwn { name: named() })?;
    if !sinks.is_empty() {
        config.sinks = Prepared::new(sinks).map_err(DrainError::Sinks)?.specs;
    }
    external::serve(&config).map_err(|source| DrainError::System {
        name: named(),
        source,
    })
}

/// Why a ring was not drained.
#[non_exhaustive]
pub enum DrainError {
    /// There is no ring of that name.
    NotThere {
        /// The name that was given.
        name: String,
    },
    /// Its maker has a drainer of its own.
    HasOwn {
        /// The ring.
        name: String,
    },
    /// What its maker has left for the drainer cannot be read.
    Orders {
        /// The ring.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The sinks cannot be as they are asked for.
    Sinks(InitError),
    /// The drainer could not be started.
    System {
        /// The ring.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

debug_is_text!(DrainError);

impl fmt::Display for DrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DrainError::NotThere { name } => {
                write!(
                    f,
                    "there is no ring {name}: it ended in order, or was never made"
                )
            }
            DrainError::HasOwn { name } => write!(
                f,
                "the ring {name} has a drainer of its own; a program that is to have one from outside says \
                 external_drainer(true) in its builder"
            ),
            DrainError::Orders { name, .. } => write!(
                f,
                "what the maker of the ring {name} has left for its drainer cannot be read; start that program again"
            ),
            DrainError::Sinks(error) => error.fmt(f),
            DrainError::System { name, .. } => {
                write!(f, "no drainer could be started for the ring {name}")
            }
        }
    }
}

impl std::error::Error for DrainError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DrainError::Orders { source, .. } | DrainError::System { source, .. } => Some(source),
            DrainError::Sinks(error) => std::error::Error::source(error),
            DrainError::NotThere { .. } | DrainError::HasOwn { .. } => None,
        }
    }
}
