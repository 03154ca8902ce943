//! `shmlog doctor`: checks what decides over latency on this machine, and measures it.
//!
//! | file | what it is for |
//! |---|---|
//! | `doctor/machine.rs` | what is asked of the machine: files below a root, and what the system says |
//! | `doctor/finding.rs` | what a check has found |
//! | `doctor/memory.rs`, `processor.rs`, `limits.rs` | the checks |
//! | `doctor/measure.rs` | times log calls |
//! | `doctor/picture.rs` | draws how long they took |
//! | `doctor/report.rs` | all of it as text, and as JSON |

mod finding;
mod limits;
mod machine;
mod measure;
mod memory;
mod picture;
mod processor;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use self::finding::{Check, Finding, Verdict};
use self::machine::Machine;
use crate::failure::Outcome;
use crate::show;

const EXAMPLES: &str = "\
Examples:
  shmlog doctor                  # everything
  shmlog doctor --time 0         # the checks alone
  shmlog doctor --json | jq '.checks[] | select(.verdict != \"ok\")'

Each check is ok, a note (it could be better; what to do is said) or bad. The exit code is 1 if one is bad, else 0.

For the measurement a ring of its own is made, which discards what it gets. One thread logs three numbers, 1 to 2 µs apart, \
on the last CPU that this process may use; the drainer has the first. Each call is timed, and the median of timing nothing \
is subtracted.";

/// All checks, in the order in which they are told.
const CHECKS: &[Check] = &[
    memory::space,
    memory::inodes,
    memory::mount,
    memory::removal,
    memory::lock,
    memory::swap,
    memory::huge_pages,
    processor::clock,
    processor::count,
    processor::governor,
    processor::isolation,
    processor::real_time,
    limits::processor,
    limits::memory,
    limits::container,
    limits::pids,
    limits::system_calls,
];

/// Checks what decides over latency on this machine
///
/// It looks at shared memory, limits, clocks, processors and containers, says what to do where that would help, and
/// measures what a log call costs here.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// How long log calls are measured; 0: not at all
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    time: Duration,
    /// One JSON object, for machines
    #[arg(long)]
    json: bool,
}

/// Does it.
pub fn run(arguments: Arguments) -> Outcome {
    let findings = check(&Machine::this());
    if !arguments.json {
        report::say_findings(&findings);
    }
    let measured = (!arguments.time.is_zero())
        .then(|| measure::measure(arguments.time))
        .transpose();
    // Without a measurement what was found is of use all the more.
    let said = measured.as_ref().ok().and_then(Option::as_ref);
    match arguments.json {
        true => report::say_json(&findings, said),
        false => report::say_measured(said),
    }
    measured?;
    let is_bad = findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Bad);
    Ok(ExitCode::from(u8::from(is_bad)))
}

fn check(machine: &Machine) -> Vec<Finding> {
    CHECKS.iter().map(|check| check(machine)).collect()
}

/// Nothing, or up to an hour.
fn time(text: &str) -> Result<Duration, String> {
    show::parse_time_within(text, Duration::ZERO..=Duration::from_secs(3600))
}
