//! How a drainer comes to be, and stays.
//!
//! It is this very program, started again with its role in the environment and caught by a hook that runs
//! before `main`, so nothing of the user's program runs in it. A supervisor thread in the parent waits for
//! its end and, unless its work is done, starts another, which goes on at the ring's head.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::blame;
use super::config::{DRAINER_VARIABLE, DrainerConfig};
use super::delivery::Delivery;
use super::ledger::{Ledger, Place};
use super::outlets::Outlet;
use super::sinks::{open_sinks, open_sinks_again, origin_of};
use super::work::Drainer;
use crate::builder::InitError;
use crate::clock::Clock;
use crate::level::Level;
use crate::segment::process::Namespace;
use crate::segment::{
    AttachError, CAN_LOCK, Count, LockRefusal, Phase, Role, Segment, Started, guest, process,
    truncation,
};
use crate::sink::kinds::{self, Stdout};

/// How long a drainer may take until it reports.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// The pause before a drainer is started again, if the last one did not live even that long.
pub(super) const RESTART_PAUSE: Duration = Duration::from_millis(50);

/// Runs before `main` in every program that uses this crate; does nothing unless the program was started
/// to be a drainer.
#[ctor::ctor(unsafe)]
fn before_main() {
    if let Some(told) = process::role(DRAINER_VARIABLE) {
        let outcome = std::panic::catch_unwind(|| drain(&told)).unwrap_or(Outcome::Failed);
        process::leave(outcome as i32);
    }
}

/// How a drainer ended; its exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
enum Outcome {
    /// Its work is done.
    Done = 0,
    /// Another one should try: also when somebody else drains the ring at the moment.
    Failed = 1,
}

/// A drainer's whole life.
fn drain(told: &OsStr) -> Outcome {
    guest::settle_in();
    let Some(config) = DrainerConfig::decode(told) else {
        return Outcome::Failed;
    };
    let parent = config.parent;
    std::panic::set_hook(Box::new(move |panic| guest::tell(parent, panic)));
    // In the process list: what it is, and whose.
    let _ = rustix::thread::set_name(c"shmlog-drainer");
    // Refused, it dies where the ring is cut off, as without.
    let _ = truncation::save_what_is_left();
    let Ok(segment) = open(&config) else {
        return Outcome::Failed;
    };
    let segment = Box::leak(Box::new(segment));
    // Held until the process ends.
    let Ok(Some(_lock)) = segment.lock_for_draining() else {
        return Outcome::Failed;
    };
    serve(segment, config)
}

/// Why a drainer that is not where its parent is cannot work.
fn is_elsewhere(namespace: Namespace) -> &'static str {
    match namespace {
        Namespace::Pid => {
            "the drainer is in another pid namespace than its parent, and could not tell whether that lives: \
             call init_parent() before unshare(CLONE_NEWPID), or in the child that is in the new one"
        }
        Namespace::Time => {
            "the drainer is in another time namespace than its parent, and could not tell whether that lives: \
             call init_parent() before unshare(CLONE_NEWTIME), or in the child that is in the new one"
        }
    }
}

