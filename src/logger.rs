//! What users hold: [`ShmLogger`], the process's tie to a ring, and [`Logger`], a name to log under.

mod draining;
mod error;
pub(crate) mod leaving;
#[cfg(feature = "log")]
mod log;
mod making;
mod spawning;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::builder::{Builder, InitError};
use crate::drainer::Supervisor;
use crate::filter::Directives;
use crate::flush::{FlushError, Waiting};
use crate::frontend;
use crate::producer::{self, Attachment, Scope};
use crate::record::Value;
use crate::segment::{self, AttachError, Segment, TooLong};
use crate::stats::Stats;
pub use draining::{DrainError, drain};
pub use error::SetFilterError;

/// The pid of the process that holds a ring it made; 0 when none does. A child made by fork finds its
/// parent's pid here, and is free to make a ring of its own.
static HOLDER: AtomicU32 = AtomicU32::new(0);

/// This process's tie to a ring.
///
/// In the parent it holds the ring: dropping it delivers everything and ends the drainer, except that as
/// long as other processes log into the ring the drainer stays with them. In a child it is a handle: the
/// process stays attached until it ends, whether the handle is kept or not.
///
/// What this process has logged before the drop is delivered: every log call that has returned. A call that another
/// of its threads is in the midst of at that moment may go either way: its record is delivered if the thread has
/// written it before the drainer ends, and else is neither in the log nor among the dropped, as are those of
/// calls that come after the drop, which find no ring ([`without_ring`](crate::without_ring)). So join threads that log, or have them stop, before the drop
/// of the parent's logger. Dropping waits for as long as the drainer makes progress; a drainer that does not move at
/// all, because the disk or the console is stuck, is waited for ten seconds. A process that ends without the drop leaves the
/// rest to the drainer. Where that would end too, with the first process of a pid namespace (the program of a
/// container), `exit` waits in the same way, and so does a crash if [`install_crash_handler`](crate::install_crash_handler)
/// was called; what `_exit` or SIGKILL end waits for nothing.
///
/// ```
/// use shmlog::{Level, ShmLogger};
/// # let folder = std::env::temp_dir().join(format!("shmlog-doc-logger-{}", std::process::id()));
/// # let parent = ShmLogger::builder().console(false).file(true).file_path(&folder);
/// let logger = parent.level(Level::Info).init_parent()?;
/// shmlog::info!("the ring is called {}", logger.name());
/// logger.flush(std::time::Duration::from_secs(1))?;
/// assert_eq!(logger.stats().delivered, 1);
/// # drop(logger); std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the parent's log ends when its ShmLogger is dropped: keep it in a variable"]
pub struct ShmLogger {
    attachment: &'static Attachment,
    held: Option<Held>,
}

/// What only the parent has.
struct Held {
    pid: u32,
    supervisor: Supervisor,
    /// The environment as it was before.
    inherited: Option<OsString>,
}

impl fmt::Debug for ShmLogger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, holds) = (self.name(), self.held.is_some());
        f.debug_struct("ShmLogger")
            .field("name", &name)
            .field("holds", &holds)
            .finish_non_exhaustive()
    }
}

impl ShmLogger {
    /// A ring with the defaults: console, [`Level::Warn`](crate::Level::Warn). See [`Builder`].
    ///
    /// # Errors
    /// As [`Builder::init_parent`].
    pub fn init_parent() -> Result<ShmLogger, InitError> {
        ShmLogger::builder().init_parent()
    }

    /// Settings for a ring.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Attaches to the ring that the environment variable `SHMLOG_RING` names, which a parent has set for
    /// its children. Attaching again to the same ring is allowed and gives another handle.
    ///
    /// # Errors
    /// [`AttachError`]: no ring named, gone, damaged, of another layout version, of another user, or of
    /// another pid or time namespace.
    pub fn attach() -> Result<ShmLogger, AttachError> {
        let logger = ShmLogger::attach_as(None, None)?;
        frontend::install();
        Ok(logger)
    }

    /// Attaches to the ring of this name, as [`name`](ShmLogger::name) gives it.
    ///
    /// # Errors
    /// As [`attach`](ShmLogger::attach).
    pub fn attach_to(name: &str) -> Result<ShmLogger, AttachError> {
        let logger = ShmLogger::attach_as(Some(name), None)?;
        frontend::install();
        Ok(logger)
    }

