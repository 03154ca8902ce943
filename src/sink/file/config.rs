//! Where log files go, and how many, how large.

use std::path::PathBuf;

use super::name;

/// Where log files go, and how many and how large.
#[derive(Clone, Debug)]
pub struct FileConfig {
    /// Folder of the files; made if missing.
    pub folder: PathBuf,
    /// Name of the program, which begins the names of its files. What a file name may not hold becomes `_`.
    pub program: String,
    /// Bytes after which a new file is begun. Only a file of a single, larger record exceeds it.
    pub max_file_size: u64,
    /// Files of this program that may stay in `folder`, the open one included; 0 counts as 1.
    pub backup_count: usize,
    /// Bytes of lines kept in memory while the file cannot be written. The batch that meets the trouble
    /// is kept whole, however large.
    pub queue_bytes: usize,
}

impl FileConfig {
    /// The usual [`queue_bytes`](FileConfig::queue_bytes): 16 MiB.
    pub const QUEUE_BYTES: usize = 16 << 20;

    /// As the rest of the sink takes it for granted.
    pub(super) fn in_order(self) -> FileConfig {
        FileConfig {
            program: name::sanitise(&self.program),
            backup_count: self.backup_count.max(1),
            ..self
        }
    }
}
