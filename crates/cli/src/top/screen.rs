//! The terminal, and that it is never left broken: not on errors, panics or signals, and that nothing is left behind where
//! it goes away itself.
//!
//! When a terminal has been closed, the library that reads keys may never come back from it. So another thread looks
//! after the end: it asks for it, and if nothing comes of that, it ends the program.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ratatui::{DefaultTerminal, Frame};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::failure::{Failure, Outcome};

/// How often the guard looks.
const GUARDED_EACH: Duration = Duration::from_millis(200);
/// How long a look at the ring and a drawing may take when the end has been asked for.
const GRACE: Duration = Duration::from_secs(2);

/// The whole terminal, until dropped.
pub struct Screen {
    terminal: DefaultTerminal,
    /// The signal that asks for the end; zero if none.
    signal: Arc<AtomicUsize>,
}

impl Screen {
    /// Takes the terminal.
    pub fn open() -> Result<Screen, Failure> {
        let signal = Arc::new(AtomicUsize::new(0));
        for each in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
            signal_hook::flag::register_usize(each, Arc::clone(&signal), each as usize)?;
        }
        // It puts the terminal back on a panic, too.
        let terminal = ratatui::try_init().map_err(|error| {
            ratatui::restore();
            Failure::new(format!(
                "the terminal cannot be drawn on: {error}; --once prints one screen of text"
            ))
        })?;
        let guarded = Arc::clone(&signal);
        thread::Builder::new().spawn(move || guard(&guarded))?;
        Ok(Screen { terminal, signal })
    }

    /// Draws anew. The size is asked for each time.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame)) -> Result<(), Failure> {
        self.terminal.draw(draw)?;
        Ok(())
    }

    /// The signal that asks us to end, if one has come.
    pub fn signal(&self) -> Option<i32> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(signal as i32),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // One that is gone cannot be put back, and needs not to be.
        let _ = self.terminal.show_cursor();
        let _ = ratatui::try_restore();
    }
}

/// Waits for a signal or the terminal's end, and makes sure that the program ends of it.
fn guard(signal: &AtomicUsize) {
    while signal.load(Ordering::Relaxed) == 0 {
        if !std::io::stdout().is_terminal() {
            signal.store(SIGHUP as usize, Ordering::Relaxed);
        }
        thread::sleep(GUARDED_EACH);
    }
    thread::sleep(GRACE);
    let _ = ratatui::try_restore();
    let _ = end_by(signal.load(Ordering::Relaxed) as i32);
}

/// Ends as the signal would have done without us, so that the starter sees which it was.
pub fn end_by(signal: i32) -> Outcome {
    signal_hook::low_level::emulate_default_handler(signal)?;
    Ok(ExitCode::from(128 + signal as u8))
}
