//! End-to-end tests with real processes, real signals and real files.
//!
//! This program is its own cast: started with a role in the environment it plays that role (a parent, a
//! child, …) and ends; started without one it runs the tests, each of which starts roles and looks at what
//! they leave behind. It brings its own `main` for that, and `libtest_mimic` in place of the usual harness.
//!
//! A module of tests offers `ROLES` and `trials()`. Nothing here sleeps in order to be in step with another
//! process: roles speak over their standard input and output.

mod attach;
mod console;
mod files;
mod forks;
mod host;
mod main_job;
mod messages;
mod promises;
mod records;
mod refusals;
mod support;

use libtest_mimic::{Arguments, Trial};
use support::Role;

fn main() {
    let roles: Vec<Role> = [
        main_job::ROLES,
        attach::ROLES,
        console::ROLES,
        files::ROLES,
        forks::ROLES,
        host::ROLES,
        messages::ROLES,
        promises::ROLES,
        records::ROLES,
        refusals::ROLES,
    ]
    .concat();
    support::play_if_asked(&roles);
    let trials: Vec<Trial> = [
        main_job::trials(),
        attach::trials(),
        console::trials(),
        files::trials(),
        forks::trials(),
        messages::trials(),
        promises::trials(),
        records::trials(),
        refusals::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
