//! The channel between a process and its own program that it has started again in a role: a pair of sockets.
//!
//! The kernel remembers which user made a pair, and only a process that was given an end can write into it. So what comes over it
//! is believed, as no variable of the environment and no word in the segment can be.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrAny, SocketFlags, SocketType, getpeername,
    getsockname, recvmsg, sendmsg, socketpair, sockopt,
};

use super::kept::Kept;
use super::{environment, process};

/// What a role's variable says: its channel is its standard input.
pub(crate) const ON_STDIN: &str = "0";
/// The longest message, in bytes.
const MOST_BYTES: usize = 4096;
/// Descriptors in a message at most.
const MOST_DESCRIPTORS: usize = 4;

/// One end of it. Neither side ever waits for the other to take a message.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: Kept,
}

/// What has come over a channel.
#[derive(Debug)]
pub(crate) enum Heard {
    Nothing,
    Message(Vec<u8>, Vec<OwnedFd>),
    /// Nothing will come any more: the other end is closed everywhere, or ours is.
    Over,
}

impl Channel {
    /// Ours, and the end for the process that will be started.
    pub(crate) fn pair() -> io::Result<(Channel, OwnedFd)> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        refuse_unbelievable(theirs.as_fd())?;
        Ok((Channel::of(ours)?, theirs))
    }

    /// The end that a [`role`] was given.
    pub(crate) fn of(socket: OwnedFd) -> io::Result<Channel> {
        let socket = Kept::new(socket)?;
        Ok(Channel { socket })
    }

    /// Sends a message whole, or fails at once: also when the other side has left too many unread.
    pub(crate) fn send(&self, message: &[u8], with: &[BorrowedFd<'_>]) -> io::Result<()> {
        debug_assert!(message.len() <= MOST_BYTES && with.len() <= MOST_DESCRIPTORS);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !with.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(with));
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let send =
            |socket: BorrowedFd<'_>| sendmsg(socket, &[IoSlice::new(message)], &mut control, flags);
        match self.socket.with(send) {
            Some(sent) => Ok(sent.map(drop)?),
            None => Err(Errno::BADF.into()),
        }
    }

    /// The next message, without waiting for it.
    pub(crate) fn receive(&self) -> Heard {
        let mut bytes = [0; MOST_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let mut receive = |socket: BorrowedFd<'_>| {
            recvmsg(
                socket,
                &mut [IoSliceMut::new(&mut bytes)],
                &mut control,
                flags,
            )
        };
        let received = self.socket.with(|socket| {
            loop {
                match receive(socket) {
                    Err(Errno::INTR) => {}
                    received => return received,
                }
            }
        });
        match received {
            Some(Ok(received)) if received.bytes > 0 => {
                let mut descriptors = Vec::new();
                for message in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(fds) = message {
                        descriptors.extend(fds);
                    }
                }
                Heard::Message(bytes[..received.bytes].to_vec(), descriptors)
            }
            Some(Err(Errno::AGAIN)) => Heard::Nothing,
            _ => Heard::Over,
        }
    }

    /// Waits until there is something to be received, or the end, but not longer than this.
    pub(crate) fn wait(&self, patience: Duration) {
        let patience = Timespec::try_from(patience).ok();
        self.socket.with(|socket| {
            let mut fds = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
            // Whatever it says: the next step is to receive.
            let _ = poll(&mut fds, patience.as_ref());
        });
    }

    /// Whether our end is still open.
    pub(crate) fn is_open(&self) -> bool {
        self.socket.with(|_| ()).is_some()
    }
}

/// Whether this program was started to play the role that `variable` stands for, and by whom: returns the socket to the
/// process that did it. The variable is taken away, so that no child of ours inherits it.
///
/// Any caller can set a variable, and hand down any descriptor. What shows that a process of our own user wants it is the socket:
/// the kernel says who made it, and a program with the rights of its file must not be told by its starter what to be, unless
/// it gives the rights up.
pub(crate) fn role(variable: &str) -> Option<OwnedFd> {
    let told = match process::runs_with_foreign_rights() {
        // With it go all others by which the starter could steer this program.
        true => environment::take(variable)?,
        false => {
            let told = std::env::var_os(variable)?;
            process::forget_variable(variable);
            told
        }
    };
    let socket = take_descriptor(&told)?;
    let may_obey = !process::runs_with_foreign_rights() || process::gave_up_foreign_rights();
    may_obey.then_some(socket)
}

/// An error for a socket that the process to be started would not believe: it would run the user's program, from its `main`,
/// which may well start another.
pub(crate) fn refuse_unbelievable(socket: BorrowedFd<'_>) -> io::Result<()> {
    let is_believable = is_of_our_user(socket) && !process::runs_as_another_user();
    let why = "this process runs with another effective than real user or group, or the system does not tell who made a \
               pair of sockets: this program, started again, would not take its role";
    let refused = || io::Error::new(io::ErrorKind::PermissionDenied, why);
    is_believable.then_some(()).ok_or_else(refused)
}

