//! Recovering rings whose whole program was killed, drainer included: what they hold is saved into a file
//! beside the logs, and they are removed.
//!
//! ```text
//!   look at the book       its maker, in our namespaces, gone? without a book: what the segment's header says     nothing is mapped yet
//!   take the drain lock    no drainer lives, and no other recoverer
//!   look at the members    none lives, nor a young process that was given the ring's name
//!   close                  who attaches from now on goes again; look at the members once more
//!   be its drainer         go on at the checkpoint in the drainer's book, which no member can write, to the end, into the recovered file
//!   discard                the segment, and the notes of incomplete records
//! ```
//!
//! A recoverer that dies is followed by the next one, which goes on in the same file at the last checkpoint.
//! The lock is asked for only when the maker is gone: a drainer that is being started must find it free.

mod error;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use self::error::RecoverError;
use super::config::DrainerConfig;
use super::delivery::Delivery;
use super::ledger::{Ledger, Place};
use super::members::Members;
use super::outlets::{Outlet, Slot};
use super::sinks::name_of;
use super::work::{Drainer, HEIR_AGE_S};
use crate::clock::Clock;
use crate::filter::Directives;
use crate::level::Level;
use crate::segment::{
    self, AttachError, Heir, Home, Identity, Making, Origin, Phase, Segment, Watch, process,
};
use crate::sink::file::{Folders, OpenFileError, RecoveredFile};
use crate::sink::{FilePlace, say_owed};
use crate::sync::Ordering;

/// Rings of which the new log tells one by one.
const TOLD: usize = 16;

/// What [`recover`] found in a dead ring, and where it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// The ring's name. It is gone now.
    pub ring: String,
    /// The program that made it.
    pub program: String,
    /// The file with what had not been delivered; `None` when everything had been.
    pub file: Option<PathBuf>,
    /// Records that had not been delivered, and are in the file.
    pub records: u64,
    /// Records that died with their producers, or waited for a full disk; the file says whose.
    pub lost: u64,
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (program, ring, records) = (&self.program, &self.ring, self.records);
        let said = if records == 1 { "record" } else { "records" };
        write!(
            f,
            "all processes of {program} had been killed with its ring {ring}: "
        )?;
        match &self.file {
            Some(file) => write!(
                f,
                "recovered {records} {said} ({} lost) into {}",
                self.lost,
                file.display()
            ),
            None => write!(f, "nothing was left to recover"),
        }
    }
}

/// Saves what a ring holds whose processes have all been killed, and removes the ring.
///
/// The records go into a new file `{program}_{YYYYmmdd_HHMMSS_micros}_recovered.log` in the folder of that
/// program's log files, or, if it had none or the folder is gone, in the folder `logs` of the present working directory. Together
/// with the log files each record stands exactly once. Such files leave as the log files do, as many of them may remain. A record that was in the
/// middle of being written is lost, and counted. A ring that holds nothing unread is removed without a file.
///
/// [`Builder::init_parent`](crate::Builder::init_parent) does the same for all dead rings of this user.
///
/// # Errors
/// [`RecoverError`]; the ring is as it was, and what it holds is still there.
pub fn recover(name: &str) -> Result<Recovered, RecoverError> {
    recover_into(name, &[])
}

/// Recovers all dead rings of this user, and returns what is to be said about it, a line for each. Never fails:
/// what cannot be recovered is left as it is.
pub(crate) fn recover_all(folders: Vec<PathBuf>) -> Vec<String> {
    let mut news = Vec::new();
    let mut untold = 0;
    for name in segment::names() {
        // Whatever is wrong with it, a dead ring must not keep a living program from starting.
        let recovered = std::panic::catch_unwind(|| recover_into(&name, &folders));
        let said = match recovered {
            Ok(Ok(recovered)) => recovered.to_string(),
            Ok(Err(error)) if error.is_usual() => continue,
            Ok(Err(error)) => format!("a ring was not recovered: {error}"),
            Err(_) => format!(
                "the ring {name} was not recovered: it is damaged in a way that is not foreseen"
            ),
        };
        if news.len() < TOLD {
            news.push(said);
        } else {
            untold += 1;
        }
    }
    if untold > 0 {
        news.push(format!(
            "{untold} more rings of dead programs were looked at"
        ));
    }
    news
}

