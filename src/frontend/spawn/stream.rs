//! One of a foreign program's two streams: its bytes come in, records go out.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;

use super::joined::{Joined, Spoken, Written};
use super::lines::Lines;
use super::severity::Levels;
use crate::level::Level;
use crate::producer;
use crate::record::capture::{Arguments, Put};
use crate::record::{About, CallSite, put_entry};
use crate::segment::terminal;

/// The key-value of a part of a long line.
const PART: &str = "part";
/// How long a record waits for lines that may belong to it. A program that prints a traceback line by line takes less from one
/// to the next.
pub(super) const PATIENCE: Duration = Duration::from_millis(5);
/// A pipe that keeps writes apart hands on so many bytes of one at a time.
const PACKET: usize = 4096;
/// A terminal keeps fewer bytes back.
const MOST_IN_TERMINAL: u64 = 64 << 10;

static OUT: CallSite = CallSite::new("stdout", "", 0, "{}", "", true);
static ERR: CallSite = CallSite::new("stderr", "", 0, "{}", "", true);

/// The program whose streams they are.
pub(super) struct Program {
    pub(super) name: String,
    pub(super) pid: u32,
}

/// How the bytes of a stream come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writes {
    /// A write may hold lines of many prints.
    Buffered,
    /// A read returns what one write wrote, or a packet of it.
    Each,
    /// As a buffer; and nothing says how many bytes there are.
    Terminal,
}

pub(super) struct Stream {
    /// `None` when no process can write into it any more.
    pipe: Option<File>,
    level: Level,
    site: &'static CallSite,
    writes: Writes,
    lines: Lines,
    joined: Joined,
    /// Whether the line that is begun was begun behind another one by the same write.
    begun: Written,
    /// Whether the last read was full: the next one may go on with the same write.
    is_full: bool,
    /// When it was read last.
    read: Instant,
}

impl Stream {
    pub(super) fn out(pipe: OwnedFd, is_terminal: bool, levels: Levels) -> Stream {
        let writes = match is_terminal {
            true => Writes::Terminal,
            false => Writes::Buffered,
        };
        Stream::new(pipe, Level::Info, &OUT, writes, levels)
    }

    pub(super) fn err(pipe: OwnedFd, is_terminal: bool, levels: Levels) -> Stream {
        let writes = match is_terminal {
            true => Writes::Terminal,
            false => Writes::Each,
        };
        Stream::new(pipe, Level::Warn, &ERR, writes, levels)
    }

    fn new(
        pipe: OwnedFd,
        level: Level,
        site: &'static CallSite,
        writes: Writes,
        levels: Levels,
    ) -> Stream {
        Stream {
            pipe: Some(pipe.into()),
            level,
            site,
            writes,
            lines: Lines::default(),
            joined: Joined::new(levels),
            begun: Written::Apart,
            is_full: false,
            read: Instant::now(),
        }
    }

    /// What to wait for; `None` at the end of the stream.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads once, and writes the records that are complete by it. Returns how many bytes there were; 0 at the end of the
    /// stream.
    pub(super) fn read(&mut self, buffer: &mut [u8], program: &Program) -> usize {
        let bytes = match &mut self.pipe {
            Some(pipe) => pipe.read(buffer),
            None => Ok(0),
        };
        self.read = Instant::now();
        match bytes {
            Ok(bytes @ 1..) => {
                self.take(&buffer[..bytes], program);
                bytes
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            // A terminal that no program has open any more says EIO.
            _ => {
                self.end(program);
                self.pipe = None;
                0
            }
        }
    }

    fn take(&mut self, bytes: &[u8], program: &Program) {
        let (level, site) = (self.level, self.site);
        let mut put = |spoken: Spoken<'_>| write(level, site, program, spoken);
        let joined = &mut self.joined;
        let was_begun = self.lines.is_begun();
        let mut written = match was_begun || self.is_full {
            true => self.begun,
            false => Written::Apart,
        };
        let mut is_any = false;
        self.lines.take(bytes, &mut |line, part| {
            joined.take(line, part, written, &mut put);
            is_any = true;
            if self.writes == Writes::Each {
                written = Written::Together;
            }
        });
        self.is_full = bytes.len() == PACKET;
        if is_any || !was_begun {
            self.begun = match is_any {
                true => written,
                false => Written::Apart,
            };
        }
    }

    /// Whether a record is held, to which more may belong.
    pub(super) fn holds(&self) -> bool {
        self.joined.is_held()
    }

    /// Writes the record that is held, if nothing has come for a while.
    pub(super) fn mind_silence(&mut self, program: &Program) {
        if self.holds() && self.read.elapsed() >= PATIENCE {
            let (level, site) = (self.level, self.site);
            let mut put = |spoken: Spoken<'_>| write(level, site, program, spoken);
            self.joined.end(&mut put);
        }
    }

    /// Writes all that there is. A line that has not ended is one: its writer has ended.
    pub(super) fn end(&mut self, program: &Program) {
        let (level, site, written) = (self.level, self.site, self.begun);
        let mut put = |spoken: Spoken<'_>| write(level, site, program, spoken);
        let joined = &mut self.joined;
        self.lines
            .end(&mut |line, part| joined.take(line, part, written, &mut put));
        self.joined.end(&mut put);
    }

    /// Whether the last process that could write into it has closed it.
    pub(super) fn has_ended(&self) -> bool {
        self.pipe.is_none()
    }

    /// Bytes that are there to be read; of a terminal, as many as there may be.
    pub(super) fn waiting(&self) -> u64 {
        match (&self.pipe, self.writes) {
            (None, _) => 0,
            (Some(_), Writes::Terminal) => MOST_IN_TERMINAL,
            (Some(pipe), _) => ioctl_fionread(pipe).unwrap_or(0),
        }
    }

    /// Whether a terminal has nothing more to be read. Only asking for it makes the kernel look through all that it keeps.
    pub(super) fn is_read_out(&self) -> bool {
        let Some(pipe) = self.pipe.as_ref() else {
            return true;
        };
        let mut fds = [PollFd::new(pipe, PollFlags::IN)];
        self.writes == Writes::Terminal && poll(&mut fds, Some(&Timespec::default())) == Ok(0)
    }

    /// Gives a terminal its size.
    pub(super) fn resize(&self, size: terminal::Size) {
        if let (Some(pipe), Writes::Terminal) = (&self.pipe, self.writes) {
            size.set(pipe.as_fd());
        }
    }
}

fn write(level: Level, site: &'static CallSite, program: &Program, spoken: Spoken<'_>) {
    let level = spoken.level.unwrap_or(level);
    if producer::is_enabled(level) && producer::passes(level, site, None) {
        let said = Said {
            text: spoken.text,
            part: spoken.part,
            program,
            thread: site.statement.target,
        };
        producer::write_captured(level, site, None, &said);
    }
}

/// A line, and where it comes from.
struct Said<'a> {
    text: &'a str,
    part: Option<u32>,
    program: &'a Program,
    thread: &'a str,
}

impl Arguments for Said<'_> {
    fn words(&self) -> Option<usize> {
        // By the buffer, then: most of the time here is the kernel's.
        None
    }

    fn capture_all(&self, out: &mut impl Put) {
        (self.text,).capture_all(out);
        if let Some(part) = &self.part {
            put_entry(out, About::Value, PART, part);
        }
        put_entry(out, About::Process, "", &*self.program.name);
        put_entry(out, About::Pid, "", &self.program.pid);
        put_entry(out, About::Thread, "", self.thread);
    }
}
