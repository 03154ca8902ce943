//! A [`ShmLogger`] is a logger of the crate `log`, for programs that put several of those together.

use log::{Log, Metadata, Record};

use super::ShmLogger;
use crate::frontend::RING;

impl Log for ShmLogger {
    /// Whether a record of this level and target would be recorded now.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        RING.enabled(metadata)
    }

    /// Writes a record into the ring that this process is attached to.
    fn log(&self, record: &Record<'_>) {
        RING.log(record);
    }

    /// [`ShmLogger::flush`], for ten seconds at most.
    fn flush(&self) {
        RING.flush();
    }
}
