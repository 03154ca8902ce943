//! The writing end of a FIFO, or of a character device, whose other end comes and goes.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

/// Opens what it writes to when there is something to write, and again when the reader went. A new reader begins with
/// a whole line: the rest of one whose beginning went to another is left out.
pub(super) struct Fifo {
    path: PathBuf,
    file: Option<File>,
    /// Whether it could not be opened when last tried.
    is_alone: Arc<AtomicBool>,
    /// The last byte written was no end of a line.
    amid_line: bool,
    /// The rest of the present line is to be left out.
    skips: bool,
}

impl Fifo {
    pub(super) fn new(path: PathBuf) -> Fifo {
        Fifo {
            path,
            file: None,
            is_alone: Arc::default(),
            amid_line: false,
            skips: false,
        }
    }

    /// Whether there is no reader; not known before it was tried.
    pub(super) fn is_alone(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_alone)
    }

    /// Never waits for a reader: that there is none is an error that passes.
    fn open(&self) -> io::Result<File> {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        self.is_alone.store(true, Ordering::Relaxed);
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(flags.bits() as i32)
            .open(&self.path);
        let file = opened.map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::NXIO) => self.refuse(&"no program has it open for reading"),
            _ => self.refuse(&error),
        })?;
        // It was one when the program began: another file in its place is not ours to write to.
        let kind = file.metadata()?.file_type();
        if !kind.is_fifo() && !kind.is_char_device() {
            return Err(self.refuse(&"it is neither a FIFO nor a device any more"));
        }
        // From here on to wait for a slow reader is this thread's whole purpose.
        fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
        self.is_alone.store(false, Ordering::Relaxed);
        Ok(file)
    }

    /// The kind is one that passes for the thread that writes, and that no write has.
    fn refuse(&self, why: &dyn Display) -> io::Error {
        let text = format!("{:?}: {why}; what is logged waits", self.path);
        io::Error::new(io::ErrorKind::ResourceBusy, text)
    }

    fn note_written(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.amid_line = *last != b'\n';
        }
    }
}

impl Write for Fifo {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.skips {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            self.skips = end.is_none();
            return Ok(end.map_or(bytes.len(), |end| end + 1));
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        match file.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.skips = std::mem::take(&mut self.amid_line);
                Err(self.refuse(&"its reader has gone, and what that had not read is lost"))
            }
            outcome => {
                self.file = Some(file);
                self.note_written(&bytes[..*outcome.as_ref().unwrap_or(&0)]);
                outcome
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
