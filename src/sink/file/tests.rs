//! The file sink as a whole: rotation, files taken away, and (in `trouble`) files that cannot be written.

mod compressing;
mod encodings;
mod times;
mod trouble;

use std::fs::{self, File};
use std::path::PathBuf;

use super::*;
use crate::sink::Encoding;
use crate::sink::samples::record;

/// A folder of its own for a test, deleted with it.
pub(in crate::sink) struct Folder(PathBuf);

impl Folder {
    pub(in crate::sink) fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("shmlog-{test}-{}", std::process::id()));
        _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(in crate::sink) fn path(&self) -> &Path {
        &self.0
    }

    /// The names in it, ascending.
    pub(super) fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap();
        let name =
            |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = names.map(name).collect();
        names.sort();
        names
    }

    /// The text of all files in it, one after the other by name.
    fn text(&self) -> String {
        let read = |name: String| fs::read_to_string(self.0.join(name)).unwrap();
        self.names().into_iter().map(read).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn config(folder: &Folder) -> FileConfig {
    FileConfig {
        max_file_size: 1 << 30,
        backup_count: 1_000,
        ..FileConfig::new(folder.path(), "app")
    }
}

/// The sequence numbers of the records, `-` for the drainer's own.
fn sequences(text: &str) -> Vec<&str> {
    let begins = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
    let sequence = |line| str::split_once(line, '#').and_then(|(_, rest)| rest.split(' ').next());
    text.lines().filter(begins).filter_map(sequence).collect()
}

fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn log(sink: &mut FileSink, range: std::ops::Range<u64>) {
    for sequence in range {
        sink.record(&record(sequence, "a message\nof two lines"));
    }
}

fn open(config: FileConfig) -> Result<FileSink, OpenFileError> {
    FileSink::open(config, Box::new(|_| {}))
}

#[test]
fn records_go_on_in_new_files_whole_and_in_order() {
    let folder = Folder::new("rotation");
    let mut sink = open(FileConfig {
        max_file_size: 1_000,
        ..config(&folder)
    })
    .unwrap();
    for batch in 0..10 {
        log(&mut sink, batch * 20..batch * 20 + 20);
        sink.commit().unwrap();
        assert!(sink.settled());
    }
    assert!(folder.names().len() > 20);
    for name in folder.names() {
        let text = fs::read_to_string(folder.path().join(&name)).unwrap();
        assert!(
            text.len() <= 1_000 && text.ends_with("lines\n"),
            "{name}: {text}"
        );
        assert!(text.as_bytes()[0].is_ascii_digit());
    }
    assert_eq!(sequences(&folder.text()), numbers(0..200));
}

#[test]
fn a_record_larger_than_a_file_may_be_has_one_to_itself() {
    let folder = Folder::new("large");
    let mut sink = open(FileConfig {
        max_file_size: 500,
        ..config(&folder)
    })
    .unwrap();
    let large = "x".repeat(16 << 20);
    for (sequence, message) in ["a", &large, "b", "c"].into_iter().enumerate() {
        sink.record(&record(sequence as u64, message));
    }
    sink.commit().unwrap();
    assert_eq!(sequences(&folder.text()), numbers(0..4));
    let sizes: Vec<_> = folder
        .names()
        .iter()
        .map(|name| fs::metadata(folder.path().join(name)).unwrap().len() > 500)
        .collect();
    assert_eq!(sizes, [false, true, false]);
}

#[test]
fn no_more_files_remain_than_allowed_sessions_before_included() {
    let folder = Folder::new("retention");
    for session in 0..4 {
        let mut sink = open(FileConfig {
            max_file_size: 400,
            backup_count: 3,
            ..config(&folder)
        })
        .unwrap();
        log(&mut sink, session * 10..session * 10 + 10);
        sink.commit().unwrap();
        assert_eq!(folder.names().len(), 3);
        sink.finish(Duration::ZERO).unwrap();
    }
    let text = folder.text();
    assert_eq!(sequences(&text).last(), Some(&"39"));
}

#[test]
fn sessions_that_log_nothing_leave_no_file_and_push_none_out() {
    let folder = Folder::new("quiet");
    let session = |logged: std::ops::Range<u64>| {
        let mut sink = open(FileConfig {
            backup_count: 3,
            ..config(&folder)
        })
        .unwrap();
        log(&mut sink, logged);
        sink.finish(Duration::ZERO).unwrap();
        sink.place().unwrap()
    };
    session(0..1);
    session(1..2);
    let empty = [(); 10].map(|()| session(0..0))[9].clone();
    assert_eq!(folder.names().len(), 2);
    // Its drainer dies after that, before it has said that it ends.
    let nobody = &|_| None;
    let mut successor =
        FileSink::resume(config(&folder), Box::new(|_| {}), &empty, nobody).unwrap();
    assert_eq!(folder.names().len(), 3);
    successor.finish(Duration::ZERO).unwrap();
    session(2..3);
    assert_eq!(sequences(&folder.text()), numbers(0..3));
}

#[test]
fn an_empty_file_that_somebody_else_has_put_there_stays() {
    let folder = Folder::new("not ours");
    let mut sink = open(config(&folder)).unwrap();
    fs::remove_file(sink.path()).unwrap();
    fs::write(sink.path(), "").unwrap();
    sink.next_look = Instant::now() + Duration::from_secs(3600);
    sink.finish(Duration::ZERO).unwrap();
    assert_eq!(folder.names().len(), 1);
}

#[test]
fn a_session_never_deletes_the_file_another_one_writes() {
    let folder = Folder::new("sessions");
    let small = FileConfig {
        max_file_size: 200,
        backup_count: 2,
        ..config(&folder)
    };
    let mut idle = open(config(&folder)).unwrap();
    let mut busy = open(small).unwrap();
    log(&mut busy, 0..50);
    busy.commit().unwrap();
    log(&mut idle, 50..51);
    idle.commit().unwrap();
    assert_eq!(folder.names().len(), 2);
    assert_eq!(sequences(&folder.text()), ["50", "49"]);
}

#[test]
fn a_file_deleted_from_outside_is_followed_by_a_new_one_at_the_next_commit() {
    let folder = Folder::new("deleted");
    let mut sink = open(config(&folder)).unwrap();
    log(&mut sink, 0..3);
    sink.commit().unwrap();
    let lost = sink.path().to_owned();
    fs::remove_dir_all(folder.path()).unwrap();
    log(&mut sink, 3..5);
    sink.commit().unwrap();
    assert_eq!(sequences(&folder.text()), numbers(3..5));
    assert_eq!(sink.path().parent(), Some(folder.path()));
    let news = sink.take_news().join("\n");
    let expected = format!("{lost:?} was deleted from outside; records in it: 3;");
    assert!(news.contains(&expected), "{news}");
}

#[test]
fn a_file_renamed_from_outside_is_followed_by_a_new_one_when_looked_at() {
    let folder = Folder::new("renamed");
    let mut sink = open(config(&folder)).unwrap();
    log(&mut sink, 0..1);
    sink.commit().unwrap();
    fs::rename(sink.path(), folder.path().join("a.old")).unwrap();
    sink.next_look = Instant::now();
    log(&mut sink, 1..2);
    sink.commit().unwrap();
    assert_eq!(folder.names().len(), 2);
    assert_eq!(sequences(&folder.text()), numbers(0..2));
    assert_eq!(sequences(&fs::read_to_string(sink.path()).unwrap()), ["1"]);
    let news = sink.take_news().join("\n");
    assert!(
        news.contains("moved or replaced from outside; records in it: 1;"),
        "{news}"
    );
}

#[test]
fn a_file_replaced_from_outside_is_left_to_whoever_put_it_there() {
    let folder = Folder::new("replaced");
    let mut sink = open(config(&folder)).unwrap();
    let path = sink.path().to_owned();
    fs::rename(&path, folder.path().join("a.old")).unwrap();
    fs::write(&path, "").unwrap();
    sink.next_look = Instant::now();
    log(&mut sink, 0..1);
    sink.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"");
    assert_eq!(sequences(&fs::read_to_string(sink.path()).unwrap()), ["0"]);
}

