//! Recovering rings whose whole program was killed, drainer included: what they hold is saved into a file
//! beside the logs, and they are removed.
//!
//! ```text
//!   look at the header     ours, of this version? its maker, in our pid namespace, gone?     nothing is mapped yet
//!   take the drain lock    no drainer lives, and no other recoverer
//!   look at the members    none lives, nor a young process that was given the ring's name
//!   close                  who attaches from now on goes again; look at the members once more
//!   be its drainer         go on at the checkpoint, to the end, into the recovered file
//!   discard                the segment, and the notes of incomplete records
//! ```
//!
//! A recoverer that dies is followed by the next one, which goes on in the same file at the last checkpoint.
//! The lock is asked for only when the maker is gone: a drainer that is being started must find it free.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config::DrainerConfig;
use super::delivery::Delivery;
use super::ledger::Ledger;
use super::members::Members;
use super::sinks::name_of;
use super::work::{Drainer, HEIR_AGE_S};
use crate::clock::Clock;
use crate::level::Level;
use crate::segment::{self, AttachError, Home, Identity, Phase, Segment, Watch, process};
use crate::sink::file::{Folders, RecoveredFile};
use crate::sink::say_owed;
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
    /// Records that died with whoever was writing them, or waited for a full disk; the file says whose.
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
/// with the log files each record stands exactly once. Such files are never pruned. A record that was in the
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
    let home = match segment::peek(name) {
        // One that is being made is not readable yet.
        Err(AttachError::NotASegment { .. } | AttachError::Damaged { .. })
            if !Watch::new(segment::maker(name)).is_gone() =>
        {
            return Err(in_use());
        }
        home => home?,
    };
    let here = process::pid_namespace();
    if here != 0 && home.namespace != 0 && here != home.namespace {
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
    let segment: &'static Segment = Box::leak(Box::new(Segment::open(name)?));
    if !close(segment) {
        return Err(in_use());
    }
    let recovered = save(segment, home, folders)?;
    segment::discard(name);
    segment.set_phase(Phase::Done);
    Ok(recovered)
}

/// Closes the ring if nobody who is alive uses it, or is on the way to it.
fn close(segment: &'static Segment) -> bool {
    let tail = &mut || segment.tail().load(Ordering::Acquire);
    let mut members = Members::new(segment, NOBODY);
    members.renew(tail);
    let me = std::process::id();
    let heirs = segment::heirs_of(segment.name(), HEIR_AGE_S);
    let is_coming = |(heir, _): &(Identity, bool)| heir.pid != me && !Watch::new(*heir).is_gone();
    if members.others_live() || heirs.iter().any(is_coming) {
        return false;
    }
    // Segment::phase: we close; has anybody entered?
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
const NOBODY: Identity = Identity {
    pid: 0,
    start: 0,
    image: 0,
};

fn save(
    segment: &'static Segment,
    home: Home,
    folders: &[PathBuf],
) -> Result<Recovered, RecoverError> {
    let (program, made) = (home.program.clone(), home.made);
    let mut others = folders.to_vec();
    others.extend(std::path::absolute("logs"));
    let candidates = Folders {
        home: home.folder.clone(),
        others,
    };
    let (ledger, place) = Ledger::resume(segment);
    let announce = Box::new(move |folder: &Path, name: &str| {
        if home.folder.as_deref() != Some(folder) {
            // Whoever comes after us must look for the file there.
            segment.set_home(&Home {
                folder: Some(folder.to_owned()),
                ..home.clone()
            });
        }
        segment.announce_file(name);
    });
    let file = place.as_ref().map(|place| &place.file);
    let begun = segment.announced_files();
    let sink = RecoveredFile::resume(&program, candidates, announce, file, &begun)
        .map_err(|error| RecoverError::File(error.into()))?;
    let known = place.as_ref().map_or("", |place| &place.file.name);
    let at = begun.iter().position(|name| name == known);
    segment.forget_announced_files(at.map_or(0, |at| at + 1));
    let progress = sink.progress();
    let clock = Clock::from_number(segment.settings().clock).unwrap_or_else(Clock::choose);
    let mut delivery = Delivery::new(segment, clock, vec![Box::new(sink)], ledger, place.as_ref());
    delivery.believe_note(made);
    let mut lost_before = 0;
    if let Some(owed) = place.as_ref().map(|place| &place.file.owed)
        && let Some(text) = say_owed(owed, &|pid| name_of(segment, pid))
    {
        delivery.say(Level::Error, &text);
        lost_before = owed.waiting;
    }
    let config = DrainerConfig {
        ring: segment.name().to_owned(),
        parent: NOBODY,
        made_with: (*segment.geometry(), segment.settings()),
        // A live owner there is not; one that a damaged entry speaks of is not waited for.
        stall_timeout: Duration::ZERO,
        console: false,
        queue_bytes: None,
        news: Vec::new(),
        file: None,
    };
    let saved = Drainer::new(segment, config, delivery, place)
        .save_all(&progress)
        .map_err(|error| RecoverError::File(error.into()))?;
    let file = progress.borrow().path.clone();
    Ok(Recovered {
        ring: segment.name().to_owned(),
        program,
        file,
        records: saved.records,
        lost: saved.lost.wrapping_add(lost_before),
    })
}

/// Why a ring was not recovered.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecoverError {
    /// The name cannot be that of a ring.
    BadName {
        /// The name that was given.
        name: String,
    },
    /// There is no ring of that name: it ended in order, or was recovered already.
    NotThere {
        /// The name that was given.
        name: String,
    },
    /// Somebody alive uses it: the process that made it, a member, its drainer, or another recoverer.
    InUse {
        /// The ring.
        name: String,
    },
    /// It was made in another pid namespace (a container's), where one cannot see from here who lives.
    Elsewhere {
        /// The ring.
        name: String,
    },
    /// It belongs to another user, or others may open it.
    Foreign {
        /// The ring.
        name: String,
        /// Its user.
        owner: u32,
    },
    /// It was made by another version of this library.
    Version {
        /// The ring.
        name: String,
        /// Its layout version.
        found: u8,
    },
    /// It is damaged beyond reading, or no ring at all.
    Damaged {
        /// The ring.
        name: String,
    },
    /// The records cannot be written, or the dead program's log file not be cut back.
    File(io::Error),
    /// The system refused something else.
    System {
        /// The ring.
        name: String,
        /// What it said.
        source: io::Error,
    },
    /// Here it cannot be proven that no drainer is at work (feature `portable`).
    Unsupported,
}

