//! How a parent makes its ring; and that nothing of it remains when it cannot.

use std::sync::atomic::Ordering;

use super::{HOLDER, Held, ShmLogger, leaving, program_name};
use crate::builder::{Builder, InitError, OnFull, Prepared};
use crate::clock::{self, Clock};
use crate::drainer::{self, DrainerConfig, Supervisor, external};
use crate::frontend;
use crate::level::Level;
use crate::producer::{self, Attachment};
use crate::ring::Ring;
use crate::segment::{self, AttachError, Home, Identity, Making, Segment, Settings, process};

impl Builder {
    /// Makes a ring, starts its drainer, and names the ring to all children started from now on.
    ///
    /// The present value of the environment variable `SHMLOG_RING` is replaced. Rust keeps its own threads
    /// apart while it does so, but not C code that calls `getenv` in another thread at the same moment: call
    /// this early.
    ///
    /// # Errors
    /// [`InitError`] for a setting that is not allowed, too little shared memory, a folder that cannot be
    /// written, or a ring that this process has made before and still holds.
    pub fn init_parent(self) -> Result<ShmLogger, InitError> {
        make_ring_once(self)
    }

    /// Attaches as a child under the [`process_name`](Builder::process_name) set here, and leaves the crate `log` alone if
    /// [`log_crate`](Builder::log_crate) says so. All other settings are the parent's, and ignored. A process that logs into the ring already keeps its name.
    ///
    /// # Errors
    /// As [`ShmLogger::attach`].
    pub fn attach(self) -> Result<ShmLogger, AttachError> {
        let logger = ShmLogger::attach_as(None, self.process_name)?;
        if self.log_crate {
            frontend::install();
        }
        Ok(logger)
    }

    /// Attaches, as [`attach`](Builder::attach), when the environment names a ring; makes one with these settings, as
    /// [`init_parent`](Builder::init_parent), when it does not.
    ///
    /// # Errors
    /// As those two.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("shmlog-doc-init-{}", std::process::id()));
    /// let builder = shmlog::ShmLogger::builder().process_name("arm").file(true).file_path(&folder);
    /// let logger = builder.console(false).init()?;
    /// shmlog::error!("a joint is stuck");
    /// # drop(logger); std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn init(self) -> Result<ShmLogger, InitError> {
        match segment::inherited() {
            Some(_) => Ok(self.attach()?),
            None => self.init_parent(),
        }
    }
}

/// Makes the ring, unless this process holds one.
fn make_ring_once(builder: Builder) -> Result<ShmLogger, InitError> {
    builder.check()?;
    if process::runs_as_another_user() {
        return Err(InitError::ForeignRights);
    }
    let pid = std::process::id();
    // [holder] Acquire: pairs with the stores that give it up.
    let holder = HOLDER.load(Ordering::Acquire);
    let claimed = holder != pid
        && HOLDER
            // [holder] as above; its release half shows a child made by fork whose ring it is.
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
        // [holder] Release: as when a logger is dropped.
        HOLDER.store(0, Ordering::Release);
    })
}

/// Makes the ring for the sinks that the environment asks for; if these cannot be had, for the builder's own.
fn make_ring(builder: Builder, pid: u32) -> Result<ShmLogger, InitError> {
    let mut news = Vec::new();
    if let Some(asked) = builder.environment_sinks() {
        let made = asked.and_then(|sinks| make_ring_for(&builder, pid, sinks, &mut news));
        match made {
            // What is not the sinks' fault will not go better without them.
            Err(error) if error.is_of_sinks() => news.push(Builder::ignored_sinks(&error)),
            made => return made,
        }
    }
    let sinks = Prepared::new(&builder.own_sinks())?;
    make_ring_for(&builder, pid, sinks, &mut news)
}

fn make_ring_for(
    builder: &Builder,
    pid: u32,
    sinks: Prepared,
    news: &mut Vec<String>,
) -> Result<ShmLogger, InitError> {
    let process_name = builder.process_name.clone().unwrap_or_else(program_name);
    // First, since what it finds takes up shared memory.
    if builder.recover {
        news.extend(drainer::recover_all(sinks.folder.iter().cloned().collect()));
    }
    let filter = builder.first_filter(news);
    let started = make_segment(builder, &process_name, &filter);
    let started = started.and_then(|(segment, making)| {
        let refused = segment.make_huge().err();
        let config = DrainerConfig {
            ring: segment.name().to_owned(),
            parent: Identity::of_this_process(),
            making,
            stall_timeout: builder.stall_timeout,
            program: process_name.clone(),
            queue_bytes: builder.queue_bytes,
            backtrace: builder.backtrace,
            filter: segment.filter().text(),
            news: news.iter().cloned().chain(refused).collect(),
            sinks: sinks.specs.clone(),
            wishes: builder.drainer_wishes(),
        };
        start(segment, process_name, config, builder.external_drainer)
    });
    let (attachment, supervisor) = started.inspect_err(|_| sinks.give_up())?;
    let inherited = segment::environment();
    segment::announce(attachment.segment.name());
    producer::set_current(attachment);
    leaving::expect();
    if builder.log_crate {
        frontend::install();
    }
    Ok(ShmLogger {
        attachment,
        held: Some(Held {
            pid,
            supervisor,
            inherited,
        }),
    })
}

/// Enters the ring, and starts its drainer.
fn start(
    segment: Segment,
    process_name: String,
    config: DrainerConfig,
    is_external: bool,
) -> Result<(&'static Attachment, Supervisor), InitError> {
    let name = segment.name().to_owned();
    producer::detach();
    let started = Attachment::new(segment, process_name).and_then(|attachment| {
        attachment.enter()?;
        Ok(attachment)
    });
    let started = started.map_err(InitError::Attach).and_then(|attachment| {
        let supervisor = match is_external {
            true => external::wait_for_drainer(&attachment.segment, &config)?,
            false => Supervisor::start(&attachment.segment, config)?,
        };
        Ok((attachment, supervisor))
    });
    // It stays mapped here: its memory is given back.
    started.inspect_err(|_| segment::discard(&name))
}

/// A segment that is ready to be attached to.
fn make_segment(
    builder: &Builder,
    process_name: &str,
    filter: &str,
) -> Result<(Segment, Making), InitError> {
    let block_ns = match builder.on_full {
        OnFull::Drop => 0,
        OnFull::Block(timeout) => u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX),
    };
    let clock = Clock::choose();
    let settings = Settings {
        level: builder.level as u64,
        block_ns,
        clock: clock as u64,
        leave: Level::ALL.map(|level| builder.leave(level)),
        lock_memory: builder.lock_memory.into(),
        huge_pages: builder.huge_pages.into(),
    };
    let maker = Identity::of_this_process();
    let making = Making {
        start: maker.start,
        namespaces: process::Namespaces::of_this_process(),
        made: clock::note(clock),
        geometry: builder.geometry(),
        settings,
    };
    let segment = Segment::create(making.geometry, settings, |segment| {
        Ring::from(segment).format();
        // It has been checked.
        let _ = segment.filter().set(filter);
        segment.set_first_filter(&segment.filter().text());
        segment.set_home(&Home {
            maker,
            namespaces: making.namespaces,
            made: making.made,
            program: process_name.to_owned(),
        });
    })?;
    Ok((segment, making))
}
