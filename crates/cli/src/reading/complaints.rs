//! What is wrong with a file, said on standard error: the first few things of each file, and how many more there were.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::failure::tell;

/// So many are said of one file.
const MOST: u64 = 3;

/// Says what is wrong with one file.
#[derive(Debug)]
pub struct Complaints {
    path: PathBuf,
    /// Line numbers are told from this byte of the file on.
    from: u64,
    said: u64,
}

impl Complaints {
    /// Of this file.
    pub fn of(path: &Path) -> Complaints {
        Complaints {
            path: path.to_owned(),
            from: 0,
            said: 0,
        }
    }

    /// Of a file that is read from this byte on, whose lines are numbered from there.
    pub fn behind(mut self, from: u64) -> Complaints {
        self.from = from;
        self
    }

    /// Of the line of this number, from 1.
    pub fn line(&mut self, number: u64, what: &str) {
        // Counted only now: most files are in order, and some are large.
        let before = match self.from {
            _ if self.said >= MOST => 0,
            from => lines_before(&self.path, from).unwrap_or(0),
        };
        self.say(&format!(":{}: {what}", before + number));
    }

    /// Of the file.
    pub fn file(&mut self, what: &str) {
        self.say(&format!(": {what}"));
    }

    fn say(&mut self, what: &str) {
        self.said += 1;
        if self.said <= MOST {
            tell(format!("{}{what}", self.path.display()));
        }
    }
}

/// Counts the lines before a byte.
fn lines_before(path: &Path, byte: u64) -> io::Result<u64> {
    if byte == 0 {
        return Ok(0);
    }
    let mut before = BufReader::new(File::open(path)?.take(byte));
    let mut lines = 0;
    loop {
        let chunk = before.fill_buf()?;
        if chunk.is_empty() {
            return Ok(lines);
        }
        lines += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        let length = chunk.len();
        before.consume(length);
    }
}

impl Drop for Complaints {
    fn drop(&mut self) {
        if let Some(more @ 1..) = self.said.checked_sub(MOST) {
            let path = self.path.display();
            tell(format!("{path}: and {more} more of that kind"));
        }
    }
}
