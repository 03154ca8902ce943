//! How a process comes to a segment: it makes one, or opens one by its name after a look at whether that is whole.

use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use super::error::{AttachError, CreateError};
use super::layout::{self, Flaw, Geometry, Layout, READY, Settings};
use super::{Segment, name, platform, truncation};
use crate::failpoint;
use crate::sync::Ordering;

/// What a segment is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    /// A few words: the pages come as they are touched.
    Change,
    Write,
}

impl Segment {
    /// Makes a segment; `fill` writes into it what is its maker's to say. Others find it when everything is
    /// written, and not before.
    pub(crate) fn create(
        geometry: Geometry,
        settings: Settings,
        fill: impl FnOnce(&Segment),
    ) -> Result<Segment, CreateError> {
        debug_assert!(geometry.is_allowed());
        let layout = Layout::of(&geometry);
        let name = name::unguessable().map_err(CreateError::Name)?;
        let (unnamed, words) = platform::create(&name, layout.bytes())?;
        let mut segment = Segment {
            name,
            geometry,
            settings,
            layout,
            words,
            book: OnceLock::new(),
            book_file: OnceLock::new(),
            handle: None,
        };
        segment.format();
        fill(&segment);
        segment.set_ready();
        failpoint::hit("segment.made");
        segment.handle = Some(unnamed.give_name(&segment.name)?);
        failpoint::hit("segment.named");
        Ok(segment)
    }

    /// Says that everything is written: where a segment has its name before that, opening it is refused.
    /// `[ready]` Release, pairs with the load in [`Segment::open`].
    pub(super) fn set_ready(&self) {
        self.words[0].store(READY, Ordering::Release);
    }

    /// Opens the segment `name` after finding it ours, ready, of this version and whole.
    pub(crate) fn open(name: &str) -> Result<Segment, AttachError> {
        let named = || name.to_owned();
        let (opened, geometry, settings) = examine(name, Access::Write)?;
        let segment = Segment::map(name, opened, geometry, settings)?;
        // [ready] Acquire: pairs with set_ready.
        if segment.words[0].load(Ordering::Acquire) != READY {
            return Err(AttachError::Damaged { name: named() });
        }
        Ok(segment)
    }

    /// Opens the segment `name` of a dead ring, which was made with this, as its drainer's book says, whatever its header says
    /// by now.
    pub(crate) fn open_made_with(
        name: &str,
        geometry: Geometry,
        settings: Settings,
    ) -> Result<Segment, AttachError> {
        let opened = platform::Opened::open(name, Access::Write)?;
        if opened.bytes < Layout::of(&geometry).bytes() as u64 {
            // To touch what is cut off would end this process, which is no drainer.
            return Err(AttachError::Damaged {
                name: name.to_owned(),
            });
        }
        Segment::map(name, opened, geometry, settings)
    }

    /// Opens a segment of which its drainer knows what it was made with, whatever the header says by now: the file that the
    /// drainer was handed, or else what the name leads to. It is kept open: the name may be taken away.
    pub(crate) fn open_known(
        name: &str,
        file: Option<OwnedFd>,
        geometry: Geometry,
        settings: Settings,
    ) -> Result<Segment, AttachError> {
        let named = || name.to_owned();
        if !name::is_well_formed(name) {
            return Err(AttachError::BadName { name: named() });
        }
        let opened = match file {
            Some(file) => platform::Opened::received(name, file)?,
            None => platform::Opened::open(name, Access::Write)?,
        };
        if !geometry.is_allowed() {
            return Err(AttachError::Damaged { name: named() });
        }
        if opened.bytes < Layout::of(&geometry).bytes() as u64 {
            // What is left of it is to be saved.
            truncation::note_cut();
        }
        let handle = opened.handle().map_err(|source| AttachError::Open {
            name: named(),
            source,
        })?;
        let segment = Segment::map(name, opened, geometry, settings)?;
        Ok(Segment { handle, ..segment })
    }

    /// Opens the segment `name` for an observer: where the system can, by a mapping that cannot be
    /// written through, and without bringing its pages in. Nothing of what is returned may be stored to.
    pub(crate) fn observe(name: &str) -> Result<Segment, AttachError> {
        let (opened, geometry, settings) = examine(name, Access::Read)?;
        Segment::map(name, opened, geometry, settings)
    }

    /// Opens the segment `name`, has `change` change it, and keeps only the right to look at it: whoever has it mapped to
    /// be written may be a member to come, for whom the drainer waits.
    pub(crate) fn change<T>(
        name: &str,
        change: impl FnOnce(&Segment) -> T,
    ) -> Result<T, AttachError> {
        let (opened, geometry, settings) = examine(name, Access::Change)?;
        let segment = Segment::map(name, opened, geometry, settings)?;
        let changed = change(&segment);
        platform::seal(segment.words);
        Ok(changed)
    }

    fn map(
        name: &str,
        opened: platform::Opened,
        geometry: Geometry,
        settings: Settings,
    ) -> Result<Segment, AttachError> {
        let named = || name.to_owned();
        let layout = Layout::of(&geometry);
        let words = opened
            .map(layout.bytes())
            .map_err(|source| AttachError::Open {
                name: named(),
                source,
            })?;
        Ok(Segment {
            name: named(),
            geometry,
            settings,
            layout,
            words,
            book: OnceLock::new(),
            book_file: OnceLock::new(),
            handle: None,
        })
    }
}

/// Looks whether there is a file `name` of our user, whatever is in it.
pub(crate) fn check_owner(name: &str) -> Result<(), AttachError> {
    platform::Opened::open(name, Access::Read).map(drop)
}

/// Looks at the segment `name` without mapping it: is it ours, ready, of this version and whole?
pub(super) fn examine(
    name: &str,
    access: Access,
) -> Result<(platform::Opened, Geometry, Settings), AttachError> {
    let named = || name.to_owned();
    if !name::is_well_formed(name) {
        return Err(AttachError::BadName { name: named() });
    }
    let opened = platform::Opened::open(name, access)?;
    let mut first = [0_u64; layout::HEAD_WORDS];
    if opened.first_words(&mut first).is_err() {
        return Err(AttachError::NotASegment { name: named() });
    }
    let flaw = |flaw| match flaw {
        Flaw::NotASegment => AttachError::NotASegment { name: named() },
        Flaw::Version(found) => AttachError::Version {
            name: named(),
            found,
        },
        Flaw::Damaged => AttachError::Damaged { name: named() },
    };
    let (geometry, settings) = layout::validate(&first, opened.bytes).map_err(flaw)?;
    Ok((opened, geometry, settings))
}
