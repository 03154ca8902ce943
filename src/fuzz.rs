//! What the fuzz targets in `fuzz/` reach the insides by. Compiled for them only (`--cfg fuzzing`).

/// A record's payload, under all flags.
pub fn record_decode(bytes: &[u8]) {
    crate::record::fuzz::decode(bytes);
}

/// A table of call sites.
pub fn sites(bytes: &[u8]) {
    crate::record::fuzz::sites(bytes);
}

/// Text on its way into a log.
pub fn text(bytes: &[u8]) {
    crate::sink::fuzz::escape(bytes);
}
