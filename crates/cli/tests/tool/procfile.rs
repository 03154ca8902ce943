//! `shmlog run --procfile`: several programs, each under its name, ended together.

use std::fs;
use std::process::Output;

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::pty::Terminal;
use crate::running::{errors, ring_of, run_command};
use crate::support::{Actor, Folder, Role, assert_nothing_remains, assert_says, until};
use crate::tool::shmlog;
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![
        every_program_runs_under_its_name_and_the_first_that_ends_ends_all,
        one_that_does_not_hear_term_is_killed_when_the_grace_is_over,
        a_signal_to_us_reaches_every_program_once,
        what_a_shell_has_started_ends_with_it,
        what_the_first_has_left_in_the_background_ends_too,
        ctrl_c_at_a_terminal_reaches_every_program,
        a_procfile_that_makes_no_sense_is_refused_by_its_line,
        the_default_procfile_is_the_one_in_this_folder,
    ]
}

/// A folder with a procfile in it, `Procfile`, and a FIFO `go`.
fn folder_with(procfile: &str) -> Folder {
    let folder = Folder::new();
    fs::write(folder.path().join("Procfile"), procfile).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(folder.path().join("go"))
        .status();
    assert!(made.unwrap().success());
    folder
}

fn arguments(folder: &Folder) -> [String; 4] {
    let file = folder.path().join("Procfile").to_str().unwrap().to_owned();
    [
        "--sink".to_owned(),
        format!("file:{}", folder.text()),
        "--procfile".to_owned(),
        file,
    ]
}

fn play(folder: &Folder, more: &[&str]) -> Output {
    let arguments = arguments(folder);
    let arguments: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    run_command(&arguments).output().unwrap()
}

fn of<'l>(lines: &'l [crate::support::Line], name: &str) -> Vec<&'l str> {
    let its = lines.iter().filter(|line| line.process == name);
    its.map(|line| &*line.message).collect()
}

/// Until it gets TERM. The FIFO is for another process to open, which a trap does not interrupt.
const STAYS: &str =
    "trap 'echo ends; exit 0' TERM; sleep 1000 >/dev/null 2>&1 & echo up; echo > go & wait";

fn every_program_runs_under_its_name_and_the_first_that_ends_ends_all() {
    // The first waits for the other: one end of the FIFO for the other.
    let folder = folder_with(&format!(
        "# two\nfirst: echo $SHMLOG_RING > ring; read go < go; echo over; exit 9\n\nsecond: {STAYS}\n"
    ));
    let output = play(&folder, &[]);
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    assert_nothing_remains(&ring_of(&folder));
    let lines = folder.records();
    assert_eq!(
        (of(&lines, "first"), of(&lines, "second")),
        (vec!["over"], vec!["up", "ends"])
    );
    assert_says(
        &errors(&output),
        &[
            "first ended with exit code 9, then second ended with exit code 0\nshmlog: 3 records logged, 0 dropped",
        ],
    );
}

fn one_that_does_not_hear_term_is_killed_when_the_grace_is_over() {
    let folder = folder_with(
        "deaf: trap '' TERM; echo $SHMLOG_RING > ring; echo > go; exec sleep 1000\nshort: read go < go; true\n",
    );
    let output = play(&folder, &["--grace", "50ms"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_says(
        &errors(&output),
        &[
            "short ended with exit code 0; the others get SIGTERM",
            "short ended with exit code 0, then",
            "deaf was killed by signal 9",
        ],
    );
    assert_nothing_remains(&ring_of(&folder));
}

fn a_signal_to_us_reaches_every_program_once() {
    let listens = |name: &str| {
        format!(
            "{name}: trap 'echo got' USR1; trap 'exit 4' TERM; sleep 1000 >/dev/null 2>&1 & \
             echo $SHMLOG_RING > ring; echo ready; while :; do wait; done\n"
        )
    };
    let folder = folder_with(&(listens("a") + &listens("b")));
    let all = arguments(&folder);
    let mut run = Actor::from_command(run_command(&all.each_ref().map(|text| &**text)));
    let both = |words: &str| {
        let lines = folder.records();
        ["a", "b"]
            .iter()
            .all(|name| of(&lines, name).contains(&words))
    };
    until("both are ready", || both("ready"));
    run.signal(Signal::USR1);
    until("both have got it", || both("got"));
    run.signal(Signal::TERM);
    assert_eq!(run.wait().code(), Some(4));
    assert_nothing_remains(&ring_of(&folder));
    let lines = folder.records();
    assert_eq!(
        (of(&lines, "a"), of(&lines, "b")),
        (vec!["ready", "got"], vec!["ready", "got"])
    );
}

fn what_a_shell_has_started_ends_with_it() {
    // The shell does not pass on what it gets: its group does.
    let folder = folder_with(
        "outer: echo $SHMLOG_RING > ring; echo > go; sleep 1000; true\nshort: read go < go\n",
    );
    let output = play(&folder, &[]);
    assert!(output.status.success(), "{output:?}");
    // A sleep that lived on would hold the ring.
    assert_nothing_remains(&ring_of(&folder));
}

fn what_the_first_has_left_in_the_background_ends_too() {
    let folder = folder_with("left: echo $SHMLOG_RING > ring; sleep 1000 & true\n");
    assert!(play(&folder, &["--quiet"]).status.success());
    assert_nothing_remains(&ring_of(&folder));
}

fn ctrl_c_at_a_terminal_reaches_every_program() {
    // The one that is slower gets TERM too, and must not end by that before it has said what it got first.
    let listens = |name: &str| {
        format!(
            "{name}: trap 'echo got; exit 6' INT; trap : TERM; sleep 1000 >/dev/null 2>&1 & echo ready; while :; do wait; done\n"
        )
    };
    let folder = folder_with(&(listens("a") + &listens("b")));
    let all = arguments(&folder);
    let run = run_command(&all.each_ref().map(|text| &**text));
    let mut terminal = Terminal::with(&run);
    let both = |words: &str| {
        let lines = folder.records();
        ["a", "b"]
            .iter()
            .all(|name| of(&lines, name).contains(&words))
    };
    until("both are ready", || both("ready"));
    terminal.press(b"\x03");
    assert_says(&terminal.close(), &["[code 6]"]);
    assert!(both("got"));
}

fn a_procfile_that_makes_no_sense_is_refused_by_its_line() {
    for (text, words) in [
        ("imu: true\nimu: false\n", "line 2 names a second \"imu\""),
        ("true\n", "line 1 is \"true\""),
        ("", "no program"),
    ] {
        let folder = folder_with(text);
        let output = play(&folder, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert_says(&errors(&output), &["Procfile", words]);
    }
    shmlog(&["run", "--procfile", "/no/such/Procfile"])
        .assert()
        .code(1);
    shmlog(&["run", "--procfile", "Procfile", "--", "true"])
        .assert()
        .code(2);
}

fn the_default_procfile_is_the_one_in_this_folder() {
    let folder = folder_with("here: pwd\n");
    let mut command = run_command(&["--procfile"]);
    let output = command.current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_says(
        &String::from_utf8_lossy(&output.stdout),
        &[folder.text(), "here"],
    );
}
