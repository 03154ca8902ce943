//! The records of a live ring.

use super::Show;
use crate::failure::Failure;

/// Shows the last records of a ring, and with `follow` what comes.
pub fn tail(
    ring: Option<&str>,
    _wanted: Option<usize>,
    _follow: bool,
    _show: &mut Show,
) -> Result<(), Failure> {
    let ring = ring.unwrap_or("the ring");
    Err(Failure::new(format!(
        "tail of {ring}: not there yet; name a log file, or the folder of log files"
    )))
}