    /// Attaches when the environment names a ring, makes one with the defaults when it does not.
    ///
    /// # Errors
    /// As [`attach`](ShmLogger::attach) or [`init_parent`](ShmLogger::init_parent).
    pub fn init() -> Result<ShmLogger, InitError> {
        ShmLogger::builder().init()
    }

    /// The ring's name, which other processes of this user can [attach to](ShmLogger::attach_to).
    pub fn name(&self) -> &str {
        self.attachment.segment.name()
    }

    /// Waits until everything that any process logged before this call has reached its sinks: written to the
    /// file (not synced to the disk), and out of the console's queue.
    ///
    /// # Errors
    /// [`FlushError::Timeout`] when that took longer than `timeout`; [`FlushError::Over`] when there is no
    /// drainer any more.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        self.waiting().flush(timeout)
    }

    fn waiting(&self) -> Waiting<'_> {
        Waiting {
            segment: &self.attachment.segment,
            ring: self.attachment.ring,
        }
    }

    /// Has all processes of the ring log by these directives from their next call on: `warn,imu=debug,can::bus=off`,
    /// as [`Builder::filter`] takes them. In place of all that was set before; targets that they say nothing of have
    /// the level that the builder was given.
    ///
    /// # Errors
    /// [`SetFilterError`]: no directives, or too many. Nothing is changed then.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("shmlog-doc-set-filter-{}", std::process::id()));
    /// # let builder = shmlog::ShmLogger::builder().console(false).file(true).file_path(&folder).env(false);
    /// let logger = builder.init_parent()?;
    /// assert_eq!(logger.filter(), "warn");
    /// logger.set_filter("imu=debug")?;
    /// assert_eq!(logger.filter(), "warn,imu=debug");
    /// shmlog::debug!(target: "imu::gyro", "recorded");
    /// # drop(logger); std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_filter(&self, directives: &str) -> Result<(), SetFilterError> {
        set_filter(&self.attachment.segment, directives)
    }

    /// The directives that all processes of the ring log by now.
    pub fn filter(&self) -> String {
        self.attachment.segment.filter().text()
    }

    /// Sets a key-value that all records of this process carry from now on, whichever thread writes them, and those of
    /// children that are forked later: which robot, which run. Before there is a ring too. Not from signal handlers.
    ///
    /// Each record takes a copy, of 16 bytes and the key and the text, both padded to 8; so keep them short. There is room for
    /// 256 bytes in all: a text that does not fit is cut short, and what finds no room at all is left out.
    ///
    /// ```
    /// use shmlog::ShmLogger;
    /// ShmLogger::set_context("robot", "g1-07");
    /// ShmLogger::set_context("run", 12);
    /// ShmLogger::remove_context("run");
    /// ```
    pub fn set_context<'v>(key: &str, value: impl Into<Value<'v>>) {
        producer::set_context(key, Some(&value.into()));
    }

    /// Takes away what [`set_context`](ShmLogger::set_context) has set.
    pub fn remove_context(key: &str) {
        producer::set_context(key, None);
    }

    /// Sets a key-value that the records of this thread carry until the scope is dropped. It allocates nothing. There is
    /// room for 256 bytes of all the scopes that a thread is in, as for [`set_context`](ShmLogger::set_context).
    ///
    /// ```
    /// use shmlog::{ShmLogger, info};
    /// {
    ///     let _task = ShmLogger::scope("task", "grasp");
    ///     info!("reaching");
    /// }
    /// info!("of no task");
    /// ```
    pub fn scope<'v>(key: &str, value: impl Into<Value<'v>>) -> Scope {
        producer::scope(key, &value.into())
    }

    /// What was logged, delivered and dropped so far, by all processes. Each number is of its own moment, some
    /// thousandths of a second old; they add up once the ring is quiet.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.attachment.segment)
    }

    /// A handle on a ring that this process has.
    pub(crate) fn handle(attachment: &'static Attachment) -> ShmLogger {
        ShmLogger {
            attachment,
            held: None,
        }
    }

    pub(crate) fn attach_as(
        name: Option<&str>,
        process_name: Option<String>,
    ) -> Result<ShmLogger, AttachError> {
        let inherited = || segment::inherited().ok_or(AttachError::NoRing);
        let name = name.map_or_else(inherited, |name| Ok(name.to_owned()))?;
        if let Some(attachment) = producer::current()
            && producer::is_of_this_process(attachment)
        {
            return if attachment.segment.name() == name {
                Ok(ShmLogger::handle(attachment))
            } else {
                Err(AttachError::Elsewhere {
                    name: attachment.segment.name().to_owned(),
                })
            };
        }
        let process_name = process_name.unwrap_or_else(program_name);
        let attachment = match Attachment::known(&name, &process_name) {
            Some(known) => segment::peek(&name).map(|_| known)?,
            None => Attachment::new(Segment::open(&name)?, process_name)?,
        };
        // In a child made by fork: the ring it was born with.
        let before = producer::current();
        producer::detach();
        attachment.enter().inspect_err(|_| {
            if let Some(before) = before {
                producer::set_current(before);
            }
        })?;
        producer::set_current(attachment);
        leaving::expect();
        Ok(ShmLogger::handle(attachment))
    }
}

