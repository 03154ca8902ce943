//! Forcing what is written onto the disk, on a thread of its own: the drainer hands over a second descriptor of the
//! file and goes on.
//!
//! A sync that fails is told once, and so is when one succeeds again: what was written before the failure may then
//! be lost all the same, since the system forgets what it could not write.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::config::FileSync;
use super::folder::open_folder;
use super::open::LogFile;
use crate::failpoint;
use crate::level::Level;

/// Files that may wait, each with a descriptor; where more are begun than the disk can follow, the whole file system is
/// synced.
const MOST_WAITING: usize = 64;

/// A file that may have to be synced.
struct Target {
    /// Shares the lock of the file it was made of, which must be unlocked when that is closed.
    file: File,
    folder: PathBuf,
    /// That the folder holds the file is on the disk.
    is_entered: AtomicBool,
}

impl Target {
    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        if !self.is_entered.load(Ordering::Relaxed) {
            open_folder(&self.folder)?.sync_all()?;
            self.is_entered.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[derive(Default)]
struct State {
    waiting: Vec<Arc<Target>>,
    /// More than these do.
    too_many: bool,
    /// When they are to be synced.
    due: Option<Instant>,
    /// The thread is at it.
    busy: bool,
    ended: bool,
    /// What came of the syncs since the drainer last asked: of many that succeeded, one.
    outcomes: Vec<io::Result<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sees to it that the files of a sink are synced when the policy says so.
pub(super) struct Syncer {
    policy: FileSync,
    shared: Arc<Shared>,
    present: Option<Arc<Target>>,
    /// The file before, if it holds what no sync was asked for.
    before: Option<Arc<Target>>,
    /// Bytes of the present file of which a sync was asked for.
    asked: u64,
    /// A record at or above `Error` is among what was not synced.
    is_grave: bool,
}

impl Syncer {
    /// `None` for a policy that never syncs.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(policy: FileSync) -> io::Result<Option<Syncer>> {
        if policy == FileSync::Never {
            return Ok(None);
        }
        let shared = Arc::<Shared>::default();
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("shmlog-fsync".to_owned());
        thread.spawn(move || work(&own))?;
        Ok(Some(Syncer {
            policy,
            shared,
            present: None,
            before: None,
            asked: 0,
            is_grave: false,
        }))
    }

    /// The lines go to this file now. What a predecessor wrote there may be on the disk or not.
    pub(super) fn begin(&mut self, log: &LogFile, folder: &Path) {
        self.asked = 0;
        self.is_grave |= log.inherited && log.written > 0;
        let copy = log.file.try_clone().map(|file| Target {
            file,
            folder: folder.to_owned(),
            is_entered: AtomicBool::new(false),
        });
        match copy {
            Ok(target) => self.present = Some(Arc::new(target)),
            Err(error) => {
                self.present = None;
                self.shared.state().outcomes.push(Err(error));
            }
        }
    }

    /// A record of this level goes to the file.
    pub(super) fn note(&mut self, level: Level) {
        self.is_grave |= level >= Level::Error;
    }

    /// The present file has `written` bytes, which are all that there is if `settled`.
    pub(super) fn wrote(&mut self, written: u64, settled: bool) {
        match self.policy {
            FileSync::Never => {}
            FileSync::Every(pause) => self.ask_for_present(written, pause),
            FileSync::AtError => {
                // A record may wait for a disk that is full.
                if self.is_grave && settled {
                    self.is_grave = false;
                    self.ask_for_all(written);
                }
            }
        }
    }

    /// Another file follows the present one, which has `written` bytes.
    pub(super) fn leave(&mut self, written: u64) {
        match self.policy {
            FileSync::Every(pause) => self.ask_for_present(written, pause),
            _ if written > self.asked => self.before = self.present.clone(),
            _ => {}
        }
        self.present = None;
    }

    /// What came of the syncs since the last call.
    pub(super) fn take_outcomes(&self) -> Vec<io::Result<()>> {
        std::mem::take(&mut self.shared.state().outcomes)
    }

    /// Syncs what is not yet, and waits for that until then.
    ///
    /// # Errors
    /// When that fails, or takes longer.
    pub(super) fn finish(&mut self, written: u64, until: Instant) -> io::Result<()> {
        self.ask_for_all(written);
        let mut state = self.shared.state();
        state.due = Some(Instant::now());
        state.ended = true;
        self.shared.changed.notify_all();
        let left = until.saturating_duration_since(Instant::now());
        let is_busy = |state: &mut State| state.busy || !state.waiting.is_empty();
        let waited = self.shared.changed.wait_timeout_while(state, left, is_busy);
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the disk does not answer",
            ));
        }
        state.outcomes.drain(..).collect()
    }

    fn ask_for_present(&mut self, written: u64, pause: Duration) {
        if written > self.asked {
            self.asked = written;
            self.ask_for(self.present.clone(), pause);
        }
    }

    fn ask_for_all(&mut self, written: u64) {
        let before = self.before.take();
        self.ask_for(before, Duration::ZERO);
        self.ask_for_present(written, Duration::ZERO);
    }

    fn ask_for(&self, target: Option<Arc<Target>>, pause: Duration) {
        let Some(target) = target else {
            return;
        };
        let mut state = self.shared.state();
        let due = Instant::now() + pause;
        let waiting = &mut state.waiting;
        if !waiting.iter().any(|known| Arc::ptr_eq(known, &target)) {
            if waiting.len() >= MOST_WAITING {
                waiting.clear();
                state.too_many = true;
            }
            state.waiting.push(target);
        }
        state.due = Some(state.due.map_or(due, |known| known.min(due)));
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
    }
}

fn work(shared: &Shared) {
    let _ = rustix::thread::set_name(c"shmlog-fsync");
    while let Some((targets, too_many)) = next(shared) {
        let all = targets.first().filter(|_| too_many);
        let all = all.map(|target| rustix::fs::syncfs(&target.file).map_err(io::Error::from));
        let outcomes: Vec<_> = targets
            .iter()
            .map(|target| target.sync())
            .chain(all)
            .collect();
        let outcome: io::Result<()> = outcomes.into_iter().collect();
        failpoint::hit("sync.done");
        let mut state = shared.state();
        state.busy = false;
        if outcome.is_err() || !matches!(state.outcomes.last(), Some(Ok(()))) {
            state.outcomes.push(outcome);
        }
        drop(state);
        shared.changed.notify_all();
    }
}

/// Waits until files are due, and whether all are. `None` at the end, when none wait any more.
fn next(shared: &Shared) -> Option<(Vec<Arc<Target>>, bool)> {
    let mut state = shared.state();
    loop {
        let left = state
            .due
            .map(|due| due.saturating_duration_since(Instant::now()));
        match left {
            Some(left) if left.is_zero() => {
                state.due = None;
                if !state.waiting.is_empty() {
                    state.busy = true;
                    let too_many = std::mem::take(&mut state.too_many);
                    return Some((std::mem::take(&mut state.waiting), too_many));
                }
            }
            Some(left) => {
                let waited = shared.changed.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            None if state.ended => return None,
            None => {
                let waited = shared.changed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

#[cfg(test)]
mod tests;
