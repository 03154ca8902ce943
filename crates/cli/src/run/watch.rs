//! From the start of the programs until all have ended: their signals, and the end of the others when one has ended.

use std::io;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGKILL, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::low_level::emulate_default_handler;

use super::program::{Place, Program};
use super::signals::{Caught, Signals};

/// Longer than anything runs; a timeout for when there is none.
const FOR_EVER: Duration = Duration::from_secs(1 << 31);

/// Waits for all; when one has ended the others are told to, and `tell` hears of it. Returns which one was the first.
pub fn until_all_ended(
    programs: &mut [Program],
    signals: &Signals,
    grace: Duration,
    tell: impl Fn(&Program),
) -> io::Result<usize> {
    let mut first = None;
    let mut deadline = None;
    while programs.iter().any(Program::runs) {
        let left = deadline.map_or(FOR_EVER, |at: Instant| {
            at.saturating_duration_since(Instant::now())
        });
        match signals.0.recv_timeout(left) {
            Ok(caught) if caught.is_of_child() => {
                look(programs)?;
                let ended = programs.iter().position(|program| !program.runs());
                if let (None, Some(ended)) = (first, ended) {
                    (first, deadline) = (Some(ended), Some(Instant::now() + grace));
                    if programs.iter().any(Program::runs) {
                        tell(&programs[ended]);
                    }
                    programs.iter().for_each(|program| program.send(SIGTERM));
                }
            }
            Ok(caught) => programs
                .iter_mut()
                .for_each(|program| pass_on(caught, program)),
            Err(RecvTimeoutError::Timeout) => {
                programs.iter().for_each(|program| program.send(SIGKILL));
                deadline = None;
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other(
                    "the thread that catches signals has ended",
                ));
            }
        }
    }
    Ok(first.unwrap_or(0))
}

/// Who has ended, and who was stopped: then so are we, that the shell shows its prompt.
fn look(programs: &mut [Program]) -> io::Result<()> {
    programs
        .iter_mut()
        .filter(|program| program.runs())
        .try_for_each(Program::look)?;
    // All are asked: each tells of it once.
    let stopped = programs
        .iter()
        .filter(|program| program.was_stopped())
        .count();
    if stopped > 0 {
        emulate_default_handler(SIGTSTP)?;
    }
    Ok(())
}

fn pass_on(caught: Caught, program: &mut Program) {
    // What the kernel told it of the size was true of our terminal, not yet of its own.
    let is_of_its_terminal = caught.number == SIGWINCH && program.follow_terminal();
    let has_not_had_it = match program.place {
        Place::OurGroup => caught.is_ours_alone(),
        Place::OwnGroup => caught.is_for_other_groups(),
    };
    if has_not_had_it || is_of_its_terminal {
        program.send(caught.number);
    }
}

/// Kills those that run, when not all could be started.
pub fn end_all(programs: &mut [Program]) {
    for program in programs {
        program.send(SIGKILL);
        while program.runs() && program.look().is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
