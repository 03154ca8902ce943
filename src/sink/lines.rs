//! What the settings of sinks for programs have in common: lines of some encoding go into files, into a pipe, or to
//! standard output.

use std::path::{Path, PathBuf};

use super::encoding::Encoding;
use super::file::{FileOptions, open_files};
use super::kinds::{Files, Opened, Opening, Stdout, Uses};
use super::stream::{PipeSink, is_pipe};
use super::{SinkSpec, SpecError};

/// Says that the place is a FIFO or a character device.
const PIPE: &str = "pipe";
/// The place that is standard output.
const STDOUT: &str = "-";

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    path: PathBuf,
    /// `None`: what is there says it.
    pub(super) pipe: Option<bool>,
}

impl Place {
    pub(super) fn new(path: impl Into<PathBuf>) -> Place {
        Place {
            path: path.into(),
            pipe: None,
        }
    }

    pub(super) fn stdout() -> Place {
        Place::new(STDOUT)
    }

    fn is_stdout(&self) -> bool {
        self.path == Path::new(STDOUT)
    }

    fn is_pipe(&self) -> bool {
        self.pipe.unwrap_or_else(|| is_pipe(&self.path))
    }

    /// As a spec says, and what it says of files if that is where they go.
    pub(super) fn of(spec: &SinkSpec) -> Result<(Place, FileOptions), SpecError> {
        let place = Place {
            path: spec.folder_or("logs")?,
            pipe: spec.switch(PIPE)?,
        };
        if place.is_stdout() {
            spec.allow(&[])?;
        } else if place.is_pipe() {
            spec.allow(&[PIPE])?;
        } else {
            spec.allow(&[FileOptions::OPTIONS, &[PIPE]].concat())?;
        }
        Ok((place, FileOptions::of(spec)?))
    }

    pub(super) fn put(self, kind: &str) -> SinkSpec {
        let spec = SinkSpec::new(kind).at(self.path);
        match self.pipe {
            Some(pipe) => spec.option(PIPE, if pipe { "on" } else { "off" }),
            None => spec,
        }
    }

    pub(super) fn uses(&self, encoding: Encoding) -> Uses {
        if self.is_stdout() {
            return Uses {
                stdout: Stdout::All,
                ..Uses::default()
            };
        }
        if self.is_pipe() {
            return Uses {
                pipe: Some(self.path.clone()),
                ..Uses::default()
            };
        }
        Uses {
            files: Some(Files {
                folder: self.path.clone(),
                ending: encoding.ending(),
            }),
            ..Uses::default()
        }
    }

    pub(super) fn open(
        self,
        kind: &str,
        encoding: Encoding,
        files: FileOptions,
        opening: &Opening<'_>,
    ) -> Opened {
        let name = format!("{kind} {}", self.path.display());
        let opened = if self.is_stdout() {
            PipeSink::stdout(name, encoding, opening.queue_bytes)
        } else if self.is_pipe() {
            PipeSink::at(name, encoding, &self.path, opening.queue_bytes)
        } else {
            return open_files(self.path, files, encoding, opening);
        };
        match opened {
            Ok(sink) => Ok(Box::new(sink)),
            Err(error) => Err(format!(
                "cannot open {kind}:{}: {error}; open it, and allow one more thread",
                self.path.display()
            )),
        }
    }
}