/// What it does once the ring is its own.
fn serve(segment: &'static Segment, config: DrainerConfig) -> Outcome {
    if segment.phase() == Phase::Starting
        && let Some(namespace) = segment.is_of_another()
    {
        segment.fail(is_elsewhere(namespace));
        return Outcome::Failed;
    }
    if let Err(error) = segment.open_book(&origin_of(&config))
        && segment.phase() == Phase::Starting
    {
        // A later drainer goes on with what it finds in the ring: to log is worth more than to be followed.
        segment.fail(&format!(
            "the drainer cannot keep its book beside the ring: {error}"
        ));
        return Outcome::Failed;
    }
    let locked = segment.lock_pages();
    let (ledger, place) = Ledger::resume(segment);
    let Some(clock) = Clock::from_number(segment.settings().clock) else {
        segment.fail("the segment names no clock of this machine");
        return Outcome::Failed;
    };
    let damaged = ledger.damaged;
    // Not by the phase alone, which anybody may have written.
    let first = segment.phase() == Phase::Starting && place.is_none() && !damaged;
    // Before there are other threads.
    let unfulfilled = config.wishes.fulfil().err();
    if let Some(why) = unfulfilled.as_ref().filter(|_| first) {
        segment.fail(why);
        return Outcome::Failed;
    }
    let sinks = match first {
        true => open_sinks(segment, &config),
        false => Ok(have_sinks_again(segment, &config, place.as_ref(), damaged)),
    };
    let sinks = match sinks {
        Ok(sinks) => sinks,
        Err(why) => {
            segment.fail(&why);
            return Outcome::Failed;
        }
    };
    let mut delivery = Delivery::new(segment, clock, sinks, ledger, place.as_ref());
    if let Some(backtrace) = config.backtrace {
        delivery.keep_back(backtrace, place.is_some());
    }
    if first {
        for news in &config.news {
            delivery.say(Level::Warn, news);
        }
    }
    if let Some(why) = unfulfilled {
        delivery.say(Level::Warn, &format!("of the drainer: {why}"));
    }
    if let Err(errno) = locked {
        let refusal = LockRefusal::of(segment, errno);
        delivery.say(Level::Warn, &format!("of the drainer: {refusal}"));
    }
    // Closing: the last drainer died on its way out, but whoever entered meanwhile may log.
    if matches!(segment.phase(), Phase::Starting | Phase::Closing) {
        segment.set_phase(Phase::Running);
    }
    Drainer::new(segment, config, delivery, place).run();
    Outcome::Done
}

/// Opens the sinks of a drainer that died, trying until it works: the ring keeps the records meanwhile.
fn have_sinks_again(
    segment: &'static Segment,
    config: &DrainerConfig,
    place: Option<&Place>,
    damaged: bool,
) -> Vec<Outlet> {
    let mut told = false;
    loop {
        match open_sinks_again(segment, config, place, damaged) {
            Ok(sinks) => return sinks,
            Err(why) if !told => {
                guest::tell(
                    config.parent,
                    format_args!(
                        "the log waits: its drainer was started again and cannot go on: {why}"
                    ),
                );
                told = true;
            }
            Err(_) => {}
        }
        std::thread::sleep(RESTART_PAUSE);
    }
}

fn open(config: &DrainerConfig) -> Result<Segment, AttachError> {
    let (geometry, settings) = config.made_with;
    Segment::open_known(&config.ring, geometry, settings)
}

/// Why there is no drainer.
pub(crate) enum StartError {
    /// This program could not be started again.
    Spawn(io::Error),
    /// A sink could not be opened.
    Sink(String),
    /// The process ended, or did nothing, without a word.
    Mute,
    /// The thread that watches over it could not be started.
    Supervisor(io::Error),
    /// A drainer from outside was not told what to do.
    Orders(io::Error),
    /// None came, for a program of this name.
    Alone(String),
}

impl From<StartError> for InitError {
    fn from(error: StartError) -> InitError {
        match error {
            StartError::Supervisor(error) => InitError::Supervisor(error),
            error => InitError::Drainer(error.to_string()),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Spawn(error) => {
                write!(f, "cannot start this program again as the drainer: {error}")
            }
            StartError::Supervisor(error) => write!(f, "{error}"),
            StartError::Sink(why) => write!(f, "{why}"),
            StartError::Orders(error) => {
                write!(
                    f,
                    "cannot leave word for the drainer beside the ring: {error}"
                )
            }
            StartError::Alone(program) => write!(
                f,
                "no drainer came from outside: start `shmlog drain {program}` (as a service), or leave \
                 external_drainer(true) out"
            ),
            StartError::Mute => f.write_str(&process::did_not_become("a drainer")),
        }
    }
}

