//! The journal of systemd: records as entries of its native protocol (`entry`), as datagrams to its socket (`datagrams`).

mod entry;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::path::PathBuf;

use self::entry::Entries;
use super::datagrams::{Address, DatagramSink, TooLarge};
use super::kinds::{Opening, SinkKind};
use super::spec::{Common, common_setters};
use super::syslog::socket_path;
use super::{Sink, SinkSpec, SpecError};

const USUAL_PLACE: &str = "/run/systemd/journal/socket";

/// Settings of a sink that sends records to the journal of systemd.
///
/// The place is its socket, by default `/run/systemd/journal/socket`. The journal may come later, or be started anew: what
/// is logged meanwhile waits for it, up to [`queue_bytes`](crate::Builder::queue_bytes). As text: `journald`.
///
/// An entry has these fields:
///
/// | field | is |
/// |---|---|
/// | `MESSAGE` | the text, with all its lines |
/// | `PRIORITY` | `Critical` 2, `Error` 3, `Warn` 4, `Info` 6, `Debug` and `Trace` 7 |
/// | `SYSLOG_IDENTIFIER`, `SYSLOG_PID`, `TID` | name and id of the process, id of the thread |
/// | `CODE_FILE`, `CODE_LINE` | the place of the statement |
/// | `SHMLOG_TIME_NS` | when it was logged, in nanoseconds since 1970; the journal's own times say when it came there |
/// | `SHMLOG_SEQ` | its place in the order of all processes |
/// | `SHMLOG_LEVEL`, `SHMLOG_THREAD`, `SHMLOG_TARGET` | level, name of the thread, target |
/// | `SHMLOG_SCOPE`, `SHMLOG_LATE` | spans of `tracing`, and `yes`, where there are any and where it is so |
///
/// Key-values become fields: `joint.torque` becomes `JOINT_TORQUE`. A name that would not begin with a letter, or would be
/// one of those above, or begin with `SHMLOG_`, `SYSLOG_` or `OBJECT_`, gets `F_` in front. Of more than 1000 values the
/// rest is left out, and `SHMLOG_LEFT_OUT` says how many.
///
/// What the journal finds out itself (`_PID`, `_EXE`, …) is of the drainer, which sends; its `_SYSTEMD_UNIT` is that of the
/// program, so `journalctl -u` finds all. The journal takes 10,000 entries of a unit in 30 s and drops the rest, saying so;
/// `LogRateLimitBurst=` in the unit says otherwise.
///
/// ```
/// use shmlog::sink::Journald;
///
/// let logger = shmlog::ShmLogger::builder().sink(Journald::default().level("warn")).init_parent()?;
/// # drop(logger);
/// # Ok::<(), shmlog::InitError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "settings do nothing until they are given to Builder::sink()"]
pub struct Journald {
    socket: PathBuf,
    common: Common,
}

common_setters!(Journald);

impl Default for Journald {
    /// The journal of this machine.
    fn default() -> Journald {
        Journald::new(USUAL_PLACE)
    }
}

impl Journald {
    /// To the journal whose socket has this path.
    pub fn new(socket: impl Into<PathBuf>) -> Journald {
        Journald {
            socket: socket.into(),
            common: Common::default(),
        }
    }
}

impl From<Journald> for SinkSpec {
    fn from(journald: Journald) -> SinkSpec {
        let spec = SinkSpec::new(Journald::NAME).at(journald.socket);
        journald.common.put(spec)
    }
}

impl SinkKind for Journald {
    const NAME: &'static str = "journald";

    fn parse(spec: &SinkSpec) -> Result<Journald, SpecError> {
        spec.allow(&[])?;
        let place = spec.place().unwrap_or(OsStr::new(USUAL_PLACE));
        let Some(socket) = socket_path(place) else {
            let allowed = "the absolute path of a socket, 107 bytes at most";
            return Err(spec.refuse("place", place.to_string_lossy(), allowed));
        };
        Ok(Journald {
            socket,
            common: Common::of(spec),
        })
    }

    fn open(self, opening: &Opening<'_>) -> Result<Box<dyn Sink>, String> {
        let sink = DatagramSink::open(
            Journald::NAME,
            Address::Path(self.socket),
            TooLarge::PassFile,
            Entries::default(),
            opening.queue_bytes,
        );
        match sink {
            Ok(sink) => Ok(Box::new(sink)),
            Err(error) => Err(format!(
                "cannot start the thread that sends to the journal: {error}; allow one more thread"
            )),
        }
    }
}
