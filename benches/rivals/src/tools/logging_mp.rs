//! logging_mp, the Python package: a process logs through a queue to a thread of another.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{home, play};
use crate::harness::clock::Clock;
use crate::loggers::Rival;
use crate::one::Run;
use crate::scenario::{Outcome, Scenario};

pub const RIVAL: Rival = Rival {
    name: "logging_mp (Python)",
    crosses: "yes",
    configuration: "the defaults with `console=False, file=True`; a child process logs, the parent writes; a 25th of \
                    the calls (latency), a 20th (drain)",
    text: true,
    scenarios: &[
        Scenario::Three,
        Scenario::Literal,
        Scenario::Text,
        Scenario::Cold,
        Scenario::Drain,
        Scenario::Disabled,
    ],
    run,
    missing,
};

/// The Python that has the package: the one in the environment, one made here, the system's.
fn python() -> Option<PathBuf> {
    let asked_for = std::env::var_os("RIVALS_PYTHON").map(PathBuf::from);
    let here = home().join(".venv/bin/python");
    let candidates = [asked_for, Some(here), Some(PathBuf::from("python3"))];
    candidates.into_iter().flatten().find(|python| {
        let mut command = Command::new(python);
        command.args(["-c", "import logging_mp"]);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    })
}

fn missing() -> Option<String> {
    let how = "no Python with logging_mp: python3 -m venv benches/rivals/.venv, then \
               benches/rivals/.venv/bin/pip install logging-mp";
    python().is_none().then(|| how.to_owned())
}

fn run(run: &Run) -> Outcome {
    let less = match run.scenario {
        Scenario::Cold => 1,
        Scenario::Drain => 20,
        Scenario::Disabled => 100,
        _ => 25,
    };
    let run = Run {
        calls: run.calls / less,
        folder: crate::harness::scene::Folder::new("rivals-python"),
        ..*run
    };
    let mut command = Command::new(python().expect("checked before"));
    command.arg(home().join("python/logging_mp_calls.py"));
    // Python has no counter but time.perf_counter_ns.
    let clock = Clock {
        tick: 1.0,
        step: Clock::calibrate().step_in_nanoseconds(),
    };
    let found = play(&run, command, clock);
    assert_eq!(run.folder.lines(), found.expected, "records that arrived");
    found.outcome
}
