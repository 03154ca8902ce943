//! Records for the tests of the sinks.

use crate::level::Level;
use crate::record::{Record, Values};

/// A record like any other; tests change what they are about.
pub(super) fn record(sequence: u64, message: &str) -> Record<'_> {
    Record {
        sequence: Some(sequence),
        late: false,
        // 2026-11-22 17:45:12.123456789 UTC
        time_ns: 1_795_369_512_123_456_789,
        level: Level::Warn,
        process: "worker-1",
        pid: 1234,
        thread: "main",
        tid: 1235,
        target: "can",
        target_is_module: false,
        file: "src/bin/worker.rs",
        line: 17,
        origin: None,
        scope: "",
        message,
        values: Values::default(),
    }
}
