//! How a drainer comes to be.
//!
//! It is this very program, started again with a channel to its parent (`supervisor.rs`) and caught by a hook that runs
//! before `main`, so nothing of the user's program runs in it.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::backoff::SHORTEST;
use super::blame;
use super::config::{DRAINER_VARIABLE, DrainerConfig};
use super::delivery::Delivery;
use super::ledger::{Ledger, Place};
use super::members::Members;
use super::orders::{Circumstances, Orders};
use super::outlets::Outlet;
use super::parent::Parent;
use super::sinks::{open_sinks, open_sinks_again, origin_of};
use super::talk::Talk;
use super::words::Word;
use super::work::Drainer;
use crate::clock::Clock;
use crate::errors::debug_is_text;
use crate::level::Level;
use crate::segment::channel::{self, Channel, ON_STDIN};
use crate::segment::process::{Namespace, Namespaces};
use crate::segment::{
    DrainLock, LockRefusal, Phase, Role, Segment, Started, guest, process, truncation,
};
use crate::sink::kinds::{self, Stdout};
use crate::sync::Ordering;

/// Runs before `main` in every program that uses this crate; does nothing unless the program was started
/// to be a drainer.
#[ctor::ctor(unsafe)]
fn before_main() {
    if let Some(channel) = channel::role(DRAINER_VARIABLE) {
        let outcome = std::panic::catch_unwind(|| drain(channel)).unwrap_or(Outcome::Failed);
        process::leave(outcome as i32);
    }
}

/// How a drainer ended; its exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
enum Outcome {
    /// Its work is done.
    Done = 0,
    /// Another one should try: also when another process drains the ring at the moment.
    Failed = 1,
}

/// A drainer's whole life.
fn drain(channel: OwnedFd) -> Outcome {
    guest::settle_in();
    let Ok(channel) = Channel::of(channel) else {
        return Outcome::Failed;
    };
    let Some(mut orders) = Orders::take(&channel) else {
        return Outcome::Failed;
    };
    let watched = orders.config.parent;
    std::panic::set_hook(Box::new(move |panic| guest::tell(watched, panic)));
    // In the process list: what it is.
    let _ = rustix::thread::set_name(c"shmlog-drainer");
    // Refused, it dies where the ring is cut off, as without.
    let _ = truncation::save_what_is_left();
    let talk = orders.talk.take();
    let talk = talk.and_then(|file| Talk::of(file, &orders.config.ring).ok());
    let mut parent = Parent::new(channel, talk, orders.circumstances.is_stopping);
    match begin(&mut parent, &mut orders) {
        Ok(Some((segment, _lock))) => serve(segment, orders, parent),
        Ok(None) => Outcome::Done,
        Err(why) => {
            parent.tell_starter(&Word::Failed(why));
            Outcome::Failed
        }
    }
}

/// Makes the ring its own, for as long as the lock is held; `None` if that has ended.
fn begin(
    parent: &mut Parent,
    orders: &mut Orders,
) -> Result<Option<(&'static Segment, DrainLock)>, String> {
    let config = &orders.config;
    let (geometry, settings) = (config.making.geometry, config.making.settings);
    let file = orders.segment.take();
    let segment = Segment::open_known(&config.ring, file, geometry, settings)
        .map_err(|error| in_full(&error))?;
    let segment = Box::leak(Box::new(segment));
    let lock = segment
        .lock_for_draining()
        .map_err(|error| format!("cannot lock the ring {}: {error}", config.ring))?;
    let lock = lock.ok_or_else(|| format!("the ring {} has a drainer", config.ring))?;
    let said = parent.catch_up();
    orders.circumstances.is_first &= !said.contains(&Word::Running);
    Ok((!said.contains(&Word::Done)).then_some((segment, lock)))
}

