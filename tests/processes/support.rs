//! What the tests share: starting roles and talking to them, reading log files back, and making sure that
//! nothing is left behind.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use shmlog::{Builder, Level, ShmLogger};

/// A role: its name, and what plays it, with the arguments it was started with.
pub type Role = (&'static str, fn(&[String]));

/// In this variable a process finds the role it is to play. Not named like the library's own, which a program with foreign
/// rights removes.
const ROLE_VARIABLE: &str = "ROLE_IN_SHMLOG_TEST";

/// How long anything may take before a test gives up. Never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays a role and ends the process, if the environment says so.
pub fn play_if_asked(roles: &[Role]) {
    let Ok(name) = std::env::var(ROLE_VARIABLE) else {
        return;
    };
    let same = roles.iter().filter(|(role, _)| *role == name).count();
    assert_eq!(same, 1, "roles called {name}");
    let (_, play) = roles
        .iter()
        .find(|(role, _)| *role == name)
        .expect("a role of that name");
    mind_signals();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    play(&arguments);
    std::process::exit(0);
}

/// A shell has its background jobs ignore some signals, which is inherited; roles are to be ended by them.
#[allow(unsafe_code)]
pub fn mind_signals() {
    for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: sets a disposition of the system's own, no handler of ours.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// What would change a log behind a test's back.
const OBEYED: &[&str] = &["SHMLOG_SINKS", "SHMLOG_LEVEL", "RUST_LOG"];

/// Makes a command play a role.
fn cast(command: &mut Command, role: &str, arguments: &[&str]) {
    OBEYED.iter().for_each(|name| _ = command.env_remove(name));
    command.env(ROLE_VARIABLE, role).args(arguments);
}

/// The command that starts a role. It inherits this process's environment, so a ring's name too.
pub fn role_command(role: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    cast(&mut command, role, arguments);
    command
}

/// The same by way of another command, which gets this program and the role's arguments behind its own.
pub fn role_by(mut command: Command, role: &str, arguments: &[&str]) -> Command {
    command.arg(std::env::current_exe().unwrap());
    cast(&mut command, role, arguments);
    command
}

/// A running role, which one talks to in lines.
pub struct Actor {
    pub child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Actor {
    /// Starts a role.
    pub fn start(role: &str, arguments: &[&str]) -> Actor {
        Actor::from_command(role_command(role, arguments))
    }

    /// Starts a command whose standard input and output are ours to use.
    pub fn from_command(mut command: Command) -> Actor {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Actor {
            child,
            stdin,
            stdout,
        }
    }

    /// The rest of the next line, which must begin with `word`.
    pub fn hear(&mut self, word: &str) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let rest = line.strip_prefix(word);
        rest.unwrap_or_else(|| panic!("heard {line:?} where {word:?} was expected"))
            .trim()
            .to_owned()
    }

    /// All that it says from here on, until nobody can say anything there any more.
    pub fn hear_all(&mut self) -> String {
        std::io::read_to_string(&mut self.stdout).unwrap()
    }

    /// Sends a line.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        drop(self.stdin.take());
        self.child.wait().unwrap()
    }

    /// Waits for its end, which must be a good one.
    pub fn finish(mut self) {
        let status = self.wait();
        assert!(status.success(), "{status}");
    }
}

/// The other end of [`Actor::hear`], for roles.
pub fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}

/// The other end of [`Actor::tell`], for roles. Empty when nobody is there any more.
pub fn listen() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim().to_owned()
}

pub fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// A folder that is gone when the test ends.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("shmlog-test-{}-{count}", std::process::id()));
        // A process of this id may have been killed with one of the same name.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// As an argument for a role.
    pub fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// All records in all its log files, in the order of the files and of the lines in them.
    pub fn records(&self) -> Vec<Line> {
        parse_log(&self.log_text())
    }

    /// What stands in those records.
    pub fn messages(&self) -> Vec<String> {
        let records = self.records().into_iter();
        records.map(|record| record.message).collect()
    }

    /// The bytes of all its log files, in order.
    pub fn log_text(&self) -> String {
        Folder::log_text_of(&self.0)
    }

    /// The same of a folder that is not ours.
    pub fn log_text_of(folder: &Path) -> String {
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        files.sort();
        files
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One record, read back from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `None` for the drainer's own words.
    pub sequence: Option<u64>,
    pub late: bool,
    pub level: Level,
    pub process: String,
    pub pid: u32,
    pub thread: String,
    pub tid: u32,
    pub target: String,
    /// `file:line`, or nothing.
    pub place: String,
    /// With its further lines, as they stand in the file, behind line feeds.
    pub message: String,
}

/// Reads records back. Lines that begin with a blank go on with the record before.
pub fn parse_log(text: &str) -> Vec<Line> {
    let mut records: Vec<Line> = Vec::new();
    for line in text.lines() {
        if line.starts_with(' ') {
            let record = records.last_mut().expect("a record to go on with");
            record.message.push('\n');
            record
                .message
                .push_str(line.strip_prefix("    ").unwrap_or(line));
        } else {
            records.push(parse_line(line).unwrap_or_else(|| panic!("no record: {line:?}")));
        }
    }
    records
}