fn recover_into(name: &str, folders: &[PathBuf]) -> Result<Recovered, RecoverError> {
    if !segment::CAN_LOCK {
        return Err(RecoverError::Unsupported);
    }
    let in_use = || RecoverError::InUse {
        name: name.to_owned(),
    };
    // No member can write the book. Without one, the segment's words are all that there is.
    let book = segment::making(name);
    let home = match &book {
        Some(making) => {
            segment::check_owner(name)?;
            Home {
                maker: making.maker(name),
                namespaces: making.namespaces,
                made: making.made,
                // It stands elsewhere in the book.
                program: String::new(),
            }
        }
        None => shown_home(name)?,
    };
    let here = process::Namespaces::of_this_process();
    if here.differ(home.namespaces).is_some() {
        return Err(RecoverError::Elsewhere {
            name: name.to_owned(),
        });
    }
    if !Watch::new(home.maker).is_gone() {
        return Err(in_use());
    }
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => RecoverError::NotThere {
            name: name.to_owned(),
        },
        _ => RecoverError::System {
            name: name.to_owned(),
            source,
        },
    };
    let _lock = segment::lock_for_draining(name)
        .map_err(refused)?
        .ok_or_else(in_use)?;
    // Mapped for good, as all segments are; its memory is given back when it is discarded.
    let segment = match &book {
        Some(making) => Segment::open_made_with(name, making.geometry, making.settings)?,
        None => Segment::open(name)?,
    };
    let segment: &'static Segment = Box::leak(Box::new(segment));
    let making = Making {
        start: home.maker.start,
        namespaces: home.namespaces,
        made: home.made,
        geometry: *segment.geometry(),
        settings: segment.settings(),
    };
    segment.show_making(&making);
    if !close(segment) {
        return Err(in_use());
    }
    // What the program's drainer left. Where it never came, nothing was written, and nothing is cut back.
    let origin = Origin {
        program: home.program,
        folder: None,
    };
    segment.open_book(&origin, &making, None).map_err(refused)?;
    let recovered = save(segment, making, folders)?;
    segment::discard(name);
    segment.close();
    segment.set_phase(Phase::Done);
    Ok(recovered)
}

/// Where the ring says that it comes from.
fn shown_home(name: &str) -> Result<Home, RecoverError> {
    match segment::peek(name) {
        // One that is being made is not readable yet.
        Err(AttachError::NotASegment { .. } | AttachError::Damaged { .. })
            if !Watch::new(segment::maker(name)).is_gone() =>
        {
            Err(RecoverError::InUse {
                name: name.to_owned(),
            })
        }
        home => Ok(home?),
    }
}

/// Closes the ring if no living process uses it, or is on the way to it.
fn close(segment: &'static Segment) -> bool {
    // [tail]: pairs with the fetch_add in claim.
    let tail = &mut || segment.tail().load(Ordering::Acquire);
    let mut members = Members::new(segment, NO_PROCESS);
    members.renew(tail);
    let me = std::process::id();
    let heirs = segment.heirs(HEIR_AGE_S);
    let is_coming = |heir: &Heir| heir.identity.pid != me && !Watch::new(heir.identity).is_gone();
    if members.others_live() || heirs.iter().any(is_coming) {
        return false;
    }
    // Segment::phase: we close; has any member entered?
    let before = segment.phase();
    segment.set_phase(Phase::Closing);
    members.renew(tail);
    if members.others_live() {
        segment.set_phase(before);
        return false;
    }
    true
}

/// In place of a parent: no process has this pid.
const NO_PROCESS: Identity = Identity {
    pid: 0,
    start: 0,
    image: 0,
};

