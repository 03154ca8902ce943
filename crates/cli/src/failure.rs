//! How a command speaks and ends: what it prints, what is said of a failure, and the exit code.
//!
//! | code | what it means |
//! |---|---|
//! | 0 | done |
//! | 1 | it could not be done; standard error says what, and the way out; `doctor`: a check is bad |
//! | 2 | the arguments make no sense (clap's own code) |
//! | 126, 127 | `run`: the program cannot be executed, was not found |
//! | 128 + n | `run`: the program was ended by signal n; otherwise `run` ends with the program's own code |

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::show::harmless;

/// Why a command could not do what it was asked for. Its text names the thing and the way out.
#[derive(Debug)]
pub struct Failure {
    text: String,
    code: u8,
}

/// The exit code of a command that could not do what it was asked for.
const NOT_DONE: u8 = 1;
/// The exit code of a command whose arguments make no sense.
const SENSELESS: u8 = 2;

impl Failure {
    /// Of these words.
    pub fn new(text: impl Into<String>) -> Failure {
        Failure {
            text: text.into(),
            code: NOT_DONE,
        }
    }

    /// Of arguments that make no sense, whatever there is on this machine.
    pub fn of_arguments(text: impl Into<String>) -> Failure {
        Failure {
            text: text.into(),
            code: SENSELESS,
        }
    }

    /// What the library or the system said, with all that stands behind it.
    pub fn of(error: &dyn Error) -> Failure {
        let mut text = error.to_string();
        let mut behind = error.source();
        while let Some(error) = behind {
            // Some say themselves what is behind them.
            let said = error.to_string();
            if !text.contains(&said) {
                text += &format!(": {said}");
            }
            behind = error.source();
        }
        Failure::new(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::of(&error)
    }
}

/// What a command comes to: the exit code.
pub type Outcome = Result<ExitCode, Failure>;

/// Ends the program as its command did.
pub fn report(outcome: Outcome) -> ExitCode {
    outcome.unwrap_or_else(|failure| {
        let code = failure.code;
        tell(failure);
        ExitCode::from(code)
    })
}

/// Prints what was asked for. That its reader has gone is no failure.
pub fn print(text: &str) -> Outcome {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if !is_closed_pipe(&error) => Err(no_output(&error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Of standard output that cannot be written to.
pub fn no_output(error: &io::Error) -> Failure {
    Failure::new(format!("cannot write to standard output: {error}"))
}

/// Says a line on standard error. It need not be read: what was to be done is done all the same.
pub fn tell(words: impl fmt::Display) {
    // What it names may have been named by others.
    let lines: Vec<String> = words.to_string().lines().map(harmless).collect();
    // In one piece, so that what others say there does not come between.
    let text = format!("shmlog: {}\n", lines.join("\n"));
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Whether the reader of our output has gone (`shmlog tail | head`): that is no failure.
pub fn is_closed_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}
