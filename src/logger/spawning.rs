//! Starting programs that know nothing of shmlog.

use std::io;
use std::process::Command;

use super::ShmLogger;
use crate::frontend::{self, Capture, Spawned};

impl ShmLogger {
    /// Runs a program that knows nothing of shmlog, and makes each line that it prints a record, with the level that the
    /// line says of itself (`[WARN] …`, `ERROR: …`, `<3>…`, JSON). Others of its standard output are
    /// [`Level::Info`](crate::Level::Info), those of its standard error [`Level::Warn`](crate::Level::Warn). Target and
    /// thread are `stdout` or `stderr`; the process is the name of its file and its pid. So the level must be `Info` or lower, or the
    /// [filter](crate::Builder::filter) say `stdout=info`, for its output to be recorded. Standard input and all else is
    /// as the command says; only its settings of `stdout` and `stderr` are replaced.
    ///
    /// Each stream keeps its order; between the two it is that of reading. A line ends with `\n` or `\r\n`. After a
    /// `\r` alone what follows takes the place of what stood there, as on a terminal, so that of a progress bar the last
    /// state is recorded. Empty lines are left out, so are colours and other sequences for terminals; bytes that are not
    /// UTF-8 are replaced. A line of more than 64 KiB makes several records, which have their number, from 1, as the
    /// key-value `part`. A program that finds that it writes into a pipe may keep its output back for a while, as C and
    /// Python do without `setvbuf` or `python3 -u`; at a pseudo terminal ([`Capture::terminal`]) it does not.
    ///
    /// # The relay
    ///
    /// The lines are read by a process of its own, a *relay*: this executable, started again and caught before `main`. It is a
    /// member of the ring, with one of its [`max_producers`](crate::Builder::max_producers), until no process holds the pipes
    /// any more. So lines are recorded to the last one, whatever becomes of this process, the parent or the program; those of a
    /// program that puts itself into the background as well. No line is dropped because the ring is full: the relay waits
    /// for room whatever [`on_full`](crate::Builder::on_full) says, and the program, as with a slow terminal, when the
    /// pipe is full too. If the relay itself is killed, what is in the pipes is lost, and the program finds them
    /// broken (SIGPIPE).
    ///
    /// A program that uses shmlog attaches by itself, by the inherited environment, and its records do not come this way;
    /// only what it prints does.
    ///
    /// # Errors
    /// What the system said when it could not start the program, or this executable as the relay; or why the relay could not
    /// attach. Nothing runs then.
    ///
    /// ```
    /// use std::process::Command;
    /// use shmlog::{Level, ShmLogger};
    /// # let folder = std::env::temp_dir().join(format!("shmlog-doc-spawn-{}", std::process::id()));
    /// # let builder = ShmLogger::builder().console(false).file(true).file_path(&folder).env(false);
    /// let logger = builder.level(Level::Info).init_parent()?;
    /// let mut program = Command::new("sh");
    /// program.args(["-c", "echo ready; echo no camera >&2"]);
    /// let mut program = logger.spawn(program)?;
    /// assert!(program.wait()?.success());
    /// logger.flush(std::time::Duration::from_secs(10))?;
    /// assert_eq!(logger.stats().delivered, 2);
    /// # drop(logger); std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spawn(&self, command: Command) -> io::Result<Spawned> {
        self.spawn_captured(command, &Capture::new())
    }

    /// The same under a process name of one's own: for `python3 camera.py`, say.
    ///
    /// # Errors
    /// As [`spawn`](ShmLogger::spawn).
    pub fn spawn_as(&self, name: &str, command: Command) -> io::Result<Spawned> {
        self.spawn_captured(command, &Capture::new().name(name))
    }

    /// The same with more to say of how its output is taken: at a pseudo terminal, say.
    ///
    /// # Errors
    /// As [`spawn`](ShmLogger::spawn); also when there can be no terminal.
    pub fn spawn_captured(&self, command: Command, capture: &Capture) -> io::Result<Spawned> {
        frontend::spawn(self.name(), capture, command)
    }
}
