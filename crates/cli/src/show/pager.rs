//! A pager before a terminal, as git has one: what is printed goes through `less`, which leaves at once if it fits on the screen.

use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

/// The variable that names the pager; empty or `cat` means none.
const VARIABLE: &str = "PAGER";
/// Leave if it fits on the screen, keep colours, leave the text on the screen.
const LESS: &str = "FRX";

/// A pager that reads what this process prints, until it is dropped.
pub struct Pager {
    child: Child,
}

impl Pager {
    /// Starts it and makes it the reader of standard output. `None` where standard output is no terminal, none is wanted, or it
    /// cannot be started: then everything is printed as it would have been.
    pub fn start() -> Option<Pager> {
        if !io::stdout().is_terminal()
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb")
        {
            return None;
        }
        let wanted = std::env::var(VARIABLE).unwrap_or_else(|_| "less".to_owned());
        if ["", "cat"].contains(&wanted.trim()) {
            return None;
        }
        let mut command = Command::new("sh");
        // A shell, since people give options there. A program that is missing is found out by it before anything is written.
        command.args([
            "-c",
            &format!(
                "command -v {} >/dev/null || exec cat; exec {wanted}",
                first_word(&wanted)
            ),
        ]);
        if std::env::var_os("LESS").is_none() {
            command.env("LESS", LESS);
        }
        let mut child = command.stdin(Stdio::piped()).spawn().ok()?;
        let pipe = OwnedFd::from(child.stdin.take()?);
        rustix::stdio::dup2_stdout(pipe).ok()?;
        Some(Pager { child })
    }
}

fn first_word(command: &str) -> &str {
    command.split_whitespace().next().unwrap_or_default()
}

impl Drop for Pager {
    fn drop(&mut self) {
        // Its end of file; without it the pager would wait for us, and we for it.
        if let Ok(nothing) = std::fs::File::options().write(true).open("/dev/null") {
            let _ = rustix::stdio::dup2_stdout(nothing);
        }
        let _ = self.child.wait();
    }
}
