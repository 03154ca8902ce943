//! Consoles that take nothing for a while: no process is held up, and what is missing is told.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// A console on which every write needs a ticket, and says before that it waits for one. What the ticket
/// says becomes of the write.
struct Gate {
    arrived: Sender<()>,
    tickets: Receiver<Option<io::ErrorKind>>,
    paper: Paper,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        _ = self.arrived.send(());
        match self.tickets.recv() {
            Ok(Some(kind)) => Err(kind.into()),
            // Without a giver of tickets the gate stays open.
            Ok(None) | Err(_) => self.paper.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink before such a console.
struct Gated {
    sink: ConsoleSink,
    arrived: Receiver<()>,
    tickets: Sender<Option<io::ErrorKind>>,
    paper: Paper,
}

fn gated(queue_bytes: usize) -> Gated {
    let (arrived_far, arrived) = channel();
    let (tickets, tickets_far) = channel();
    let paper = Paper::default();
    let gate = Gate {
        arrived: arrived_far,
        tickets: tickets_far,
        paper: paper.clone(),
    };
    let sink = ConsoleSink::new(PLAIN.on(gate), None, queue_bytes).unwrap();
    Gated {
        sink,
        arrived,
        tickets,
        paper,
    }
}

impl Gated {
    /// Hands over records one by one.
    fn log(&mut self, sequences: std::ops::Range<u64>, message: &str) {
        for sequence in sequences {
            self.sink.record(&record(sequence, message));
            self.sink.commit().unwrap();
        }
    }

    /// Waits until the console asks for a ticket.
    fn wait_for_a_write(&self) {
        self.arrived.recv_timeout(AGES).unwrap();
    }
}

#[test]
fn a_console_that_stands_still_holds_nobody_up_and_says_what_it_missed() {
    let mut gated = gated(10_000);
    gated.log(0..1, "first");
    gated.wait_for_a_write();
    gated.log(1..1_000, "one of many");
    assert!(!gated.sink.settled() && gated.sink.usual.stream.waiting() < 11_000);
    drop(gated.tickets);
    gated.sink.finish(AGES).unwrap();
    assert!(gated.sink.settled());
    let text = gated.paper.text();
    let kept = text.matches("one of many").count();
    let notice = format!(
        "[shmlog]            {} records are missing here (worker-1[1234]:",
        999 - kept
    );
    assert!(
        kept > 100 && text.lines().last().unwrap().contains(&notice),
        "{text}"
    );
}

#[test]
fn once_there_is_room_again_the_gap_is_told_and_records_go_on() {
    let mut gated = gated(1_000);
    gated.log(0..50, "before");
    gated.wait_for_a_write();
    drop(gated.tickets);
    assert_eq!(gated.sink.usual.stream.writer.wait(AGES), 0);
    gated.sink.record(&record(50, "after"));
    gated.sink.commit().unwrap();
    gated.sink.finish(AGES).unwrap();
    let text = gated.paper.text();
    let last: Vec<_> = text.lines().rev().take(2).collect();
    assert!(
        last[0].contains("after") && last[1].contains("records are missing here"),
        "{text}"
    );
}

#[test]
fn finishing_gives_up_on_a_console_that_does_not_move() {
    let mut gated = gated(1_000);
    gated.log(1..2, "x");
    gated.wait_for_a_write();
    let refused = gated.sink.finish(Duration::from_millis(1)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    assert!(!gated.sink.settled());
    drop(gated.tickets);
}

#[test]
fn a_console_that_closes_with_records_missing_has_nothing_left_to_do() {
    let mut gated = gated(100);
    gated.log(0..50, "x");
    gated.tickets.send(Some(io::ErrorKind::BrokenPipe)).unwrap();
    gated.sink.usual.stream.writer.wait(AGES);
    gated.sink.commit().unwrap_err();
    assert!(gated.sink.settled());
}

#[test]
fn a_full_disk_behind_a_redirection_is_told_once_and_waited_for() {
    let mut gated = gated(1_000);
    gated.log(1..2, "x");
    gated.wait_for_a_write();
    let mut refusals = vec![];
    for _ in 0..3 {
        gated
            .tickets
            .send(Some(io::ErrorKind::StorageFull))
            .unwrap();
        // It has stored what went wrong before it comes again.
        gated.wait_for_a_write();
        refusals.extend(gated.sink.commit().err());
    }
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].kind(), io::ErrorKind::StorageFull);
    drop(gated.tickets);
    gated.sink.finish(AGES).unwrap();
    assert_eq!(gated.paper.text().lines().count(), 1);
}
