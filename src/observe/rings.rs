//! The rings of this machine.

use crate::drainer::external;
use crate::segment::{self, AttachError};

/// A ring that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedRing {
    /// Its name.
    pub name: String,
    /// The process that made it.
    pub pid: u32,
    /// The user that it belongs to, by number.
    pub owner: u32,
    /// Bytes of shared memory that it takes.
    pub bytes: u64,
    /// The program that made it; empty if that cannot be read.
    pub program: String,
    /// How it stands with it.
    pub state: RingState,
    /// Its maker has asked for a drainer from outside, for [`drain`](crate::drain()) to start.
    pub external_drainer: bool,
}

/// How it stands with a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingState {
    /// Its maker lives, or a drainer works on it.
    Live,
    /// All its processes were killed; what it holds can be saved by [`recover`](crate::recover()).
    Dead,
    /// It belongs to another user.
    Foreign,
    /// It cannot be read: it is of another version, damaged, or of another container.
    Unreadable {
        /// What is in the way.
        why: String,
    },
}

/// The rings of this machine, those of other users too, ordered by name. None where the system cannot list them (feature
/// `portable`).
pub fn rings() -> Vec<ListedRing> {
    let mut names = segment::names();
    names.sort_unstable();
    names.into_iter().filter_map(listed).collect()
}

/// `None` if it has gone meanwhile.
fn listed(name: String) -> Option<ListedRing> {
    let (owner, bytes) = segment::owner(&name)?;
    let pid = segment::maker(&name).pid;
    let (state, program) = match segment::peek(&name) {
        Ok(home) if segment::is_forsaken(&name) => (RingState::Dead, home.program),
        Ok(home) => (RingState::Live, home.program),
        Err(
            AttachError::Gone { .. } | AttachError::Removed { .. } | AttachError::NotThere { .. },
        ) => return None,
        Err(AttachError::Foreign { .. }) => (RingState::Foreign, String::new()),
        Err(error) => {
            let why = error.to_string();
            (RingState::Unreadable { why }, String::new())
        }
    };
    let external_drainer = matches!(external::orders(&name), Ok(Some(_)));
    Some(ListedRing {
        external_drainer,
        name,
        pid,
        owner,
        bytes,
        program,
        state,
    })
}
