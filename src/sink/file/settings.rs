//! The settings of a sink of text files.

use std::path::PathBuf;

use super::{FileConfig, FileSink};
use crate::sink::kinds::{Files, Opened, Opening, SinkKind, Uses};
use crate::sink::spec::{Common, common_setters};
use crate::sink::{SinkSpec, SpecError};

const MAX_SIZE: &str = "max_size";
const KEEP: &str = "keep";

/// Settings of a sink that writes text files, one line for a record, into a folder.
///
/// Files are called `{program}_{YYYYmmdd_HHMMSS_micros}.log`, in local time. As text:
/// `file:logs?max_size=100M&keep=10`.
///
/// ```
/// use shmlog::sink::TextFile;
/// # let folder = std::env::temp_dir().join(format!("shmlog-doc-file-{}", std::process::id()));
/// let everything = TextFile::new(folder.join("all")).max_size(10 << 20).keep(5);
/// # let builder = shmlog::ShmLogger::builder().console(false);
/// let logger = builder.sink(everything).init_parent()?;
/// # drop(logger); std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "settings do nothing until they are given to Builder::sink()"]
pub struct TextFile {
    folder: PathBuf,
    max_size: u64,
    keep: u64,
    common: Common,
}

common_setters!(TextFile);

impl TextFile {
    /// Files in this folder, which is made if missing; relative to the parent's working directory.
    pub fn new(folder: impl Into<PathBuf>) -> TextFile {
        TextFile {
            folder: folder.into(),
            max_size: 100 << 20,
            keep: 10,
            common: Common::default(),
        }
    }

    /// Bytes after which a new file is begun; 1 at least. Only a single record that is longer makes a longer
    /// file. Default: 100 MiB.
    pub fn max_size(mut self, bytes: u64) -> TextFile {
        self.max_size = bytes;
        self
    }

    /// How many files of this program may remain in the folder, earlier sessions' included; 1 at least.
    /// The oldest are removed, but never one that a running session still writes. Default: 10.
    pub fn keep(mut self, files: u64) -> TextFile {
        self.keep = files;
        self
    }
}

impl From<TextFile> for SinkSpec {
    fn from(file: TextFile) -> SinkSpec {
        let spec = SinkSpec::new(TextFile::NAME).at(file.folder);
        let spec = spec.option(MAX_SIZE, file.max_size).option(KEEP, file.keep);
        file.common.put(spec)
    }
}

impl SinkKind for TextFile {
    const NAME: &'static str = "file";

    fn parse(spec: &SinkSpec) -> Result<TextFile, SpecError> {
        spec.allow(&[MAX_SIZE, KEEP])?;
        let folder = spec.folder_or("logs")?;
        let usual = TextFile::new(folder);
        Ok(TextFile {
            max_size: spec.bytes(MAX_SIZE, 1..)?.unwrap_or(usual.max_size),
            keep: spec.number(KEEP, 1..)?.unwrap_or(usual.keep),
            common: Common::of(spec),
            ..usual
        })
    }

    fn uses(&self) -> Uses {
        Uses {
            files: Some(Files {
                folder: self.folder.clone(),
                ending: ".log",
            }),
            ..Uses::default()
        }
    }

    fn open(self, opening: &Opening<'_>) -> Opened {
        let config = FileConfig {
            folder: self.folder,
            program: opening.program.to_owned(),
            max_file_size: self.max_size,
            backup_count: usize::try_from(self.keep).unwrap_or(usize::MAX),
            queue_bytes: opening.queue_bytes.unwrap_or(FileConfig::QUEUE_BYTES),
        };
        let announce = opening.announce();
        let opened = match opening.go_on(|begun| FileSink::discard(&config, begun)) {
            Some(place) => FileSink::resume(config, announce, &place, opening.name_of),
            None => FileSink::open(config, announce),
        };
        match opened {
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
