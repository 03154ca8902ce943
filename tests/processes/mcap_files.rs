//! MCAP files as others read them: the reference reader (Python), and the crate `mcap`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mcap::MessageStream;
use mcap::read::Options;

use crate::trial::Ignored;

/// A message as the reference reader shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// 0 for the drainer's own words.
    pub sequence: u32,
    /// Nanoseconds since 1970, in the message's record and in the message.
    pub times: [u64; 2],
    pub level: String,
    pub name: String,
    pub file: String,
    pub line: u32,
    pub message: String,
}

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By its index, which must be right: so it must be complete.
    Index,
    /// From the beginning as far as it goes.
    Stream,
}

/// The interpreter with the reference reader.
pub fn python() -> Result<PathBuf, Ignored> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    match python.exists() {
        true => Ok(python),
        false => Err(Ignored(
            "the PyPI packages mcap, mcap-protobuf-support, zstandard and lz4 are missing: run tests/python/setup",
        )),
    }
}

/// The messages of a file, by the reference reader.
pub fn read(file: &Path, by: By) -> Result<Vec<Said>, Ignored> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/read_mcap.py");
    let how = match by {
        By::Index => "indexed",
        By::Stream => "cut",
    };
    let read = Command::new(python()?)
        .arg(script)
        .arg(how)
        .arg(file)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{file:?}: {complaint}");
    let text = String::from_utf8(read.stdout).unwrap();
    Ok(text.lines().map(said).collect())
}

/// The messages of all MCAP files in a folder, in the order of the files.
pub fn read_all(folder: &Path, by: By) -> Result<Vec<Said>, Ignored> {
    let mut all = Vec::new();
    for file in mcap_files(folder) {
        all.extend(read(&file, by)?);
    }
    Ok(all)
}

fn said(line: &str) -> Said {
    let fields: Vec<&str> = line.split('\t').collect();
    let [sequence, time, stamp, level, name, file, line, text] = fields[..] else {
        panic!("eight fields: {line:?}");
    };
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..text.len()).step_by(2).map(digits).collect();
    Said {
        sequence: sequence.parse().unwrap(),
        times: [time.parse().unwrap(), stamp.parse().unwrap()],
        level: level.to_owned(),
        name: name.to_owned(),
        file: file.to_owned(),
        line: line.parse().unwrap(),
        message: String::from_utf8(bytes).unwrap(),
    }
}

/// The sequences of a file that may end anywhere, by the crate `mcap`.
pub fn sequences(file: &Path) -> Vec<u32> {
    let bytes = fs::read(file).unwrap();
    let Ok(stream) = MessageStream::new_with_options(&bytes, Options::IgnoreEndMagic.into()) else {
        return Vec::new();
    };
    stream
        .map_while(Result::ok)
        .map(|message| message.sequence)
        .collect()
}

/// The texts of a file that may end anywhere, by the crate `mcap`.
pub fn messages(file: &Path) -> Vec<String> {
    let bytes = fs::read(file).unwrap();
    let Ok(stream) = MessageStream::new_with_options(&bytes, Options::IgnoreEndMagic.into()) else {
        return Vec::new();
    };
    let messages = stream.map_while(Result::ok);
    messages.map(|message| text_of(&message.data)).collect()
}

/// Field 3 of the protobuf message.
fn text_of(mut data: &[u8]) -> String {
    let varint = |data: &mut &[u8]| {
        let end = data.iter().position(|byte| byte & 0x80 == 0).unwrap();
        let (digits, rest) = data.split_at(end + 1);
        *data = rest;
        let mut digits = digits.iter().rev();
        digits
            .try_fold(0_u64, |number, digit| {
                Some(number << 7 | u64::from(digit & 0x7f))
            })
            .unwrap()
    };
    while !data.is_empty() {
        let key = varint(&mut data);
        match key & 7 {
            0 => _ = varint(&mut data),
            5 => data = &data[4..],
            _ => {
                let length = varint(&mut data) as usize;
                let (text, rest) = data.split_at(length);
                if key >> 3 == 3 {
                    return String::from_utf8(text.to_vec()).unwrap();
                }
                data = rest;
            }
        }
    }
    String::new()
}

/// The MCAP files in a folder, oldest first.
pub fn mcap_files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "mcap")
    });
    files.sort();
    files
}
