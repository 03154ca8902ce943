//! The relay: this executable, started again in the role of one who reads what another program prints.
//!
//! It attaches like any member, so the ring's drainer stays as long as it lives. Its standard input is the socket of
//! [`told`](super::told), its standard output and error are the ends to read of the program's. It says nothing by itself: what
//! there is to say goes to who started it, or into the log.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread};

use super::lines::{Lines, MOST};
use super::told::{ASKED, READ, READY, Told, VARIABLE};
use crate::level::Level;
use crate::producer::{self, Attachment};
use crate::record::capture::{Arguments, Put};
use crate::record::{About, CallSite, put_entry};
use crate::segment::{Refusal, Segment, process};

/// The key of the number of a part of a line.
const PART: &str = "part";

/// Runs before `main` in every program that uses this crate; does nothing unless the program was started to be a relay.
#[ctor::ctor(unsafe)]
fn before_main() {
    if let Some(told) = process::role(VARIABLE) {
        let done = std::panic::catch_unwind(|| Told::decode(&told).map(relay));
        process::leave(i32::from(!matches!(done, Ok(Some(Ok(()))))));
    }
}

/// A relay's whole life.
fn relay(told: Told) -> io::Result<()> {
    process::ignore_group_signals();
    // In the process list: what it is.
    let _ = rustix::thread::set_name(c"shmlog-relay");
    let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned();
    let mut control = UnixStream::from(own(io::stdin().as_fd())?);
    let (out, err) = (own(io::stdout().as_fd())?, own(io::stderr().as_fd())?);
    if let Err(why) = attach(&told.ring) {
        return control.write_all(why.as_bytes());
    }
    control.write_all(&[READY])?;
    let mut pid = [0; 4];
    // Who started us may have died over it, and the program may live: then nobody knows its number.
    let control = control.read_exact(&mut pid).is_ok().then_some(control);
    let program = Program {
        name: told.process,
        pid: u32::from_ne_bytes(pid),
    };
    let streams = [
        Stream::new(out, Level::Info, &OUT),
        Stream::new(err, Level::Warn, &ERR),
    ];
    Relay {
        control,
        streams,
        program,
        owed: None,
    }
    .run()
}

/// Enters the ring, with the one thread that there is, so that no line finds the ring full of members.
fn attach(ring: &str) -> Result<(), String> {
    let segment = Segment::open(ring).map_err(|error| error.to_string())?;
    let entries = segment.entries();
    let attachment = Attachment::patient(segment, "shmlog-relay".to_owned());
    let attachment = attachment.map_err(|error| error.to_string())?;
    attachment.enter().map_err(|error| error.to_string())?;
    producer::set_current(attachment);
    producer::enter_thread().map_err(|why| match why {
        Refusal::Threads => {
            format!("all {entries} entries for threads are taken: raise max_producers")
        }
        _ => "the ring is about to end".to_owned(),
    })
}

static OUT: CallSite = CallSite::new("stdout", "", 0, "{}", "", true);
static ERR: CallSite = CallSite::new("stderr", "", 0, "{}", "", true);

/// Whose lines they are.
struct Program {
    name: String,
    pid: u32,
}

/// One of the two.
struct Stream {
    /// `None` when nobody can write into it any more.
    pipe: Option<File>,
    level: Level,
    site: &'static CallSite,
    lines: Lines,
}

impl Stream {
    fn new(pipe: OwnedFd, level: Level, site: &'static CallSite) -> Stream {
        Stream {
            pipe: Some(pipe.into()),
            level,
            site,
            lines: Lines::default(),
        }
    }

