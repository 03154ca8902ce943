//! How a process leaves: not before what it has logged is written, where that would be the last moment.
//!
//! A parent that drops its logger waits always. One that ends without doing so leaves the rest to the drainer, which
//! outlives it. But with the first process of a pid namespace, as the program of a container is, the kernel ends all
//! others, the drainer too. So that one waits also in `exit`, and when it crashes, as far as a handler of ours is called.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::{HOLDER, Waiting};
use crate::drainer::Supervisor;
use crate::producer::{self, Attachment};
use crate::segment::process;
use crate::sync::Ordering;

/// How long a process that leaves waits for a drainer that does not move at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sees to it that this process waits in `exit` if it is the first of its namespace.
pub(super) fn expect() {
    static EXPECTED: OnceLock<()> = OnceLock::new();
    if process::is_first_of_its_namespace() {
        EXPECTED.get_or_init(|| process::at_exit(before_exit));
    }
}

extern "C" fn before_exit() {
    // Not in children made by fork, which have this hook too.
    if let Some(attachment) = attachment_of_first_process() {
        // Then it ends in order, as when the logger is dropped.
        // [holder] Acquire: what the holder has made is visible.
        let holds = HOLDER.load(Ordering::Acquire) == std::process::id();
        let supervisor = holds.then(Supervisor::current).flatten();
        let is_over = || supervisor.as_ref().is_some_and(Supervisor::is_over);
        deliver(attachment, supervisor.as_ref(), is_over);
    }
}

/// Waits until the last words of a crash are written, if no drainer will be there to do it later. Neither locks nor
/// allocates: for signal handlers.
pub(crate) fn wait_as_first_process() {
    if let Some(attachment) = attachment_of_first_process() {
        deliver(attachment, None, || attachment.segment.is_over());
    }
}

/// Also when the logger was dropped: other processes may have logged since, and end as well.
fn attachment_of_first_process() -> Option<&'static Attachment> {
    match process::is_first_of_its_namespace() {
        true => producer::current().or_else(producer::last_made),
        false => None,
    }
    // The drainer of a ring that this process was forked with may be elsewhere, and outlive it.
    .filter(|attachment| attachment.segment.is_of_another().is_none())
}

/// Waits until all that was logged before this call is written, or, asking it by its supervisor to end, until the drainer has
/// no more to do for this process, or until the drainer `is_over`: for as long as it moves.
pub(super) fn deliver(
    attachment: &Attachment,
    to_stop: Option<&Supervisor>,
    is_over: impl Fn() -> bool,
) {
    let segment = &attachment.segment;
    let target = attachment.ring.tail();
    let waiting = Waiting {
        segment,
        ring: attachment.ring,
    };
    let behind = || waiting.behind(target);
    let mut least = (behind(), Instant::now());
    loop {
        let done = match to_stop {
            Some(supervisor) => {
                // Again and again, should there be another drainer, or no room for the word before.
                supervisor.ask_to_stop();
                // When it has settled others still log; the drainer ends with the last of them.
                supervisor.has_settled() || (supervisor.is_mute() && behind() <= 0)
            }
            None => least.0 <= 0,
        };
        // Only what comes nearer counts as moving: any member may write the words.
        if behind() < least.0 && least.0 > 0 {
            least = (behind(), Instant::now());
        }
        if done || is_over() || least.1.elapsed() > PATIENCE {
            break;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}
