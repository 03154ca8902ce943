//! What becomes of a record while this process has no ring: none yet, none any more, or one that has closed.
//!
//! The filter word that log calls look at where there is no ring lets pass what is to be handled here, so a call costs the
//! same with a ring and without. One that passes finds no ring where a thread registers (`thread.rs`), which is off the
//! way of all later calls, and comes here.

mod early;
mod frugal;
mod line;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use super::{attachment, filter};
use crate::level::Level;
use crate::record::CallSite;
use crate::record::capture::Put;
use crate::segment::{process, say};

pub(super) use self::early::deliver;
use super::write::Content;
use crate::words::WORD;

/// What becomes of records while the process has no ring: for [`without_ring`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WithoutRing {
    /// Those of [`Level::Warn`] and above are lines on standard error; the others are nowhere. The default: no error is
    /// lost unseen because a program makes its ring late, not at all, or has dropped it already.
    #[default]
    Stderr = 0,
    /// None is anywhere.
    Silent = 1,
    /// Those of [`Level::Info`] and above are kept, in 64 KiB at most, until this process makes a ring or attaches to one,
    /// and go into it then, as far as its filter lets them pass, with the times of their calls. What finds no room,
    /// and what a process that ends by itself has still kept, goes to standard error as with
    /// [`Stderr`](WithoutRing::Stderr).
    Keep = 2,
}

/// The environment variable that goes before what the program says.
const VARIABLE: &str = "SHMLOG_WITHOUT_RING";

/// Of records that go to standard error.
const SAID: Level = Level::Warn;
/// Of records that are kept.
const KEPT: Level = Level::Info;

/// A [`WithoutRing`], as a number.
static CHOICE: AtomicU8 = AtomicU8::new(WithoutRing::Stderr as u8);
/// The environment has chosen.
static IS_FIXED: AtomicBool = AtomicBool::new(false);
/// The variable says something else, which is to be told with the first line.
static IS_WRONG: AtomicBool = AtomicBool::new(false);

/// Says what shall become of records while this process has no ring. It may be changed at any time, and counts for all ways
/// in: the macros, the crate `log` once a ring has been there, and the layer for `tracing`. The default is
/// [`WithoutRing::Stderr`].
///
/// The environment variable `SHMLOG_WITHOUT_RING` (`stderr`, `silent` or `keep`) goes before it, except in a program that has
/// rights that its starter has not.
///
/// ```
/// shmlog::without_ring(shmlog::WithoutRing::Silent);
/// shmlog::error!("dropped");
/// ```
pub fn without_ring(what: WithoutRing) {
    // Relaxed: it was set before `main`.
    if !IS_FIXED.load(Ordering::Relaxed) {
        choose(what);
    }
}

fn choose(what: WithoutRing) {
    static IS_EXPECTED: AtomicBool = AtomicBool::new(false);
    // Relaxed, here and below: a call at the same moment may still go by the choice before.
    CHOICE.store(what as u8, Ordering::Relaxed);
    filter::let_pass_without_ring(match what {
        WithoutRing::Stderr => Some(SAID),
        WithoutRing::Silent => None,
        WithoutRing::Keep => Some(KEPT),
    });
    if what == WithoutRing::Keep && !IS_EXPECTED.swap(true, Ordering::Relaxed) {
        process::at_exit(say_the_kept);
    }
}

/// Before `main`, where nothing else changes the environment.
#[ctor::ctor(unsafe)]
fn before_main() {
    let told = std::env::var_os(VARIABLE).filter(|told| !told.is_empty());
    let Some(told) = told.filter(|_| !process::runs_with_foreign_rights()) else {
        return;
    };
    let choice = match told.to_str() {
        Some("stderr") => WithoutRing::Stderr,
        Some("silent") => WithoutRing::Silent,
        Some("keep") => WithoutRing::Keep,
        _ => return IS_WRONG.store(true, Ordering::Relaxed),
    };
    IS_FIXED.store(true, Ordering::Relaxed);
    choose(choice);
}

/// Arguments that go into no ring.
pub(crate) enum Caught<'b> {
    /// All of them.
    All(Vec<u8>),
    /// As many as fit, and how many bytes these are; without allocating.
    Few(&'b mut [u8], usize),
}

impl Caught<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Caught::All(bytes) => bytes,
            Caught::Few(bytes, filled) => &bytes[..*filled],
        }
    }
}

impl Put for Caught<'_> {
    fn word(&mut self, word: u64) {
        match self {
            Caught::All(bytes) => bytes.word(word),
            Caught::Few(bytes, filled) => {
                let end = *filled + WORD;
                if let Some(place) = bytes.get_mut(*filled..end) {
                    place.copy_from_slice(&word.to_ne_bytes());
                    *filled = end;
                }
            }
        }
    }
}

/// Handles a record that found no ring. One that found no place in a ring that is there has been counted.
#[cold]
pub(super) fn take(
    level: Level,
    site: &'static CallSite,
    target: Option<&str>,
    content: &dyn Content,
) {
    if attachment::current().is_some_and(|ring| !ring.is_closed()) {
        return;
    }
    let choice = CHOICE.load(Ordering::Relaxed);
    let is_kept = choice == WithoutRing::Keep as u8
        && level >= KEPT
        // What keeps it allocates.
        && !process::blocks_signals()
        && early::keep(level, site, target, content);
    if !is_kept && choice != WithoutRing::Silent as u8 && level >= SAID {
        say_record(level, site, target, content);
    }
}

fn say_record(level: Level, site: &CallSite, target: Option<&str>, content: &dyn Content) {
    if process::blocks_signals() {
        let mut bytes = [0; frugal::LONGEST];
        let mut few = Caught::Few(&mut bytes, 0);
        content.capture(&mut few);
        return frugal::say_line(level, site, target, few.bytes(), say);
    }
    let mut all = Caught::All(Vec::new());
    content.capture(&mut all);
    say_captured(level, site, target, all.bytes());
}

fn say_captured(level: Level, site: &CallSite, target: Option<&str>, captured: &[u8]) {
    if IS_WRONG.swap(false, Ordering::Relaxed) {
        let text = format!("shmlog: {VARIABLE} may be stderr, silent or keep, and is ignored\n");
        say(text.as_bytes());
    }
    say(line::of(level, site, target, captured).as_bytes());
}

/// What was kept for a ring that has not come.
extern "C" fn say_the_kept() {
    early::take_all(|record| {
        if record.level >= SAID {
            say_captured(record.level, record.site, record.target(), &record.captured);
        }
    });
}
