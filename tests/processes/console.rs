//! What a person sees: standard output as a pipe, as a terminal, and as something that does not take it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use rustix::termios::{Winsize, tcsetwinsize};
use shmlog::{ShmLogger, critical, debug, error, info, trace, warn};

use crate::host::configured;
use crate::support::{Folder, Line, Role, assert_nothing_remains, role_by, role_command};
use crate::terminal::open_terminal;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("show_all_levels", show_all_levels),
    ("show_much", show_much),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_pipe_gets_plain_lines_of_time_level_who_message_and_where,
        every_line_has_its_time_but_on_a_terminal_where_it_has_not_changed,
        colours_are_forced_by_clicolor_force_and_forbidden_by_no_color,
        a_terminal_gets_colours_and_its_own_width,
        a_console_that_is_switched_off_shows_nothing,
        a_console_whose_reader_is_gone_holds_up_nothing,
        a_console_that_is_never_read_holds_up_nothing,
        a_closed_standard_output_holds_up_nothing,
        the_defaults_are_a_console_and_the_level_warn,
    ]
}

/// The command that starts a role, its surroundings free of anything that speaks of colours.
fn plain_command(role: &str, arguments: &[&str]) -> Command {
    plain(role_command(role, arguments))
}

fn plain(mut command: Command) -> Command {
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM", "CI"] {
        command.env_remove(variable);
    }
    command.env("TERM", "xterm");
    command
}

/// `folder settings`; without them, the defaults.
fn show_all_levels(arguments: &[String]) {
    let logger = match arguments {
        [folder, settings] => configured(folder, settings).init_parent(),
        _ => ShmLogger::init_parent(),
    };
    let logger = logger.unwrap();
    trace!("one");
    debug!("two");
    info!("three\nsecond line");
    warn!(target: "can", "four \x1b[2J");
    error!("five");
    critical!("six");
    for number in 0..40 {
        info!("many {number}");
    }
    drop(logger);
}

const SETTINGS: &str = "console process_name=robot";

fn shown(variables: &[(&str, &str)], settings: &str) -> String {
    let folder = Folder::new();
    let mut command = plain_command("show_all_levels", &[folder.text(), settings]);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn a_pipe_gets_plain_lines_of_time_level_who_message_and_where() {
    let text = shown(&[], SETTINGS);
    assert!(!text.contains('\x1b'), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    // One for each record but the one of two lines.
    assert_eq!(lines.len(), 7 + 40);
    let expected = [
        ("TRACE", "one"),
        ("DEBUG", "two"),
        ("INFO", "three"),
        ("", "second line"),
        ("WARN", "four \\x1b[2J"),
        ("ERROR", "five"),
        ("CRITICAL", "six"),
    ];
    for (line, (level, message)) in lines.iter().zip(expected) {
        assert_eq!(line[13..22].trim_end(), level, "{line:?}");
        assert_eq!(
            line.find(message),
            lines[0].find("one"),
            "aligned: {line:?}"
        );
        if !level.is_empty() {
            let place = line.split(message).nth(1).unwrap().trim_start();
            let expected = match level {
                "WARN" => "can console.rs:",
                // The module's path says nothing that the file does not.
                _ => "console.rs:",
            };
            assert!(place.starts_with(expected), "{line:?}");
            assert_eq!(line[22..].split(' ').next(), Some("robot/main"), "{line:?}");
        }
    }
}

fn every_line_has_its_time_but_on_a_terminal_where_it_has_not_changed() {
    let is_time = |text: &str| text.len() == 12 && text.split([':', '.']).count() == 4;
    let text = shown(&[], SETTINGS);
    let times = text.lines().map(|line| &line[..12]);
    let without = times.filter(|time| !is_time(time)).count();
    assert_eq!(without, 1, "the second line of a message: {text}");

    let text = shown_on_a_terminal(100, &[("NO_COLOR", "1")]);
    let times: Vec<&str> = text.lines().map(|line| &line[..12]).collect();
    assert!(is_time(times[0]), "the first line has its time");
    let told: Vec<&&str> = times
        .iter()
        .filter(|time| !time.trim().is_empty())
        .collect();
    assert!(told.iter().all(|time| is_time(time)), "{told:?}");
    assert!(told.windows(2).all(|two| two[0] != two[1]), "{told:?}");
}

fn colours_are_forced_by_clicolor_force_and_forbidden_by_no_color() {
    let forced = shown(&[("CLICOLOR_FORCE", "1")], SETTINGS);
    assert!(forced.contains("\x1b[") && !forced.contains("\x1b[2J"));
    let both = shown(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], SETTINGS);
    assert!(!both.contains('\x1b'), "{both}");
}

fn shown_on_a_terminal(columns: u16, variables: &[(&str, &str)]) -> String {
    let folder = Folder::new();
    let (mut person, terminal) = open_terminal();
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&person, size).unwrap();
    let mut command = plain_command("show_all_levels", &[folder.text(), SETTINGS]);
    command.envs(variables.iter().copied()).stdout(terminal());
    let mut child = command.spawn().unwrap();
    // Holds the program's end open otherwise, and then there is no end to what we read.
    drop(command);
    let mut bytes = Vec::new();
    // A terminal whose other end is closed reads as an error, not as its end.
    let _ = person.read_to_end(&mut bytes);
    assert!(child.wait().unwrap().success());
    String::from_utf8(bytes).unwrap()
}

