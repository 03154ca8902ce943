//! A drainer that the parent does not start: a service of the system does, by [`drain`](crate::drain()).
//!
//! ```text
//!   parent    makes the ring ─► leaves orders beside it ─► waits until the drainer works ─► goes on without watching over it
//!   service   finds the orders ─► starts a drainer with them, and another should it die ─► until the ring is gone
//! ```
//!
//! The orders are what a parent would tell its own drainer (`config.rs`), in a file beside the segment and of the same
//! rights, not in the segment: no member that scribbles over that can redirect where the log goes.

use std::fs;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::config::DrainerConfig;
use super::start::{self, RESTART_PAUSE, StartError, Supervisor};
use crate::segment::{self, Phase, Segment, private};

/// How long a parent waits for its drainer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often what happens elsewhere is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A drainer that lived longer than this did not fail at its start; the longest pause before the next.
const LONG: Duration = Duration::from_secs(2);
/// What the orders are called beside the ring.
const ORDERS: &str = "orders";
/// More bytes no orders have.
const MOST_BYTES: u64 = 1 << 20;

/// Leaves the orders for whoever drains the ring, and waits for it.
pub(crate) fn wait_for_drainer(
    segment: &'static Segment,
    config: &DrainerConfig,
) -> Result<Supervisor, StartError> {
    leave_orders(segment, config).map_err(StartError::Orders)?;
    let begin = Instant::now();
    loop {
        match segment.phase() {
            Phase::Starting if begin.elapsed() > PATIENCE => {
                return Err(StartError::Alone(config.program.clone()));
            }
            Phase::Starting => std::thread::sleep(LOOK_EVERY),
            Phase::Failed => return Err(StartError::Sink(segment.failure())),
            _ => break,
        }
    }
    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&over);
    let watch = move || {
        // Where it is cut off its words are not to be touched.
        let is_over = || segment.is_cut_off() || segment.is_over();
        while !is_over() && !start::has_been_removed(segment) {
            std::thread::sleep(LOOK_EVERY);
        }
        if !segment.is_cut_off() {
            segment.set_phase(Phase::Done);
        }
        told.store(true, Ordering::Release);
    };
    start::in_background(watch).map_err(StartError::Supervisor)?;
    Ok(Supervisor::of_others(over))
}

/// Whole, or not at all: it gets its name when it is written.
fn leave_orders(segment: &Segment, config: &DrainerConfig) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let (mut file, draft) = private::make(segment.name(), "draft")?;
    let written = file.write_all(config.encode().as_bytes());
    let named = written.and_then(|()| private::rename(&draft, segment.name(), ORDERS));
    named.inspect_err(|_| _ = fs::remove_file(&draft))
}

/// What the maker of the ring `name` has left for a drainer from outside; `None` if it has one of its own.
pub(crate) fn orders(name: &str) -> io::Result<Option<DrainerConfig>> {
    use std::os::unix::ffi::OsStringExt;
    let Some((file, _)) = private::find(name, ORDERS)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    let config = DrainerConfig::decode(&std::ffi::OsString::from_vec(bytes));
    match config.filter(|config| config.ring == name) {
        Some(config) => Ok(Some(config)),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged")),
    }
}

/// Starts a drainer for these orders, and another whenever it dies, until the ring is gone. Nothing is mapped here: who
/// has a ring mapped may be a member to come, and the drainer would wait for it.
pub(crate) fn serve(config: &DrainerConfig) -> io::Result<()> {
    let mut pause = RESTART_PAUSE;
    while segment::owner(&config.ring).is_some() {
        // One is at work that is not ours: of a service before us, or beside us.
        if matches!(segment::lock_for_draining(&config.ring), Ok(None)) {
            std::thread::sleep(RESTART_PAUSE);
            continue;
        }
        let begun = Instant::now();
        start::spawn(config)?.wait();
        if begun.elapsed() > LONG {
            pause = RESTART_PAUSE;
        } else if segment::owner(&config.ring).is_some() {
            std::thread::sleep(pause);
            pause = (2 * pause).min(LONG);
        }
    }
    Ok(())
}