/// An error with what the system said.
fn in_full(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
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
fn serve(segment: &'static Segment, orders: Orders, mut parent: Parent) -> Outcome {
    let Orders {
        config,
        circumstances,
        book,
        ..
    } = orders;
    let (delivery, place) = match prepare(segment, &config, circumstances, book, &mut parent) {
        Ok(prepared) => prepared,
        Err(why) => {
            segment.set_phase(Phase::Failed);
            parent.say(&Word::Failed(why));
            return Outcome::Failed;
        }
    };
    segment.set_phase(Phase::Running);
    parent.say(&Word::Running);
    Drainer::new(segment, config, delivery, place)
        .told_by(parent, circumstances.is_nameless)
        .run();
    Outcome::Done
}

/// Finds out where a predecessor stopped, and opens the sinks.
fn prepare(
    segment: &'static Segment,
    config: &DrainerConfig,
    circumstances: Circumstances,
    book: Option<OwnedFd>,
    parent: &mut Parent,
) -> Result<(Delivery, Option<Place>), String> {
    if circumstances.is_first
        && let Some(namespace) = config
            .making
            .namespaces
            .differ(Namespaces::of_this_process())
    {
        return Err(is_elsewhere(namespace).to_owned());
    }
    if let Err(error) = segment.open_book(&origin_of(config), &config.making, book)
        && circumstances.is_first
    {
        // A later drainer goes on with what it finds in the ring: to log is worth more than to be followed.
        return Err(format!(
            "the drainer cannot keep its book beside the ring: {error}"
        ));
    }
    let locked = segment.lock_pages();
    let (ledger, place) = Ledger::resume(segment);
    let clock = Clock::from_number(segment.settings().clock);
    let clock = clock.ok_or("the segment names no clock of this machine")?;
    let damaged = ledger.damaged;
    let first = circumstances.is_first && place.is_none() && !damaged;
    // Before there are other threads.
    let unfulfilled = config.wishes.fulfil().err();
    if let Some(why) = unfulfilled.as_ref().filter(|_| first) {
        return Err(why.clone());
    }
    let sinks = match first {
        true => open_sinks(segment, config)?,
        false => have_sinks_again(segment, config, place.as_ref(), damaged, parent)?,
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
    Ok((delivery, place))
}

/// Opens the sinks of a drainer that died, trying until it works: the ring keeps the records meanwhile, and for the process that
/// recovers it when no member is left.
fn have_sinks_again(
    segment: &'static Segment,
    config: &DrainerConfig,
    place: Option<&Place>,
    damaged: bool,
    parent: &mut Parent,
) -> Result<Vec<Outlet>, String> {
    let mut told = false;
    let mut members = Members::new(segment, config.parent);
    loop {
        match open_sinks_again(segment, config, place, damaged) {
            Ok(sinks) => return Ok(sinks),
            Err(why) if !told => {
                // It has a standard error where people look.
                parent.say(&Word::Failed(why));
                told = true;
            }
            Err(why) => {
                members.renew(&mut || segment.tail().load(Ordering::Relaxed));
                if members.parent_is_gone() && !members.others_live() {
                    return Err(why);
                }
            }
        }
        std::thread::sleep(SHORTEST);
    }
}

/// Why there is no drainer: in [`InitError::Drainer`](crate::InitError::Drainer).
#[non_exhaustive]
pub enum StartError {
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

debug_is_text!(StartError);

// What the system said stands in its text.
impl std::error::Error for StartError {}

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

/// Starts a drainer, which finds its channel as its standard input.
pub(super) fn start(config: &DrainerConfig, channel: &OwnedFd) -> io::Result<Started> {
    let uses = config.sinks.iter().flat_map(kinds::check);
    let (mut writes_out, mut writes_err) = (false, false);
    for uses in uses {
        writes_out |= uses.stdout != Stdout::Nothing;
        writes_err |= uses.stderr;
    }
    let nothing = guest::nothing()?;
    let (out, err) = (io::stdout(), io::stderr());
    let files = [
        channel.as_fd(),
        guest::needed(writes_out, out.as_fd(), nothing.as_fd()),
        guest::needed(writes_err, err.as_fd(), nothing.as_fd()),
    ];
    // In the process list: whose it is.
    let role = Role::new("shmlog-drainer", &config.ring, DRAINER_VARIABLE, ON_STDIN)?;
    role.start(&files)
}

/// What ended a drainer that said nothing: a sink of the user's own, if one was being opened.
pub(super) fn why_mute(segment: &Segment, config: &DrainerConfig) -> StartError {
    let sink = blame::sink_at_opening(segment.name());
    match sink.and_then(|sink| config.sinks.get(sink)) {
        Some(spec) => StartError::Sink(format!(
            "cannot open the sink {:?}: the drainer, which opened it, has ended meanwhile",
            spec.to_string()
        )),
        None => StartError::Mute,
    }
}
