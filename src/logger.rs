//! What users hold: [`ShmLogger`], the process's tie to a ring, and [`Logger`], a name to log under.

use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::builder::{Builder, InitError, OnFull};
use crate::clock::{self, Clock};
use crate::drainer::{self, DrainerConfig, Supervisor};
use crate::level::Level;
use crate::producer::{self, Attachment};
use crate::ring::Ring;
use crate::segment::{self, AttachError, Home, Identity, Phase, Segment, Settings, process};
use crate::stats::Stats;

/// How long a parent that leaves waits for a drainer that does not move at all.
const LEAVING_PATIENCE: Duration = Duration::from_secs(10);

/// The pid of the process that holds a ring it made; 0 when none does. A child made by fork finds its
/// parent's pid here, and is free to make a ring of its own.
static HOLDER: AtomicU32 = AtomicU32::new(0);

/// This process's tie to a ring.
///
/// In the parent it holds the ring: dropping it delivers everything and ends the drainer, except that as
/// long as other processes log into the ring the drainer stays with them. In a child it is a handle: the
/// process stays attached until it ends, whether the handle is kept or not.
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
    /// A ring with the defaults: console, [`Level::Warn`]. See [`Builder`].
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
    /// [`AttachError`]: no ring named, gone, damaged, of another layout version, or of another user.
    pub fn attach() -> Result<ShmLogger, AttachError> {
        ShmLogger::attach_as(None, None)
    }

    /// Attaches to the ring of this name, as [`name`](ShmLogger::name) gives it.
    ///
    /// # Errors
    /// As [`attach`](ShmLogger::attach).
    pub fn attach_to(name: &str) -> Result<ShmLogger, AttachError> {
        ShmLogger::attach_as(Some(name), None)
    }

    /// Attaches when the environment names a ring, makes one with the defaults when it does not.
    ///
    /// # Errors
    /// As [`attach`](ShmLogger::attach) or [`init_parent`](ShmLogger::init_parent).
    pub fn init() -> Result<ShmLogger, InitError> {
        match segment::inherited() {
            Some(_) => Ok(ShmLogger::attach()?),
            None => ShmLogger::init_parent(),
        }
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
        let segment = &self.attachment.segment;
        let target = self.attachment.ring.tail();
        let begin = Instant::now();
        let mut nap = Duration::from_micros(50);
        loop {
            let behind = self.behind(target);
            if behind <= 0 && !self.attachment.ring.has_late() {
                return Ok(());
            }
            if segment.is_over() {
                return Err(FlushError::Over);
            }
            let left = timeout.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Err(FlushError::Timeout {
                    timeout,
                    behind: behind.max(0) as u64,
                });
            }
            std::thread::sleep(nap.min(left));
            nap = (nap * 2).min(Duration::from_millis(1));
        }
    }

    /// How far the sinks are from `asked`, a tail that was read before; 0 or less when they are done. If the
    /// tail is behind that now, it was damaged then and has been mended.
    fn behind(&self, asked: u64) -> i64 {
        let (tail, flushed) = (
            self.attachment.ring.tail(),
            self.attachment.segment.flushed(),
        );
        (tail.wrapping_sub(flushed) as i64).min(asked.wrapping_sub(flushed) as i64)
    }

    /// What was logged, delivered and dropped so far, by everybody. Each number is of its own moment, some
    /// thousandths of a second old; they add up once the ring is quiet.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.attachment.segment)
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
                Ok(ShmLogger {
                    attachment,
                    held: None,
                })
            } else {
                Err(AttachError::Elsewhere {
                    name: attachment.segment.name().to_owned(),
                })
            };
        }
        let segment = Segment::open(&name)?;
        // In a child made by fork: the ring it was born with.
        let before = producer::current();
        producer::detach();
        let process_name = process_name.unwrap_or_else(program_name);
        let attachment = Attachment::new(segment, process_name).inspect_err(|_| {
            if let Some(before) = before {
                producer::set_current(before);
            }
        })?;
        producer::set_current(attachment);
        Ok(ShmLogger {
            attachment,
            held: None,
        })
    }

    pub(crate) fn make_ring(builder: Builder) -> Result<ShmLogger, InitError> {
        builder.check()?;
        let pid = std::process::id();
        let holder = HOLDER.load(Ordering::Acquire);
        let claimed = holder != pid
            && HOLDER
                .compare_exchange(holder, pid, Ordering::AcqRel, Ordering::Acquire)
                .is_ok();
        if !claimed {
            let name = producer::current().map(|held| held.segment.name().to_owned());
            return Err(InitError::AlreadyInitialised {
                name: name.unwrap_or_default(),
            });
        }
        let before = producer::current();
        make_ring(builder, pid).inspect_err(|_| {
            if let Some(attachment) = before {
                producer::set_current(attachment);
            }
            HOLDER.store(0, Ordering::Release);
        })
    }
}

