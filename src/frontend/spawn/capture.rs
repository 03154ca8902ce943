//! What is said of a foreign program beside its command: its name, where it prints to, how its lines say their level.

#[cfg(feature = "regex")]
use std::fmt;
use std::path::Path;
use std::process::Command;

#[cfg(feature = "regex")]
use super::severity::Levels;

/// A longer pattern is refused.
#[cfg(feature = "regex")]
const MOST_OF_PATTERN: usize = 4096;

/// How the output of a program is taken that [`ShmLogger::spawn_captured`](crate::ShmLogger::spawn_captured) starts.
///
/// ```
/// use shmlog::Capture;
/// let capture = Capture::new().name("camera").terminal(true);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Capture {
    name: Option<String>,
    pub(super) terminal: bool,
    pub(super) pattern: String,
}

impl Capture {
    /// Under the name of the program's file, through pipes.
    #[must_use]
    pub fn new() -> Capture {
        Capture::default()
    }

    /// The process name in its records.
    #[must_use]
    pub fn name(mut self, name: &str) -> Capture {
        self.name = Some(name.to_owned());
        self
    }

    /// Whether it prints to pseudo terminals, one for its standard output and one for its standard error, not into pipes.
    /// Then it writes line by line, and colours its text if it does so at all; colours are left out of its records.
    /// They have the size of this process's terminal, if there is one ([`Spawned::follow_terminal`](crate::Spawned)).
    ///
    /// The keys stay those of the terminal that it has without this: so do its standard input, Ctrl+C and `/dev/tty`. Which
    /// lines of standard error were written at once, a terminal does not tell.
    #[must_use]
    pub fn terminal(mut self, on: bool) -> Capture {
        self.terminal = on;
        self
    }

    /// A regular expression by which its lines say their level: the group `level` of a line that it matches is the
    /// name of one, or its first letter. Other lines say their level in the ways that are in use.
    ///
    /// # Errors
    /// If it is no regular expression, has no such group, or is longer than 4096 bytes.
    ///
    /// ```
    /// use shmlog::Capture;
    /// let capture = Capture::new().level_pattern(r"^\S+ (?<level>[DIWE])/")?;
    /// # Ok::<(), shmlog::PatternError>(())
    /// ```
    #[cfg(feature = "regex")]
    pub fn level_pattern(mut self, pattern: &str) -> Result<Capture, PatternError> {
        if pattern.is_empty() || pattern.len() > MOST_OF_PATTERN {
            let why = format!(
                "it has {} bytes; allowed: 1 to {MOST_OF_PATTERN}",
                pattern.len()
            );
            return Err(PatternError(why));
        }
        Levels::by(pattern).map_err(PatternError)?;
        pattern.clone_into(&mut self.pattern);
        Ok(self)
    }

    pub(super) fn name_of(&self, command: &Command) -> String {
        let program = Path::new(command.get_program());
        let file = || program.file_name().unwrap_or(program.as_os_str());
        let of_file = || file().to_string_lossy().into_owned();
        self.name.clone().unwrap_or_else(of_file)
    }
}

/// Why a regular expression says no levels.
#[cfg(feature = "regex")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

#[cfg(feature = "regex")]
impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(feature = "regex")]
impl std::error::Error for PatternError {}
