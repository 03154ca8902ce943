//! What a file is, by its first bytes; what is compressed is unpacked on the way.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::complaints::Complaints;
use super::lines::Reading;
use super::{Take, files, mcap};
use crate::failure::Failure;
use crate::show::note_read;

const GZIP: &[u8] = &[0x1f, 0x8b];
const MCAP: &[u8] = &[0x89, b'M', b'C', b'A', b'P'];

/// A file that was opened.
pub enum Source {
    /// Lines, which may become more; all, or only the last.
    Lines {
        reading: Box<Reading<File>>,
        is_whole: bool,
    },
    /// What is read from its beginning to its end.
    Packed(Packed),
}

/// A compressed file, or MCAP.
pub struct Packed {
    input: Box<dyn BufRead>,
    complaints: Complaints,
    /// MCAP; otherwise lines.
    is_mcap: bool,
}

/// Opens it. With `last` only the lines in its last bytes, so many at the most, are wanted if it holds plain lines.
pub fn open(path: &Path, last: Option<u64>) -> Result<Source, Failure> {
    let complaints = Complaints::of(path);
    let failed = |error| Failure::new(format!("{} cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(Failure::new(format!(
            "{} is a folder; name its files",
            path.display()
        )));
    }
    let mut input = BufReader::new(Counted(file));
    let head = input.fill_buf().map_err(failed)?;
    if head.starts_with(GZIP) {
        let mut input = BufReader::new(MultiGzDecoder::new(input));
        // What is damaged from the first byte on is said when it is read.
        let is_mcap = input.fill_buf().is_ok_and(|head| head.starts_with(MCAP));
        return Ok(packed(input, complaints, is_mcap));
    }
    if head.starts_with(MCAP) {
        return Ok(packed(input, complaints, true));
    }
    if head.contains(&0) {
        return Err(Failure::new(format!(
            "{} is no log: lines of text or JSON, MCAP, and these compressed by gzip can be read",
            path.display()
        )));
    }
    if !input.get_ref().0.metadata().map_err(failed)?.is_file() {
        // A pipe does not go back to its beginning.
        return Ok(packed(input, complaints, false));
    }
    let head = input.buffer().to_vec();
    let Counted(mut file) = input.into_inner();
    let from = last.map_or(0, |last| {
        file.metadata()
            .map_or(0, |file| file.len())
            .saturating_sub(last)
    });
    // Or the first line would be left out where one begins right there.
    file.seek(SeekFrom::Start(from.saturating_sub(1)))
        .map_err(failed)?;
    let is_whole = from == 0;
    let mut reading = match is_whole {
        true => Reading::new(file, complaints),
        false => Reading::from_amid(file, complaints.behind(from)),
    };
    if !is_whole {
        reading.begin_with(&head);
    }
    reading.note_read = true;
    let reading = Box::new(reading);
    Ok(Source::Lines { reading, is_whole })
}

/// A file that is compressed or MCAP; notes what is read of it.
struct Counted(File);

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(buffer)?;
        note_read(count);
        Ok(count)
    }
}

/// Opens a file that was listed a moment ago; `None` if it has gone since. If it was compressed meanwhile that is opened.
pub fn open_listed(path: &Path, last: Option<u64>) -> Result<Option<Source>, Failure> {
    if path.exists() {
        return open(path, last).map(Some);
    }
    let packed = files::packed(path);
    match packed.exists() {
        true => open(&packed, last).map(Some),
        false => Ok(None),
    }
}

fn packed(input: impl BufRead + 'static, complaints: Complaints, is_mcap: bool) -> Source {
    Source::Packed(Packed {
        input: Box::new(input),
        complaints,
        is_mcap,
    })
}

impl Packed {
    /// Hands on all of it.
    pub fn read(self, take: &mut Take<'_>) -> ControlFlow<()> {
        let Packed {
            mut input,
            mut complaints,
            is_mcap,
        } = self;
        if is_mcap {
            return mcap::read(&mut input, &mut complaints, take);
        }
        let mut lines = Reading::new(input, complaints);
        read_lines(&mut lines, take)
    }
}

impl Source {
    /// Whether it is all of the file.
    pub fn is_whole(&self) -> bool {
        match self {
            Source::Lines { is_whole, .. } => *is_whole,
            Source::Packed(_) => true,
        }
    }

    /// Hands on what there is. Of lines that are to be followed the reading is returned, for what comes.
    pub fn read(
        self,
        follow: bool,
        take: &mut Take<'_>,
    ) -> (ControlFlow<()>, Option<Box<Reading<File>>>) {
        match self {
            Source::Lines { mut reading, .. } if follow => {
                let flow = read_whole_lines(&mut reading, take);
                (flow, Some(reading))
            }
            Source::Lines { mut reading, .. } => (read_lines(&mut reading, take), None),
            Source::Packed(packed) => (packed.read(take), None),
        }
    }
}

/// Hands on all lines that are whole; the last record too, if no line is begun that may belong to it.
fn read_whole_lines<R: Read>(reading: &mut Reading<R>, take: &mut Take<'_>) -> ControlFlow<()> {
    match reading.read_on(take) {
        Ok((_, flow)) => flow?,
        Err(error) => reading.complain(&format!("cannot be read from here on: {error}")),
    }
    match reading.is_at_line() {
        true => reading.rest(take),
        false => ControlFlow::Continue(()),
    }
}

/// Hands on all lines, up to the end or to where they cannot be read.
fn read_lines<R: Read>(reading: &mut Reading<R>, take: &mut Take<'_>) -> ControlFlow<()> {
    match reading.read_on(take) {
        Ok((_, flow)) => flow?,
        Err(error) => reading.complain(&format!("cannot be read from here on: {error}")),
    }
    reading.finish(take)
}