/// `date time LEVEL #seq process[pid] thread[tid] target file:line - message`; names have no blanks here.
fn parse_line(line: &str) -> Option<Line> {
    let (head, message) = line
        .split_once(" - ")
        .or_else(|| Some((line.strip_suffix(" -")?, "")))?;
    let mut words = head.split_ascii_whitespace().skip(2);
    let level = words.next()?.parse().ok()?;
    let sequence = words.next()?.strip_prefix('#')?;
    let (number, late) = match sequence.strip_suffix("/late") {
        Some(number) => (number, true),
        None => (sequence, false),
    };
    let named = |word: &str| {
        let (name, id) = word.strip_suffix(']')?.rsplit_once('[')?;
        Some((name.to_owned(), id.parse().ok()?))
    };
    let (process, pid) = named(words.next()?)?;
    let (thread, tid) = named(words.next()?)?;
    Some(Line {
        sequence: number.parse().ok(),
        late,
        level,
        process,
        pid,
        thread,
        tid,
        target: words.next()?.to_owned(),
        place: words.next().unwrap_or_default().to_owned(),
        message: message.to_owned(),
    })
}

/// A parent's settings for a test: no console, one file folder, everything recorded, the whole ring for all levels,
/// and other tests' rings left to them.
pub fn quiet(folder: &str) -> Builder {
    ShmLogger::builder()
        .level(Level::Trace)
        .console(false)
        .file(true)
        .file_path(folder)
        .reserved_slots(Level::Warn, 0)
        .reserved_slots(Level::Error, 0)
        .recover(false)
}

/// The drainers of a ring that run now.
pub fn drainers_of(ring: &str) -> Vec<u32> {
    in_role("shmlog-drainer", ring)
}

/// The processes that play this role for a ring, as the process list shows them.
pub fn in_role(role: &str, ring: &str) -> Vec<u32> {
    let line = format!("{role}\0{ring}\0");
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let shown = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            shown == line.as_bytes()
        })
        .collect()
}

/// Waits until a process has ended (a zombie has).
pub fn wait_for_end(pid: u32) {
    let Ok(pidfd) = pidfd_open(Pid::from_raw(pid as i32).unwrap(), PidfdFlags::empty()) else {
        return;
    };
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    let patience = Timespec {
        tv_sec: PATIENCE.as_secs() as i64,
        tv_nsec: 0,
    };
    assert!(
        poll(&mut fds, Some(&patience)).unwrap() > 0,
        "process {pid} does not end"
    );
}

/// Waits for the ring's drainers to end, and asserts that neither a process nor shared memory remains.
pub fn assert_nothing_remains(ring: &str) {
    for drainer in drainers_of(ring) {
        wait_for_end(drainer);
    }
    assert_eq!(drainers_of(ring), [0_u32; 0]);
    let names = fs::read_dir("/dev/shm").unwrap();
    let mut names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    // The segment, or a file beside it.
    let left = names.find(|name| name.split('.').next() == Some(ring));
    assert_eq!(left, None, "still in shared memory");
}

/// Waits until a condition holds that no other process can announce. For things the kernel does on its own.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// Plays a role from its beginning to its end, which must be a good one.
pub fn perform(role: &str, arguments: &[&str]) {
    Actor::start(role, arguments).finish();
}

/// Asserts that a text, such as an error's, holds every one of some words.
pub fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{text:?} does not say {word:?}");
    }
}

/// The segments in shared memory that a process made, by the pid in their names.
pub fn segments_made_by(pid: u32) -> Vec<String> {
    let prefix = format!("shmlog-{pid}-");
    let names = fs::read_dir("/dev/shm").unwrap();
    names
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix))
        .collect()
}

/// The names of the log files in a folder, oldest first.
pub fn log_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".log"))
        .collect();
    names.sort();
    names
}

/// A copy of this program in a folder that everybody may enter, and the command that starts it in a role.
pub fn role_of_copy(folder: &Folder, role: &str, arguments: &[&str]) -> (PathBuf, Command) {
    let program = folder.path().join("program");
    // Not by ourselves: what another thread starts meanwhile would inherit the open file for a moment, and a file
    // that is being written cannot be executed.
    let mut copy = Command::new("cp");
    let copied = copy
        .arg(std::env::current_exe().unwrap())
        .arg(&program)
        .status();
    assert!(copied.unwrap().success());
    let mut command = Command::new(&program);
    cast(&mut command, role, arguments);
    command.current_dir("/");
    (program, command)
}

/// The command that starts a role as the user `nobody`, which only root can do. The program is copied to where
/// that user may run it; the copy is gone with the folder.
pub fn role_of_nobody(role: &str, arguments: &[&str]) -> (Folder, Command) {
    use std::os::unix::process::CommandExt;
    let folder = Folder::new();
    let (_, mut command) = role_of_copy(&folder, role, arguments);
    command.uid(65_534).gid(65_534);
    (folder, command)
}
