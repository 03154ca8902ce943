//! Readers that are not there yet, go, come back, and are slow.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, pipe};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value as Json;

use super::*;
use crate::sink::samples::record;
use crate::sink::{Encoding, Sink};

/// Long enough for any machine that is not broken; reached by failing tests only.
const AGES: Duration = Duration::from_secs(60);

/// A FIFO that is gone when the test ends.
struct TestFifo(PathBuf);

impl TestFifo {
    fn new(test: &str) -> TestFifo {
        let path = std::env::temp_dir().join(format!("shmlog-{test}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        TestFifo(path)
    }

    fn sink(&self, queue_bytes: usize) -> PipeSink {
        let name = format!("json {:?}", self.0);
        PipeSink::at(name, Encoding::Json, &self.0, Some(queue_bytes)).unwrap()
    }

    fn reader(&self) -> BufReader<File> {
        BufReader::new(File::open(&self.0).unwrap())
    }
}

impl Drop for TestFifo {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn log(sink: &mut PipeSink, sequences: std::ops::Range<u64>) {
    for sequence in sequences {
        sink.record(&record(sequence, "a message"));
    }
}

/// Commits until the thread has said something.
fn said(sink: &mut PipeSink) -> String {
    loop {
        if let Err(error) = sink.commit() {
            return error.to_string();
        }
        std::thread::yield_now();
    }
}

fn object(reader: &mut impl BufRead) -> Json {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn only_what_has_a_reader_at_its_other_end_is_a_pipe() {
    let fifo = TestFifo::new("is");
    assert!(is_pipe(&fifo.0) && is_pipe("/dev/null".as_ref()));
    assert!(!is_pipe("/tmp".as_ref()) && !is_pipe("/no/such".as_ref()));
}

#[test]
fn what_is_logged_before_a_reader_comes_waits_for_it_and_that_is_said_once() {
    let fifo = TestFifo::new("early");
    let mut sink = fifo.sink(1 << 20);
    log(&mut sink, 0..3);
    let told = said(&mut sink);
    assert!(
        told.contains("no program has it open for reading"),
        "{told}"
    );
    log(&mut sink, 3..5);
    sink.commit().unwrap();
    // A flush does not wait for a reader that may never come.
    assert!(sink.settled() && sink.stream.waiting() > 0);
    let mut reader = fifo.reader();
    for sequence in 0..5 {
        assert_eq!(object(&mut reader)["seq"], sequence);
    }
    sink.finish(AGES).unwrap();
    assert!(sink.settled() && sink.take_news().is_empty());
}

#[test]
fn a_reader_that_comes_after_another_has_gone_begins_with_a_whole_line() {
    let fifo = TestFifo::new("next");
    let mut sink = fifo.sink(1 << 20);
    // Larger than a pipe: its writer stands amid the line when the reader goes.
    let large = "x".repeat(1 << 18);
    sink.record(&record(0, &large));
    log(&mut sink, 1..2);
    // That no reader is there yet may be told, or not.
    let _ = sink.commit();
    let mut reader = fifo.reader();
    reader.read_exact(&mut [0; 100]).unwrap();
    drop(reader);
    while !said(&mut sink).contains("its reader has gone") {}
    let mut reader = fifo.reader();
    assert_eq!(object(&mut reader)["seq"], 1);
    sink.finish(AGES).unwrap();
}

#[test]
fn a_file_in_the_place_of_a_fifo_is_not_written_to_wherever_a_link_leads() {
    let fifo = TestFifo::new("replaced");
    let mut sink = fifo.sink(1 << 20);
    let other = fifo.0.with_extension("other");
    std::fs::write(&other, "somebody's").unwrap();
    std::fs::remove_file(&fifo.0).unwrap();
    std::os::unix::fs::symlink(&other, &fifo.0).unwrap();
    log(&mut sink, 0..1);
    let told = said(&mut sink);
    assert!(told.contains("neither a FIFO nor a device"), "{told}");
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "somebody's");
    std::fs::remove_file(other).unwrap();
}

#[test]
fn a_fifo_that_is_not_there_is_told_with_what_the_system_says() {
    let fifo = TestFifo::new("gone");
    let mut sink = fifo.sink(1 << 20);
    std::fs::remove_file(&fifo.0).unwrap();
    log(&mut sink, 0..1);
    let told = said(&mut sink);
    assert!(told.contains("No such file"), "{told}");
}

#[test]
fn beyond_the_queue_records_are_counted_and_told_there_and_elsewhere() {
    let fifo = TestFifo::new("slow");
    let mut sink = fifo.sink(2_000);
    log(&mut sink, 0..1);
    said(&mut sink);
    log(&mut sink, 1..100);
    let told = said(&mut sink);
    assert!(told.contains("the queue of 2000 bytes is full"), "{told}");
    log(&mut sink, 100..101);
    sink.commit().unwrap();
    let mut reader = fifo.reader();
    sink.stream.writer.wait(AGES);
    log(&mut sink, 101..102);
    sink.commit().unwrap();
    let (mut kept, mut gap) = (0, String::new());
    loop {
        let object = object(&mut reader);
        match object["seq"].as_u64() {
            Some(101) => break,
            Some(number) => {
                assert_eq!(number, kept);
                kept += 1;
            }
            None => gap = object["message"].as_str().unwrap().to_owned(),
        }
    }
    let lost = 101 - kept;
    let expected =
        format!("{lost} records are missing here (worker-1[1234]: {lost}): no program read");
    assert!(kept > 3 && gap.starts_with(&expected), "{gap}");
    let news = sink.take_news().join("\n");
    assert!(
        news.contains(&format!("{lost} records are missing there")),
        "{news}"
    );
    assert!(sink.take_news().is_empty());
}

#[test]
fn finishing_with_nobody_to_read_ends_and_says_so() {
    let fifo = TestFifo::new("nobody");
    let mut sink = fifo.sink(1 << 20);
    log(&mut sink, 0..1);
    said(&mut sink);
    let refused = sink.finish(Duration::from_millis(1)).unwrap_err();
    assert!(
        refused.to_string().contains("no program reads the last"),
        "{refused}"
    );
}

#[test]
fn a_pipe_that_nobody_will_ever_read_again_is_told_once() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let name = "json -".to_owned();
    let mut sink =
        PipeSink::new(name, Encoding::Json, Box::new(writer), Arc::default(), None).unwrap();
    let mut refusals = Vec::new();
    // As in the console's tests: a process that is just being started may hold the reader for a moment.
    while refusals.is_empty() {
        log(&mut sink, 0..1);
        refusals.extend(sink.commit().err());
        sink.stream.writer.wait(AGES);
    }
    log(&mut sink, 1..3);
    sink.commit().unwrap();
    assert!(sink.settled() && sink.finish(AGES).is_ok());
    assert_eq!(refusals[0].kind(), io::ErrorKind::BrokenPipe);
}
