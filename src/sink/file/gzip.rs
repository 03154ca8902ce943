//! Compressing files that another one follows: on a thread of its own, with low priority, one after the other.
//!
//! ```text
//!   app_….log                     the original, which no process writes any more and no checkpoint names
//!   app_….log  app_….log.gz.new   read, compress, write; locked, so that a pruner leaves it
//!   app_….log  app_….log.gz       renamed, the folder locked
//!   app_….log.gz                  the original removed; only now do others get the folder
//! ```
//!
//! A process that dies on the way leaves the original, and with it what the next opening removes
//! (see [`prune`](super::prune)). So at no time is anything lost, and never is a `.gz` there that is not whole.

use std::collections::VecDeque;
use std::fs::{File, FileTimes};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat, renameat};

use super::folder::HeldFolder;
use super::name::Names;
use super::open::identity_of;
use crate::failpoint;

/// What the heads of our files say besides the original's name. Others may compress our files too.
const COMMENT: &str = "shmlog";
/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;
/// How nice the thread is to all others: as nice as it gets.
const NICE: i32 = 19;
/// How long a thread that is told to stop may take to clear away what it has begun.
const STOPPING: Duration = Duration::from_millis(100);

/// A file to be compressed.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) name: String,
    /// Device and inode: another file may stand there by now.
    pub(super) identity: (u64, u64),
}

