//! What is done beside the lines: pruning, the link to the latest file, compressing, syncing.
//!
//! What goes wrong is told when it begins, or becomes something else, and not again while it lasts.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::config::{FileConfig, FileSync};
use super::folder::HeldFolder;
use super::fsync::Syncer;
use super::gzip::{Closed, Compressor};
use super::name::Names;
use super::open::LogFile;
use super::prune::{Keep, prune};
use super::{FileSink, PAUSE, latest};
use crate::clock;
use crate::record::Record;

/// Tries at a folder that another session tidies; later ones follow with the next commits.
const TRIES: u32 = 50;

/// How often files are looked at that may have become too old, or too large together: between these, a tenth of the
/// age they may reach.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A kind of trouble that may last.
#[derive(Default)]
struct Trouble {
    told: Option<String>,
    untold: Option<io::Error>,
}

impl Trouble {
    fn begins(&mut self, error: io::Error) {
        let text = error.to_string();
        if self.told.as_ref() != Some(&text) {
            self.told = Some(text);
            self.untold = Some(error);
        }
    }

    /// Whether there was any.
    fn ends(&mut self) -> bool {
        self.told.take().is_some()
    }

    fn note(&mut self, outcome: io::Result<()>) -> bool {
        match outcome {
            Ok(()) => self.ends(),
            Err(error) => {
                self.begins(error);
                false
            }
        }
    }
}

/// What has to be done, and who does it.
pub(super) struct Upkeep {
    folder: PathBuf,
    /// The name of the first file of this session.
    session: String,
    /// The folder is to be looked at: a file was begun, or is too old, or another session was at it.
    pub(super) tidy_due: bool,
    /// When it is to be looked at again whatever happens.
    next_tidy: Option<(Instant, Duration)>,
    /// Whether there is a link to the latest file, and whether it does not point at the present one yet.
    link: bool,
    link_due: bool,
    /// To be compressed, when there is a checkpoint of the file behind them.
    closed: Vec<Closed>,
    /// Whether closed files are compressed, and not before they are on the disk.
    compress: Option<bool>,
    compressor: Option<Compressor>,
    pub(super) syncer: Option<Syncer>,
    turning: Trouble,
    pruning: Trouble,
    linking: Trouble,
    compressing: Trouble,
    syncing: Trouble,
    /// What there is to say that is no trouble.
    news: Vec<String>,
}

impl Upkeep {
    pub(super) fn start(config: &FileConfig, log: &LogFile) -> Upkeep {
        let bounded = config.keep_for.is_some() || config.keep_bytes.is_some();
        let tenth = config.keep_for.map_or(LOOKS.1, |age| age / 10);
        let every = bounded.then_some(tenth.clamp(LOOKS.0, LOOKS.1));
        let durable = config.sync != FileSync::Never;
        let (syncer, refused) = match Syncer::start(config.sync) {
            Ok(syncer) => (syncer, None),
            Err(error) => (None, Some(error)),
        };
        let mut upkeep = Upkeep {
            folder: config.folder.clone(),
            session: log.name(),
            tidy_due: true,
            next_tidy: every.map(|every| (Instant::now() + every, every)),
            link: config.latest,
            link_due: config.latest,
            closed: Vec::new(),
            compress: config.compress.then_some(durable),
            compressor: None,
            syncer,
            turning: Trouble::default(),
            news: Vec::new(),
            pruning: Trouble::default(),
            linking: Trouble::default(),
            compressing: Trouble::default(),
            syncing: Trouble::default(),
        };
        if let Some(syncer) = &mut upkeep.syncer {
            syncer.begin(log, &config.folder);
        }
        if let Some(error) = refused {
            let error = upkeep.of_sync(error);
            upkeep.syncing.begins(error);
        }
        upkeep
    }

    /// A record goes to the file.
    pub(super) fn note(&mut self, record: &Record<'_>) {
        if let Some(syncer) = &mut self.syncer {
            syncer.note(record.level);
        }
    }

    /// The lines go to `next` now, and no more to `last`.
    pub(super) fn turn(&mut self, last: &LogFile, next: &LogFile) {
        self.tidy_due = true;
        self.link_due = self.link;
        if let Some(syncer) = &mut self.syncer {
            syncer.leave(last.written);
            syncer.begin(next, &self.folder);
            // The syncer may hold on to it.
            last.unlock();
        }
    }

    /// The file is followed by another, and still where it was.
    pub(super) fn close(&mut self, last: &LogFile) {
        if last.written == 0 {
            // Begun before midnight, say, and nothing was logged before that.
            last.remove_if_empty();
        } else if self.compress.is_some() {
            self.closed.extend(last.closed());
        }
    }

    /// A new file was begun because it was time for one, or could not be had: then the present one goes on.
    pub(super) fn note_turn(&mut self, outcome: Result<&Path, (io::Error, &Path)>) {
        match outcome {
            Ok(path) if self.turning.ends() => {
                let text = format!("log files can be begun again: the log goes on in {path:?}");
                self.news.push(text);
            }
            Ok(_) => {}
            Err((error, path)) => {
                let text = format!(
                    "{error}; the log goes on in {path:?}, though it is time for another file, until one can be made"
                );
                self.turning.begins(io::Error::new(error.kind(), text));
            }
        }
    }

