//! ftlog, behind the macros of `log`.

use ftlog::appender::FileAppender;

use super::env_logger::Facade;
use super::{ALL, Rival, log_path, nothing_missing};
use crate::one::measure;

pub const RIVAL: Rival = Rival {
    name: "ftlog",
    crosses: "no",
    configuration: "feature `tsc`, `FileAppender`, `bounded(100_000, true)`, fixed time zone",
    text: true,
    scenarios: ALL,
    run: |run| {
        let guard = ftlog::builder()
            .max_log_level(ftlog::LevelFilter::Info)
            .bounded(100_000, true)
            .fixed_timezone(time::UtcOffset::UTC)
            .root(FileAppender::new(log_path(&run.folder)))
            .try_init()
            .expect("a logger");
        let outcome = measure(run, Facade(|| ftlog::logger().flush()));
        drop(guard);
        outcome
    },
    missing: nothing_missing,
};