/// Does the work of the ring's drainer, into a recovered file.
fn save(
    segment: &'static Segment,
    making: Making,
    folders: &[PathBuf],
) -> Result<Recovered, RecoverError> {
    let cannot = |error: OpenFileError| RecoverError::File {
        name: segment.name().to_owned(),
        source: error.into(),
    };
    let origin = segment.origin();
    let program = origin.program.clone();
    let (ledger, place) = Ledger::resume(segment);
    let damaged = ledger.damaged;
    #[cfg(feature = "mcap")]
    cut_back_mcap(segment, &origin, place.as_ref()).map_err(cannot)?;
    let known = place.as_ref().and_then(Place::first);
    let sink = resume_file(segment, origin, folders, known).map_err(cannot)?;
    let progress = sink.progress();
    let clock = Clock::from_number(segment.settings().clock).unwrap_or_else(Clock::choose);
    let files = Slot {
        index: 0,
        announced: segment.announced(0),
    };
    let outlet = Outlet::new(Box::new(sink), Directives::ALL, Some(files));
    let mut delivery = Delivery::new(segment, clock, vec![outlet], ledger, place.as_ref());
    delivery.believe_note(making.made);
    if damaged {
        delivery.say(
            Level::Warn,
            "what the last drainer had noted of this ring is lost: records of its last batch may stand twice, here and \
             in the log files, which are left as they are",
        );
    }
    let mut lost_before = 0;
    if let Some(owed) = place.as_ref().and_then(Place::first).map(|file| &file.owed)
        && let Some(text) = say_owed(owed, &|pid| name_of(segment, pid))
    {
        delivery.say(Level::Error, &text);
        lost_before = owed.waiting;
    }
    let saved = Drainer::new(segment, orders(segment, making), delivery, place)
        .save_all(&progress)
        .map_err(cannot)?;
    let file = progress.borrow().path.clone();
    Ok(Recovered {
        ring: segment.name().to_owned(),
        program,
        file,
        records: saved.records,
        lost: saved.lost.wrapping_add(lost_before),
    })
}

/// Makes the dead program's MCAP files agree with its last checkpoint. What is cut off is still in the ring.
#[cfg(feature = "mcap")]
fn cut_back_mcap(
    segment: &'static Segment,
    origin: &Origin,
    place: Option<&Place>,
) -> Result<(), OpenFileError> {
    let Some(folder) = &origin.folder else {
        return Ok(());
    };
    for index in 0..crate::segment::FILE_SINKS {
        let known = place.and_then(|place| place.files.get(index));
        let begun = segment.announced(index).names();
        crate::sink::mcap::cut_back(folder, &origin.program, known, &begun)?;
    }
    Ok(())
}

/// The sink that goes on after the file at `known`, once what was begun behind that is gone.
fn resume_file(
    segment: &'static Segment,
    origin: Origin,
    folders: &[PathBuf],
    known: Option<&FilePlace>,
) -> Result<RecoveredFile, OpenFileError> {
    let program = origin.program.clone();
    let mut others = folders.to_vec();
    others.extend(std::path::absolute("logs"));
    let candidates = Folders {
        home: origin.folder.clone(),
        others,
    };
    let announce = Box::new(move |folder: &Path, name: &str| {
        if origin.folder.as_deref() != Some(folder) {
            // A successor must look for the file there.
            segment.set_origin(&Origin {
                folder: Some(folder.to_owned()),
                ..origin.clone()
            });
        }
        segment.announced(0).announce(name);
    });
    let begun = segment.announced(0).names();
    let sink = RecoveredFile::resume(&program, candidates, announce, known, &begun)?;
    let known = known.map_or("", |known| &known.name);
    let at = begun.iter().position(|name| name == known);
    segment.announced(0).forget(at.map_or(0, |at| at + 1));
    Ok(sink)
}

/// What its drainer would be told.
fn orders(segment: &Segment, making: Making) -> DrainerConfig {
    DrainerConfig {
        ring: segment.name().to_owned(),
        parent: NO_PROCESS,
        making,
        // A live owner there is not; one that a damaged entry speaks of is not waited for.
        stall_timeout: Duration::ZERO,
        program: String::new(),
        queue_bytes: None,
        backtrace: None,
        filter: String::new(),
        news: Vec::new(),
        wishes: Default::default(),
        sinks: Vec::new(),
    }
}
