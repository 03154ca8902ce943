//! Consoles that take nothing for a while: nobody is held up, and what is missing is told.

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
            // Without anybody to give tickets the gate stays open.
            Ok(None) | Err(_) => self.paper.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

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
    let sink = ConsoleSink::new(
        Box::new(gate),
        ConsoleConfig {
            queue_bytes,
            ..PLAIN
        },
    )
    .unwrap();
    Gated {
        sink,
        arrived,
        tickets,
        paper,
    }
}

#[test]
fn a_console_that_stands_still_holds_nobody_up_and_says_what_it_missed() {
    let Gated {
        mut sink,
        arrived,
        tickets,
        paper,
    } = gated(10_000);
    sink.record(&record(0, "first"));
    sink.commit().unwrap();
    arrived.recv_timeout(AGES).unwrap();
    for sequence in 1..1_000 {
        sink.record(&record(sequence, "one of many"));
        sink.commit().unwrap();
    }
    assert!(!sink.settled() && sink.waiting() < 11_000);
    drop(tickets);
    sink.finish(AGES).unwrap();
    assert!(sink.settled());
    let text = paper.text();
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
    let Gated {
        mut sink,
        arrived,
        tickets,
        paper,
    } = gated(1_000);
    for sequence in 0..50 {
        sink.record(&record(sequence, "before"));
        sink.commit().unwrap();
    }
    arrived.recv_timeout(AGES).unwrap();
    drop(tickets);
    assert_eq!(sink.writer.wait(AGES), 0);
    sink.record(&record(50, "after"));
    sink.commit().unwrap();
    sink.finish(AGES).unwrap();
    let text = paper.text();
    let last: Vec<_> = text.lines().rev().take(2).collect();
    assert!(
        last[0].contains("after") && last[1].contains("records are missing here"),
        "{text}"
    );
}

#[test]
fn finishing_gives_up_on_a_console_that_does_not_move() {
    let Gated {
        mut sink,
        arrived,
        tickets,
        ..
    } = gated(1_000);
    sink.record(&record(1, "x"));
    sink.commit().unwrap();
    arrived.recv_timeout(AGES).unwrap();
    let refused = sink.finish(Duration::from_millis(1)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    assert!(!sink.settled());
    drop(tickets);
}

#[test]
fn a_console_that_closes_with_records_missing_has_nothing_left_to_do() {
    let Gated {
        mut sink, tickets, ..
    } = gated(100);
    for sequence in 0..50 {
        sink.record(&record(sequence, "x"));
        sink.commit().unwrap();
    }
    tickets.send(Some(io::ErrorKind::BrokenPipe)).unwrap();
    sink.writer.wait(AGES);
    sink.commit().unwrap_err();
    assert!(sink.settled());
}

#[test]
fn a_full_disk_behind_a_redirection_is_told_once_and_waited_for() {
    let Gated {
        mut sink,
        arrived,
        tickets,
        paper,
    } = gated(1_000);
    sink.record(&record(1, "x"));
    sink.commit().unwrap();
    arrived.recv_timeout(AGES).unwrap();
    let mut refusals = vec![];
    for _ in 0..3 {
        tickets.send(Some(io::ErrorKind::StorageFull)).unwrap();
        // It has stored what went wrong before it comes again.
        arrived.recv_timeout(AGES).unwrap();
        refusals.extend(sink.commit().err());
    }
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].kind(), io::ErrorKind::StorageFull);
    drop(tickets);
    sink.finish(AGES).unwrap();
    assert_eq!(paper.text().lines().count(), 1);
}
