//! Consoles that stand still or are slow: the file goes on and gets everything meanwhile.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use libtest_mimic::Trial;
use shmlog::info;

use crate::host::configured;
use crate::support::{Folder, Role, assert_nothing_remains, listen, role_command, until};
use crate::terminal::open_terminal;
use crate::trials;

pub const ROLES: &[Role] = &[("parent_of_a_console", parent_of_a_console)];

pub fn trials() -> Vec<Trial> {
    trials![
        a_terminal_stopped_with_ctrl_s_holds_up_nothing_and_goes_on_with_ctrl_q,
        a_pipe_that_is_read_slowly_holds_up_nothing,
    ]
}

/// Several times what a console may queue, which is more than a batch of the drainer.
const MUCH: u64 = 20_000;
const QUEUE: u64 = 200_000;

/// `folder`: logs when it is told to, and ends when it is told to.
fn parent_of_a_console(arguments: &[String]) {
    let settings = format!("console block process_name=app queue_bytes={QUEUE}");
    let logger = configured(&arguments[0], &settings).init_parent().unwrap();
    info!("app first");
    eprintln!("{}", logger.name());
    listen();
    (0..MUCH).for_each(|number| info!("app {number} {}", "x".repeat(30)));
    eprintln!("logged");
    listen();
    let stats = logger.stats();
    assert_eq!((stats.delivered, stats.lost), (MUCH + 1, 0), "{stats:?}");
}

/// A parent whose console is `console`, which has shown nothing yet.
struct Show {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    ring: String,
    folder: Folder,
}

impl Show {
    fn start(console: Stdio) -> Show {
        let folder = Folder::new();
        let mut command: Command = role_command("parent_of_a_console", &[folder.text()]);
        command.env("NO_COLOR", "1");
        command
            .stdin(Stdio::piped())
            .stdout(console)
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut show = Show {
            child,
            stderr,
            ring: String::new(),
            folder,
        };
        show.ring = show.hear();
        show
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn tell(&mut self) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(b"go on\n").unwrap();
    }

    fn log_all(&mut self) {
        self.tell();
        assert_eq!(self.hear(), "logged");
    }

    /// Asserts that the console has shown all records that it does not say are missing, in order.
    fn end(mut self, console: std::thread::JoinHandle<String>) {
        self.tell();
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        assert_nothing_remains(&self.ring);
        let text = console.join().unwrap();
        let mut next = 0;
        let mut missing = 0;
        // The lines of a terminal are broken at its edge.
        let words: Vec<&str> = text.split_whitespace().collect();
        for (index, word) in words.iter().enumerate() {
            if *word == "app" {
                if words[index + 1] == "first" {
                    continue;
                }
                assert_eq!(
                    words[index + 1].parse(),
                    Ok(next),
                    "{:?}",
                    &words[index..index + 3]
                );
                next += 1;
            } else if words[index..].starts_with(&["records", "are", "missing", "here"]) {
                let count: u64 = words[index - 1].parse().unwrap();
                (next, missing) = (next + count, missing + count);
            }
        }
        assert_eq!(next, MUCH);
        assert!(missing > 0, "the console was not held up");
    }
}

/// How many records are in the file, without reading what was read before.
fn file_has_all(folder: &Path) -> bool {
    let text = Folder::log_text_of(folder);
    let last = format!("- app {} ", MUCH - 1);
    // The drainer's own words may come behind it.
    let tail: Vec<&str> = text.lines().rev().take(5).collect();
    tail.iter().any(|line| line.contains(&last)) && {
        let numbers = text
            .lines()
            .filter_map(|line| line.split_once(" - app ")?.1.split_once(' '));
        assert!(
            numbers
                .filter_map(|(number, _)| number.parse::<u64>().ok())
                .eq(0..MUCH)
        );
        true
    }
}

fn a_terminal_stopped_with_ctrl_s_holds_up_nothing_and_goes_on_with_ctrl_q() {
    let (mut person, terminal) = open_terminal();
    let mut seen = person.try_clone().unwrap();
    let (first, shown) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let (mut all, mut some) = (Vec::new(), [0; 4096]);
        // An error says that nobody has the terminal open any more.
        while let Ok(count @ 1..) = seen.read(&mut some) {
            all.extend_from_slice(&some[..count]);
            let _ = first.send(());
        }
        String::from_utf8_lossy(&all).into_owned()
    });
    let mut show = Show::start(terminal());
    // The drainer has written to it, so the keys are not too early for anything.
    shown.recv().unwrap();
    person.write_all(b"\x13").unwrap();
    show.log_all();
    until("the file has everything", || {
        file_has_all(show.folder.path())
    });
    person.write_all(b"\x11").unwrap();
    show.end(reader);
}

fn a_pipe_that_is_read_slowly_holds_up_nothing() {
    let (mut pipe, console) = std::io::pipe().unwrap();
    let mut show = Show::start(console.into());
    show.log_all();
    let mut shown = Vec::new();
    // A little now and then, as long as the file is not done.
    until("the file has everything", {
        let (pipe, shown) = (
            std::cell::RefCell::new(&mut pipe),
            std::cell::RefCell::new(&mut shown),
        );
        let folder = show.folder.path();
        move || {
            let mut some = [0; 100];
            let count = pipe.borrow_mut().read(&mut some).unwrap();
            shown.borrow_mut().extend_from_slice(&some[..count]);
            file_has_all(folder)
        }
    });
    let reader = std::thread::spawn(move || {
        pipe.read_to_end(&mut shown).unwrap();
        String::from_utf8(shown).unwrap()
    });
    show.end(reader);
}
