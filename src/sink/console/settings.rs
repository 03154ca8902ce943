//! The settings of the console.

use super::ConsoleSink;
use crate::level::Level;
use crate::sink::kinds::{self, Opened, Opening, SinkKind, Stdout, Uses};
use crate::sink::spec::{Common, common_setters};
use crate::sink::{SinkSpec, SpecError};

const STDERR: &str = "stderr";

/// Settings of the console: records on standard output, coloured and aligned where that is a terminal. As text:
/// `console`, or `console?stderr=warn`.
///
/// Columns are as wide as the terminal allows, long messages are wrapped under themselves, and numbers, quoted text, paths,
/// addresses and truth values stand out; each process has a colour of its own, the same in every run. What goes into a
/// pipe or a file is plain, unless `CLICOLOR_FORCE` is set; `NO_COLOR` forbids colours everywhere.
///
/// ```
/// use shmlog::{Level, ShmLogger, sink::Console};
///
/// let logger = ShmLogger::builder().sink(Console::new().level(Level::Error)).init_parent()?;
/// # drop(logger);
/// # Ok::<(), shmlog::InitError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "settings do nothing until they are given to Builder::sink()"]
pub struct Console {
    stderr: Option<Level>,
    common: Common,
}

common_setters!(Console);

impl Console {
    /// The console as it is without settings.
    pub fn new() -> Console {
        Console::default()
    }

    /// Sends records of this level and above to standard error in place of standard output. Between the two the order is
    /// that in which the terminal gets the lines; in each it is the log's. From [`Level::Trace`] on nothing goes to
    /// standard output, which another sink may have then.
    pub fn stderr(mut self, from: Level) -> Console {
        self.stderr = Some(from);
        self
    }
}

impl From<Console> for SinkSpec {
    fn from(console: Console) -> SinkSpec {
        let mut spec = SinkSpec::new(Console::NAME);
        if let Some(from) = console.stderr {
            spec = spec.option(STDERR, from.as_str().to_ascii_lowercase());
        }
        console.common.put(spec)
    }
}

impl SinkKind for Console {
    const NAME: &'static str = "console";

    fn parse(spec: &SinkSpec) -> Result<Console, SpecError> {
        spec.allow(&[STDERR])?;
        spec.allow_no_place()?;
        let levels = Level::ALL.map(|level| level.as_str().to_ascii_lowercase());
        let level = |text: &str| text.parse().ok();
        Ok(Console {
            stderr: spec.read(STDERR, levels.join(", "), level)?,
            common: Common::of(spec),
        })
    }

    fn uses(&self) -> Uses {
        Uses {
            stdout: match self.stderr {
                Some(Level::Trace) => Stdout::Nothing,
                _ => Stdout::All,
            },
            stderr: self.stderr.is_some(),
            ..Uses::default()
        }
    }

    fn open(self, opening: &Opening<'_>) -> Opened {
        kinds::opened(ConsoleSink::standard(self.stderr, opening.queue_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_from_their_spec() {
        let settings = Console::new().level("warn,imu=debug");
        let spec = SinkSpec::from(settings.clone());
        assert_eq!(spec.to_string(), "console?level=warn,imu=debug");
        assert_eq!(Console::parse(&spec), Ok(settings));
        let settings = Console::new().stderr(Level::Warn);
        let spec = SinkSpec::from(settings.clone());
        assert_eq!(spec.to_string(), "console?stderr=warn");
        assert_eq!(Console::parse(&spec), Ok(settings));
    }

    #[test]
    fn what_is_no_level_is_refused_with_those_that_there_are() {
        let error = Console::parse(&"console?stderr=high".parse().unwrap()).unwrap_err();
        assert_eq!((&*error.option, &*error.value), ("stderr", "high"));
        assert!(error.allowed.contains("warn, error"), "{error}");
    }

    #[test]
    fn a_console_has_no_place() {
        let error = Console::parse(&SinkSpec::new("console").at("logs")).unwrap_err();
        assert_eq!((&*error.option, &*error.value), ("place", "logs"));
    }
}
