//! How a drainer that is started is told what to do: by one message over its channel, before it runs.
//!
//! ```text
//!   message       is it the first of its ring, was it asked to stop already, …
//!   descriptors   the orders (config.rs) as a sealed memory file; the segment's file; the book's; of a drainer from outside, its talk
//! ```
//!
//! Segment and book come by descriptor, so that a drainer can be replaced after the ring has lost its names. The orders stay open in the
//! drainer, where `/proc/…/fd` shows them to people.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use super::config::DrainerConfig;
use crate::segment::channel::{Channel, Heard};

/// What changes from one drainer of a ring to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Circumstances {
    /// No drainer of this ring has worked yet.
    pub(super) is_first: bool,
    /// The parent has asked for the end.
    pub(super) is_stopping: bool,
    /// The log says already that the ring has lost its name.
    pub(super) is_nameless: bool,
}

/// All that a drainer is given.
pub(super) struct Orders {
    pub(super) config: DrainerConfig,
    pub(super) circumstances: Circumstances,
    pub(super) segment: Option<OwnedFd>,
    pub(super) book: Option<OwnedFd>,
    pub(super) talk: Option<OwnedFd>,
}

const FIRST: u8 = 1;
const STOPPING: u8 = 2;
const NAMELESS: u8 = 4;
const HAS_SEGMENT: u8 = 8;
const HAS_TALK: u8 = 16;
const HAS_BOOK: u8 = 32;

impl Orders {
    /// Leaves them in the channel, for the drainer to find when it has been started.
    pub(super) fn give(self, channel: &Channel) -> io::Result<()> {
        let text = sealed(&self.config)?;
        let Circumstances {
            is_first,
            is_stopping,
            is_nameless,
        } = self.circumstances;
        let bits = [
            (FIRST, is_first),
            (STOPPING, is_stopping),
            (NAMELESS, is_nameless),
            (HAS_SEGMENT, self.segment.is_some()),
            (HAS_TALK, self.talk.is_some()),
            (HAS_BOOK, self.book.is_some()),
        ];
        let bits = bits.iter().filter(|(_, is_set)| *is_set);
        let message = bits.fold(0, |all, (bit, _)| all | bit);
        let files = [&self.segment, &self.book, &self.talk].map(Option::as_ref);
        let files = [Some(&text)].into_iter().chain(files);
        let files: Vec<_> = files.flatten().map(AsFd::as_fd).collect();
        channel.send(&[message], &files)
    }

    /// Takes them out of the channel. `None` when there are none, or they are not what [`give`](Orders::give) leaves.
    pub(super) fn take(channel: &Channel) -> Option<Orders> {
        let Heard::Message(message, files) = channel.receive() else {
            return None;
        };
        let has = |bit: u8| message.first().is_some_and(|bits| bits & bit != 0);
        let mut files = files.into_iter();
        let mut text = File::from(files.next()?);
        let mut bytes = Vec::new();
        text.rewind().ok()?;
        text.read_to_end(&mut bytes).ok()?;
        // For people: what it was told.
        std::mem::forget(text);
        let mut next_if = |is_there: bool| match is_there {
            true => files.next().map(Some),
            false => Some(None),
        };
        Some(Orders {
            config: DrainerConfig::decode(&bytes)?,
            circumstances: Circumstances {
                is_first: has(FIRST),
                is_stopping: has(STOPPING),
                is_nameless: has(NAMELESS),
            },
            segment: next_if(has(HAS_SEGMENT))?,
            book: next_if(has(HAS_BOOK))?,
            talk: next_if(has(HAS_TALK))?,
        })
    }
}

/// The config in a sealed memory file.
fn sealed(config: &DrainerConfig) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("shmlog-orders", flags)?);
    file.write_all(&config.encode())?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}
