//! logfmt: `key=value` pairs in a line, for `grep` and log shippers.

mod lines;
#[cfg(test)]
mod tests;

pub(super) use self::lines::LogfmtLines;

/// One line of `key=value` pairs a record, in UTF-8.
#[derive(Clone, Debug)]
pub struct Logfmt {}
