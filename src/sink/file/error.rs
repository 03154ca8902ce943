//! Why there is no log file.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why no log file could be opened.
#[derive(Debug)]
pub enum OpenFileError {
    /// The folder does not exist and cannot be made.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be made or locked.
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// All names of the next microseconds are taken.
    NoFreeName {
        /// The first of them.
        path: PathBuf,
    },
}

impl fmt::Display for OpenFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenFileError::Folder { folder, source } => write!(
                f,
                "cannot make the log folder {folder:?}: {source}; name one that this user may make with file_path()"
            ),
            OpenFileError::File { path, source } => write!(
                f,
                "cannot make the log file {path:?}: {source}; name a folder that this user may write with file_path()"
            ),
            OpenFileError::NoFreeName { path } => write!(
                f,
                "cannot make the log file {path:?}: its name and those of the microseconds behind it are taken; \
                 is the system's clock set right?"
            ),
        }
    }
}

impl std::error::Error for OpenFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenFileError::Folder { source, .. } | OpenFileError::File { source, .. } => {
                Some(source)
            }
            OpenFileError::NoFreeName { .. } => None,
        }
    }
}

impl From<OpenFileError> for io::Error {
    fn from(error: OpenFileError) -> io::Error {
        let kind = match &error {
            OpenFileError::Folder { source, .. } | OpenFileError::File { source, .. } => {
                source.kind()
            }
            OpenFileError::NoFreeName { .. } => io::ErrorKind::AlreadyExists,
        };
        io::Error::new(kind, error)
    }
}
