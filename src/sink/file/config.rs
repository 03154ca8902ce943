//! Where log files go, when one follows another, and which of them stay.

use std::path::PathBuf;
use std::time::Duration;

use super::name::Names;
use crate::sink::Encoding;

/// When a new file is begun though the present one has room, in local time. `max_file_size`
/// holds beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotate {
    /// Never.
    #[default]
    Never,
    /// With the first record of an hour.
    Hourly,
    /// With the first record of a day; a day begins at midnight unless it is said otherwise.
    Daily,
}

/// When what is written is forced onto the disk (`fdatasync`). The process that writes the files never waits for
/// that; whatever the policy, a written file survives the death of every process, and only a crash of the machine
/// can take it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileSync {
    /// When the system sees fit: after half a minute or so.
    #[default]
    Never,
    /// So long after something was written: no more than that is lost.
    Every(Duration),
    /// After a batch with a record of [`Level::Error`](crate::Level::Error) or above, with all that was
    /// written before it.
    AtError,
}

/// Where log files go, when one follows another, and which of them stay.
#[derive(Clone, Debug)]
pub struct FileConfig {
    /// Folder of the files; made if missing.
    pub folder: PathBuf,
    /// Name of the program, which begins the names of its files. What a file name may not hold becomes `_`.
    pub program: String,
    /// How records are written down, which the files' names end with; other files are none of the sink's.
    pub encoding: Encoding,
    /// Bytes after which a new file is begun. Only a file of a single, larger record exceeds it.
    pub max_file_size: u64,
    /// When a new file is begun besides.
    pub rotate: Rotate,
    /// At what hour and minute of local time a day begins.
    pub rotate_at: (u8, u8),
    /// Files of this program that may stay in `folder`, the open one included; 0 counts as 1.
    pub backup_count: usize,
    /// Files that were last written longer ago than this go.
    pub keep_for: Option<Duration>,
    /// Bytes of all files of this program together beyond which the oldest go.
    pub keep_bytes: Option<u64>,
    /// Whether a file that another one follows is compressed (gzip). The last one of a session stays as it is.
    pub compress: bool,
    /// Whether there is a symbolic link `{program}_latest.log`, or the encoding's ending, to the file that was begun last.
    pub latest: bool,
    /// When what is written is forced onto the disk.
    pub sync: FileSync,
    /// Bytes of lines kept in memory while the file cannot be written. The batch that meets the trouble
    /// is kept whole, however large.
    pub queue_bytes: usize,
}

impl FileConfig {
    /// The usual [`queue_bytes`](FileConfig::queue_bytes): 16 MiB.
    pub const QUEUE_BYTES: usize = 16 << 20;

    /// Files that end at 100 MiB, of which ten stay, and nothing else.
    pub fn new(folder: impl Into<PathBuf>, program: impl Into<String>) -> FileConfig {
        FileConfig {
            folder: folder.into(),
            program: program.into(),
            encoding: Encoding::Text,
            max_file_size: 100 << 20,
            rotate: Rotate::Never,
            rotate_at: (0, 0),
            backup_count: 10,
            keep_for: None,
            keep_bytes: None,
            compress: false,
            latest: false,
            sync: FileSync::Never,
            queue_bytes: FileConfig::QUEUE_BYTES,
        }
    }

    /// As the rest of the sink takes it for granted.
    pub(super) fn in_order(self) -> FileConfig {
        FileConfig {
            backup_count: self.backup_count.max(1),
            ..self
        }
    }

    /// The names of its files.
    pub(super) fn names(&self) -> Names {
        Names::new(&self.program, self.encoding.ending())
    }
}
