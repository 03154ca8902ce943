//! A run's surroundings: its folder, the drainer of its ring, and whether all has arrived.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use shmlog::{Builder, Level, ShmLogger};

use super::cores::{Cores, pin_others, pin_this_thread};
use super::load::name_and_parent;

/// Longer than anything a bench waits for, a machine that stands still for a while included.
pub const PATIENCE: Duration = Duration::from_secs(100);

/// A folder of this run's own, removed when dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("shmlog-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The logs in it, in the order of their names.
    pub fn logs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).expect("the folder");
        let paths = entries.map(|entry| entry.expect("a file").path());
        let mut logs: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|end| end == "log"))
            .collect();
        logs.sort();
        logs
    }

    /// The lines of all logs in it.
    pub fn lines(&self) -> u64 {
        self.logs().iter().map(|log| lines(log)).sum()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is no reason to lose the numbers.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn lines(log: &Path) -> u64 {
    let mut file = std::fs::File::open(log).expect("a log");
    let mut buffer = vec![0; 1 << 16];
    let mut lines = 0;
    loop {
        match file.read(&mut buffer).expect("a log") {
            0 => return lines,
            some => lines += buffer[..some].iter().filter(|byte| **byte == b'\n').count() as u64,
        }
    }
}

/// A parent's settings for a bench: one file, however long. What other programs left is none of its business, and a
/// word about it in the log would be one line too many.
pub fn settings(folder: &Folder) -> Builder {
    ShmLogger::builder()
        .level(Level::Info)
        .console(false)
        .file(true)
        .file_path(folder.path())
        .max_file_size(1 << 40)
        .recover(false)
        .env(false)
}

/// The process that drains the ring that this process has made.
pub fn drainer() -> u32 {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let ours = ("shmlog-drainer".to_owned(), std::process::id());
    pids.find(|pid| name_and_parent(*pid).as_ref() == Some(&ours))
        .expect("a drainer")
}

/// This thread on the producer's core; the drainer, and what other threads we have, on the other.
pub fn pin_apart(cores: Cores) {
    pin_this_thread(cores.producer);
    pin_others(std::process::id(), cores.consumer);
    pin_others(drainer(), cores.consumer);
}

/// Waits until all that was logged is in the file, and makes sure that all of it is.
pub fn assert_arrived(logger: &ShmLogger, records: u64) {
    logger.flush(PATIENCE).expect("flushed");
    let stats = logger.stats();
    assert_eq!(
        (stats.delivered, stats.dropped, stats.lost),
        (records, 0, 0),
        "delivered, dropped, lost"
    );
}
