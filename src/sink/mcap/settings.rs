//! The settings of a sink of MCAP files.

use std::path::PathBuf;

use super::{ENDING, Format, McapSink};
use crate::sink::SinkSpec;
use crate::sink::SpecError;
use crate::sink::file::options::{FileOptions, GZIP, SYNC, file_setters};
use crate::sink::kinds::{self, Files, Opened, Opening, SinkKind, Uses};
use crate::sink::spec::{Common, common_setters};

const COMPRESSION: &str = "compression";
const TOPIC: &str = "topic";
/// Of the options for files, what is done to log files of text.
const FOR_TEXT: [&str; 2] = [GZIP, SYNC];

/// How the chunks of an MCAP file are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// With zstd, at its fastest level: the smallest files.
    #[default]
    Zstd,
    /// With lz4: larger files, which readers unpack faster.
    Lz4,
    /// Not at all.
    None,
}

impl Compression {
    const ALL: [Compression; 3] = [Compression::Zstd, Compression::Lz4, Compression::None];

    /// As it stands in the file.
    pub(super) const fn method(self) -> &'static str {
        match self {
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
            Compression::None => "",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            some => some.method(),
        }
    }
}

/// Settings of a sink that writes MCAP files, which Foxglove and Lichtblick show in their log panels: each record is a
/// message `foxglove.Log` (protobuf) on one topic.
///
/// Files are called `{program}_{YYYYmmdd_HHMMSS_micros}.mcap`, in local time. As text:
/// `mcap:logs?compression=lz4&topic=/log&max_size=1G&keep=10`, with the options of [`TextFile`](crate::sink::TextFile) but for
/// `gzip` and `sync`; a file of an hour or a day may begin with what was logged a moment before that. Feature `mcap`.
///
/// In a message `name` is the process, and behind a `/` the target if the statement has one of its own (not its module
/// path); `message` is the text with the spans before it and the key-values behind it, as in the text file. The levels are
/// those of Foxglove, where [`Trace`](crate::Level::Trace) is `DEBUG` and [`Critical`](crate::Level::Critical) `FATAL`. The
/// message's `sequence` is that of the record (its low 32 bits; 0 for the log's own words), its times are the record's.
///
/// Whatever reads MCAP from its beginning finds all records in a file that was left when everything was killed, and in one
/// that is being written (who reads at the very moment at which messages are moved into a chunk has to read again). A file gets
/// its index and summary at its end, or when the program next logs into the folder.
///
/// ```
/// use shmlog::sink::{Compression, Mcap};
/// # let folder = std::env::temp_dir().join(format!("shmlog-doc-mcap-{}", std::process::id()));
/// let robot = Mcap::new(&folder).compression(Compression::Lz4).topic("/robot/log").keep(5);
/// # let builder = shmlog::ShmLogger::builder().console(false);
/// let logger = builder.sink(robot).init_parent()?;
/// # drop(logger); std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "settings do nothing until they are given to Builder::sink()"]
pub struct Mcap {
    folder: PathBuf,
    compression: Compression,
    topic: String,
    files: FileOptions,
    common: Common,
}

common_setters!(Mcap);
file_setters!(kept Mcap);

impl Mcap {
    /// Files in this folder, which is made if missing; relative to the parent's working directory.
    pub fn new(folder: impl Into<PathBuf>) -> Mcap {
        Mcap {
            folder: folder.into(),
            compression: Compression::default(),
            topic: "/log".to_owned(),
            files: FileOptions::default(),
            common: Common::default(),
        }
    }

    /// Sets how chunks are compressed. Default: [`Compression::Zstd`].
    pub fn compression(mut self, compression: Compression) -> Mcap {
        self.compression = compression;
        self
    }

    /// Sets the topic of the messages, which all processes share: the log panel shows one topic at a time, and tells
    /// processes apart by `name`. Not empty. Default: `/log`.
    pub fn topic(mut self, topic: impl Into<String>) -> Mcap {
        self.topic = topic.into();
        self
    }
}

impl From<Mcap> for SinkSpec {
    fn from(mcap: Mcap) -> SinkSpec {
        let spec = SinkSpec::new(Mcap::NAME).at(mcap.folder);
        let spec = spec.option(COMPRESSION, mcap.compression.name());
        let spec = spec.option(TOPIC, mcap.topic);
        mcap.common.put(mcap.files.put(spec))
    }
}

impl SinkKind for Mcap {
    const NAME: &'static str = "mcap";

    fn parse(spec: &SinkSpec) -> Result<Mcap, SpecError> {
        let of_files = FileOptions::OPTIONS.iter().copied();
        let of_files = of_files.filter(|option| !FOR_TEXT.contains(option));
        let known: Vec<&str> = [COMPRESSION, TOPIC].into_iter().chain(of_files).collect();
        spec.allow(&known)?;
        let usual = Mcap::new(spec.folder_or("logs")?);
        let words = Compression::ALL.map(|known| (known.name(), known));
        let compression = spec.one_of(COMPRESSION, &words)?;
        let topic = spec.read(TOPIC, "a name, like /log", |text| {
            (!text.is_empty()).then(|| text.to_owned())
        })?;
        Ok(Mcap {
            compression: compression.unwrap_or(usual.compression),
            topic: topic.unwrap_or(usual.topic),
            files: FileOptions::of(spec)?,
            common: Common::of(spec),
            folder: usual.folder,
        })
    }

    fn uses(&self) -> Uses {
        Uses {
            files: Some(Files {
                folder: self.folder.clone(),
                ending: ENDING,
            }),
            ..Uses::default()
        }
    }

    fn open(self, opening: &Opening<'_>) -> Opened {
        let config = self.files.config(self.folder, opening);
        let format = Format {
            compression: self.compression,
            topic: self.topic,
        };
        let announce = opening.announce();
        let opened = match opening.go_on(|begun| McapSink::discard(&config, begun)) {
            Some(place) => McapSink::resume(config, format, announce, &place, opening.name_of),
            None => McapSink::open(config, format, announce),
        };
        kinds::opened(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_from_their_spec() {
        let settings = Mcap::new("/var/log")
            .compression(Compression::None)
            .topic("/a b");
        let settings = settings.max_size(7).keep(3).level("warn");
        let spec = SinkSpec::from(settings.clone());
        assert_eq!(Mcap::parse(&spec), Ok(settings));
        let text = "mcap:/var/log?compression=none&topic=/a%20b&max_size=7&keep=3&level=warn";
        assert_eq!(spec.to_string(), text);
        assert_eq!(Mcap::parse(&SinkSpec::new("mcap")), Ok(Mcap::new("logs")));
    }

    #[test]
    fn what_is_not_allowed_is_refused() {
        let refused = |text: &str| {
            let error = Mcap::parse(&text.parse().unwrap()).unwrap_err();
            (error.option, error.value)
        };
        let pair = |option: &str, value: &str| (option.to_owned(), value.to_owned());
        assert_eq!(
            refused("mcap:logs?compression=gzip"),
            pair("compression", "gzip")
        );
        assert_eq!(refused("mcap:logs?topic="), pair("topic", ""));
        assert_eq!(refused("mcap:logs?keep=0"), pair("keep", "0"));
        assert_eq!(refused("mcap:logs?max_size=0"), pair("max_size", "0"));
        assert_eq!(refused("mcap:logs?size=1"), pair("option", "size"));
        assert_eq!(refused("mcap:logs?gzip=on"), pair("option", "gzip"));
    }
}
