//! What the fuzz targets in `fuzz/` reach the insides by. Compiled for them only (`--cfg fuzzing`).

/// The first words of a file, and its length, taken for a segment.
pub fn attach_validate(bytes: &[u8]) {
    crate::segment::validate_header(bytes);
}

/// A record's payload under all flags; then runs, in any order.
pub fn record_decode(bytes: &[u8]) {
    crate::record::fuzz::decode(bytes);
    crate::drainer::fuzz::assemble(bytes);
}

/// A table of call sites.
pub fn sites(bytes: &[u8]) {
    crate::record::fuzz::sites(bytes);
}

/// A format string with arguments for it.
pub fn formats(bytes: &[u8]) {
    crate::record::fuzz::format(bytes);
}

/// A whole ring that is damaged while it is being drained.
pub fn ring_flips(bytes: &[u8]) {
    crate::drainer::fuzz::flip(bytes);
}

/// Text on its way into a log.
pub fn text(bytes: &[u8]) {
    crate::sink::fuzz::escape(bytes);
}
