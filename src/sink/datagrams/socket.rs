//! The socket that datagrams leave by, never waiting: a Unix socket of either type, or UDP.
//!
//! It is opened with the first datagram and again after each error, so a receiver may come, go and be started anew.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, send, sendmsg, socket_with, sockopt,
};

use super::batch::shorten;

/// Where the receiver is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sink) enum Address {
    /// A Unix socket.
    Path(PathBuf),
    /// `host:port`; the name is looked up whenever the socket is opened.
    Udp(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Path(path) => path.display().fmt(f),
            Address::Udp(address) => write!(f, "udp://{address}"),
        }
    }
}

/// What is done with a datagram that the socket says is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sink) enum TooLarge {
    /// Its text is cut.
    Shorten,
    /// It is passed as a sealed file in memory, as the journal takes it.
    PassFile,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The kernel has it.
    Yes,
    /// The receiver has no room at present.
    Later,
    /// It is too large, shortened or not.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Datagram,
    /// Each datagram ends with a line feed.
    Stream,
    Udp,
}

struct Open {
    fd: OwnedFd,
    kind: Kind,
}

/// See above.
pub(super) struct Socket {
    address: Address,
    too_large: TooLarge,
    open: Option<Open>,
    /// How often it was closed: a name may have several addresses, and a receiver at only one of them.
    tries: usize,
    /// In a stream: the datagram with its end, and how much of it is sent.
    frame: Vec<u8>,
    framed: usize,
    /// The file made of the datagram that is tried at present.
    file: Option<OwnedFd>,
}

impl Socket {
    pub(super) const fn new(address: Address, too_large: TooLarge) -> Socket {
        Socket {
            address,
            too_large,
            open: None,
            tries: 0,
            frame: Vec::new(),
            framed: 0,
            file: None,
        }
    }

    /// Sends one datagram, whose text begins at `text_at`. One that was not sent is to be tried again before any other.
    ///
    /// # Errors
    /// What the system says against it. The socket should be closed then.
    pub(super) fn send(&mut self, datagram: &[u8], text_at: usize) -> io::Result<Sent> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::new(&self.address, self.tries)?),
        };
        if open.kind == Kind::Stream {
            return send_framed(open, &mut self.frame, &mut self.framed, datagram);
        }
        if let Some(file) = &self.file {
            let sent = pass(open, file)?;
            if sent == Sent::Yes {
                self.file = None;
            }
            return Ok(sent);
        }
        match (open.send(datagram), self.too_large) {
            (Ok(_), _) => Ok(Sent::Yes),
            (Err(Errno::AGAIN), _) => Ok(Sent::Later),
            (Err(Errno::MSGSIZE), TooLarge::Shorten) => send_shortened(open, datagram, text_at),
            (Err(Errno::MSGSIZE | Errno::NOBUFS), TooLarge::PassFile) => {
                self.file = Some(sealed_file(datagram)?);
                self.send(datagram, text_at)
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Whether what the kernel has is with the receiver. Otherwise [`confirm`](Socket::confirm) tells of the last one.
    pub(super) fn is_sure(&self) -> bool {
        self.open.as_ref().is_none_or(|open| open.kind != Kind::Udp)
    }

    /// Whether the receiver has refused the last datagram.
    ///
    /// # Errors
    /// That it has.
    pub(super) fn confirm(&self) -> io::Result<()> {
        match &self.open {
            Some(open) if open.kind == Kind::Udp => Ok(sockopt::socket_error(&open.fd)??),
            _ => Ok(()),
        }
    }

    /// Waits until there may be room, or the receiver is gone.
    pub(super) fn wait_for_room(&self, most: Duration) {
        if let Some(open) = &self.open {
            let mut fds = [PollFd::new(&open.fd, PollFlags::OUT)];
            let most = Timespec {
                tv_sec: most.as_secs() as i64,
                tv_nsec: most.subsec_nanos().into(),
            };
            // If it fails, the next try is a bit early.
            let _ = poll(&mut fds, Some(&most));
        }
    }

    /// A datagram that was begun begins again.
    pub(super) fn close(&mut self) {
        self.open = None;
        self.tries = self.tries.wrapping_add(1);
        self.framed = 0;
    }
}

impl Open {
    fn new(address: &Address, tries: usize) -> io::Result<Open> {
        match address {
            Address::Path(path) => {
                let address = SocketAddrUnix::new(path.as_path())?;
                let open = |socket_type, kind| {
                    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                    let fd = socket_with(AddressFamily::UNIX, socket_type, flags, None)?;
                    connect(&fd, &address)?;
                    Ok(Open { fd, kind })
                };
                match open(SocketType::DGRAM, Kind::Datagram) {
                    Err(Errno::PROTOTYPE) => Ok(open(SocketType::STREAM, Kind::Stream)?),
                    opened => Ok(opened?),
                }
            }
            Address::Udp(address) => {
                let mut error = io::Error::from(io::ErrorKind::AddrNotAvailable);
                let mut all: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
                let first = tries.checked_rem(all.len()).unwrap_or(0);
                all.rotate_left(first);
                for address in all {
                    match Open::udp(address) {
                        Ok(open) => return Ok(open),
                        Err(errno) => error = errno.into(),
                    }
                }
                Err(error)
            }
        }
    }

    fn udp(address: SocketAddr) -> Result<Open, Errno> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(family, SocketType::DGRAM, flags, None)?;
        connect(&fd, &address)?;
        Ok(Open {
            fd,
            kind: Kind::Udp,
        })
    }

    fn send(&self, bytes: &[u8]) -> Result<usize, Errno> {
        rustix::io::retry_on_intr(|| send(&self.fd, bytes, SendFlags::NOSIGNAL))
    }
}

fn send_framed(
    open: &Open,
    frame: &mut Vec<u8>,
    framed: &mut usize,
    datagram: &[u8],
) -> io::Result<Sent> {
    if *framed == 0 {
        frame.clear();
        frame.extend_from_slice(datagram);
        frame.push(b'\n');
    }
    while *framed < frame.len() {
        match open.send(&frame[*framed..]) {
            Ok(count) => *framed += count,
            Err(Errno::AGAIN) => return Ok(Sent::Later),
            Err(error) => return Err(error.into()),
        }
    }
    *framed = 0;
    Ok(Sent::Yes)
}

fn send_shortened(open: &Open, datagram: &[u8], text_at: usize) -> io::Result<Sent> {
    let mut shorter = datagram.to_vec();
    loop {
        let most = shorter.len() / 2;
        if most <= text_at {
            return Ok(Sent::Never);
        }
        shorten(&mut shorter, text_at, most);
        match open.send(&shorter) {
            Ok(_) => return Ok(Sent::Yes),
            Err(Errno::AGAIN) => return Ok(Sent::Later),
            Err(Errno::MSGSIZE) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// A sealed file that holds these bytes.
fn sealed_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    use io::Write;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = std::fs::File::from(memfd_create("shmlog-entry", flags)?);
    file.write_all(bytes)?;
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}

/// Sends a file in place of a datagram.
fn pass(open: &Open, file: &OwnedFd) -> io::Result<Sent> {
    let fds = [file.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    let flags = SendFlags::NOSIGNAL;
    match rustix::io::retry_on_intr(|| sendmsg(&open.fd, &[], &mut control, flags)) {
        Ok(_) => Ok(Sent::Yes),
        Err(Errno::AGAIN) => Ok(Sent::Later),
        Err(error) => Err(error.into()),
    }
}
