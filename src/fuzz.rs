//! What the fuzz targets in `fuzz/` reach the insides by. Compiled for them only (`--cfg fuzzing`).

#![allow(missing_docs)]

use crate::segment::validate_header;

pub use crate::drainer::fuzz::{assemble, flip};
pub use crate::record::fuzz::{decode, sites};
pub use crate::sink::fuzz::escape;

/// The first words of a file, and its length, taken for a segment.
pub fn attach_validate(bytes: &[u8]) {
    validate_header(bytes);
}
