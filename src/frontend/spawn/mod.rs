//! Programs that know nothing of shmlog: what they print, as records.
//!
//! Their lines are read not by threads of the process that spawns them but by a *relay* ([`relay`]), a process of its own,
//! so that nothing is lost and no program gets a SIGPIPE when the spawning process is killed.
//!
//! ```text
//!   spawning process ── starts ──► program ── stdout, stderr ──► relay ── records ──► ring
//!          └────────── starts, before ─────────────────────────────┘
//! ```

mod capture;
mod joined;
mod lines;
mod relay;
mod severity;
mod stream;
mod told;

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{SendFlags, send};

pub use self::capture::Capture;
#[cfg(feature = "regex")]
pub use self::capture::PatternError;
use self::told::{ASKED, READ, READY, SIZE, SIZED, Told, VARIABLE};
use crate::segment::channel::{ON_STDIN, refuse_unbelievable};
use crate::segment::terminal::{self, Size};
use crate::segment::{Role, Started, process};

/// What a user may make a pipe, unless the system is set otherwise.
const LARGEST_PIPE: i32 = 1 << 20;
/// How long a relay may take until it has attached.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// How long a relay may take for another size; it may be waiting for room in the ring.
const SIZE_PATIENCE: Duration = Duration::from_millis(200);

/// A program that was started by [`ShmLogger::spawn`](crate::ShmLogger::spawn), to be used like a [`Child`]. Dropping it neither ends the program nor
/// waits for it, and its lines go on being recorded.
#[derive(Debug)]
pub struct Spawned {
    /// Its standard input, if the command made that a pipe. As with `Child`, [`wait`](Spawned::wait) closes it.
    pub stdin: Option<ChildStdin>,
    child: Child,
    has_terminal: bool,
    relay: Relay,
}

impl Spawned {
    /// Its process id, which its records carry.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes its standard input, waits until it has ended, and then until all that it printed is in the ring: a
    /// [`flush`](crate::ShmLogger::flush) after this concerns its last line too. Processes that it left behind are not waited for,
    /// though their lines go on being recorded.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        let status = self.child.wait()?;
        self.relay.finish();
        Ok(status)
    }

    /// How it has ended, if it has. Its last lines may still be on the way; [`wait`](Spawned::wait) waits for them.
    ///
    /// # Errors
    /// As [`Child::try_wait`].
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Gives its pseudo terminals the size of the terminal that this process has, if both have one. To be called after a
    /// SIGWINCH, before that is passed on to the program. Returns whether it has pseudo terminals.
    pub fn follow_terminal(&mut self) -> bool {
        if let Some(size) = self.has_terminal.then(Size::of_ours).flatten() {
            self.relay.resize(size);
        }
        self.has_terminal
    }

    /// Kills it. What it printed until then is recorded.
    ///
    /// # Errors
    /// As [`Child::kill`].
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()
    }
}

/// A pipe that hands on each write by itself, up to a page: standard error is not buffered, so what a program writes there at
/// once belongs together. It is made as large as the system allows, since each write takes a page of it.
fn pipe_of_writes() -> io::Result<(io::PipeReader, io::PipeWriter)> {
    use rustix::fs::{OFlags, fcntl_setfl};
    let (reader, writer) = io::pipe()?;
    // Where the kernel cannot do it, lines come one by one.
    let _ = fcntl_setfl(&writer, OFlags::DIRECT);
    process::enlarge_pipe(&writer, LARGEST_PIPE);
    Ok((reader, writer))
}

/// The ends of a stream: the relay's, and the program's.
type Ends = (OwnedFd, OwnedFd);

fn pipes() -> io::Result<[Ends; 2]> {
    let (out, out_end) = io::pipe()?;
    let (err, err_end) = pipe_of_writes()?;
    Ok([(out.into(), out_end.into()), (err.into(), err_end.into())])
}

/// One for each stream, or nothing would say which of the two a line is of.
fn terminals() -> io::Result<[Ends; 2]> {
    let refused = |error: io::Error| {
        let text = format!("there can be no pseudo terminal: {error}");
        io::Error::new(error.kind(), text)
    };
    let both = [
        terminal::pair().map_err(refused)?,
        terminal::pair().map_err(refused)?,
    ];
    if let Some(size) = Size::of_ours() {
        both.iter().for_each(|(reader, _)| size.set(reader.as_fd()));
    }
    Ok(both)
}

