//! The loggers: each in a file of its own, in the best configuration that its documentation names.

mod env_logger;
mod fast_log;
mod floor;
mod ftlog;
pub mod iceoryx2;
mod quicklog;
mod shmlog;
mod slog;
mod spdlog_rs;
mod tracing;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::harness::cores::{Cores, pin_others, pin_this_thread};
use crate::harness::scene::Folder;
use crate::one::Run;
use crate::scenario::{Outcome, Scenario};
use crate::tools;

/// What a run calls. The calls stand each at one place only, as in a program.
pub trait Logger {
    /// An integer and two floats, those of call `n`: `joint {} pos {} vel {}`.
    fn three(&mut self, n: u64);
    /// The literal.
    fn literal(&mut self);
    /// A string known at run time.
    fn text(&mut self, text: &str);
    /// A call at a level that is off.
    fn disabled(&mut self, n: u64);
    /// Waits until all that was logged, so many records, is in the file.
    fn flush(&mut self, logged: u64);
    /// How many records there are at the other end.
    fn arrived(&mut self, folder: &Folder) -> u64 {
        folder.lines()
    }
    /// This thread on one core, whatever takes its records on the other.
    fn pin(&mut self, cores: Cores) {
        pin_this_thread(cores.producer);
        pin_others(std::process::id(), cores.consumer);
    }
}

/// A logger in the table.
pub struct Rival {
    pub name: &'static str,
    /// Whether several processes can log through it.
    pub crosses: &'static str,
    /// The best that its documentation names.
    pub configuration: &'static str,
    /// Whether what it writes can be read as it is.
    pub text: bool,
    pub scenarios: &'static [Scenario],
    pub run: fn(&Run) -> Outcome,
    /// Why it cannot be run here.
    pub missing: fn() -> Option<String>,
}

/// All scenarios.
const ALL: &[Scenario] = &Scenario::ALL;

/// In the order of the table.
pub const RIVALS: &[Rival] = &[
    floor::RIVAL,
    shmlog::RIVAL,
    quicklog::RIVAL,
    ftlog::RIVAL,
    spdlog_rs::RIVAL,
    tracing::RIVAL,
    fast_log::RIVAL,
    slog::RIVAL,
    env_logger::RIVAL,
    tools::spdlog::RIVAL,
    iceoryx2::RIVAL,
    tools::lttng::RIVAL,
    tools::logging_mp::RIVAL,
];

pub fn named(name: &str) -> Option<&'static Rival> {
    RIVALS.iter().find(|rival| rival.name == name)
}

/// For those that come with the crates.
fn nothing_missing() -> Option<String> {
    None
}

/// A file that counts the lines written to it, for loggers that do not say when they are done.
struct Counted {
    file: std::fs::File,
    lines: Lines,
}

/// How many lines a [`Counted`] file has.
#[derive(Clone, Default)]
struct Lines(Arc<AtomicU64>);

impl Lines {
    fn file(&self, folder: &Folder) -> Counted {
        Counted {
            file: log_file(folder),
            lines: self.clone(),
        }
    }

    fn add(&self) {
        // Release: who sees the number sees the file.
        self.0.fetch_add(1, Ordering::Release);
    }

    /// Waits until there are as many.
    fn wait_for(&self, lines: u64) {
        while self.0.load(Ordering::Acquire) < lines {
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        if bytes[..written].ends_with(b"\n") {
            self.lines.add();
        }
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

fn log_path(folder: &Folder) -> std::path::PathBuf {
    folder.path().join("rival.log")
}

fn log_file(folder: &Folder) -> std::fs::File {
    std::fs::File::create(log_path(folder)).expect("a log")
}