impl Drop for ShmLogger {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        // A child made by fork holds a copy of the handle, but not the ring.
        if held.pid != std::process::id() {
            return;
        }
        producer::detach();
        segment::restore(held.inherited);
        if self.attachment.segment.is_cut_off() {
            // No drainer can be asked, and there is nothing to wait for.
            // [holder] Release: pairs with the load where the next ring is made.
            HOLDER.store(0, Ordering::Release);
            return;
        }
        let supervisor = &held.supervisor;
        leaving::deliver(self.attachment, Some(supervisor), || supervisor.is_over());
        // [holder] Release: pairs with the load where the next ring is made.
        HOLDER.store(0, Ordering::Release);
    }
}

/// Has all processes of a ring log by these directives.
pub(crate) fn set_filter(segment: &Segment, directives: &str) -> Result<(), SetFilterError> {
    Directives::parse(directives).map_err(SetFilterError::NotOne)?;
    let set = segment.filter().set(directives);
    set.map_err(|TooLong| SetFilterError::TooLong {
        bytes: directives.len(),
    })
}

/// The executable's name without its extension.
fn program_name() -> String {
    let path = std::env::current_exe().ok();
    // Without /proc the system does not say it, but the starter has.
    let path = path.or_else(|| std::env::args_os().next().map(PathBuf::from));
    path.and_then(|path| name_of(&path))
        .unwrap_or_else(|| "program".to_owned())
}

/// Of a file that was removed or replaced since, the kernel says so behind its path.
fn name_of(path: &Path) -> Option<String> {
    let said = path.to_string_lossy();
    let path = match said.strip_suffix(" (deleted)") {
        Some(before) if !path.exists() => Path::new(before),
        _ => path,
    };
    Some(path.file_stem()?.to_string_lossy().into_owned())
}

/// A name to log under, from [`get_logger`]: `info!(logger: imu, "ready")`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Logger {
    name: Arc<str>,
}

impl Logger {
    /// The name, which stands as the target of its records; the first 4096 bytes of it.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl AsRef<str> for Logger {
    fn as_ref(&self) -> &str {
        &self.name
    }
}

/// A logger of this name. It can be made before there is a ring, and needs none.
///
/// ```
/// let imu = shmlog::get_logger("imu");
/// shmlog::info!(logger: imu, "ready, {} Hz", 400);
/// ```
pub fn get_logger(name: impl Into<Arc<str>>) -> Logger {
    Logger { name: name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_whose_file_is_gone_has_the_name_that_the_file_had() {
        let name = |path: &str| name_of(Path::new(path));
        assert_eq!(name("/nowhere/robot (deleted)").as_deref(), Some("robot"));
        assert_eq!(
            name("/nowhere/robot.bin (deleted)").as_deref(),
            Some("robot")
        );
        assert_eq!(name("/nowhere/robot.bin").as_deref(), Some("robot"));
        assert_eq!(name("/"), None);
    }
}
