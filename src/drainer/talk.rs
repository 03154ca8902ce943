//! What a parent and a drainer from outside say to each other: lines that both append to the file with the orders.
//!
//! ```text
//!   ring=shmlog-…        the orders, as the parent wrote them
//!   …
//!   talk:                from here on, each appends what it has to say
//!   running
//!   stop
//!   done
//! ```
//!
//! They have no channel: the service that starts the drainer came by itself. The file is of the user's own rights and no part
//! of the shared memory, so a member that scribbles over that says nothing here.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{OFlags, fcntl_setfl};

use super::words::Word;
use crate::segment::{Kept, private};

/// What the orders are called beside the ring.
pub(super) const ORDERS: &str = "orders";

/// Stands between the orders and what is said about them.
pub(super) const BEGINNING: &str = "talk:\n";
/// No orders have more bytes, and neither do the words of one side.
pub(super) const MOST_BYTES: u64 = 1 << 20;

/// One side of it.
pub(super) struct Talk {
    file: Kept,
    /// Whose it is: to find it again, should the program have closed the file.
    ring: String,
    /// How far it has been read.
    at: u64,
}

impl Talk {
    /// In the file with the orders of the ring `name`.
    pub(super) fn of(file: OwnedFd, name: &str) -> io::Result<Talk> {
        let file = File::from(file);
        let mut bytes = vec![0; MOST_BYTES as usize];
        let read = file.read_at(&mut bytes, 0)?;
        let beginning = BEGINNING.as_bytes();
        let lines = bytes[..read].split_inclusive(|&byte| byte == b'\n');
        let mut at = 0;
        for line in lines {
            at += line.len() as u64;
            if line == beginning {
                let file = Kept::new(file.into())?;
                let ring = name.to_owned();
                return Ok(Talk { file, ring, at });
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    /// A word for the other side. One that cannot be said is lost, like one that is not read.
    pub(super) fn say(&mut self, word: &Word) {
        let line = format!("{}\n", word.encode());
        // Opened to append: two who write at the same time do not write over each other.
        self.with_file(|mut file| file.write_all(line.as_bytes()));
    }

    /// What has been said since the last time, by both.
    pub(super) fn listen(&mut self) -> Vec<Word> {
        let mut bytes = vec![0; 4096];
        let mut words = Vec::new();
        while self.at < 2 * MOST_BYTES {
            let at = self.at;
            let Some(read @ 1..) = self.with_file(|file| file.read_at(&mut bytes, at)) else {
                break;
            };
            let Some(last) = bytes[..read].iter().rposition(|&byte| byte == b'\n') else {
                if read == bytes.len() {
                    // No word is so long.
                    self.at += read as u64;
                    continue;
                }
                // A line that has not ended yet is for the next time.
                break;
            };
            let lines = bytes[..last].split(|&byte| byte == b'\n');
            words.extend(lines.filter_map(Word::decode));
            self.at += last as u64 + 1;
        }
        words
    }

    fn with_file<T>(&mut self, act: impl FnOnce(&File) -> io::Result<T>) -> Option<T> {
        if self.file.with(|_| ()).is_none() {
            let again = Kept::new(open(&self.ring).ok()??.into());
            self.file = again.ok().filter(|again| again.id() == self.file.id())?;
        }
        let copy = self.file.with(|file| file.try_clone_to_owned())?;
        act(&File::from(copy.ok()?)).ok()
    }

    /// The file, to be handed to a drainer.
    pub(super) fn to_pass_on(&self) -> io::Result<OwnedFd> {
        let copy = self.file.with(|file| file.as_fd().try_clone_to_owned());
        copy.unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
    }
}

/// Opens the file with the orders of the ring `name`, for both to read and to append to. `None` when there is none of ours.
pub(super) fn open(name: &str) -> io::Result<Option<File>> {
    let found = private::find(name, ORDERS)?;
    found.map(|(file, _)| appending(file)).transpose()
}

/// Has all that is written to a file stand at its end.
pub(super) fn appending(file: File) -> io::Result<File> {
    fcntl_setfl(&file, OFlags::APPEND)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_hears_what_was_said_once_and_half_a_line_not_yet() {
        let ring = &*format!("shmlog-talk-{}", std::process::id());
        let (mut file, path) = private::make(ring, ORDERS).unwrap();
        file.write_all(b"ring=x\ntalk:\n").unwrap();
        let file = || open(ring).unwrap().unwrap();
        let side = || Talk::of(file().into(), ring).unwrap();
        let (mut parent, mut drainer) = (side(), side());
        drainer.say(&Word::Running);
        parent.say(&Word::Stop);
        assert_eq!(parent.listen(), [Word::Running, Word::Stop]);
        assert_eq!(drainer.listen(), [Word::Running, Word::Stop]);
        assert_eq!(parent.listen(), []);
        file().write_all(b"do").unwrap();
        assert_eq!(parent.listen(), []);
        file().write_all(b"ne\nnonsense\n").unwrap();
        assert_eq!(parent.listen(), [Word::Done]);
        // The name is not needed any more.
        std::fs::remove_file(&path).unwrap();
        parent.say(&Word::Lingering);
        assert_eq!(drainer.listen(), [Word::Done, Word::Lingering]);
    }
}
