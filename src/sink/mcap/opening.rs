//! Beginning a file, or going on in that of a predecessor.

use std::cell::Cell;
use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

use super::chunk::Packer;
use super::log::Encoder;
use super::pending::Pending;
use super::reading::Reopened;
use super::recording::Recording;
use super::records::Head;
use super::{CHUNK, ENDING, Format, McapSink, TIDY_EVERY, leftovers, reading};
use crate::clock;
use crate::sink::FilePlace;
use crate::sink::file::name::Names;
use crate::sink::file::open::{LogFile, remove_unlocked};
use crate::sink::file::period::Period;
use crate::sink::file::{Announce, FileConfig, LOOK_EVERY, OpenFileError};
use crate::sink::missing::{Tally, say_owed};
use crate::sink::trouble::Troubles;

impl McapSink {
    /// Begins a file; completes those that dead sessions of the program left, and deletes the oldest ones beyond
    /// `backup_count`. What of that fails is no obstacle.
    ///
    /// # Errors
    /// When the folder or the file cannot be made.
    pub(crate) fn open(
        config: FileConfig,
        format: Format,
        mut announce: Box<Announce>,
    ) -> Result<McapSink, OpenFileError> {
        let names = names_of(&config);
        leftovers::complete(&config.folder, &names, format.compression);
        let log = LogFile::create(&config.folder, &names, &mut *announce)?;
        let recording = begin(&log, &format, names.program())?;
        Ok(McapSink::with(config, format, announce, log, recording))
    }

    /// Removes those of the files that a predecessor of this process announced and no other process has locked.
    pub(crate) fn discard(config: &FileConfig, announced: &[String]) {
        let names = names_of(config);
        for name in announced.iter().filter(|name| names.include(name)) {
            // If it cannot be removed it stays, half-written: the log itself is whole without it.
            let _ = remove_unlocked(&config.folder.join(name));
        }
    }

    /// Goes on where a predecessor of this process stopped, with whatever the file holds beyond `place` taken away; in
    /// a new file when that one is gone, locked by another process or not what the predecessor wrote. `name` knows
    /// processes by their ids.
    ///
    /// # Errors
    /// As [`open`](McapSink::open).
    pub(crate) fn resume(
        config: FileConfig,
        format: Format,
        mut announce: Box<Announce>,
        place: &FilePlace,
        name: &dyn Fn(u32) -> Option<String>,
    ) -> Result<McapSink, OpenFileError> {
        let names = names_of(&config);
        let micros = names.local_micros_of(&place.name).unwrap_or(0);
        let reopened = match names.include(&place.name) {
            true => reopen(
                config.folder.join(&place.name),
                place,
                micros,
                &format,
                names.program(),
            )?,
            false => None,
        };
        let (log, recording) = match reopened {
            Some(found) => found,
            None => {
                let (folder, now) = (&config.folder, clock::wall_ns());
                let log = LogFile::create_behind(micros, folder, &names, now, &mut *announce)?;
                let recording = begin(&log, &format, names.program())?;
                (log, recording)
            }
        };
        let mut sink = McapSink::with(config, format, announce, log, recording);
        if let Some(text) = say_owed(&place.owed, name) {
            sink.append_gap(&text, Tally::of(place.owed.total(), &place.owed.whose));
        }
        Ok(sink)
    }

    fn with(
        config: FileConfig,
        format: Format,
        announce: Box<Announce>,
        log: LogFile,
        recording: Recording<File>,
    ) -> McapSink {
        let (rotate, rotate_at, log_time) = (config.rotate, config.rotate_at, log.time_ns());
        let is_bounded = config.keep_for.is_some() || config.keep_bytes.is_some();
        let mut sink = McapSink {
            names: names_of(&config),
            session: log.name(),
            troubles: Troubles::none("MCAP file", config.queue_bytes),
            config,
            format,
            announce,
            log,
            checkpointed: Cell::new(recording.messages()),
            recording,
            encoder: Encoder::default(),
            pending: Pending::default(),
            overdue: None,
            told_overdue: None,
            is_full: false,
            fold_at: CHUNK,
            next_look: Instant::now() + LOOK_EVERY,
            period: Period::of(rotate, rotate_at, log_time),
            over_at: None,
            tidy_due: true,
            next_tidy: is_bounded.then(|| Instant::now() + TIDY_EVERY),
        };
        sink.tidy_patiently();
        sink
    }
}

fn names_of(config: &FileConfig) -> Names {
    Names::new(&config.program, ENDING)
}

/// A recording in a new file.
pub(super) fn begin(
    log: &LogFile,
    format: &Format,
    program: &str,
) -> Result<Recording<File>, OpenFileError> {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    let version = env!("CARGO_PKG_VERSION");
    let facts = [("program", program), ("host", &host), ("shmlog", version)];
    let head = Head::new(&format.topic, &facts);
    let file = leftovers::to_overwrite(&log.file).map_err(|source| OpenFileError::File {
        path: log.path.clone(),
        source,
    })?;
    Ok(Recording::begin(
        file,
        head,
        Packer::new(format.compression),
    ))
}

/// The file of `place` as it was at the checkpoint; `None` when it cannot be gone on with.
fn reopen(
    path: PathBuf,
    place: &FilePlace,
    micros: i64,
    format: &Format,
    program: &str,
) -> Result<Option<(LogFile, Recording<File>)>, OpenFileError> {
    let failed = |source| OpenFileError::File {
        path: path.clone(),
        source,
    };
    let Some(log) = LogFile::reopen(&path, place, micros).map_err(failed)? else {
        return Ok(None);
    };
    let file = leftovers::to_overwrite(&log.file).map_err(failed)?;
    // After damage it may rightly hold more than is known.
    let most = (place.bytes != u64::MAX).then_some(place.extra);
    let packer = Packer::new(format.compression);
    match reading::reopen(file, packer, most).map_err(failed)? {
        Reopened::Recording(recording) => Ok(Some((log, *recording))),
        // Killed before its head was whole.
        Reopened::Headless if most == Some(0) => {
            log.file.set_len(0).map_err(failed)?;
            let recording = begin(&log, format, program)?;
            Ok(Some((log, recording)))
        }
        Reopened::Headless | Reopened::OfOthers => Ok(None),
    }
}