/// Compresses files of one folder.
pub(super) struct Compressor {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    /// Nothing is removed before what replaces it is on the disk.
    durable: bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Closed>,
    /// The thread has one in hand.
    busy: bool,
    /// Nothing more is to be done.
    ended: bool,
    /// What came of the files since the drainer last asked.
    outcomes: Vec<io::Result<()>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Compressor {
    /// Starts the thread.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(folder: PathBuf, durable: bool) -> io::Result<Compressor> {
        let shared = Arc::new(Shared {
            folder,
            durable,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("shmlog-gzip".to_owned());
        thread.spawn(move || work(&own))?;
        Ok(Compressor { shared })
    }

    /// Adds a file. It must be closed for good: no successor of this process may want to go on in it.
    pub(super) fn add(&self, closed: Closed) {
        self.shared.state().queue.push_back(closed);
        self.shared.changed.notify_all();
    }

    /// What came of the files since the last call.
    pub(super) fn take_outcomes(&self) -> Vec<io::Result<()>> {
        std::mem::take(&mut self.shared.state().outcomes)
    }

    /// Waits until all is compressed, or until then; what is not stays as it is.
    pub(super) fn finish(&self, until: Instant) {
        self.wait(until, |state| state.queue.is_empty() && !state.busy);
        let mut state = self.shared.state();
        state.queue.clear();
        state.ended = true;
        drop(state);
        self.shared.changed.notify_all();
        self.wait(Instant::now() + STOPPING, |state| !state.busy);
    }

    fn wait(&self, until: Instant, is_done: impl Fn(&State) -> bool) {
        let left = until.saturating_duration_since(Instant::now());
        let waited = self
            .shared
            .changed
            .wait_timeout_while(self.shared.state(), left, |state| !is_done(state));
        drop(waited);
    }
}

impl Drop for Compressor {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
    }
}

fn work(shared: &Shared) {
    // On Linux that is the thread alone. Refused, it works all the same.
    let _ = rustix::process::setpriority_process(None, NICE);
    let _ = rustix::thread::set_name(c"shmlog-gzip");
    while let Some(closed) = next(shared) {
        let outcome = compress(shared, &closed);
        let mut state = shared.state();
        state.busy = false;
        state.outcomes.push(outcome.map_err(|error| {
            let text = format!(
                "cannot compress the log file {:?}: {error}; it stays as it is",
                closed.name
            );
            io::Error::new(error.kind(), text)
        }));
        drop(state);
        shared.changed.notify_all();
    }
}

/// Waits for a file. `None` at the end.
fn next(shared: &Shared) -> Option<Closed> {
    let waits = |state: &mut State| state.queue.is_empty() && !state.ended;
    let waited = shared.changed.wait_while(shared.state(), waits);
    let mut state = waited.unwrap_or_else(PoisonError::into_inner);
    if state.ended {
        return None;
    }
    let closed = state.queue.pop_front();
    state.busy = closed.is_some();
    closed
}

/// Replaces a file by a compressed one, unless it is gone, or another.
fn compress(shared: &Shared, closed: &Closed) -> io::Result<()> {
    let path = shared.folder.join(&closed.name);
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let original = match File::options().read(true).custom_flags(flags).open(&path) {
        Ok(file) => file,
        // Pruned meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if identity_of(&original)? != closed.identity {
        return Ok(());
    }
    let whole = Names::compressed(&closed.name);
    let new = Names::unfinished(&whole);
    let outcome = begin(shared, &new)
        .and_then(|file| fill(shared, file, &original, &closed.name))
        .and_then(|file| replace(shared, closed, &original, file, [&new, &whole]));
    if !matches!(outcome, Ok(true)) {
        let folder = HeldFolder::hold(&shared.folder)?;
        // What cannot be removed, the next opening removes.
        let _ = folder.remove_unless_open(&new);
    }
    outcome.map(|_| ())
}

/// Makes the new file, empty and locked, before another process can take it for left behind.
fn begin(shared: &Shared, new: &str) -> io::Result<File> {
    let folder = HeldFolder::hold(&shared.folder)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(&folder.directory, new, flags, Mode::RUSR | Mode::WUSR)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    failpoint::hit("gzip.begun");
    Ok(File::from(file))
}

/// Writes what the original holds, compressed.
fn fill(shared: &Shared, file: File, original: &File, name: &str) -> io::Result<File> {
    let metadata = original.metadata()?;
    let modified = metadata.modified()?;
    let since = modified
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let head = GzBuilder::new()
        .filename(name)
        .comment(COMMENT)
        .mtime(u32::try_from(since.as_secs()).unwrap_or(0));
    let mut encoder = head.write(&file, Compression::default());
    copy(shared, original, &mut encoder)?;
    encoder.finish()?;
    failpoint::hit("gzip.written");
    file.set_permissions(metadata.permissions())?;
    // Its age is that of its records.
    file.set_times(FileTimes::new().set_modified(modified))?;
    if shared.durable {
        file.sync_all()?;
    }
    Ok(file)
}

/// Whether a compressed file was made here.
pub(super) fn is_ours(file: &File) -> bool {
    let decoder = GzDecoder::new(BufReader::new(file));
    let comment = decoder.header().and_then(|head| head.comment());
    comment == Some(COMMENT.as_bytes())
}

fn copy(shared: &Shared, mut from: &File, into: &mut GzEncoder<&File>) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        into.write_all(&chunk[..count])?;
        failpoint::hit("gzip.half");
        if shared.state().ended {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the session ends"));
        }
    }
}

/// Puts the compressed file in the place of the original. `false` when that is gone, or this one.
fn replace(
    shared: &Shared,
    closed: &Closed,
    original: &File,
    file: File,
    [new, whole]: [&str; 2],
) -> io::Result<bool> {
    let folder = HeldFolder::hold(&shared.folder)?;
    let is_there = |file: &File| file.metadata().map(|metadata| metadata.nlink() > 0);
    let at_name = folder.open(&closed.name)?;
    let same = at_name.is_some_and(|at| identity_of(&at).is_ok_and(|id| id == closed.identity));
    if !same || !is_there(original)? || !is_there(&file)? {
        return Ok(false);
    }
    renameat(&folder.directory, new, &folder.directory, whole)?;
    failpoint::hit("gzip.renamed");
    if shared.durable {
        folder.directory.sync_all()?;
    }
    if let Err(error) = folder.remove(&closed.name) {
        // The original counts.
        let _ = folder.remove(whole);
        return Err(error);
    }
    failpoint::hit("gzip.removed");
    // Before the folder: a pruner takes what is locked for open, and a younger one in its place.
    drop(file);
    drop(folder);
    Ok(true)
}

#[cfg(test)]
pub(super) mod tests;
