//! Why a ring could not be recovered.

use std::fmt;
use std::io;

use crate::errors::debug_is_text;
use crate::segment::AttachError;

/// Why a ring was not recovered.
#[non_exhaustive]
pub enum RecoverError {
    /// The name cannot be that of a ring.
    BadName {
        /// The name that was given.
        name: String,
    },
    /// There is no ring of that name: it ended in order, or was recovered already.
    NotThere {
        /// The name that was given.
        name: String,
    },
    /// A living process uses it: the process that made it, a member, its drainer, or another recoverer.
    InUse {
        /// The ring.
        name: String,
    },
    /// It was made in another namespace of pids (a container's) or of times, where one cannot see from here who lives.
    Elsewhere {
        /// The ring.
        name: String,
    },
    /// It belongs to another user, or others may open it.
    Foreign {
        /// The ring.
        name: String,
        /// Its user.
        owner: u32,
    },
    /// It was made by another version of this library.
    Version {
        /// The ring.
        name: String,
        /// Its layout version.
        found: u8,
    },
    /// It is damaged beyond reading, or no ring at all.
    Damaged {
        /// The ring.
        name: String,
    },
    /// The records cannot be written, or the dead program's log file not be cut back.
    File {
        /// The ring.
        name: String,
        /// What the system said, and of which file.
        source: io::Error,
    },
    /// The system refused something else.
    System {
        /// The ring.
        name: String,
        /// What it said.
        source: io::Error,
    },
    /// Here it cannot be proven that no drainer is at work (feature `portable`).
    Unsupported,
}

impl RecoverError {
    /// Whether there is nothing to tell of: rings like this are met every day, and are none of our business.
    pub(super) fn is_usual(&self) -> bool {
        !matches!(
            self,
            RecoverError::Damaged { .. } | RecoverError::File { .. } | RecoverError::System { .. }
        )
    }
}

impl From<AttachError> for RecoverError {
    fn from(error: AttachError) -> RecoverError {
        match error {
            AttachError::BadName { name } => RecoverError::BadName { name },
            AttachError::Foreign { name, owner, .. } => RecoverError::Foreign { name, owner },
            AttachError::Version { name, found } => RecoverError::Version { name, found },
            AttachError::NotASegment { name } | AttachError::Damaged { name } => {
                RecoverError::Damaged { name }
            }
            AttachError::Open { name, source } => RecoverError::System { name, source },
            AttachError::OtherNamespace { name } | AttachError::OtherTimeNamespace { name } => {
                RecoverError::Elsewhere { name }
            }
            AttachError::Gone { name }
            | AttachError::Removed { name, .. }
            | AttachError::NotThere { name, .. }
            | AttachError::Elsewhere { name } => RecoverError::NotThere { name },
            // Neither is said of a name that is looked at.
            AttachError::NoRing | AttachError::TooManyMembers { .. } => RecoverError::BadName {
                name: String::new(),
            },
        }
    }
}

debug_is_text!(RecoverError);

impl fmt::Display for RecoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecoverError::BadName { name } => write!(
                f,
                "{name:?} is no ring's name; names look like shmlog-1234-0123456789abcdef… and stand in /dev/shm"
            ),
            RecoverError::NotThere { name } => write!(
                f,
                "there is no ring {name}: it ended in order, or was recovered before"
            ),
            RecoverError::InUse { name } => write!(
                f,
                "the ring {name} is in use: the process that made it, a member, its drainer or another \
                 recoverer is alive; its records are delivered without help, or end those first"
            ),
            RecoverError::Elsewhere { name } => write!(
                f,
                "the ring {name} was made in another pid or time namespace, and who lives there cannot be seen from here; \
                 recover it there, or remove /dev/shm/{name}"
            ),
            RecoverError::Foreign { name, owner } => write!(
                f,
                "the ring {name} belongs to user {owner} or is open to others; its user can recover it"
            ),
            RecoverError::Version { name, found } => write!(
                f,
                "the ring {name} has layout version {found}; a program with that version of shmlog can recover it"
            ),
            RecoverError::Damaged { name } => write!(
                f,
                "the ring {name} is damaged beyond reading; look at /dev/shm/{name}, and remove it"
            ),
            RecoverError::File { name, source } => write!(
                f,
                "the records of the ring {name} stay in shared memory: {source}"
            ),
            RecoverError::System { name, .. } => write!(f, "cannot look at the ring {name}"),
            RecoverError::Unsupported => write!(
                f,
                "rings can be recovered on Linux only, without the feature portable"
            ),
        }
    }
}

impl std::error::Error for RecoverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Of `File` it stands in the text.
            RecoverError::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
