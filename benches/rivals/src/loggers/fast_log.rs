//! fast_log, behind the macros of `log`.

use super::env_logger::Facade;
use super::{ALL, Rival, log_path, nothing_missing};
use crate::one::measure;

pub const RIVAL: Rival = Rival {
    name: "fast_log",
    crosses: "no",
    configuration: "`file`, `chan_len(Some(100_000))` as its documentation advises",
    text: true,
    scenarios: ALL,
    run: |run| {
        let path = log_path(&run.folder);
        let config = fast_log::Config::new().level(log::LevelFilter::Info);
        let config = config.file(path.to_str().expect("a path in Unicode"));
        fast_log::init(config.chan_len(Some(100_000))).expect("a logger");
        measure(run, Facade(|| fast_log::flush().expect("flushed").wait()))
    },
    missing: nothing_missing,
};