fn make_ring(builder: Builder, pid: u32) -> Result<ShmLogger, InitError> {
    let process_name = builder.process_name.clone().unwrap_or_else(program_name);
    let file = builder.file_settings(&process_name)?;
    let block_ns = match builder.on_full {
        OnFull::Drop => 0,
        OnFull::Block(timeout) => u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX),
    };
    // First, since what it finds takes up shared memory.
    let mut news = Vec::new();
    if builder.recover {
        let folder = file.iter().map(|file| file.folder.clone());
        news = drainer::recover_all(folder.collect());
    }
    let clock = Clock::choose();
    let settings = Settings {
        level: builder.level as u64,
        block_ns,
        clock: clock as u64,
        leave: Level::ALL.map(|level| builder.leave(level)),
    };
    let made_with = (builder.geometry(), settings);
    let segment = Segment::create(made_with.0, made_with.1)?;
    Ring::from(&segment).format();
    segment.set_home(&Home {
        maker: Identity::of_this_process(),
        namespace: process::pid_namespace(),
        made: clock::note(clock),
        program: process_name.clone(),
        folder: file.as_ref().map(|file| file.folder.clone()),
    });
    segment.set_ready();
    let config = DrainerConfig {
        ring: segment.name().to_owned(),
        parent: Identity::of_this_process(),
        made_with,
        stall_timeout: builder.stall_timeout,
        console: builder.console,
        queue_bytes: builder.queue_bytes,
        news,
        file,
    };
    let name = segment.name().to_owned();
    producer::detach();
    let started = Attachment::new(segment, process_name)
        .map_err(InitError::Attach)
        .and_then(|attachment| {
            let supervisor = Supervisor::start(&attachment.segment, config)
                .map_err(|error| InitError::Drainer(error.to_string()))?;
            Ok((attachment, supervisor))
        });
    let (attachment, supervisor) = started.inspect_err(|_| segment::remove(&name))?;
    let inherited = segment::environment();
    segment::announce(&name);
    producer::set_current(attachment);
    Ok(ShmLogger {
        attachment,
        held: Some(Held {
            pid,
            supervisor,
            inherited,
        }),
    })
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
        let segment = &self.attachment.segment;
        segment.ask_to_stop();
        let target = self.attachment.ring.tail();
        let behind = || self.behind(target);
        let mut least = (behind(), Instant::now());
        loop {
            // When it lingers others still log; the drainer ends with the last of them.
            let over = held.supervisor.is_over() || segment.phase() == Phase::Lingering;
            // Only what comes nearer counts as moving: the words may be written by anybody.
            if behind() < least.0 && least.0 > 0 {
                least = (behind(), Instant::now());
            }
            if over || least.1.elapsed() > LEAVING_PATIENCE {
                break;
            }
            // Again, should somebody have written over it.
            segment.ask_to_stop();
            std::thread::sleep(Duration::from_micros(200));
        }
        HOLDER.store(0, Ordering::Release);
    }
}

/// The executable's name without its extension.
fn program_name() -> String {
    std::env::current_exe()
        .ok()
        .and_then(|path| {
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
        })
        .unwrap_or_else(|| "program".to_owned())
}

/// Why [`ShmLogger::flush`] gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlushError {
    /// It took too long.
    Timeout {
        /// How long it was allowed to take.
        timeout: Duration,
        /// How many sequences the sinks were behind; about as many records, or fewer long ones.
        behind: u64,
    },
    /// The drainer has ended.
    Over,
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlushError::Timeout { timeout, behind } => write!(
                f,
                "not flushed within {timeout:?}: the sinks are {behind} sequences behind; allow more time, or \
                 see whether the console or the disk is stuck"
            ),
            FlushError::Over => write!(f, "not flushed: the ring's drainer has ended"),
        }
    }
}

impl std::error::Error for FlushError {}

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
