//! A predecessor that was killed, and others who wrote into its file: at each moment, in each encoding.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::sink::file::tests::Folder;
use crate::sink::file::{FileConfig, FileSink};
use crate::sink::samples::record;
use crate::sink::{Encoding, FilePlace, Sink};

const MARK: &str = "a mark by another program\n";

fn config(folder: &Folder, encoding: Encoding) -> FileConfig {
    FileConfig {
        encoding,
        max_file_size: 1 << 30,
        ..FileConfig::new(folder.path(), "app")
    }
}

/// Writes at the end of a file, as `echo >>` does.
fn append(path: &PathBuf, text: &str) {
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// As `copytruncate` of logrotate does: returns what was there.
fn copy_and_truncate(path: &PathBuf) -> String {
    let text = fs::read_to_string(path).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(0).unwrap();
    text
}

/// A record of the text file has two lines.
fn log(sink: &mut FileSink, range: std::ops::Range<u64>) {
    range.for_each(|sequence| sink.record(&record(sequence, "a message\nof two lines")));
    sink.commit().unwrap();
}

/// A sink, its file, and where it was when it had written records 0 to 9.
struct Before {
    folder: Folder,
    encoding: Encoding,
    sink: FileSink,
    path: PathBuf,
    place: FilePlace,
}

impl Before {
    fn new(encoding: Encoding, test: &str) -> Before {
        let folder = Folder::new(&format!("foreign {test} {encoding:?}"));
        let mut sink = FileSink::open(config(&folder, encoding), Box::new(|_| {})).unwrap();
        log(&mut sink, 0..10);
        Before {
            path: sink.path().to_owned(),
            place: sink.place().unwrap(),
            folder,
            encoding,
            sink,
        }
    }

    /// The drainer is killed, and its successor writes what the checkpoint does not know of, and more.
    fn die_and_resume(self, from: u64, to: u64) -> String {
        drop(self.sink);
        let config = config(&self.folder, self.encoding);
        let mut sink = FileSink::resume(config, Box::new(|_| {}), &self.place, &|_| None).unwrap();
        log(&mut sink, from..to);
        sink.finish(Duration::ZERO).unwrap();
        fs::read_to_string(self.path).unwrap()
    }
}

/// The sequences of the records in a text, in order.
fn sequences(text: &str) -> Vec<u64> {
    let marks = [" #", "\"seq\":", " seq="];
    let sequence = |line: &str| {
        let rest = marks.iter().find_map(|mark| line.split_once(mark))?.1;
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        rest[..digits].parse().ok()
    };
    text.lines().filter_map(sequence).collect()
}

fn in_each_encoding(test: &str, play: impl Fn(Before)) {
    for encoding in Encoding::ALL {
        play(Before::new(encoding, test));
    }
}

fn assert_once(text: &str, range: std::ops::Range<u64>, marks: usize) {
    assert!(sequences(text).into_iter().eq(range), "{text}");
    assert_eq!(text.matches(MARK).count(), marks, "{text}");
    let whole = text.lines().filter(|line| *line == MARK.trim_end());
    assert_eq!(whole.count(), marks, "each is a line of its own: {text}");
}

#[test]
fn a_mark_before_the_checkpoint_costs_no_record() {
    in_each_encoding("before", |mut before| {
        append(&before.path, MARK);
        log(&mut before.sink, 10..12);
        before.place = before.sink.place().unwrap();
        log(&mut before.sink, 12..14);
        assert_once(&before.die_and_resume(12, 20), 0..20, 1);
    });
}

#[test]
fn a_mark_behind_the_checkpoint_stays_where_it_is_and_the_batch_comes_once() {
    in_each_encoding("behind", |mut before| {
        append(&before.path, MARK);
        log(&mut before.sink, 10..12);
        let text = before.die_and_resume(10, 20);
        assert_once(&text, 0..20, 1);
        assert!(
            sequences(text.split(MARK).next().unwrap())
                .into_iter()
                .eq(0..10)
        );
    });
}

#[test]
fn marks_behind_a_batch_that_did_not_make_it_stay_and_it_comes_once() {
    in_each_encoding("amid", |mut before| {
        log(&mut before.sink, 10..12);
        append(&before.path, MARK);
        log(&mut before.sink, 12..14);
        append(&before.path, MARK);
        let at = fs::read_to_string(&before.path).unwrap().find(MARK);
        let text = before.die_and_resume(10, 20);
        assert_once(&text, 0..20, 2);
        assert_eq!(text.find(MARK), at, "it has not moved: {text}");
    });
}

#[test]
fn a_mark_after_the_kill_stays() {
    in_each_encoding("after", |before| {
        append(&before.path, MARK);
        let text = before.die_and_resume(10, 20);
        assert_once(&text, 0..20, 1);
        assert!(
            sequences(text.split(MARK).next().unwrap())
                .into_iter()
                .eq(0..10)
        );
    });
}

#[test]
fn a_mark_without_an_end_gets_one_before_the_next_record() {
    in_each_encoding("no end", |mut before| {
        append(&before.path, MARK.trim_end());
        log(&mut before.sink, 10..12);
        assert_once(&before.die_and_resume(10, 20), 0..20, 1);
    });
}

#[test]
fn a_file_truncated_before_the_checkpoint_loses_no_record_but_those_that_were_copied() {
    in_each_encoding("truncated before", |mut before| {
        let copy = copy_and_truncate(&before.path);
        log(&mut before.sink, 10..12);
        before.place = before.sink.place().unwrap();
        log(&mut before.sink, 12..14);
        assert_once(&(copy + &before.die_and_resume(12, 20)), 0..20, 0);
    });
}

#[test]
fn a_file_truncated_between_checkpoint_and_kill_has_each_record_once() {
    in_each_encoding("truncated behind", |mut before| {
        let copy = copy_and_truncate(&before.path);
        append(&before.path, MARK);
        // Longer than the file was.
        log(&mut before.sink, 10..40);
        append(&before.path, MARK);
        log(&mut before.sink, 40..42);
        assert_once(&(copy + &before.die_and_resume(10, 50)), 0..50, 2);
    });
}

#[test]
fn a_file_truncated_after_the_kill_is_gone_on_with() {
    in_each_encoding("truncated after", |before| {
        let copy = copy_and_truncate(&before.path);
        append(&before.path, MARK);
        assert_once(&(copy + &before.die_and_resume(10, 20)), 0..20, 1);
    });
}

#[test]
fn a_file_that_somebody_has_edited_keeps_all_that_a_checkpoint_knows() {
    in_each_encoding("edited", |mut before| {
        log(&mut before.sink, 10..12);
        let text = fs::read_to_string(&before.path).unwrap();
        let mut file = File::options().write(true).open(&before.path).unwrap();
        file.write_all((MARK.to_owned() + &text).as_bytes())
            .unwrap();
        assert_once(&before.die_and_resume(10, 20), 0..20, 1);
    });
}

#[test]
fn what_was_written_of_a_record_when_its_drainer_was_killed_is_cut_off_or_struck_out() {
    for mark in [false, true] {
        in_each_encoding("torn", |mut before| {
            let whole = before.place.bytes as usize;
            log(&mut before.sink, 10..12);
            let text = fs::read_to_string(&before.path).unwrap();
            let length = text.len();
            // The kernel was amid the write.
            for cut in [whole + 1, whole + 40, length - 30, length - 1] {
                fs::write(&before.path, &text[..cut]).unwrap();
                if mark {
                    append(&before.path, &format!("\n{MARK}"));
                }
                let config = config(&before.folder, before.encoding);
                let place = &before.place;
                // The file has no lock as long as another one has it.
                before.sink.log.unlock();
                let mut sink =
                    FileSink::resume(config, Box::new(|_| {}), place, &|_| None).unwrap();
                log(&mut sink, 10..20);
                let text = fs::read_to_string(&before.path).unwrap();
                if !mark || cut >= whole + 60 {
                    assert_once(&text, 0..20, usize::from(mark));
                }
            }
        });
    }
}