impl RecoverError {
    /// Whether there is nothing to tell of: rings like this are met every day, and are none of our business.
    fn is_usual(&self) -> bool {
        !matches!(
            self,
            RecoverError::Damaged { .. } | RecoverError::File(_) | RecoverError::System { .. }
        )
    }
}

impl From<AttachError> for RecoverError {
    fn from(error: AttachError) -> RecoverError {
        match error {
            AttachError::BadName { name } => RecoverError::BadName { name },
            AttachError::Foreign { name, owner, .. } => RecoverError::Foreign { name, owner },
            AttachError::Version { name, found } => RecoverError::Version { name, found },
            AttachError::NotASegment { name } | AttachError::Damaged { name } => {
                RecoverError::Damaged { name }
            }
            AttachError::Open { name, source } => RecoverError::System { name, source },
            AttachError::OtherNamespace { name } => RecoverError::Elsewhere { name },
            AttachError::Gone { name } | AttachError::Elsewhere { name } => {
                RecoverError::NotThere { name }
            }
            // Neither is said of a name that is looked at.
            AttachError::NoRing | AttachError::TooManyMembers { .. } => RecoverError::BadName {
                name: String::new(),
            },
        }
    }
}

impl fmt::Display for RecoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecoverError::BadName { name } => write!(
                f,
                "{name:?} is no ring's name; names look like shmlog-1234-0123456789abcdef… and stand in /dev/shm"
            ),
            RecoverError::NotThere { name } => write!(
                f,
                "there is no ring {name}: it ended in order, or was recovered before"
            ),
            RecoverError::InUse { name } => write!(
                f,
                "the ring {name} is in use: the process that made it, a member, its drainer or another \
                 recoverer is alive; its records are delivered without help, or end those first"
            ),
            RecoverError::Elsewhere { name } => write!(
                f,
                "the ring {name} was made in another pid namespace, and who lives there cannot be seen from here; \
                 recover it there, or remove /dev/shm/{name}"
            ),
            RecoverError::Foreign { name, owner } => write!(
                f,
                "the ring {name} belongs to user {owner} or is open to others; its user can recover it"
            ),
            RecoverError::Version { name, found } => write!(
                f,
                "the ring {name} has layout version {found}; a program with that version of shmlog can recover it"
            ),
            RecoverError::Damaged { name } => write!(
                f,
                "the ring {name} is damaged beyond reading; look at /dev/shm/{name}, and remove it"
            ),
            RecoverError::File(error) => write!(f, "its records stay in shared memory: {error}"),
            RecoverError::System { name, .. } => write!(f, "cannot look at the ring {name}"),
            RecoverError::Unsupported => write!(
                f,
                "rings can be recovered on Linux only, without the feature portable"
            ),
        }
    }
}

impl std::error::Error for RecoverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RecoverError::File(source) | RecoverError::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
