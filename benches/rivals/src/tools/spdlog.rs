//! spdlog, the C++ library, asynchronous.

use std::process::Command;

use super::{compiled, missing, play};
use crate::harness::clock::Clock;
use crate::loggers::Rival;
use crate::one::Run;
use crate::scenario::{Outcome, Scenario};

pub const RIVAL: Rival = Rival {
    name: "spdlog async (C++)",
    crosses: "no",
    configuration: "`async_factory` over `basic_file_sink_mt`, 65,536 records, one thread, `block`; g++ -O3",
    text: true,
    scenarios: &Scenario::ALL,
    run,
    missing: || missing("spdlog/async.h", "libspdlog-dev"),
};

fn run(run: &Run) -> Outcome {
    let flags = [
        "-DSPDLOG_COMPILED_LIB",
        "-DSPDLOG_SHARED_LIB",
        "-DSPDLOG_FMT_EXTERNAL",
        "-lspdlog",
        "-lfmt",
    ];
    let program = compiled(run, "spdlog", &flags);
    let found = play(run, Command::new(program), Clock::calibrate());
    assert_eq!(run.folder.lines(), found.expected, "records that arrived");
    found.outcome
}
