//! Log files of which closed ones may be compressed and one may be linked: settings for them, and reading them back
//! with the system's own tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use shmlog::Builder;
use shmlog::sink::SinkSpec;

use crate::support::quiet;
use crate::trial::Ignored;

/// A quiet parent's settings with a file sink of these options.
pub fn with_files(folder: &str, options: &str) -> Builder {
    let spec = SinkSpec::new("file").at(folder).to_string();
    let spec: SinkSpec = format!("{spec}?{options}").parse().unwrap();
    quiet(folder).file(false).sink(spec)
}

pub fn need_gzip() -> Result<(), Ignored> {
    let tried = Command::new("gzip").arg("--version").output();
    tried.map_or(
        Err(Ignored("there is no gzip: install the package gzip")),
        |_| Ok(()),
    )
}

/// The names in a folder that are not links, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let mut names: Vec<_> = files
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub fn is_packed(name: &str) -> bool {
    name.ends_with(".log.gz")
}

/// The bytes of a file, unpacked by the system's gzip if it is compressed; that must find it whole.
pub fn text_of(path: &Path) -> String {
    if !is_packed(path.to_str().unwrap()) {
        return fs::read_to_string(path).unwrap();
    }
    let tested = Command::new("gzip").arg("-t").arg(path).status().unwrap();
    assert!(tested.success(), "{path:?} is not whole");
    let unpacked = Command::new("gzip").arg("-dc").arg(path).output().unwrap();
    String::from_utf8(unpacked.stdout).unwrap()
}

/// The bytes of all files, in order. Nothing else may be there, but for links, and no file twice.
pub fn text(folder: &Path) -> String {
    let names = names(folder);
    for name in &names {
        let is_log = name.ends_with(".log") || is_packed(name);
        assert!(is_log, "{name} is left in {names:?}");
        let twice = names.contains(&format!("{name}.gz"));
        assert!(!twice, "{name} is there twice: {names:?}");
    }
    names
        .iter()
        .map(|name| text_of(&folder.join(name)))
        .collect()
}

/// Where the link of a program leads; `None` when there is none.
pub fn latest(folder: &Path, program: &str) -> Option<PathBuf> {
    fs::read_link(folder.join(format!("{program}_latest.log"))).ok()
}