/// The descriptor of that number, if it is a socket that a process of our user made. It is closed to what we start.
#[allow(unsafe_code)]
fn take_descriptor(number: &OsString) -> Option<OwnedFd> {
    let number: RawFd = number.to_str()?.parse().ok().filter(|fd| *fd >= 0)?;
    // SAFETY: F_DUPFD_CLOEXEC touches no memory, and a number that is not open is an error.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return None;
    }
    // SAFETY: the kernel has just made it for us, so nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(copy) };
    if !is_of_our_user(socket.as_fd()) {
        return None;
    }
    put_nothing_at(number);
    Some(socket)
}

/// Leaves the standard descriptors something that can be read and written; other numbers are closed.
#[allow(unsafe_code)]
fn put_nothing_at(number: RawFd) {
    use std::os::fd::AsRawFd;
    let nothing = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null");
    match nothing {
        // SAFETY: both numbers are open; the one that is replaced was handed to us by its number alone, in a process that runs
        // nothing but the role from here on, so nothing here owns it.
        Ok(nothing) if number <= 2 => _ = unsafe { libc::dup2(nothing.as_raw_fd(), number) },
        // SAFETY: as above.
        _ => _ = unsafe { libc::close(number) },
    }
}

/// Whether this is one of a pair of sockets that a process of our user has made: neither end has a name, as one that is
/// connected to a server has, whose user would be shown instead.
fn is_of_our_user(socket: BorrowedFd<'_>) -> bool {
    let is_local = sockopt::socket_domain(socket) == Ok(AddressFamily::UNIX);
    if !is_local {
        return false;
    }
    // All that comes of an address without a name is its family.
    let is_unnamed = |address: SocketAddrAny| address.addr_len() as usize <= size_of::<u16>();
    let is_pair = getsockname(socket).is_ok_and(is_unnamed)
        && getpeername(socket).is_ok_and(|peer| peer.is_some_and(is_unnamed));
    is_pair && maker_of(socket) == Some(rustix::process::geteuid().as_raw())
}

/// The user who made a pair of sockets. rustix takes a maker that has no pid here, being of a pid namespace above, for an
/// error.
#[allow(unsafe_code)]
fn maker_of(socket: BorrowedFd<'_>) -> Option<u32> {
    use std::os::fd::AsRawFd;
    let mut maker = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    let (number, place) = (socket.as_raw_fd(), (&raw mut maker).cast());
    // SAFETY: the kernel writes at most `len` bytes to `place`, which is that long and ours, and the length to `len`; any
    // bytes are a ucred.
    let failed = unsafe {
        libc::getsockopt(
            number,
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            place,
            &raw mut len,
        )
    };
    (failed == 0 && len as usize == size_of::<libc::ucred>()).then_some(maker.uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    #[test]
    fn messages_come_whole_with_their_descriptors_and_nobody_waits() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel::of(theirs).unwrap();
        assert!(matches!(ours.receive(), Heard::Nothing));
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        theirs.send(b"one", &[file.as_fd()]).unwrap();
        theirs.send(b"two", &[]).unwrap();
        let Heard::Message(text, with) = ours.receive() else {
            panic!("nothing came");
        };
        assert_eq!((&text[..], with.len()), (&b"one"[..], 1));
        assert!(matches!(ours.receive(), Heard::Message(text, _) if text == b"two"));
        // A reader that stands still: the channel fills, and that is an error, at once.
        let full = (0..1 << 20).find_map(|_| theirs.send(&[7; 512], &[]).err());
        assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
        drop(theirs);
        while let Heard::Message(..) = ours.receive() {}
        assert!(matches!(ours.receive(), Heard::Over));
        assert!(ours.send(b"three", &[]).is_err());
    }

    #[test]
    fn only_an_end_of_a_pair_that_our_user_has_made_is_believed() {
        let (_ours, theirs) = Channel::pair().unwrap();
        assert!(is_of_our_user(theirs.as_fd()));
        let (_a, pair) = UnixStream::pair().unwrap();
        assert!(is_of_our_user(pair.as_fd()));
        // Who connects to a server sees the server's user.
        let path = std::env::temp_dir().join(format!("shmlog-channel-{}", std::process::id()));
        let server = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!is_of_our_user(client.as_fd()));
        let (accepted, _) = server.accept().unwrap();
        assert!(!is_of_our_user(accepted.as_fd()));
        let alone = UnixDatagram::unbound().unwrap();
        assert!(!is_of_our_user(alone.as_fd()));
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert!(!is_of_our_user(file.as_fd()));
        let closed = 1 << 20;
        assert!(take_descriptor(&closed.to_string().into()).is_none());
        for text in ["", "-1", "ring=shmlog-1\n", "99999999999"] {
            assert!(take_descriptor(&text.into()).is_none(), "{text}");
        }
        let _ = file.as_raw_fd();
    }
}