    /// Reads once, and writes the lines that end in it. Returns how many bytes there were; 0 at the end of the stream.
    fn read(&mut self, buffer: &mut [u8], program: &Program) -> usize {
        let (level, site) = (self.level, self.site);
        let mut put = |text: &str, part| write(level, site, program, text, part);
        let bytes = match &mut self.pipe {
            Some(pipe) => pipe.read(buffer),
            None => Ok(0),
        };
        match bytes {
            Ok(bytes @ 1..) => {
                self.lines.take(&buffer[..bytes], &mut put);
                bytes
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            _ => {
                self.lines.end(&mut put);
                self.pipe = None;
                0
            }
        }
    }

    /// Bytes that are there to be read.
    fn waiting(&self) -> u64 {
        let pipe = self.pipe.as_ref();
        pipe.map_or(0, |pipe| ioctl_fionread(pipe).unwrap_or(0))
    }
}

struct Relay {
    /// To who started us; `None` when that is gone.
    control: Option<UnixStream>,
    streams: [Stream; 2],
    program: Program,
    /// We were asked for lines that were in the pipes then: the bytes of each that are still to be read.
    owed: Option<[u64; 2]>,
}

impl Relay {
    /// Until both pipes are at their end.
    fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0; MOST];
        while self.streams.iter().any(|stream| stream.pipe.is_some()) {
            let ready = self.wait()?;
            for (index, _) in ready
                .iter()
                .enumerate()
                .take(2)
                .filter(|(_, ready)| **ready)
            {
                let bytes = self.streams[index].read(&mut buffer, &self.program);
                if let Some(owed) = &mut self.owed {
                    owed[index] = owed[index].saturating_sub(bytes as u64);
                }
            }
            if ready[2] {
                self.listen();
            }
            self.answer();
        }
        Ok(())
    }

    /// Waits for any of them: the two streams, and who started us.
    fn wait(&self) -> io::Result<[bool; 3]> {
        let pipes = self
            .streams
            .each_ref()
            .map(|stream| stream.pipe.as_ref().map(AsFd::as_fd));
        let all = [pipes[0], pipes[1], self.control.as_ref().map(AsFd::as_fd)];
        let there = |index: &usize| all[*index].is_some();
        let which: Vec<usize> = (0..3).filter(there).collect();
        let fds = all
            .iter()
            .flatten()
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN));
        let mut fds: Vec<PollFd<'_>> = fds.collect();
        let for_ever = None::<&Timespec>;
        match poll(&mut fds, for_ever) {
            Err(Errno::INTR) => return Ok([false; 3]),
            done => done?,
        };
        let mut ready = [false; 3];
        for (index, fd) in which.into_iter().zip(&fds) {
            ready[index] = !fd.revents().is_empty();
        }
        Ok(ready)
    }

    fn listen(&mut self) {
        let mut word = [0];
        let heard = self.control.as_mut().map(|control| control.read(&mut word));
        match heard {
            Some(Ok(1)) if word[0] == ASKED => {
                self.owed = Some(self.streams.each_ref().map(Stream::waiting));
            }
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => self.control = None,
        }
    }

    /// Says that all is read that was asked for. A line that has not ended by then is one: its writer has.
    fn answer(&mut self) {
        let done = |owed: &mut [u64; 2]| {
            let streams = owed.iter().zip(&self.streams);
            streams
                .into_iter()
                .all(|(owed, stream)| *owed == 0 || stream.pipe.is_none())
        };
        if self.owed.take_if(done).is_none() {
            return;
        }
        for stream in &mut self.streams {
            let (level, site) = (stream.level, stream.site);
            stream
                .lines
                .end(&mut |text, part| write(level, site, &self.program, text, part));
        }
        let answered = self
            .control
            .as_mut()
            .map(|control| control.write_all(&[READ]));
        if !matches!(answered, Some(Ok(()))) {
            self.control = None;
        }
    }
}

fn write(level: Level, site: &'static CallSite, program: &Program, text: &str, part: Option<u32>) {
    if producer::is_enabled(level) && producer::passes(level, site, None) {
        let thread = site.statement.target;
        let said = Said {
            text,
            part,
            program,
            thread,
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
