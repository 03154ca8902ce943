//! The queue of datagrams before receivers that are not there, stand still, come back or take too little at a time.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::*;
use crate::sink::samples::record;

/// How long anything may take before a test gives up. Never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends the message, all of which may be cut.
struct Plain;

impl Encode for Plain {
    fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) -> usize {
        out.extend_from_slice(record.message.as_bytes());
        0
    }
}

/// Where a socket may be, and is no more when the test ends.
struct Spot(PathBuf);

impl Spot {
    fn new(test: &str) -> Spot {
        let name = format!("shmlog-{test}-{}.socket", std::process::id());
        let spot = Spot(std::env::temp_dir().join(name));
        _ = fs::remove_file(&spot.0);
        spot
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn sink(&self, queue_bytes: usize) -> DatagramSink<Plain> {
        let address = Address::Path(self.0.clone());
        sink(address, TooLarge::Shorten, queue_bytes)
    }

    /// A receiver, in place of the one before.
    fn receiver(&self) -> UnixDatagram {
        _ = fs::remove_file(&self.0);
        let receiver = UnixDatagram::bind(&self.0).unwrap();
        receiver.set_read_timeout(Some(PATIENCE)).unwrap();
        receiver
    }
}

impl Drop for Spot {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

fn sink(address: Address, too_large: TooLarge, queue_bytes: usize) -> DatagramSink<Plain> {
    DatagramSink::open("test", address, too_large, Plain, Some(queue_bytes)).unwrap()
}

fn log(sink: &mut impl Sink, numbers: std::ops::Range<u64>) {
    for number in numbers {
        sink.record(&record(number, &format!("record {number}")));
    }
}

fn receive(receiver: &UnixDatagram) -> String {
    let mut bytes = vec![0; 1 << 20];
    let count = receiver.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..count].to_vec()).unwrap()
}

fn assert_receives(receiver: &UnixDatagram, numbers: std::ops::Range<u64>) {
    for number in numbers {
        assert_eq!(receive(receiver), format!("record {number}"));
    }
}

/// Asks until there is an answer.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// Commits until it says that something is wrong.
fn trouble(sink: &mut impl Sink) -> String {
    until("trouble", || sink.commit().err()).to_string()
}

/// Commits until there is something to say that is no trouble.
fn news(sink: &mut impl Sink) -> String {
    until("news", || {
        sink.commit().expect("trouble is told once");
        sink.take_news().pop()
    })
}

#[test]
fn what_is_logged_before_anybody_receives_waits_and_both_is_told_once() {
    let spot = Spot::new("before");
    let mut sink = spot.sink(1 << 20);
    log(&mut sink, 0..5);
    let told = trouble(&mut sink);
    let expected = "No such file or directory (os error 2); 5 records wait (40 bytes) in memory, which has room for \
                    1048576 bytes";
    assert_eq!(told, expected);
    log(&mut sink, 5..9);
    sink.commit().unwrap();
    assert!(!sink.settled());
    let receiver = spot.receiver();
    assert_receives(&receiver, 0..9);
    let name = spot.path().display();
    let over = format!(
        "test {name} takes records again: 9 records waited for that, and 0 more found no room to wait and are missing"
    );
    assert_eq!(news(&mut sink), over);
    assert!(sink.settled());
    assert_eq!((sink.take_lost(), sink.take_news().len()), (0, 0));
}

#[test]
fn a_receiver_that_is_started_anew_gets_what_was_logged_meanwhile() {
    let spot = Spot::new("anew");
    let mut sink = spot.sink(1 << 20);
    for round in 0..3 {
        let receiver = spot.receiver();
        log(&mut sink, round * 30..round * 30 + 10);
        // In the first round nothing is the matter.
        _ = sink.commit();
        // Those of the end of the round before, then these.
        let from = (round * 30).saturating_sub(20);
        assert_receives(&receiver, from..round * 30 + 10);
        if round > 0 {
            news(&mut sink);
        }
        drop(receiver);
        log(&mut sink, round * 30 + 10..round * 30 + 20);
        let told = trouble(&mut sink);
        assert!(told.starts_with("Connection refused"), "{told}");
        log(&mut sink, round * 30 + 20..round * 30 + 30);
        sink.commit().unwrap();
    }
}

#[test]
fn beyond_the_queue_records_are_counted_and_a_message_at_the_gap_says_whose() {
    let spot = Spot::new("beyond");
    let mut sink = spot.sink(80);
    log(&mut sink, 0..20);
    let told = trouble(&mut sink);
    assert!(told.contains("10 records wait (80 bytes)"), "{told}");
    let receiver = spot.receiver();
    assert_receives(&receiver, 0..10);
    let over = news(&mut sink);
    assert!(
        over.contains("10 records waited for that, and 10 more"),
        "{over}"
    );
    let gap = receive(&receiver);
    let expected = "10 records are missing here (worker-1[1234]: 10): ";
    assert!(gap.starts_with(expected), "{gap}");
    assert!(gap.ends_with("and the queue of 80 bytes was full"), "{gap}");
    assert_eq!(sink.take_lost(), 10);
    log(&mut sink, 20..25);
    sink.commit().unwrap();
    assert_receives(&receiver, 20..25);
}

