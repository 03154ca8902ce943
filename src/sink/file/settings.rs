//! The settings of a sink of text files.

use std::path::PathBuf;

use super::options::{FileOptions, file_setters};
use super::{FileConfig, FileSink};
use crate::sink::kinds::{self, Files, Opened, Opening, SinkKind, Uses};
use crate::sink::spec::{Common, common_setters};
use crate::sink::{Encoding, SinkSpec, SpecError};

/// Settings of a sink that writes text files, one line for a record, into a folder.
///
/// Files are called `{program}_{YYYYmmdd_HHMMSS_micros}.log`, after the time of their first record, in local time; of
/// files that follow one another the later one always has the name that sorts behind, even if the clock is set back. A
/// session that logs nothing leaves none, unless it is killed.
///
/// | setter | as text | |
/// |---|---|---|
/// | [`rotate`](TextFile::rotate), [`rotate_at`](TextFile::rotate_at) | `rotate=hourly`, `rotate=daily`, `rotate=daily@03:30` | a file for each hour or day |
/// | [`max_size`](TextFile::max_size) | `max_size=100M` | or as soon as one is full |
/// | [`keep`](TextFile::keep), [`keep_for`](TextFile::keep_for), [`keep_bytes`](TextFile::keep_bytes) | `keep=10`, `keep_for=7d`, `keep_bytes=10G` | how many stay, how long, how many bytes |
/// | [`gzip`](TextFile::gzip) | `gzip=on` | compress those that another follows |
/// | [`latest`](TextFile::latest) | `latest=on` | a link to the last |
/// | [`sync`](TextFile::sync) | `sync=100ms`, `sync=error` | force what is written onto the disk |
///
/// ```
/// use shmlog::sink::{Rotate, TextFile};
/// # let folder = std::env::temp_dir().join(format!("shmlog-doc-file-{}", std::process::id()));
/// let everything = TextFile::new(folder.join("all")).rotate(Rotate::Daily).keep(7).gzip(true);
/// # let builder = shmlog::ShmLogger::builder().console(false);
/// let logger = builder.sink(everything).init_parent()?;
/// # drop(logger); std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "settings do nothing until they are given to Builder::sink()"]
pub struct TextFile {
    folder: PathBuf,
    files: FileOptions,
    common: Common,
}

common_setters!(TextFile);
file_setters!(TextFile);

impl TextFile {
    /// Files in this folder, which is made if missing; relative to the parent's working directory.
    pub fn new(folder: impl Into<PathBuf>) -> TextFile {
        TextFile {
            folder: folder.into(),
            files: FileOptions::default(),
            common: Common::default(),
        }
    }
}

impl From<TextFile> for SinkSpec {
    fn from(file: TextFile) -> SinkSpec {
        let spec = SinkSpec::new(TextFile::NAME).at(file.folder);
        file.common.put(file.files.put(spec))
    }
}

impl SinkKind for TextFile {
    const NAME: &'static str = "file";

    fn parse(spec: &SinkSpec) -> Result<TextFile, SpecError> {
        spec.allow(FileOptions::OPTIONS)?;
        Ok(TextFile {
            folder: spec.folder_or("logs")?,
            files: FileOptions::of(spec)?,
            common: Common::of(spec),
        })
    }

    fn uses(&self) -> Uses {
        Uses {
            files: Some(Files {
                folder: self.folder.clone(),
                ending: Encoding::Text.ending(),
            }),
            ..Uses::default()
        }
    }

    fn open(self, opening: &Opening<'_>) -> Opened {
        open_files(self.folder, self.files, Encoding::Text, opening)
    }
}

/// Opens a sink of files, where a predecessor left it.
pub(in crate::sink) fn open_files(
    folder: PathBuf,
    files: FileOptions,
    encoding: Encoding,
    opening: &Opening<'_>,
) -> Opened {
    let config = FileConfig {
        encoding,
        ..files.config(folder, opening)
    };
    let announce = opening.announce();
    let opened = match opening.go_on(|begun| FileSink::discard(&config, begun)) {
        Some(place) => FileSink::resume(config, announce, &place, opening.name_of),
        None => FileSink::open(config, announce),
    };
    kinds::opened(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_from_their_spec() {
        let settings = TextFile::new("/var/log").max_size(7).keep(3).level("warn");
        let spec = SinkSpec::from(settings.clone());
        assert_eq!(TextFile::parse(&spec), Ok(settings));
        assert_eq!(
            spec.to_string(),
            "file:/var/log?max_size=7&keep=3&level=warn"
        );
        assert_eq!(
            TextFile::parse(&SinkSpec::new("file")),
            Ok(TextFile::new("logs"))
        );
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        let refused = |text: &str| {
            let error = TextFile::parse(&text.parse().unwrap()).unwrap_err();
            (error.option, error.value)
        };
        let pair = |option: &str, value: &str| (option.to_owned(), value.to_owned());
        assert_eq!(refused("file:"), pair("place", ""));
        assert_eq!(refused("file:logs?keep=0"), pair("keep", "0"));
        assert_eq!(refused("file:logs?max_size=0"), pair("max_size", "0"));
        assert_eq!(refused("file:logs?backup=1"), pair("option", "backup"));
    }
}
