//! How a drainer comes to be, and stays.
//!
//! It is this very program, started again with its role in the environment and caught by a hook that runs
//! before `main`, so nothing of the user's program runs in it. A supervisor thread in the parent waits for
//! its end and, unless its work is done, starts another, which goes on at the ring's head.

use std::fmt;
use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::config::{DRAINER_VARIABLE, DrainerConfig};
use super::delivery::Delivery;
use super::ledger::Ledger;
use super::work::{Drainer, open_sinks};
use crate::clock::Clock;
use crate::level::Level;
use crate::segment::{Count, Phase, Segment, process};

/// How long a drainer may take until it reports.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// The pause before a drainer is started again, if the last one did not live even that long.
const RESTART_PAUSE: Duration = Duration::from_millis(50);

/// Runs before `main` in every program that uses this crate; does nothing unless the program was started
/// to be a drainer.
#[ctor::ctor(unsafe)]
fn before_main() {
    // A program with more rights than its starter must not be told by him what to be.
    if std::env::var_os(DRAINER_VARIABLE).is_none() || process::runs_with_foreign_rights() {
        return;
    }
    let ended_well = std::panic::catch_unwind(drain).is_ok_and(|result| result.is_ok());
    process::leave(if ended_well { 0 } else { 1 });
}

/// A drainer's whole life.
fn drain() -> Result<(), ()> {
    process::ignore_group_signals();
    let config = std::env::var_os(DRAINER_VARIABLE).and_then(|text| DrainerConfig::decode(&text));
    let config = config.ok_or(())?;
    // In the process list: what it is, and whose.
    let _ = rustix::thread::set_name(c"shmlog-drainer");
    let segment = Box::leak(Box::new(Segment::open(&config.ring).map_err(drop)?));
    // Held until the process ends.
    let _lock = segment.lock_for_draining().map_err(drop)?.ok_or(())?;
    let first = segment.phase() == Phase::Starting;
    let (ledger, place) = Ledger::resume(segment);
    let opened = Clock::from_number(segment.settings().clock)
        .ok_or_else(|| "the segment names no clock of this machine".to_owned())
        .and_then(|clock| Ok((clock, open_sinks(segment, &config, place.as_ref())?)));
    match opened {
        Ok((clock, sinks)) => {
            let mut delivery = Delivery::new(segment, clock, sinks, ledger, place.as_ref());
            if first {
                for news in &config.news {
                    delivery.say(Level::Warn, news);
                }
                segment.set_phase(Phase::Running);
            }
            Drainer::new(segment, config, delivery, place).run();
            Ok(())
        }
        Err(why) => {
            if first {
                segment.fail(&why);
            }
            Err(())
        }
    }
}

/// Why there is no drainer.
pub(crate) enum StartError {
    /// This program could not be started again.
    Spawn(io::Error),
    /// A sink could not be opened.
    Sink(String),
    /// The process ended, or did nothing, without a word.
    Mute,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Spawn(error) => {
                write!(f, "cannot start this program again as the drainer: {error}")
            }
            StartError::Sink(why) => write!(f, "{why}"),
            StartError::Mute => write!(
                f,
                "this program, started again, did not become a drainer: is shmlog linked into the executable \
                 itself (not loaded later), and does nothing before main end the process?"
            ),
        }
    }
}

/// Watches over the drainer, in a thread of the parent.
pub(crate) struct Supervisor {
    /// Set when the drainer's child process has been waited for and no other will be started.
    over: Arc<AtomicBool>,
}

impl Supervisor {
    /// Starts the drainer of `segment`, waits until it works, and watches over it from then on.
    pub(crate) fn start(
        segment: &'static Segment,
        config: DrainerConfig,
    ) -> Result<Supervisor, StartError> {
        let mut child = spawn(&config).map_err(StartError::Spawn)?;
        if let Err(error) = wait_until_running(segment, &mut child) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        std::thread::Builder::new()
            .name("shmlog-supervisor".to_owned())
            .spawn(move || {
                supervise(segment, &config, child);
                told.store(true, Ordering::Release);
            })
            .map_err(StartError::Spawn)?;
        Ok(Supervisor { over })
    }

    /// Whether the drainer has ended for good and left no zombie.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

fn spawn(config: &DrainerConfig) -> io::Result<Child> {
    use std::os::unix::process::CommandExt;
    // On Linux this names the running program even when its file was replaced or removed.
    let program = if cfg!(target_os = "linux") {
        "/proc/self/exe".into()
    } else {
        std::env::current_exe()?
    };
    let output = || {
        if config.console {
            Stdio::inherit()
        } else {
            Stdio::null()
        }
    };
    Command::new(program)
        .arg0("shmlog-drainer")
        .env(DRAINER_VARIABLE, config.encode())
        .stdin(Stdio::null())
        .stdout(output())
        .spawn()
}

fn wait_until_running(segment: &Segment, child: &mut Child) -> Result<(), StartError> {
    let begin = Instant::now();
    while begin.elapsed() < START_PATIENCE {
        match segment.phase() {
            Phase::Starting => {}
            Phase::Failed => return Err(StartError::Sink(segment.failure())),
            _ => return Ok(()),
        }
        // Looked at once more after the end: its last word may have come in between.
        if matches!(child.try_wait(), Ok(Some(_))) && segment.phase() == Phase::Starting {
            return Err(StartError::Mute);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Err(StartError::Mute)
}

/// Waits for the drainer's end, again and again, until its work is done.
fn supervise(segment: &'static Segment, config: &DrainerConfig, mut child: Child) {
    loop {
        let begun = Instant::now();
        // An error means that the user's program has waited for the child itself: it has ended too.
        let _ = child.wait();
        if segment.is_over() {
            return;
        }
        if begun.elapsed() < RESTART_PAUSE {
            std::thread::sleep(RESTART_PAUSE);
        }
        segment
            .count(Count::Restarts)
            .fetch_add(1, Ordering::Relaxed);
        match spawn(config) {
            Ok(next) => child = next,
            Err(_) => std::thread::sleep(RESTART_PAUSE),
        }
    }
}