/// Starts the relay, then the program, whose output becomes records of the ring.
pub(crate) fn spawn(ring: &str, capture: &Capture, mut command: Command) -> io::Result<Spawned> {
    let [(out, out_end), (err, err_end)] = match capture.terminal {
        true => terminals()?,
        false => pipes()?,
    };
    let name = capture.name_of(&command);
    let told = Told {
        ring: ring.to_owned(),
        process: name.clone(),
        terminal: capture.terminal,
        pattern: capture.pattern.clone(),
    };
    // First, so that the program never writes into a pipe without a reader.
    let relay = Relay::start(&told, out, err).map_err(|error| {
        let text = format!("cannot start a relay for {name:?}: {error}");
        io::Error::new(error.kind(), text)
    })?;
    // When this fails, the relay finds its pipes at their end as soon as the command is dropped.
    let mut child = command.stdout(out_end).stderr(err_end).spawn()?;
    // It holds the ends that are written.
    drop(command);
    relay.tell(&child.id().to_ne_bytes());
    Ok(Spawned {
        stdin: child.stdin.take(),
        child,
        has_terminal: capture.terminal,
        relay,
    })
}

/// Relays that were running when they were not needed here any more. In a program that adopts orphans they are to be waited
/// for when they have ended, or they would stay in the process list.
static LEFT: Mutex<Vec<Started>> = Mutex::new(Vec::new());

/// The relay of a program, as long as it is of interest.
#[derive(Debug)]
struct Relay {
    /// `None` when it has ended.
    process: Option<Started>,
    control: UnixStream,
}

impl Relay {
    /// Starts one that reads these two, and waits until it has attached.
    fn start(told: &Told, out: OwnedFd, err: OwnedFd) -> io::Result<Relay> {
        // Not held any longer: the rest may take a while.
        LEFT.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain_mut(|relay| !relay.has_ended());
        let (mut control, theirs) = UnixStream::pair()?;
        refuse_unbelievable(theirs.as_fd())?;
        // It finds that when it runs; the socket has room for it.
        control.write_all(&told.encode())?;
        let role = Role::new("shmlog-relay", &told.ring, VARIABLE, ON_STDIN)?;
        let process = role.start(&[theirs.as_fd(), out.as_fd(), err.as_fd()])?;
        // Ours would keep it from finding the ends of its streams, and us from finding its own.
        drop((theirs, out, err));
        let mut relay = Relay {
            process: Some(process),
            control,
        };
        relay.hear_ready().inspect_err(|_| relay.end())?;
        Ok(relay)
    }

    fn hear_ready(&mut self) -> io::Result<()> {
        self.control.set_read_timeout(Some(START_PATIENCE))?;
        let (mut word, mut why) = ([0], Vec::new());
        let heard = self.control.read_exact(&mut word);
        if heard.is_ok() && word == [READY] {
            return self.control.set_read_timeout(None);
        }
        if heard.is_ok() {
            why.push(word[0]);
            self.control.read_to_end(&mut why)?;
        }
        Err(io::Error::other(match why.is_empty() {
            false => String::from_utf8_lossy(&why).into_owned(),
            true => process::did_not_become("a relay"),
        }))
    }

    /// Whether it was there to be told. Without a signal if it was not, whatever the program does with SIGPIPE.
    fn tell(&self, word: &[u8]) -> bool {
        send(&self.control, word, SendFlags::NOSIGNAL) == Ok(word.len())
    }

    /// Waits until all is in the ring that is in the pipes now.
    fn finish(&mut self) {
        let is_there = self.process.is_some() && self.tell(&[ASKED]);
        if !is_there || !self.hear(READ) {
            // It has ended, or is about to: no process holds the pipes.
            self.reap();
        }
    }

    /// Whether it says this word, after answers that came too late.
    fn hear(&mut self, expected: u8) -> bool {
        let mut word = [0];
        while self.control.read_exact(&mut word).is_ok() {
            if word == [expected] {
                return true;
            }
        }
        false
    }

    /// Has it give the program's terminals a size, and waits for that a while.
    fn resize(&mut self, size: Size) {
        let [rows, columns] = [size.rows, size.columns].map(u16::to_ne_bytes);
        let told = [SIZE, rows[0], rows[1], columns[0], columns[1]];
        let limited = self.control.set_read_timeout(Some(SIZE_PATIENCE));
        if self.process.is_some() && limited.is_ok() && self.tell(&told) {
            self.hear(SIZED);
        }
        let _ = self.control.set_read_timeout(None);
    }

    fn end(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill();
        }
        self.reap();
    }

    fn reap(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.wait();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take()
            && !process.has_ended()
        {
            let left = &mut *LEFT.lock().unwrap_or_else(PoisonError::into_inner);
            left.push(process);
        }
    }
}
