//! The guide's first five minutes, typed into a real terminal, command for command.
//!
//! Two things are played: what `cargo install` would install is the binary that these tests were built with, and the
//! example is built as they are (`.ci/run` does both as they stand). All else is typed as it is.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::support::{Folder, Role, assert_nothing_remains, send, until};
use crate::tmux::Tmux;
use crate::tool;
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![each_command_of_the_first_five_minutes_does_what_is_said_of_it]
}

const PAGE: &str = include_str!("../../../../docs/guide/src/five-minutes.md");

/// The commands of the page, in order.
fn commands() -> Vec<&'static str> {
    let (_, page) = PAGE.split_once("<!-- five minutes begins").unwrap();
    let (page, _) = page.split_once("<!-- five minutes ends").unwrap();
    let blocks = page.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split_once("```").unwrap().0);
    blocks.flat_map(str::lines).collect()
}

/// What stands on the screen when a command has done its work, if that is not the next prompt; and the keys that end it.
const LIVE: [(&str, &str, &str); 2] = [
    ("shmlog top", "call sites", "q"),
    ("shmlog tail -f", "joint", "C-c"),
];
/// What else must stand there.
const SHOWN: [(&str, &str); 10] = [
    ("shmlog ls", "robot["),
    ("shmlog tail -n 5 -p warn", "WARN"),
    ("shmlog tail -n 5 --grep", "drifts by -"),
    ("shmlog level", "info"),
    ("shmlog level warn imu=debug", "(before: info)"),
    ("shmlog level reset", "(before: warn,imu=debug)"),
    ("shmlog flush", ""),
    ("shmlog run", "trouble"),
    ("shmlog plot", ""),
    ("shmlog doctor", "p99.9"),
];

/// Ended when the test is, however it ends.
struct Robot(Child);

impl Drop for Robot {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The robot of the example, from its folder. cargo becomes it.
fn robot(folder: &Folder) -> Robot {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "run",
        "--quiet",
        "--manifest-path",
        manifest,
        "--example",
        "busy",
    ]);
    for variable in ["SHMLOG_RING", "SHMLOG_SINKS", "SHMLOG_LEVEL", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command.current_dir(folder.path()).stdout(Stdio::piped());
    Robot(command.spawn().unwrap())
}

/// The name of its ring: it prints how to look at it.
fn ring_of(robot: &mut Child) -> String {
    use std::io::{BufRead, BufReader};
    let mut line = String::new();
    BufReader::new(robot.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    line.trim().rsplit(' ').next().unwrap().to_owned()
}

/// Types a command, and waits until it has done its work.
fn try_out(terminal: &Tmux, number: usize, command: &str) {
    // With the exit code, which is to be 0.
    let prompt = format!("done-{number}-0$");
    terminal.type_text(&format!("clear; {command}; PS1=\"done-{number}-$?$ \""));
    terminal.press(&["Enter"]);
    if let Some((_, shown, keys)) = LIVE.iter().find(|(live, ..)| command.starts_with(live)) {
        terminal.until_shown(shown);
        terminal.press(&[keys]);
        // The shell may echo this before it shows its last prompt, so the next one need not begin a line.
        // Ctrl+C ends what stands behind it in the line, too.
        terminal.type_text(&format!("PS1='{prompt} '"));
        terminal.press(&["Enter"]);
        terminal.until(command, |screen| {
            screen
                .lines()
                .any(|line| line.trim_end().ends_with(&prompt))
        });
        return;
    }
    let screen = terminal.until(command, |screen| {
        screen
            .lines()
            .any(|line| line.trim_end().ends_with(&prompt))
    });
    let mut known = SHOWN.iter().filter(|(begin, _)| command.starts_with(begin));
    let shown = known
        .next_back()
        .unwrap_or_else(|| panic!("what does {command:?} show?"))
        .1;
    assert!(screen.contains(shown), "{command}:\n{screen}");
}

fn each_command_of_the_first_five_minutes_does_what_is_said_of_it() -> Result<(), Ignored> {
    let folder = Folder::new();
    let tool = Path::new(tool::PATH).parent().unwrap();
    let all = commands();
    assert_eq!(
        all[..2],
        [
            "cargo install --path crates/cli --locked",
            "cargo run --release --example busy"
        ]
    );
    let mut robot = robot(&folder);
    let ring = ring_of(&mut robot.0);
    // Enough for what is looked for: a thousand rounds of its quickest parts.
    until("it has warned", || {
        let log = Folder::log_text_of(&folder.path().join("logs"));
        log.contains("WARN") && log.contains("drifts by -")
    });
    // The environment says which ring is meant: other tests have some, too.
    let shell = format!(
        "cd {}; PATH={}:$PATH SHMLOG_RING={ring}; export PATH SHMLOG_RING; PS1='first$ ' exec sh",
        folder.text(),
        tool.display()
    );
    let terminal = Tmux::start(110, 60, &shell)?;
    terminal.until_shown("first$");
    for (number, command) in all[2..].iter().enumerate() {
        try_out(&terminal, number, command);
    }
    assert!(folder.path().join("load.svg").exists());
    send(robot.0.id(), Signal::INT);
    drop(robot);
    assert_nothing_remains(&ring);
    Ok(())
}
