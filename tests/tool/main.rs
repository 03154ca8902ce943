//! End-to-end tests of the tool `shmlog`: the real binary, over real rings of real processes.
//!
//! Built like `tests/processes`, whose support it shares: a program that plays its own parents and children. A module
//! of tests offers `ROLES` and `trials()`.

#[allow(dead_code)]
#[path = "../processes/support.rs"]
mod support;
#[allow(dead_code)]
#[path = "../processes/trial.rs"]
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
    tail_files
    tail_follow
    tail_options
    tail_ring
    top
}

fn main() {
    support::play_if_asked(&all_roles());
    libtest_mimic::run(&Arguments::from_args(), all_trials()).exit();
}
