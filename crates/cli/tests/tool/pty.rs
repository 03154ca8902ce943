//! A terminal with a shell that runs the tool, as a person has it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::support::until;

/// Ends with a line that says how the tool ended, and waits for a key to be pressed.
const SHELL: &str = r#"stty noflsh -echo; trap : INT; "$@"; echo "[code $?]"; read line"#;

/// The same with job control: what is stopped goes on in the foreground.
const JOBS: &str =
    r#"stty noflsh -echo; set -m; "$@"; echo "stopped-by-$?"; fg; echo "[code $?]"; read line"#;

/// The person's side of it.
pub struct Terminal {
    person: File,
    shell: Child,
    seen: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    /// Runs a command at a terminal of 80 columns, without colours.
    pub fn with(command: &Command) -> Terminal {
        Terminal::of(SHELL, command, 80)
    }

    pub fn with_job_control(command: &Command) -> Terminal {
        Terminal::of(JOBS, command, 80)
    }

    pub fn of_width(command: &Command, columns: u16) -> Terminal {
        Terminal::of(SHELL, command, columns)
    }

    fn of(script: &str, command: &Command, columns: u16) -> Terminal {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let person = openpt(flags).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let size = Winsize {
            ws_row: 40,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&person, size).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let open = || {
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true).custom_flags(libc::O_NOCTTY);
            Stdio::from(options.open(name.to_str().unwrap()).unwrap())
        };
        let mut session = Command::new("setsid");
        session.args(["--ctty", "bash", "-c", script, "bash"]);
        session.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        session
            .env("NO_COLOR", "1")
            .stdin(open())
            .stdout(open())
            .stderr(open());
        let shell = session.spawn().unwrap();
        let person = File::from(person);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reader = read_on(person.try_clone().unwrap(), Arc::clone(&seen));
        Terminal {
            person,
            shell,
            seen,
            reader,
        }
    }

    /// Another width, as by pulling at the window's edge.
    pub fn resize(&self, columns: u16) {
        let size = Winsize {
            ws_row: 40,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.person, size).unwrap();
    }

    pub fn press(&mut self, keys: &[u8]) {
        self.person.write_all(keys).unwrap();
    }

    pub fn screen(&self) -> String {
        let seen = self.seen.lock().unwrap();
        String::from_utf8_lossy(&seen).replace('\r', "")
    }

    pub fn until_seen(&self, words: &str) {
        until(&format!("{words:?} is seen"), || {
            self.screen().contains(words)
        });
    }

    /// The process that the shell has started.
    pub fn child_of_shell(&self) -> u32 {
        let shell = self.shell.id();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        children
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Waits until the tool has ended. What was on the screen until then.
    pub fn close(mut self) -> String {
        self.until_seen("[code ");
        self.press(b"\n");
        assert!(self.shell.wait().unwrap().success());
        let screen = self.screen();
        // No process has the other side open any more.
        self.reader.join().unwrap();
        screen
    }
}

fn read_on(mut from: File, seen: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut some = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut some) {
            seen.lock().unwrap().extend_from_slice(&some[..count]);
        }
    })
}
