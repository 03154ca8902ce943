//! What can go wrong when a segment is made or opened.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::errors::debug_is_text;

use super::layout::READY;
use super::name::RING_VARIABLE;
use super::process::file_size_limit;

/// Why a segment could not be made.
#[non_exhaustive]
pub enum CreateError {
    /// There is not enough shared memory.
    NoSpace {
        /// The file system of the shared memory.
        folder: &'static str,
        /// Bytes that the ring needs.
        needed: u64,
        /// Bytes that were free.
        available: u64,
    },
    /// This process may not write files of that size.
    FileSizeLimit {
        /// Bytes that the ring needs.
        needed: u64,
        /// Bytes that a file may have.
        limit: u64,
    },
    /// The file of the segment could not be made.
    Open {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The segment could not be mapped.
    Map(io::Error),
    /// The system gave no random bytes for the name.
    Name(io::Error),
}

/// Whether this process may make a file of a segment's size.
pub(super) fn check_limit(bytes: usize) -> Result<(), CreateError> {
    let (needed, limit) = (bytes as u64, file_size_limit());
    match needed > limit {
        true => Err(CreateError::FileSizeLimit { needed, limit }),
        false => Ok(()),
    }
}

debug_is_text!(CreateError, AttachError);

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CreateError::NoSpace {
                folder,
                needed,
                available,
            } => write!(
                f,
                "{folder} is too small: the ring needs {needed} bytes and {available} are free; \
                 use fewer slots, or enlarge it (mount -o remount,size=…, docker run --shm-size=…)"
            ),
            CreateError::FileSizeLimit { needed, limit } => write!(
                f,
                "the ring needs a file of {needed} bytes, and this process may not write files of more than {limit} \
                 (RLIMIT_FSIZE); use fewer slots, or raise the limit (ulimit -f unlimited, LimitFSIZE= of systemd)"
            ),
            CreateError::Open { path, .. } => {
                write!(f, "cannot create the segment {}", path.display())
            }
            CreateError::Map(_) => write!(f, "cannot map the segment"),
            CreateError::Name(_) => write!(f, "no random bytes for the segment's name"),
        }
    }
}

impl std::error::Error for CreateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CreateError::NoSpace { .. } | CreateError::FileSizeLimit { .. } => None,
            CreateError::Open { source, .. } => Some(source),
            CreateError::Map(source) | CreateError::Name(source) => Some(source),
        }
    }
}

/// Why a ring could not be attached to.
#[non_exhaustive]
pub enum AttachError {
    /// The environment names no ring.
    NoRing,
    /// The name cannot be that of a ring.
    BadName {
        /// The name that was given.
        name: String,
    },
    /// There is no ring of that name (any more): the process that made it has ended, and so have its members; or it is about
    /// to end.
    Gone {
        /// The name that was given.
        name: String,
    },
    /// The ring lost its name while the process that made it lives on with it: the file was removed.
    Removed {
        /// The name that was given.
        name: String,
        /// The process that made it.
        pid: u32,
    },
    /// There is no ring of that name, though a process with its maker's pid lives: that has ended the ring, or has never made
    /// it.
    NotThere {
        /// The name that was given.
        name: String,
        /// The process.
        pid: u32,
    },
    /// The segment belongs to another user, or others may write it.
    Foreign {
        /// The name that was given.
        name: String,
        /// The user it belongs to.
        owner: u32,
        /// The user of this process.
        me: u32,
        /// Its permissions.
        mode: u32,
    },
    /// What is there is no segment of shmlog.
    NotASegment {
        /// The name that was given.
        name: String,
    },
    /// The segment was made by another version of shmlog.
    Version {
        /// The name that was given.
        name: String,
        /// The layout version found in it.
        found: u8,
    },
    /// The segment's geometry is impossible, or does not agree with its size.
    Damaged {
        /// The name that was given.
        name: String,
    },
    /// The ring belongs to another pid namespace: its drainer could not tell whether this process lives.
    OtherNamespace {
        /// The name that was given.
        name: String,
    },
    /// The ring belongs to another time namespace: start times of processes are others there, so its drainer would take
    /// this process for dead.
    OtherTimeNamespace {
        /// The name that was given.
        name: String,
    },
    /// All places for processes are taken.
    TooManyMembers {
        /// How many there are.
        max: u64,
    },
    /// This process already logs into another ring.
    Elsewhere {
        /// That ring's name.
        name: String,
    },
    /// The segment could not be opened or mapped.
    Open {
        /// The name that was given.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttachError::NoRing => write!(
                f,
                "no ring: {RING_VARIABLE} is not set; start this program from one that called \
                 ShmLogger::init_parent(), or use ShmLogger::init()"
            ),
            AttachError::BadName { name } => write!(
                f,
                "{name:?} is no ring's name; names look like shmlog-1234-0123456789abcdef… and come \
                 from ShmLogger::name() or {RING_VARIABLE}"
            ),
            AttachError::Gone { name } => write!(
                f,
                "the ring {name} is gone: the program that made it has ended; start it again"
            ),
            AttachError::Removed { name, pid } => write!(
                f,
                "the ring {name} lost its name while process {pid}, which made it, lives: its file in /dev/shm was removed \
                 (rm, or logind with RemoveIPC=yes: see `shmlog doctor`); those who have attached go on, who is new cannot: \
                 start process {pid} again"
            ),
            AttachError::NotThere { name, pid } => write!(
                f,
                "there is no ring {name}: process {pid} lives, but has ended that ring or never made it; use the name \
                 that its SHMLOG_RING or ShmLogger::name() gives now"
            ),
            AttachError::Foreign {
                name,
                owner,
                me,
                mode,
            } => write!(
                f,
                "the ring {name} belongs to user {owner} with mode {mode:04o}, this process is user {me}; \
                 a ring is shared only among processes of one user, and has mode 0600"
            ),
            AttachError::NotASegment { name } => {
                write!(
                    f,
                    "{name} is no segment of shmlog; make a ring with init_parent()"
                )
            }
            AttachError::Version { name, found } => write!(
                f,
                "the ring {name} has layout version {found}, this program speaks version {}; build \
                 parent and children with the same version of shmlog",
                READY & 0xff
            ),
            AttachError::Damaged { name } => write!(
                f,
                "the ring {name} is damaged: its geometry does not fit its size; restart its parent"
            ),
            AttachError::OtherNamespace { name } => write!(
                f,
                "the ring {name} was made in another pid namespace (a container that shares /dev/shm?), where \
                 no process could tell whether this process is alive; run both in one (docker run --pid=…), or make \
                 a ring of its own here with init_parent()"
            ),
            AttachError::OtherTimeNamespace { name } => write!(
                f,
                "the ring {name} was made in another time namespace, whose drainer would take this process for dead; \
                 run both in one (unshare --time=…, nsenter --time=…), or make a ring of its own here with init_parent()"
            ),
            AttachError::TooManyMembers { max } => write!(
                f,
                "all {max} places for processes are taken; raise max_producers in the parent's builder"
            ),
            AttachError::Elsewhere { name } => write!(
                f,
                "this process already logs into the ring {name}; a process has one ring"
            ),
            AttachError::Open { name, .. } => write!(f, "cannot open the ring {name}"),
        }
    }
}

impl std::error::Error for AttachError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            AttachError::Open { source, .. } => Some(source),
            _ => None,
        }
    }
}
