//! Pseudo terminals, for programs of which a relay records what they print.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags, open};
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, Winsize, isatty, tcgetattr, tcgetwinsize, tcsetattr,
    tcsetwinsize,
};

/// A new one: the end that is read, and the end that a program has as its output. It becomes the controlling terminal of no
/// session: the keys pressed at the program's own one go on to reach it there.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let reader = open(c"/dev/ptmx", flags, Mode::empty()).map_err(|error| {
        let why = io::Error::from(error);
        io::Error::new(why.kind(), format!("/dev/ptmx cannot be opened: {why}"))
    })?;
    unlock(reader.as_fd())?;
    let writer = other_end(reader.as_fd())?;
    let mut modes = tcgetattr(&writer)?;
    // Bytes come out as they were written, and none comes back.
    modes.output_modes.remove(OutputModes::OPOST);
    modes.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&writer, OptionalActions::Now, &modes)?;
    Ok((reader, writer))
}

#[allow(unsafe_code)]
fn unlock(reader: BorrowedFd<'_>) -> io::Result<()> {
    let locked: libc::c_int = 0;
    // SAFETY: the request reads one int from the pointer, which is valid for the call.
    match unsafe { libc::ioctl(reader.as_raw_fd(), libc::TIOCSPTLCK, &raw const locked) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// By the descriptor and not by a name, which may mean another terminal where `/dev/pts` is another one.
#[allow(unsafe_code)]
fn other_end(reader: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the request takes flags by value and touches no memory of ours.
    let writer = unsafe { libc::ioctl(reader.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    match writer {
        // SAFETY: the kernel has just made this descriptor, and only we know of it.
        0.. => Ok(unsafe { OwnedFd::from_raw_fd(writer) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
}

impl Size {
    /// That of the terminal that this process has on one of its standard streams.
    pub(crate) fn of_ours() -> Option<Size> {
        let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
        let all = [output.as_fd(), error.as_fd(), input.as_fd()];
        let ours = all.into_iter().find(|fd| isatty(fd))?;
        let size = tcgetwinsize(ours).ok()?;
        Some(Size {
            rows: size.ws_row,
            columns: size.ws_col,
        })
    }

    pub(crate) fn set(self, terminal: BorrowedFd<'_>) {
        let size = Winsize {
            ws_row: self.rows,
            ws_col: self.columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // What has ended has no size.
        let _ = tcsetwinsize(terminal, size);
    }
}
