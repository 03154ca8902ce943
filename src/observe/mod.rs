//! Looking at rings from outside: which there are, what they are doing, and what is logged into them.
//!
//! An [`Observer`] maps a ring's memory for reading only, so it has no effect on it: producers and the drainer do not
//! know that it is there, and it needs no entry in the ring. The tool `shmlog` stands on this.
//!
//! ```
//! use shmlog::observe::{self, Observer};
//! # let logger = shmlog::ShmLogger::builder().console(false).discard(true).env(false).init_parent()?;
//! # let name = logger.name().to_owned();
//! # shmlog::warn!("battery at {} %", 12);
//! # logger.flush(std::time::Duration::from_secs(10))?;
//! for ring in observe::rings() {
//!     println!("{} of {}: {:?}", ring.name, ring.program, ring.state);
//! }
//! let observer = Observer::open(&name)?;
//! let snapshot = observer.snapshot();
//! println!("{}; {} of {} slots taken", snapshot.stats, snapshot.taken, snapshot.stats.slots);
//! # assert_eq!(snapshot.stats.delivered, 1);
//! # assert_eq!(snapshot.sites[0].format, "battery at {} %");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is read there other processes have written, and may write at any moment; each number is of its own moment.

mod follow;
mod rings;
mod snapshot;

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

pub use self::follow::{Follow, Seen, Start};
pub use self::rings::{ListedRing, RingState, rings};
pub use self::snapshot::{CallSite, Process, Producer, SinkState, Snapshot};
use crate::clock::{Calibration, Clock};
use crate::errors::debug_is_text;
use crate::flush::{FlushError, Waiting};
use crate::logger::{self, SetFilterError};
use crate::ring::Ring;
use crate::segment::{self, AttachError, Home, Segment, truncation};
use crate::stats::Stats;

/// One who looks at a ring.
///
/// The mapping stays for as long as this process lives, as all of this library do; so one observer for a ring is enough.
pub struct Observer {
    segment: &'static Segment,
    ring: Ring<'static>,
    home: Home,
    clock: Clock,
    calibration: RefCell<Calibration>,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl Observer {
    /// Looks at the ring of this name, as [`rings()`] or [`ShmLogger::name`](crate::ShmLogger::name) gives it.
    ///
    /// # Errors
    /// As [`ShmLogger::attach_to`](crate::ShmLogger::attach_to), but for those about entering it.
    pub fn open(name: &str) -> Result<Observer, AttachError> {
        let home = segment::peek(name)?;
        let segment: &'static Segment = Box::leak(Box::new(Segment::observe(name)?));
        let damaged = || AttachError::Damaged {
            name: name.to_owned(),
        };
        let clock = Clock::from_number(segment.settings().clock).ok_or_else(damaged)?;
        let mut calibration = Calibration::start(clock);
        calibration.believe(home.made);
        Ok(Observer {
            ring: Ring::from(segment),
            segment,
            home,
            clock,
            calibration: RefCell::new(calibration),
        })
    }

    /// The ring's name.
    pub fn name(&self) -> &str {
        self.segment.name()
    }

    /// The program that made it.
    pub fn program(&self) -> &str {
        &self.home.program
    }

    /// Whether the ring has ended: nothing that is logged now is read any more.
    pub fn is_over(&self) -> bool {
        self.segment.has_ended()
    }

    /// Whether the ring's file has been cut off under this observer, as any process of its user can do (`truncate`). Nothing that
    /// is read after that is the ring's. Known only in a process that [outlives](outlive_truncation) it.
    pub fn is_cut_off(&self) -> bool {
        self.segment.was_cut_off()
    }

    /// The sequence that the next record gets: all that was logged so far has a lower one.
    pub fn next_sequence(&self) -> u64 {
        self.ring.tail()
    }

    /// Its numbers, as [`ShmLogger::stats`](crate::ShmLogger::stats) has them.
    pub fn stats(&self) -> Stats {
        Stats::of(self.segment)
    }

    /// All that there is to see, once.
    pub fn snapshot(&self) -> Snapshot {
        let mut calibration = self.calibration.borrow_mut();
        calibration.renew();
        Snapshot::of(self.segment, &self.ring, &self.home, &mut calibration)
    }

    /// The directives that all processes of the ring log by now.
    pub fn filter(&self) -> String {
        self.segment.filter().text()
    }

    /// Has all processes of the ring log by these directives from their next call on, as
    /// [`ShmLogger::set_filter`](crate::ShmLogger::set_filter). For this the ring is mapped once more, to be
    /// written for a moment; that mapping stays too.
    ///
    /// # Errors
    /// [`ChangeFilterError`]: the ring is gone, or these are no directives. Nothing is changed then.
    pub fn set_filter(&self, directives: &str) -> Result<(), ChangeFilterError> {
        let set = |segment: &Segment| logger::set_filter(segment, directives);
        let set = Segment::change(self.name(), set).map_err(ChangeFilterError::Ring)?;
        set.map_err(ChangeFilterError::Filter)
    }

    /// Has all processes of the ring log by the [level](crate::Builder::level) and the [filter](crate::Builder::filter) that it
    /// was made with (by the builder or the environment), in place of all directives.
    ///
    /// # Errors
    /// As [`set_filter`](Observer::set_filter).
    pub fn reset_filter(&self) -> Result<(), ChangeFilterError> {
        let reset = |segment: &Segment| logger::set_filter(segment, &segment.first_filter());
        let reset = Segment::change(self.name(), reset).map_err(ChangeFilterError::Ring)?;
        reset.map_err(ChangeFilterError::Filter)
    }

    /// Waits until everything that any process logged before this call has reached its sinks, as
    /// [`ShmLogger::flush`](crate::ShmLogger::flush).
    ///
    /// # Errors
    /// [`FlushError`]: it took longer than `timeout`, or there is no drainer any more.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let waiting = Waiting {
            segment: self.segment,
            ring: self.ring,
        };
        waiting.flush(timeout)
    }

    /// Reads the records that are logged, as a second reader beside the drainer.
    pub fn follow(&self, start: Start) -> Follow {
        Follow::new(self.segment, self.ring, self.clock, self.home.made, start)
    }
}

/// Has this process outlive it when the file of a ring that it looks at is cut off: without this, the next look ends the
/// process by SIGBUS. It sets the handler of that signal, for the whole process, so it is for programs that have none.
///
/// # Errors
/// The system refuses the handler.
pub fn outlive_truncation() -> std::io::Result<()> {
    truncation::do_without()
}

/// Why a filter was not set.
#[non_exhaustive]
pub enum ChangeFilterError {
    /// The ring cannot be opened.
    Ring(AttachError),
    /// It does not take the filter.
    Filter(SetFilterError),
}

debug_is_text!(ChangeFilterError);

impl fmt::Display for ChangeFilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeFilterError::Ring(error) => error.fmt(f),
            ChangeFilterError::Filter(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ChangeFilterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ChangeFilterError::Ring(error) => error.source(),
            ChangeFilterError::Filter(error) => error.source(),
        }
    }
}
