//! End-to-end tests of the tool `shmlog`: the real binary, over real rings of real processes.
//!
//! Built like `tests/processes` of the library, whose support it shares: a program that plays its own parents and children. A module
//! of tests offers `ROLES` and `trials()`.

#[allow(dead_code)]
#[path = "../../../../tests/processes/support.rs"]
mod support;
#[allow(dead_code)]
#[path = "../../../../tests/processes/trial.rs"]
mod trial;

mod logged;
mod pty;
mod shown;
mod tmux;
mod tool;

use libtest_mimic::{Arguments, Trial};
use support::Role;

/// Declares the modules that have roles and tests.
macro_rules! cast {
    ($($tester:ident)*) => {
        $(mod $tester;)*
        fn all_roles() -> Vec<Role> {
            [logged::ROLES, $($tester::ROLES,)*].concat()
        }
        fn all_trials() -> Vec<Trial> {
            [$($tester::trials(),)*].into_iter().flatten().collect()
        }
    };
}

cast! {
    doctor
    draining
    five_minutes
    generate
    help
    passing_on
    plot
    procfile
    rings
    running
    scene
    spoken
    tail_files
    tail_follow
    tail_options
    tail_ring
    top
}

/// Tests that look for rings by other means than their names, or run out of shared memory: over the portable segment the
/// former cannot be listed, and the latter is not found in time.
const NOT_PORTABLE: [&str; 7] = [
    "doctor::where_no_ring_fits",
    "draining::",
    "five_minutes::",
    "help::what_a_command_does",
    "rings::",
    "tail_ring::",
    "top::",
];

fn can_be_shown(trial: &Trial) -> bool {
    let mut others = NOT_PORTABLE.iter();
    !cfg!(feature = "portable") || !others.any(|name| trial.name().starts_with(name))
}

fn main() {
    support::play_if_asked(&all_roles());
    // What was ignored when the tests were started would stay so for all that they start.
    support::mind_signals();
    let trials = all_trials()
        .into_iter()
        .map(|trial| match can_be_shown(&trial) {
            true => trial,
            false => trial
                .with_ignored_flag(true)
                .with_kind("not over a portable segment"),
        });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}
