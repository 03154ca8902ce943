//! What is known of a ring that is not there: its name bears the pid of its maker.

use super::error::AttachError;
use super::{Watch, maker, name, platform};

/// Why there is no ring of this name.
pub(super) fn missing(ring: &str) -> AttachError {
    let name = ring.to_owned();
    let Some(pid) = name::maker(ring) else {
        return AttachError::Gone { name };
    };
    if Watch::new(maker(ring)).is_gone() {
        return AttachError::Gone { name };
    }
    // It keeps the ring's file open until the ring has ended.
    match platform::holds_nameless(pid) {
        Some(true) => AttachError::Removed { name, pid },
        Some(false) => AttachError::NotThere { name, pid },
        None => AttachError::Gone { name },
    }
}
