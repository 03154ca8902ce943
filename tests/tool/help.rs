//! What the tool says of itself, and its exit codes.

use libtest_mimic::Trial;

use crate::support::Role;
use crate::tool::shmlog;
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![
        help_names_every_subcommand_and_each_has_help_of_its_own,
        an_unknown_subcommand_is_refused_with_code_two,
    ]
}

const COMMANDS: &[&str] = &[
    "run", "ls", "top", "tail", "level", "flush", "recover", "drain", "doctor", "plot", "generate",
];

fn help_names_every_subcommand_and_each_has_help_of_its_own() {
    let help = shmlog(&["--help"]).assert().success();
    let help = String::from_utf8_lossy(&help.get_output().stdout).into_owned();
    for command in COMMANDS {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command} in {help}"
        );
        shmlog(&[command, "--help"]).assert().success();
    }
}

fn an_unknown_subcommand_is_refused_with_code_two() {
    shmlog(&["tial"]).assert().code(2);
}
