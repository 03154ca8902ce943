//! Tests of death and standstill at named places (`src/failpoint.rs`): `cargo test --features failpoints --test
//! failpoints`.
//!
//! Built like `tests/processes`, whose support it shares: a program that plays its own parents and children.
//!
//! | module | who fails, and where |
//! |---|---|
//! | `in_the_making` | a parent is killed while it makes its ring |
//! | `dying` | producers die, at every step of a claim, in every combination of up to three |
//! | `dropping` | a producer dies while it counts a record that it has dropped |
//! | `stopped` | a producer is stopped at every step of a claim, for ten laps of the others |
//! | `overshot` | a producer stands between claim and publish, while others claim what is not free yet |
//! | `long_records` | a record of many runs finds the ring full: its call is counted, killed or stopped while it waits |
//! | `drainer_dies` | the drainer dies at every step of its loop, again and again |
//! | `drainer_and_producers` | the drainer dies while it deals with stopped and dead producers |
//! | `killed_often` | the drainer is killed 500 times at moments of no choosing, during a million records |
//! | `disk_full` | the drainer is killed while the file takes nothing |
//! | `strangers` | the drainer dies while others write into its files and truncate them |
//! | `compressing` | the drainer is killed at every step of beginning, linking, compressing and syncing files |
//! | `two_drainers` | a second drainer is started |
//! | `first_uses` | a signal handler interrupts the first use of a statement of the crate `log` |
//! | `forks` | a process forks while its threads are at every step of a claim |
//! | `reused_pid` | a dead producer's pid is another's by the time anybody looks |
//! | `clock_steps` | the wall clock is set back an hour |
//! | `periods` | the wall clock passes hours and days, is set by the season and set back |
//! | `no_counter` | the kernel does not keep time by the processor's counter |
//!
//! By the environment: `SHMLOG_TEST_EVERY=k` takes every `k`th combination of three producers (1: all), and
//! `SHMLOG_TEST_KILLS=n` kills the drainer `n` times.

#[allow(dead_code)]
#[path = "../processes/closed_files.rs"]
mod closed_files;
#[path = "../processes/forking.rs"]
mod forking;
#[allow(dead_code)]
#[path = "../processes/support.rs"]
mod support;
#[allow(dead_code)]
#[path = "../processes/tally.rs"]
mod tally;
#[allow(dead_code)]
#[path = "../processes/trial.rs"]
mod trial;

mod scene;

use libtest_mimic::{Arguments, Trial};
use support::Role;

/// Declares the modules that have roles and tests.
macro_rules! cast {
    ($($tester:ident)*) => {
        $(mod $tester;)*
        fn all_roles() -> Vec<Role> {
            [scene::ROLES, $($tester::ROLES,)*].concat()
        }
        fn all_trials() -> Vec<Trial> {
            [$($tester::trials(),)*].into_iter().flatten().collect()
        }
    };
}

cast! {
    disk_full
    clock_steps
    compressing
    drainer_and_producers
    drainer_dies
    dropping
    dying
    killed_often
    long_records
    no_counter
    overshot
    periods
    first_uses
    forks
    in_the_making
    reused_pid
    stopped
    strangers
    two_drainers
}

fn main() {
    support::play_if_asked(&all_roles());
    libtest_mimic::run(&Arguments::from_args(), all_trials()).exit();
}
