//! Why a parent could not make a ring.

use std::fmt;
use std::path::PathBuf;

use crate::drainer::StartError;
use crate::errors::debug_is_text;
use crate::segment::{AttachError, CreateError};
use crate::sink::SpecError;

/// Why a ring could not be made.
#[non_exhaustive]
pub enum InitError {
    /// A setting of the builder is not allowed.
    Setting {
        /// The builder's method.
        field: &'static str,
        /// What it was given.
        value: String,
        /// What it takes.
        allowed: String,
    },
    /// A sink cannot be as it was asked for.
    Sink(SpecError),
    /// The folder for a sink's files cannot be made or written.
    Folder {
        /// The kind of sink.
        sink: String,
        /// As it was given.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// This process has made a ring before, and still holds it.
    AlreadyInitialised {
        /// That ring's name.
        name: String,
    },
    /// The shared memory could not be made.
    Segment(CreateError),
    /// The drainer could not be started, or could not open a sink.
    Drainer(StartError),
    /// The drainer started, but the thread that watches over it did not; the drainer was ended again.
    Supervisor(std::io::Error),
    /// The program runs as another user or group than its starter (setuid, setgid).
    ForeignRights,
    /// [`ShmLogger::init`](crate::ShmLogger::init) found a ring in the environment and could not attach to it.
    Attach(AttachError),
}

impl InitError {
    /// Whether it may go better with other sinks.
    pub(crate) fn is_of_sinks(&self) -> bool {
        matches!(
            self,
            InitError::Sink(_) | InitError::Folder { .. } | InitError::Drainer(_)
        )
    }
}

debug_is_text!(InitError);

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InitError::Setting {
                field,
                value,
                allowed,
            } => {
                write!(f, "{field} is {value}; allowed: {allowed}")
            }
            InitError::Sink(error) => write!(f, "{error}"),
            InitError::Folder {
                sink,
                folder,
                source,
            } => write!(
                f,
                "the folder of the sink {sink} is {}, which cannot be written ({source}); allowed: a folder that \
                 this user may write to or make, by file_path() or the place of the sink",
                folder.display()
            ),
            InitError::AlreadyInitialised { name } => write!(
                f,
                "this process already holds the ring {name}; drop that logger first, or use get_logger() for \
                 another name in the same log"
            ),
            InitError::Segment(error) => write!(f, "{error}"),
            InitError::Drainer(why) => write!(f, "the drainer did not start: {why}"),
            InitError::Supervisor(error) => write!(
                f,
                "cannot start the thread that watches over the drainer: {error}; raise the limit of threads \
                 (ulimit -u) or of memory"
            ),
            InitError::ForeignRights => write!(
                f,
                "a setuid or setgid program cannot make a ring: its drainer, this program started again, must \
                 not obey the environment; make the ring in a program that runs as its user, or set the real \
                 ids (setresuid, setresgid) and start this program anew (the variables that shmlog obeys are no \
                 longer in its environment; give it a safe PATH, and what else its own code obeys)"
            ),
            InitError::Attach(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for InitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            InitError::Segment(error) => error.source(),
            InitError::Attach(error) => error.source(),
            // What the others came from stands in their text.
            _ => None,
        }
    }
}

impl From<CreateError> for InitError {
    fn from(error: CreateError) -> InitError {
        InitError::Segment(error)
    }
}

impl From<StartError> for InitError {
    fn from(error: StartError) -> InitError {
        match error {
            StartError::Supervisor(error) => InitError::Supervisor(error),
            error => InitError::Drainer(error),
        }
    }
}

impl From<SpecError> for InitError {
    fn from(error: SpecError) -> InitError {
        InitError::Sink(error)
    }
}

impl From<AttachError> for InitError {
    fn from(error: AttachError) -> InitError {
        InitError::Attach(error)
    }
}