#[test]
fn what_another_session_kept_from_pruning_is_pruned_later() {
    let folder = Folder::new("later");
    fs::write(folder.path().join(Names::new("app", ".log").at(0)), "old").unwrap();
    let other = File::open(folder.path()).unwrap();
    rustix::fs::flock(&other, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut sink = open(FileConfig {
        backup_count: 1,
        ..config(&folder)
    })
    .unwrap();
    assert_eq!(folder.names().len(), 2);
    drop(other);
    sink.commit().unwrap();
    assert_eq!(folder.names().len(), 1);
}

#[test]
fn old_files_that_cannot_be_deleted_are_told_by_name_and_once() {
    let folder = Folder::new("unpruned");
    let mut sink = open(config(&folder)).unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    sink.upkeep.tidy_due = true;
    let told = sink.commit().unwrap_err().to_string();
    assert!(
        told.contains("\"app\" in ") && told.contains("1000 may remain"),
        "{told}"
    );
    sink.commit().unwrap();
}

#[test]
fn a_program_of_any_name_logs_into_the_folder_and_nowhere_else() {
    let folder = Folder::new("program");
    let sink = open(FileConfig {
        program: "../..//x y".to_owned(),
        ..config(&folder)
    })
    .unwrap();
    assert_eq!(sink.path().parent(), Some(folder.path()));
    assert_eq!(folder.names().len(), 1);
}
