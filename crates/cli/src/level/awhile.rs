//! A filter for a while: set back when the time is over, or when the command is told to end.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use shmlog::observe::Observer;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::failure::{self, Failure, Outcome};
use crate::show::harmless;

/// How often it looks whether it is to end.
const LOOKED_EACH: Duration = Duration::from_millis(50);

/// Waits, and sets the filter back from `now` to `before`.
pub fn set_back(observer: &Observer, before: &str, now: &str, time: Duration) -> Outcome {
    let signal = Arc::new(AtomicUsize::new(0));
    for each in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_usize(each, Arc::clone(&signal), each as usize)?;
    }
    failure::print(&format!("for {time:?}; Ctrl+C sets it back before\n"))?;
    let begun = Instant::now();
    // Relaxed: the number is all there is.
    while begun.elapsed() < time && signal.load(Ordering::Relaxed) == 0 && !observer.is_over() {
        std::thread::sleep(LOOKED_EACH.min(time));
    }
    let outcome = end(observer, before, now);
    match signal.load(Ordering::Relaxed) {
        0 => {}
        signal => signal_hook::low_level::emulate_default_handler(signal as i32)?,
    }
    outcome
}

fn end(observer: &Observer, before: &str, now: &str) -> Outcome {
    if observer.is_over() {
        failure::tell("the ring has ended meanwhile");
        return Ok(ExitCode::SUCCESS);
    }
    let present = observer.filter();
    if present != now {
        let (now, present) = (harmless(now), harmless(&present));
        return Err(Failure::new(format!(
            "the filter is not set back: it is {present} now, and no longer {now}"
        )));
    }
    observer.set_filter(before)?;
    failure::print(&super::changed(observer, now, &observer.filter()))
}