fn a_terminal_gets_colours_and_its_own_width() {
    let text = shown_on_a_terminal(90, &[]);
    assert!(text.contains("\x1b["), "{text}");
    let plain = shown_on_a_terminal(90, &[("NO_COLOR", "1")]);
    assert!(!plain.contains('\x1b'), "{plain}");
    let columns: Vec<usize> = plain.lines().map(|line| line.chars().count()).collect();
    assert_eq!(
        columns.iter().max(),
        Some(&90),
        "places stand at the right edge"
    );
}

fn a_console_that_is_switched_off_shows_nothing() {
    assert_eq!(shown(&[], "console=0"), "");
}

/// `folder`: more records than a console may queue, to both sinks.
fn show_much(arguments: &[String]) {
    let logger = configured(&arguments[0], "console block")
        .init_parent()
        .unwrap();
    // Not on standard output, which is about to be nobody's.
    eprintln!("{}", logger.name());
    crate::support::listen();
    for number in 0..MUCH {
        info!("{number} {}", "x".repeat(500));
    }
    drop(logger);
}

const MUCH: usize = 20_000;

fn assert_file_has_all(folder: &Folder) {
    let records = folder.records();
    let own = records.iter().filter(|record| record.sequence.is_some());
    let messages: Vec<&str> = own.map(|record| record.message.as_str()).collect();
    assert_eq!(messages.len(), MUCH);
    for (number, message) in messages.into_iter().enumerate() {
        assert!(message.starts_with(&format!("{number} x")), "{message}");
    }
}

/// Plays `show_much` by a command whose standard output is set; does `meanwhile` before anything is logged.
fn assert_nothing_is_held_up(folder: &Folder, mut command: Command, meanwhile: impl FnOnce()) {
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut ring = String::new();
    stderr.read_line(&mut ring).unwrap();
    // Whatever the drainer says at its end has a place to go.
    let rest = std::thread::spawn(move || stderr.read_to_end(&mut Vec::new()));
    meanwhile();
    child.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    assert!(child.wait().unwrap().success());
    rest.join().unwrap().unwrap();
    assert_nothing_remains(ring.trim());
    assert_file_has_all(folder);
}

fn a_console_whose_reader_is_gone_holds_up_nothing() {
    let folder = Folder::new();
    let mut command = plain_command("show_much", &[folder.text()]);
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    assert_nothing_is_held_up(&folder, command, || drop(reader));
    let records = folder.records();
    let told = |record: &&Line| record.sequence.is_none() && record.message.contains("console");
    assert_eq!(records.iter().filter(told).count(), 1);
}

fn a_console_that_is_never_read_holds_up_nothing() {
    let folder = Folder::new();
    let mut command = plain_command("show_much", &[folder.text()]);
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer);
    assert_nothing_is_held_up(&folder, command, || {});
    drop(reader);
}

fn a_closed_standard_output_holds_up_nothing() {
    let folder = Folder::new();
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" >&-"]);
    let command = role_by(shell, "show_much", &[folder.text()]);
    assert_nothing_is_held_up(&folder, plain(command), || {});
}

fn the_defaults_are_a_console_and_the_level_warn() {
    let folder = Folder::new();
    let mut command = plain_command("show_all_levels", &[]);
    let output = command.current_dir(folder.path()).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    // Rings that others on this machine left dead are told of here too.
    let own = text
        .lines()
        .filter(|line| !line.contains("[shmlog]") && !line.starts_with("          "));
    let levels: Vec<&str> = own.map(|line| line[13..22].trim_end()).collect();
    assert_eq!(levels, ["WARN", "ERROR", "CRITICAL"]);
    assert!(text.contains(" processes"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
