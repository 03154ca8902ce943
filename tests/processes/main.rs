//! End-to-end tests with real processes, real signals and real files.
//!
//! This program is its own cast: started with a role in the environment it plays that role (a parent, a
//! child, …) and ends; started without one it runs the tests, each of which starts roles and looks at what
//! they leave behind. It brings its own `main` for that, and `libtest_mimic` in place of the usual harness.
//!
//! A module of tests offers `ROLES` and `trials()`. Nothing here sleeps in order to be in step with another
//! process: roles speak over their standard input and output.

mod closed_files;
mod faulty;
mod forking;
mod interrupting;
#[cfg(feature = "mcap")]
mod mcap_files;
mod own_mount;
mod support;
mod tally;
mod trial;
mod ways_to_crash;

use libtest_mimic::{Arguments, Trial};
use support::Role;

/// Declares the modules that have roles, and those that have tests as well.
macro_rules! cast {
    (roles: $($(#[$where:meta])? $player:ident)*; tests: $($(#[$when:meta])? $tester:ident)*) => {
        $($(#[$where])? mod $player;)*
        $($(#[$when])? mod $tester;)*
        fn all_roles() -> Vec<Role> {
            let mut all = Vec::new();
            $($(#[$where])? all.extend($player::ROLES);)*
            $($(#[$when])? all.extend($tester::ROLES);)*
            all
        }
        fn all_trials() -> Vec<Trial> {
            let mut all = Vec::new();
            $($(#[$when])? all.extend($tester::trials());)*
            all
        }
    };
}

cast! {
    roles:
        disk_scene
        alone
        host
        received
        #[cfg(feature = "mcap")] mcap_scene
    ;
    tests:
        amplifying
        attach
        bystanders
        channel
        comings
        console
        crashes
        crowds
        dead_rings
        deadly_sinks
        deaths
        disks
        encodings
        endings
        files
        filters
        first_process
        #[cfg(feature = "log")]
        first_uses
        flight_recorder
        forks
        formats
        full_files
        guest
        forks_amid
        hostile
        journald
        leaks
        #[cfg(feature = "log")]
        log_crate
        long_records
        main_job
        #[cfg(feature = "mcap")] mcap
        #[cfg(feature = "mcap")] mcap_deaths
        #[cfg(feature = "mcap")] mcap_full
        messages
        overflow
        own_sinks
        page_faults
        page_wishes
        panics
        plugins
        programs
        promises
        records
        recovery
        refusals
        renegades
        rights
        rotation
        shares
        signals
        spawned
        sinks
        standstill
        stops
        syslog
        terminal
        #[cfg(feature = "tracing")]
        tracing_layer
        truncations
        values
        without_ring
}

fn main() {
    support::play_if_asked(&all_roles());
    libtest_mimic::run(&Arguments::from_args(), all_trials()).exit();
}
