//! How a parent makes its ring; and that nothing of it remains when it cannot.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::{HOLDER, Held, ShmLogger, program_name};
use crate::builder::{Builder, InitError, OnFull};
use crate::clock::{self, Clock};
use crate::drainer::{self, DrainerConfig, FileSettings, Supervisor};
use crate::level::Level;
use crate::producer::{self, Attachment};
use crate::ring::Ring;
use crate::segment::{self, Home, Identity, Segment, Settings, process};

impl ShmLogger {
    pub(crate) fn make_ring(builder: Builder) -> Result<ShmLogger, InitError> {
        builder.check()?;
        if process::runs_as_another_user() {
            return Err(InitError::ForeignRights);
        }
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
        let folders = missing_folders(&builder);
        make_ring(builder, pid).inspect_err(|_| {
            if let Some(attachment) = before {
                producer::set_current(attachment);
            }
            // Those that hold something are not removed.
            for folder in folders {
                let _ = std::fs::remove_dir(folder);
            }
            HOLDER.store(0, Ordering::Release);
        })
    }
}

/// The folders that have to be made for the log files, the innermost first.
fn missing_folders(builder: &Builder) -> Vec<PathBuf> {
    let folder = std::path::absolute(&builder.file_path).unwrap_or_default();
    let missing = folder.ancestors().take_while(|folder| !folder.exists());
    missing.map(Path::to_owned).collect()
}

fn make_ring(builder: Builder, pid: u32) -> Result<ShmLogger, InitError> {
    let process_name = builder.process_name.clone().unwrap_or_else(program_name);
    let file = builder.file_settings(&process_name)?;
    // First, since what it finds takes up shared memory.
    let mut news = Vec::new();
    if builder.recover {
        let folder = file.iter().map(|file| file.folder.clone());
        news = drainer::recover_all(folder.collect());
    }
    let (segment, settings) = make_segment(&builder, &process_name, file.as_ref())?;
    news.extend(segment.make_huge().err());
    let name = segment.name().to_owned();
    let config = DrainerConfig {
        ring: name.clone(),
        parent: Identity::of_this_process(),
        made_with: (builder.geometry(), settings),
        stall_timeout: builder.stall_timeout,
        console: builder.console,
        queue_bytes: builder.queue_bytes,
        news,
        file,
    };
    producer::detach();
    let started = Attachment::new(segment, process_name).and_then(|attachment| {
        attachment.enter()?;
        Ok(attachment)
    });
    let started = started.map_err(InitError::Attach).and_then(|attachment| {
        let supervisor = Supervisor::start(&attachment.segment, config)?;
        Ok((attachment, supervisor))
    });
    // It stays mapped here: its memory is given back.
    let (attachment, supervisor) = started.inspect_err(|_| segment::discard(&name))?;
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

/// A segment that is ready to be attached to.
fn make_segment(
    builder: &Builder,
    process_name: &str,
    file: Option<&FileSettings>,
) -> Result<(Segment, Settings), InitError> {
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
    let segment = Segment::create(builder.geometry(), settings, |segment| {
        Ring::from(segment).format();
        segment.set_home(&Home {
            maker: Identity::of_this_process(),
            namespace: process::pid_namespace(),
            made: clock::note(clock),
            program: process_name.to_owned(),
            folder: file.map(|file| file.folder.clone()),
        });
    })?;
    Ok((segment, settings))
}