    /// Has files compressed that no successor will want to go on in.
    pub(super) fn compress(&mut self) {
        let Some(durable) = self.compress.filter(|_| !self.closed.is_empty()) else {
            return;
        };
        if self.compressor.is_none() {
            match Compressor::start(self.folder.clone(), durable) {
                Ok(compressor) => self.compressor = Some(compressor),
                Err(error) => {
                    let text = format!("cannot compress log files: {error}");
                    self.compressing.begins(io::Error::new(error.kind(), text));
                }
            }
        }
        let closed = self.closed.drain(..);
        if let Some(compressor) = &self.compressor {
            closed.for_each(|closed| compressor.add(closed));
        }
    }

    /// The present file has `written` bytes, which are all that there is if `is_all`.
    pub(super) fn wrote(&mut self, written: u64, is_all: bool) {
        if let Some(syncer) = &mut self.syncer {
            syncer.wrote(written, is_all);
        }
    }

    /// As if it were time to look at the folder.
    #[cfg(test)]
    pub(super) fn look_now(&mut self) {
        if let Some((next, _)) = &mut self.next_tidy {
            *next = Instant::now();
        }
    }

    /// Something that went wrong and was not told.
    pub(super) fn trouble(&mut self, news: &mut Vec<String>) -> io::Result<()> {
        if let Some(compressor) = &self.compressor {
            for outcome in compressor.take_outcomes() {
                self.compressing.note(outcome);
            }
        }
        if let Some(syncer) = &self.syncer {
            for outcome in syncer.take_outcomes() {
                if self
                    .syncing
                    .note(outcome.map_err(|error| self.of_sync(error)))
                {
                    news.push(format!(
                        "log files in {:?} can be synced again",
                        self.folder
                    ));
                }
            }
        }
        news.append(&mut self.news);
        let kinds = [
            &mut self.turning,
            &mut self.pruning,
            &mut self.linking,
            &mut self.compressing,
            &mut self.syncing,
        ];
        let untold = kinds.into_iter().find_map(|kind| kind.untold.take());
        untold.map_or(Ok(()), Err)
    }

    /// Waits for what is under way, but not beyond `until`.
    ///
    /// # Errors
    /// When what was written is not known to be on the disk, though it should be.
    pub(super) fn finish(&mut self, written: u64, until: Instant) -> io::Result<()> {
        let synced = self
            .syncer
            .take()
            .map_or(Ok(()), |mut syncer| syncer.finish(written, until));
        if let Some(compressor) = self.compressor.take() {
            compressor.finish(until);
        }
        self.tidy_due = true;
        synced.map_err(|error| self.of_sync(error))
    }

    fn of_sync(&self, error: io::Error) -> io::Error {
        let folder = &self.folder;
        let text = format!(
            "cannot sync log files in {folder:?}: {error}; what was written last may be lost if the machine stops"
        );
        io::Error::new(error.kind(), text)
    }

    /// Prunes, and sees to the link; `false` while another session is at it.
    fn tidy(&mut self, sink: &Tidied<'_>) -> bool {
        let config = sink.config;
        let folder = match HeldFolder::try_hold(&config.folder) {
            Ok(Some(folder)) => folder,
            Ok(None) => return false,
            Err(error) => {
                self.pruning.begins(unpruned(config, sink.names, &error));
                return true;
            }
        };
        let names = sink.names;
        let pruned = prune(
            &folder,
            names,
            &Keep::of(config, clock::wall_ns(), &self.session),
        );
        self.pruning
            .note(pruned.map_err(|error| unpruned(config, names, &error)));
        let present = sink
            .log
            .closed()
            .filter(|_| self.link_due && sink.log.is_in_place());
        let linked = match present {
            Some(present) => latest::point_at(&folder, names, &present.name),
            None => latest::mend(&folder, names),
        };
        self.link_due &= linked.is_err();
        self.linking.note(linked.map_err(io::Error::from));
        true
    }
}

/// What tidying needs to know of the sink.
struct Tidied<'a> {
    config: &'a FileConfig,
    names: &'a Names,
    log: &'a LogFile,
}

fn unpruned(config: &FileConfig, names: &Names, error: &io::Error) -> io::Error {
    let (program, folder, most) = (names.program(), &config.folder, config.backup_count);
    let text = format!(
        "cannot delete the oldest log files of {program:?} in {folder:?}: {error}; more than {most} may remain"
    );
    io::Error::new(error.kind(), text)
}

impl FileSink {
    /// Tidies the folder if that is due.
    pub(super) fn tidy(&mut self) {
        let upkeep = &mut self.upkeep;
        if let Some((next, every)) = &mut upkeep.next_tidy {
            let now = Instant::now();
            if now >= *next {
                *next = now + *every;
                upkeep.tidy_due = true;
            }
        }
        if upkeep.tidy_due {
            let sink = Tidied {
                config: &self.config,
                names: &self.names,
                log: &self.log,
            };
            // Cleared whatever came of it: a failure is told once, and tried again with the next file.
            upkeep.tidy_due = !upkeep.tidy(&sink);
        }
    }

    /// The same, waiting a little for other sessions.
    pub(super) fn tidy_patiently(&mut self) {
        for _ in 0..TRIES {
            self.tidy();
            if !self.upkeep.tidy_due {
                return;
            }
            thread::sleep(PAUSE);
        }
    }
}