#[test]
fn a_receiver_that_takes_nothing_holds_up_nobody_and_gets_all_when_it_does() {
    let spot = Spot::new("full");
    let receiver = spot.receiver();
    let mut sink = spot.sink(1 << 20);
    // More than any system lets wait in a socket.
    log(&mut sink, 0..20_000);
    sink.commit().unwrap();
    assert!(!sink.settled());
    assert_receives(&receiver, 0..20_000);
    sink.finish(PATIENCE).unwrap();
    assert!(sink.settled());
    assert_eq!(sink.take_lost(), 0);
}

#[test]
fn who_takes_nothing_while_records_go_missing_is_told_of() {
    let spot = Spot::new("still");
    let receiver = spot.receiver();
    let mut sink = spot.sink(20_000);
    log(&mut sink, 0..20_000);
    let told = trouble(&mut sink);
    assert!(told.starts_with("it takes nothing; "), "{told}");
    let lost = sink.take_lost();
    assert_receives(&receiver, 0..20_000 - lost);
    assert!(news(&mut sink).contains(&format!("and {lost} more")));
    let gap = receive(&receiver);
    assert!(
        gap.starts_with(&format!("{lost} records are missing here")),
        "{gap}"
    );
}

#[test]
fn a_record_larger_than_the_queue_is_taken_if_it_need_not_wait() {
    let spot = Spot::new("larger");
    let mut sink = spot.sink(100);
    let long = "x".repeat(500);
    sink.record(&record(0, &long));
    sink.record(&record(1, "no room"));
    let receiver = spot.receiver();
    _ = sink.commit();
    assert_eq!(receive(&receiver), long);
    until("all to be sent", || {
        _ = sink.commit();
        sink.settled().then_some(())
    });
    let gap = receive(&receiver);
    assert!(gap.starts_with("1 record is missing here"), "{gap}");
}

#[test]
fn in_a_stream_each_record_is_a_line_and_one_begun_begins_again_for_the_next_receiver() {
    let spot = Spot::new("stream");
    let listener = UnixListener::bind(spot.path()).unwrap();
    let mut sink = spot.sink(64 << 20);
    let long = "x".repeat(4 << 20);
    log(&mut sink, 0..3);
    // More than the kernel takes at once: a part is on its way when the receiver goes.
    sink.record(&record(3, &long));
    log(&mut sink, 4..6);
    sink.commit().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let mut stream = BufReader::new(stream);
    let mut text = String::new();
    for _ in 0..3 {
        stream.read_line(&mut text).unwrap();
    }
    assert_eq!(text, "record 0\nrecord 1\nrecord 2\n");
    stream.read_exact(&mut [0; 1000]).unwrap();
    drop((stream, listener));
    fs::remove_file(spot.path()).unwrap();
    trouble(&mut sink);
    let listener = UnixListener::bind(spot.path()).unwrap();
    let mut lines = BufReader::new(listener.accept().unwrap().0).lines();
    for expected in [&*long, "record 4", "record 5"] {
        assert!(lines.next().unwrap().unwrap() == *expected);
    }
    sink.finish(PATIENCE).unwrap();
}

#[test]
fn what_is_too_large_for_the_socket_is_cut_and_marked() {
    let spot = Spot::new("cut");
    let receiver = spot.receiver();
    let mut sink = spot.sink(64 << 20);
    let long = "ä€".repeat(1 << 20);
    sink.record(&record(0, &long));
    log(&mut sink, 1..2);
    sink.commit().unwrap();
    let cut = receive(&receiver);
    let text = cut.strip_suffix(" ‹cut off›").unwrap();
    assert!(text.len() > 10_000 && long.starts_with(text));
    assert_receives(&receiver, 1..2);
}

#[test]
fn over_udp_a_receiver_may_come_later_and_be_started_anew() {
    let bind = |port: u16| {
        let receiver = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        receiver.set_read_timeout(Some(PATIENCE)).unwrap();
        receiver
    };
    let first = bind(0);
    let port = first.local_addr().unwrap().port();
    drop(first);
    let address = Address::Udp(format!("127.0.0.1:{port}"));
    let mut sink = sink(address, TooLarge::Shorten, 1 << 20);
    for round in 0..3 {
        log(&mut sink, round * 20..round * 20 + 10);
        let told = trouble(&mut sink);
        assert!(told.starts_with("Connection refused"), "{told}");
        let receiver = bind(port);
        for number in round * 20..round * 20 + 10 {
            let mut bytes = [0; 100];
            let count = receiver.recv(&mut bytes).unwrap();
            assert_eq!(bytes[..count], *format!("record {number}").as_bytes());
        }
        news(&mut sink);
        log(&mut sink, round * 20 + 10..round * 20 + 20);
        sink.commit().unwrap();
        for number in round * 20 + 10..round * 20 + 20 {
            let mut bytes = [0; 100];
            let count = receiver.recv(&mut bytes).unwrap();
            assert_eq!(bytes[..count], *format!("record {number}").as_bytes());
        }
    }
    sink.finish(PATIENCE).unwrap();
}

#[test]
fn what_nobody_took_at_the_end_is_counted_and_said() {
    let spot = Spot::new("end");
    let mut sink = spot.sink(80);
    log(&mut sink, 0..20);
    // That there is no more room may be noticed first.
    while !trouble(&mut sink).starts_with("No such file") {}
    assert_eq!(sink.take_lost(), 10);
    let told = sink.finish(Duration::ZERO).unwrap_err().to_string();
    let expected = format!(
        "test {}: No such file or directory (os error 2); at its end 20 records are missing",
        spot.path().display()
    );
    assert_eq!(told, expected);
    assert_eq!(sink.take_lost(), 10);
}
