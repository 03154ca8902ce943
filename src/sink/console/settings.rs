//! The settings of the console.

use super::ConsoleSink;
use crate::sink::kinds::{Opened, Opening, SinkKind, Stdout, Uses};
use crate::sink::spec::{Common, common_setters};
use crate::sink::{SinkSpec, SpecError};

/// Settings of the console: records on standard output, coloured and aligned where that is a terminal. As text:
/// `console`.
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
    common: Common,
}

common_setters!(Console);

impl Console {
    /// The console as it is without settings.
    pub fn new() -> Console {
        Console::default()
    }
}

impl From<Console> for SinkSpec {
    fn from(console: Console) -> SinkSpec {
        console.common.put(SinkSpec::new(Console::NAME))
    }
}

impl SinkKind for Console {
    const NAME: &'static str = "console";

    fn parse(spec: &SinkSpec) -> Result<Console, SpecError> {
        spec.allow(&[])?;
        spec.allow_no_place()?;
        Ok(Console {
            common: Common::of(spec),
        })
    }

    fn uses(&self) -> Uses {
        Uses {
            stdout: Stdout::All,
            ..Uses::default()
        }
    }

    fn open(self, opening: &Opening<'_>) -> Opened {
        match ConsoleSink::stdout(opening.queue_bytes) {
            Ok(sink) => Ok(Box::new(sink)),
            Err(error) => Err(error.to_string()),
        }
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
    }

    #[test]
    fn a_console_has_no_place() {
        let error = Console::parse(&SinkSpec::new("console").at("logs")).unwrap_err();
        assert_eq!((&*error.option, &*error.value), ("place", "logs"));
    }
}