/// What the settings of a sink for programs can do: for a struct with the fields `place`, `files` and `common`.
macro_rules! lines_kind {
    ($settings:ident, $name:literal, $encoding:expr) => {
        crate::sink::spec::common_setters!($settings);
        crate::sink::file::file_setters!($settings);

        impl $settings {
            /// In files in this folder, which is made if missing; relative to the parent's working directory. Or if a FIFO
            /// or a character device is there, into that. `-` is standard output.
            pub fn new(place: impl Into<std::path::PathBuf>) -> $settings {
                $settings {
                    place: crate::sink::lines::Place::new(place),
                    files: crate::sink::file::FileOptions::default(),
                    common: crate::sink::spec::Common::default(),
                }
            }

            /// To standard output, which then is no console.
            pub fn stdout() -> $settings {
                $settings {
                    place: crate::sink::lines::Place::stdout(),
                    files: crate::sink::file::FileOptions::default(),
                    common: crate::sink::spec::Common::default(),
                }
            }

            /// Whether the place is a FIFO or a character device, though it may not be there yet. Default: what is there
            /// when the log begins.
            pub fn pipe(mut self, is_one: bool) -> $settings {
                self.place.pipe = Some(is_one);
                self
            }
        }

        impl From<$settings> for crate::sink::SinkSpec {
            fn from(settings: $settings) -> crate::sink::SinkSpec {
                let spec = settings.place.put($name);
                settings.common.put(settings.files.put(spec))
            }
        }

        impl crate::sink::kinds::SinkKind for $settings {
            const NAME: &'static str = $name;

            fn parse(spec: &crate::sink::SinkSpec) -> Result<$settings, crate::sink::SpecError> {
                let (place, files) = crate::sink::lines::Place::of(spec)?;
                Ok($settings {
                    place,
                    files,
                    common: crate::sink::spec::Common::of(spec),
                })
            }

            fn uses(&self) -> crate::sink::kinds::Uses {
                self.place.uses($encoding)
            }

            fn open(self, opening: &crate::sink::kinds::Opening<'_>) -> crate::sink::kinds::Opened {
                self.place.open($name, $encoding, self.files, opening)
            }
        }
    };
}
pub(super) use lines_kind;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::kinds::SinkKind;
    use crate::sink::{Json, Logfmt};

    #[test]
    fn settings_come_back_from_their_spec() {
        let cases = [
            (
                Json::new("logs").keep(3).level("warn"),
                "json:logs?keep=3&level=warn",
            ),
            (Json::stdout(), "json:-"),
            (
                Json::new("/run/robot").pipe(true),
                "json:/run/robot?pipe=on",
            ),
        ];
        for (settings, text) in cases {
            let spec = SinkSpec::from(settings.clone());
            assert_eq!(spec.to_string(), text);
            assert_eq!(Json::parse(&spec), Ok(settings));
        }
        assert_eq!(Json::parse(&SinkSpec::new("json")), Ok(Json::new("logs")));
        let spec = SinkSpec::from(Logfmt::stdout());
        assert_eq!(spec.to_string(), "logfmt:-");
        assert_eq!(Logfmt::parse(&spec), Ok(Logfmt::stdout()));
    }

    #[test]
    fn what_is_there_says_where_lines_go_unless_the_settings_do() {
        let uses = |text: &str| Json::parse(&text.parse().unwrap()).unwrap().uses();
        assert_eq!(uses("json:-").stdout, Stdout::All);
        assert_eq!(uses("json:/dev/null").pipe, Some("/dev/null".into()));
        assert_eq!(uses("json:/no/such?pipe=on").pipe, Some("/no/such".into()));
        let files = uses("json:/no/such").files.unwrap();
        assert_eq!((files.folder, files.ending), ("/no/such".into(), ".jsonl"));
    }

    #[test]
    fn what_only_files_have_is_refused_elsewhere() {
        let refused = |text: &str| {
            let error = Json::parse(&text.parse().unwrap()).unwrap_err();
            (error.option, error.value)
        };
        let pair = |option: &str, value: &str| (option.to_owned(), value.to_owned());
        assert_eq!(refused("json:-?keep=3"), pair("option", "keep"));
        assert_eq!(refused("json:/dev/null?gzip=on"), pair("option", "gzip"));
        assert_eq!(refused("json:logs?pipe=perhaps"), pair("pipe", "perhaps"));
        assert_eq!(refused("json:"), pair("place", ""));
    }
}