/// Watches over the drainer, in a thread of the parent.
pub(crate) struct Supervisor {
    /// Set when the drainer has ended and no other will be started.
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
            child.kill();
            child.wait();
            return Err(match error {
                StartError::Mute => why_mute(segment, &config),
                error => error,
            });
        }
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        // Handed over only when the thread is there: else the drainer must be ended here.
        let (hand_over, handed_over) = std::sync::mpsc::sync_channel(1);
        let thread = in_background(move || {
            if let Ok(child) = handed_over.recv() {
                supervise(segment, &config, child);
            }
            told.store(true, Ordering::Release);
        });
        if let Err(error) = thread {
            child.kill();
            child.wait();
            return Err(StartError::Supervisor(error));
        }
        // It holds one without waiting, and the thread is there to take it.
        let _ = hand_over.send(child);
        Ok(Supervisor { over })
    }

    /// Of a drainer that others watch over; they say when it is over.
    pub(super) fn of_others(over: Arc<AtomicBool>) -> Supervisor {
        Supervisor { over }
    }

    /// Whether the drainer has ended for good.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// Does something in a thread of its own.
pub(super) fn in_background(act: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("shmlog-supervisor".to_owned());
    let thread = thread.spawn(move || {
        // They are for the program's own threads.
        process::block_signals();
        guest::leave_realtime();
        act();
    });
    thread.map(drop)
}

pub(super) fn spawn(config: &DrainerConfig) -> io::Result<Started> {
    let uses = config.sinks.iter().flat_map(kinds::check);
    let (mut writes_out, mut writes_err) = (false, false);
    for uses in uses {
        writes_out |= uses.stdout != Stdout::Nothing;
        writes_err |= uses.stderr;
    }
    let nothing = guest::nothing()?;
    let (out, err) = (io::stdout(), io::stderr());
    let files = [
        nothing.as_fd(),
        guest::needed(writes_out, out.as_fd(), nothing.as_fd()),
        guest::needed(writes_err, err.as_fd(), nothing.as_fd()),
    ];
    Role::new("shmlog-drainer", DRAINER_VARIABLE, &config.encode())?.start(&files)
}

fn wait_until_running(segment: &Segment, child: &mut Started) -> Result<(), StartError> {
    let begin = Instant::now();
    while begin.elapsed() < START_PATIENCE {
        match segment.phase() {
            Phase::Starting => {}
            Phase::Failed => return Err(StartError::Sink(segment.failure())),
            _ => return Ok(()),
        }
        // Looked at once more after the end: its last word may have come in between.
        if child.has_ended() && segment.phase() == Phase::Starting {
            return Err(StartError::Mute);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Err(StartError::Mute)
}

/// What ended a drainer that said nothing: a sink of the user's own, if one was being opened.
fn why_mute(segment: &Segment, config: &DrainerConfig) -> StartError {
    let sink = blame::sink_at_opening(segment.name());
    match sink.and_then(|sink| config.sinks.get(sink)) {
        Some(spec) => StartError::Sink(format!(
            "cannot open the sink {:?}: the drainer, which opened it, has ended meanwhile",
            spec.to_string()
        )),
        None => StartError::Mute,
    }
}

/// Waits for the drainer's end, again and again, until its work is done.
fn supervise(segment: &'static Segment, config: &DrainerConfig, mut child: Started) {
    loop {
        let begun = Instant::now();
        child.wait();
        let removed = has_been_removed(segment);
        // Then its words are not to be touched any more.
        let is_cut_off = segment.is_cut_off();
        if removed && !is_cut_off {
            // The drainer died after its last deed, before it could say so.
            segment.set_phase(Phase::Done);
        }
        // Anybody may have written the phase: it is believed only where the name tells nothing.
        if removed || (!CAN_LOCK && !is_cut_off && segment.is_over()) {
            return;
        }
        if begun.elapsed() < RESTART_PAUSE {
            std::thread::sleep(RESTART_PAUSE);
        }
        match spawn(config) {
            Ok(next) => {
                child = next;
                if !is_cut_off {
                    let restarts = segment.count(Count::Restarts);
                    restarts.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(_) => std::thread::sleep(RESTART_PAUSE),
        }
    }
}

/// Whether the segment has lost its name, so that no drainer can come to it any more.
pub(super) fn has_been_removed(segment: &Segment) -> bool {
    let lock = segment.lock_for_draining();
    lock.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
