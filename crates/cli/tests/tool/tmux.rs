//! A terminal of the tests' own: a tmux server, on which one types and looks.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::tool;
use crate::trial::Ignored;

/// Far longer than anything takes to be drawn.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal in which a shell runs; ended when dropped.
pub struct Tmux(String);

impl Tmux {
    /// One of this size, in which a shell does as `script` says.
    pub fn start(columns: u16, rows: u16, script: &str) -> Result<Tmux, Ignored> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        if Command::new("tmux").arg("-V").output().is_err() {
            return Err(Ignored("there is no tmux"));
        }
        let tmux = Tmux(format!("shmlog-test-{}-{count}", std::process::id()));
        let [columns, rows] = [columns, rows].map(|number| number.to_string());
        // The last keeps the screen there.
        let script = format!("{script}; cat");
        tmux.ask(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
            "sh",
            "-c",
            &script,
        ]);
        Ok(tmux)
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let mut command = tool::below("tmux");
        command.env_remove("TMUX").env_remove("NO_COLOR");
        let output: Output = command
            .args(["-L", &self.0])
            .args(arguments)
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {arguments:?}: {complaint}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        self.ask(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as it should be, and gives it.
    pub fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let begin = Instant::now();
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "waited in vain until {what}:\n{screen}"
            );
            // A tmux process is started for each look.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the screen has a text.
    pub fn until_shown(&self, text: &str) -> String {
        self.until(&format!("the screen has {text:?}"), |screen| {
            screen.contains(text)
        })
    }

    /// Presses keys, by tmux's names of them.
    pub fn press(&self, keys: &[&str]) {
        self.ask(&[&["send-keys"], keys].concat());
    }

    /// Types a text.
    pub fn type_text(&self, text: &str) {
        self.ask(&["send-keys", "-l", text]);
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        let [columns, rows] = [columns, rows].map(|number| number.to_string());
        self.ask(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// Whether a program has taken the whole screen and not given it back.
    pub fn is_taken(&self) -> bool {
        self.ask(&["display-message", "-p", "#{alternate_on}"])
            .trim()
            == "1"
    }

    /// The process that the shell has started.
    pub fn started(&self) -> u32 {
        let shell = self.ask(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = format!("/proc/{shell}/task/{shell}/children");
        let children = std::fs::read_to_string(children).unwrap();
        children
            .split_ascii_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // If it has ended by itself, all the better.
        let _ = Command::new("tmux")
            .args(["-L", &self.0, "kill-server"])
            .output();
    }
}
