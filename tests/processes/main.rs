//! End-to-end tests with real processes, real signals and real files.
//!
//! This program is its own cast: started with a role in the environment it plays that role (a parent, a
//! child, …) and ends; started without one it runs the tests, each of which starts roles and looks at what
//! they leave behind. It brings its own `main` for that, and `libtest_mimic` in place of the usual harness.
//!
//! A module of tests offers `ROLES` and `trials()`. Nothing here sleeps in order to be in step with another
//! process: roles speak over their standard input and output.

mod main_job;
mod signals;
mod support;

use libtest_mimic::{Arguments, Trial};
use support::Role;

fn main() {
    let roles: Vec<Role> = [main_job::ROLES, signals::ROLES].concat();
    support::play_if_asked(&roles);
    let trials: Vec<Trial> = [main_job::trials(), signals::trials()]
        .into_iter()
        .flatten()
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
