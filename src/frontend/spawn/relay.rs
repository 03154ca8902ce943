//! The relay: this executable, started again in the role of one who reads what another program prints.
//!
//! It attaches like any member, so the ring's drainer stays as long as it lives. Its standard input was the socket of
//! [`told`](super::told), its standard output and error are the ends to read of the program's. It says nothing by itself: what
//! there is to say goes to who started it, or into the log.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::lines::MOST;
use super::severity::Levels;
use super::stream::{PATIENCE, Program, Stream};
use super::told::{ASKED, READ, READY, SIZE, SIZED, Told, VARIABLE};
use crate::producer::{self, Attachment};
use crate::segment::channel::role;
use crate::segment::terminal::Size;
use crate::segment::{Refusal, Segment, guest, process, truncation};

/// Runs before `main` in every program that uses this crate; does nothing unless the program was started to be a relay.
#[ctor::ctor(unsafe)]
fn before_main() {
    if let Some(control) = role(VARIABLE) {
        let done = std::panic::catch_unwind(|| relay(control.into()));
        process::leave(i32::from(!matches!(done, Ok(Ok(())))));
    }
}

/// A relay's whole life.
fn relay(mut control: UnixStream) -> io::Result<()> {
    guest::settle_in();
    // Refused, it dies where the ring is cut off, as without.
    let _ = truncation::do_without();
    // In the process list: what it is.
    let _ = rustix::thread::set_name(c"shmlog-relay");
    let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned();
    let told = Told::read(&mut control)?;
    let (out, err) = (own(io::stdout().as_fd())?, own(io::stderr().as_fd())?);
    let levels = || Levels::by(&told.pattern);
    let (out, err) = match (levels(), levels()) {
        (Ok(of_out), Ok(of_err)) => (
            Stream::out(out, told.terminal, of_out),
            Stream::err(err, told.terminal, of_err),
        ),
        (Err(why), _) | (_, Err(why)) => return control.write_all(why.as_bytes()),
    };
    if let Err(why) = attach(&told.ring) {
        return control.write_all(why.as_bytes());
    }
    control.write_all(&[READY])?;
    let mut pid = [0; 4];
    // Who started us may have died over it, and the program may live: then no process knows its number.
    let control = control.read_exact(&mut pid).is_ok().then_some(control);
    let program = Program {
        name: told.process,
        pid: u32::from_ne_bytes(pid),
    };
    let streams = [out, err];
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
        while !self.streams.iter().all(Stream::has_ended) {
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
            for stream in &mut self.streams {
                stream.mind_silence(&self.program);
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
        let pipes = self.streams.each_ref().map(Stream::fd);
        let all = [pipes[0], pipes[1], self.control.as_ref().map(AsFd::as_fd)];
        let there = |index: &usize| all[*index].is_some();
        let which: Vec<usize> = (0..3).filter(there).collect();
        let fds = all
            .iter()
            .flatten()
            .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN));
        let mut fds: Vec<PollFd<'_>> = fds.collect();
        // A record that is held is written when nothing more comes to it.
        let patience = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(PATIENCE.subsec_nanos()),
        };
        let is_held = self.streams.iter().any(Stream::holds);
        match poll(&mut fds, is_held.then_some(&patience)) {
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
            Some(Ok(1)) if word[0] == SIZE => self.resize(),
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => self.control = None,
        }
    }

    /// Gives the terminals the size that follows, and says so.
    fn resize(&mut self) {
        let Some(control) = &mut self.control else {
            return;
        };
        let mut bytes = [0; 4];
        let heard = control.read_exact(&mut bytes);
        let [rows, columns] = [0, 2].map(|at| u16::from_ne_bytes([bytes[at], bytes[at + 1]]));
        let size = Size { rows, columns };
        self.streams.iter().for_each(|stream| stream.resize(size));
        if heard.is_err() || control.write_all(&[SIZED]).is_err() {
            self.control = None;
        }
    }

    /// Says that all is read that was asked for. A line that has not ended by then is one: its writer has.
    fn answer(&mut self) {
        let done = |owed: &mut [u64; 2]| {
            let streams = owed.iter().zip(&self.streams);
            streams
                .into_iter()
                .all(|(owed, stream)| *owed == 0 || stream.has_ended() || stream.is_read_out())
        };
        if self.owed.take_if(done).is_none() {
            return;
        }
        for stream in &mut self.streams {
            stream.end(&self.program);
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
