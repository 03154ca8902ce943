//! The words at the end: how the program ended, how much was logged and lost, and where the files are.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use shmlog::sink::SinkSpec;
use shmlog::{DropReason, FlushError, Stats};

use super::program::Program;
use crate::failure;
use crate::reading::files::Name;
use crate::show::harmless;

/// How long the sinks may take for what is left, before it is said that they have not.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Kinds of sinks whose place is a folder of files, by default this one.
const OF_FILES: &[&str] = &["file", "json", "logfmt", "mcap"];
const FOLDER: &str = "logs";

/// Says it, of the one that ended first and of the others. It need not be read.
pub fn say(
    first: &Program,
    others: &[&Program],
    flushed: Result<(), FlushError>,
    stats: &Stats,
    files: &[PathBuf],
) {
    let endings = [first].into_iter().chain(others.iter().copied());
    let endings: Vec<String> = endings.map(Program::ending).collect();
    // Of one program it is one line.
    let between = if others.is_empty() {
        "; "
    } else {
        "\nshmlog: "
    };
    let (endings, counted) = (endings.join(", then "), counted(stats));
    let mut text = format!("{endings}{between}{counted}");
    match files {
        [] => {}
        [file] => text += &format!("; in {}", file.display()),
        [first, more @ ..] => text += &format!("; in {} and {} more", first.display(), more.len()),
    }
    if let Err(error) = flushed {
        text += &format!("\nshmlog: {error}");
    }
    failure::tell(text);
}

/// Says why the others of a procfile end.
pub fn tell_others_end(first: &Program, grace: Duration) {
    let ending = first.ending();
    failure::tell(format!(
        "{ending}; the others get SIGTERM, and SIGKILL after {grace:?}"
    ));
}

fn counted(stats: &Stats) -> String {
    let records = if stats.delivered == 1 {
        "record"
    } else {
        "records"
    };
    let mut text = format!(
        "{} {records} logged, {} dropped, {} lost",
        stats.delivered, stats.dropped, stats.lost
    );
    if stats.drops.because(DropReason::RingFull) > 0 {
        text += &format!(
            " (the ring was full: more than {} --slots would help)",
            stats.slots
        );
    }
    text
}

/// The files that these sinks have written since then, in the order of their names.
pub fn files(sinks: &[SinkSpec], name: &str, since: SystemTime) -> Vec<PathBuf> {
    let of_files = sinks.iter().filter(|sink| OF_FILES.contains(&sink.kind()));
    let folders = of_files.map(|sink| Path::new(sink.place().unwrap_or(OsStr::new(FOLDER))));
    let mut files: Vec<PathBuf> = folders
        .flat_map(|folder| files_in(folder, name, since))
        .collect();
    files.sort();
    files.dedup();
    files
}

fn files_in(folder: &Path, name: &str, since: SystemTime) -> Vec<PathBuf> {
    // File times are those of the last tick of the kernel's clock.
    let since = since - Duration::from_millis(20);
    let is_of_now = |entry: &std::fs::DirEntry| {
        let is_its = is_of(&entry.file_name().to_string_lossy(), name);
        let new = || {
            entry
                .metadata()
                .is_ok_and(|of| of.is_file() && of.modified().is_ok_and(|at| at >= since))
        };
        is_its && new()
    };
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(is_of_now)
        .map(|entry| entry.path())
        .collect()
}

/// Whether a file's name is one of a log file of this program.
fn is_of(file: &str, name: &str) -> bool {
    // Logfmt is not read here, but it is called as text is.
    let plain = file.replace(".logfmt", ".log");
    Name::of(Path::new(&plain)).is_some_and(|of| stands_for(of.program(), name))
}

/// In a file's name `_` stands for what might not stand there, and what would be too long is cut off.
fn stands_for(shown: &str, name: &str) -> bool {
    const CUT: usize = 200;
    let mut own = name.chars();
    let fits = |(at, shown): (usize, char)| {
        own.next().is_some_and(|own| {
            let is_replaced = "/\\".contains(own)
                || own.is_whitespace()
                || harmless(own.encode_utf8(&mut [0; 4])).len() != own.len_utf8()
                || (at == 0 && ".-".contains(own));
            shown == own || (shown == '_' && is_replaced)
        })
    };
    shown.chars().enumerate().all(fits) && (own.next().is_none() || shown.len() > CUT)
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn a_programs_files_are_told_from_those_of_one_whose_name_begins_so() {
        let file = |program: &str| format!("{program}_20261122_174512_123456.log");
        assert!(is_of(&file("app"), "app"));
        assert!(is_of(&file("app_2"), "app_2"));
        assert!(!is_of(&file("app_2"), "app"));
        assert!(!is_of(&file("app"), "app_2"));
        assert!(!is_of("app_latest.log", "app"));
        assert!(is_of("app_20261122_174512_123456.logfmt.gz", "app"));
    }

    #[test]
    fn a_name_that_no_file_may_have_is_known_by_what_stands_for_it() {
        let file = |program: &str| format!("{program}_20261122_174512_123456.jsonl");
        for (shown, name) in [("_x", ".x"), ("a_b_c", "a/b c"), ("_b", "\u{202e}b")] {
            assert!(is_of(&file(shown), name), "{name:?}");
        }
        assert!(!is_of(&file("a_x"), "a.x"));
        let long = "long ".repeat(60);
        assert!(is_of(&file(&long.replace(' ', "_")[..210]), &long));
    }
}
