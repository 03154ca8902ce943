//! What the tool says of itself, and its exit codes.

use libtest_mimic::Trial;

use crate::scene::Robot;
use crate::support::{Role, assert_nothing_remains};
use crate::tool::{self, shmlog};
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![
        help_names_every_subcommand_and_each_has_help_of_its_own,
        an_unknown_subcommand_is_refused_with_code_two,
        what_a_command_does_it_does_though_nobody_listens,
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

/// The exit code of a command whose standard output and error are not read.
fn code_unheard(arguments: &[&str]) -> Option<i32> {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = tool::command(arguments);
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    command.status().unwrap().code()
}

fn what_a_command_does_it_does_though_nobody_listens() {
    let robot = Robot::start("unheard");
    for arguments in [
        &["ls", "--json"][..],
        &["level", "unheard", "warn"],
        &["top", "unheard", "--once", "-i", "20ms"],
        &["tail", "unheard"],
        &["run", "--no-recover", "true"],
    ] {
        assert_eq!(code_unheard(arguments), Some(0), "{arguments:?}");
    }
    let (_folder, ring) = robot.kill_all();
    assert_eq!(code_unheard(&["recover", &ring]), Some(0));
    assert_nothing_remains(&ring);
    assert_eq!(code_unheard(&["flush", &ring]), Some(1));
    assert_eq!(code_unheard(&["run", "/no/such/program"]), Some(127));
}
