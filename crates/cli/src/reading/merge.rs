//! Several streams of records as one, in the order of their times and sequences, each record once.
//!
//! Each stream is read by a thread of its own, which is at most a few batches ahead: memory stays bounded however long the
//! files are. Within a stream the order stays what it was.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::Take;
use super::kept::Kept;
use super::once::Once;
use super::owned::Owned;
use crate::failure::Failure;

/// Pieces that travel together.
const BATCH: usize = 256;
/// Batches that wait to be merged, of each stream.
const WAITING: usize = 4;
/// Sequences order records whose times are closer than this; records further apart may be of two runs, each of which counts
/// from 0.
const ONE_RUN_NS: u64 = 1_000_000_000;

/// Reads one stream, the number of which is given, to its end.
pub type ReadStream<'r, T> = dyn Fn(usize, &mut Take<'_>) -> Result<T, Failure> + Sync + 'r;

/// Reads `streams` streams at once and hands their pieces to `take`. Returns what `read` has returned for each, or the first
/// failure, once all pieces have been handed on.
pub fn merge<T: Send>(
    streams: usize,
    read: &ReadStream<'_, T>,
    once: &mut Once,
    take: &mut Take<'_>,
) -> Result<Vec<T>, Failure> {
    if streams == 1 {
        return Ok(vec![read(0, take)?]);
    }
    thread::scope(|scope| {
        let (mut heads, mut threads) = (Vec::new(), Vec::new());
        for number in 0..streams {
            let (sender, receiver) = sync_channel(WAITING);
            heads.push(Head::new(receiver));
            threads.push(scope.spawn(move || send_all(number, read, &sender)));
        }
        while let Some(number) = first(&mut heads) {
            let Some(piece) = heads[number].next() else {
                continue;
            };
            let flow = piece.give(&mut |piece| match once.is_new(number, &piece) {
                true => take(piece),
                false => ControlFlow::Continue(()),
            });
            if flow.is_break() {
                break;
            }
        }
        // A thread that still sends finds that its receiver has gone, and ends.
        drop(heads);
        let ended = threads.into_iter().map(|thread| thread.join());
        ended
            .map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn send_all<T>(
    number: usize,
    read: &ReadStream<'_, T>,
    sender: &SyncSender<Vec<Kept>>,
) -> Result<T, Failure> {
    let mut batch = Vec::new();
    let outcome = read(number, &mut |piece| {
        batch.push(Kept::of(&piece));
        if batch.len() < BATCH {
            return ControlFlow::Continue(());
        }
        match sender.send(std::mem::take(&mut batch)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    // Nothing is missing if the receiver has gone: it wants no more.
    let _ = sender.send(batch);
    outcome
}

/// The next pieces of a stream.
struct Head {
    receiver: Receiver<Vec<Kept>>,
    batch: std::vec::IntoIter<Kept>,
    next: Option<Kept>,
}

impl Head {
    fn new(receiver: Receiver<Vec<Kept>>) -> Head {
        Head {
            receiver,
            batch: Vec::new().into_iter(),
            next: None,
        }
    }

    /// The next piece, which stays; waits until the stream has one. `None` at its end.
    fn peek(&mut self) -> Option<&Kept> {
        while self.next.is_none() {
            self.next = self.batch.next();
            if self.next.is_none() {
                self.batch = self.receiver.recv().ok()?.into_iter();
            }
        }
        self.next.as_ref()
    }

    fn next(&mut self) -> Option<Kept> {
        self.peek();
        self.next.take()
    }
}

/// The stream whose next piece comes first; `None` when all have ended.
fn first(heads: &mut [Head]) -> Option<usize> {
    let mut first: Option<(usize, &Kept)> = None;
    for (number, head) in heads.iter_mut().enumerate() {
        let Some(piece) = head.peek() else {
            continue;
        };
        if first.is_none_or(|(_, before)| order(piece, before) == Ordering::Less) {
            first = Some((number, piece));
        }
    }
    first.map(|(number, _)| number)
}

/// A line that is no record has no time: it follows what stood before it in its file.
fn order(one: &Kept, other: &Kept) -> Ordering {
    match (one, other) {
        (Kept::Record(one), Kept::Record(other)) => order_of_records(one, other),
        (Kept::Other(_), Kept::Record(_)) => Ordering::Less,
        (Kept::Record(_), Kept::Other(_)) => Ordering::Greater,
        (Kept::Other(_), Kept::Other(_)) => Ordering::Equal,
    }
}

fn order_of_records(one: &Owned, other: &Owned) -> Ordering {
    let is_near = one.time_ns.abs_diff(other.time_ns) < ONE_RUN_NS;
    match (one.sequence, other.sequence) {
        (Some(one), Some(other)) if is_near => one.cmp(&other),
        // Text files have microseconds.
        _ => (one.time_ns / 1_000).cmp(&(other.time_ns / 1_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Piece;
    use super::*;
    use proptest::prelude::*;

    /// Merges streams of sequences, a record each a millisecond, and returns the sequences in the order in which they came.
    fn merged(streams: &[Vec<u64>]) -> Vec<u64> {
        let mut all = Vec::new();
        let read = |number: usize, take: &mut Take<'_>| {
            for sequence in &streams[number] {
                let record = Owned {
                    sequence: Some(*sequence),
                    time_ns: *sequence as i64 * 1_000_000,
                    ..Owned::default()
                };
                if take(Piece::Record(&record.record())).is_break() {
                    break;
                }
            }
            Ok(number)
        };
        let ended = merge(streams.len(), &read, &mut Once::default(), &mut |piece| {
            if let Piece::Record(record) = piece {
                all.extend(record.sequence);
            }
            ControlFlow::Continue(())
        });
        let numbers: Vec<usize> = ended.unwrap_or_default();
        assert_eq!(numbers, (0..streams.len()).collect::<Vec<_>>());
        all
    }

    proptest! {
        #[test]
        fn streams_that_share_records_come_as_their_union_in_order(
            streams in prop::collection::vec(prop::collection::btree_set(0..3_000_u64, 0..900), 1..4)
        ) {
            let union: std::collections::BTreeSet<u64> = streams.iter().flatten().copied().collect();
            let streams: Vec<Vec<u64>> = streams.into_iter().map(|one| one.into_iter().collect()).collect();
            prop_assert_eq!(merged(&streams), union.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_reader_that_wants_no_more_ends_all_streams() {
        let read = |_: usize, take: &mut Take<'_>| {
            let mut given = 0_u64;
            while take(Piece::Other("on and on")).is_continue() {
                given += 1;
            }
            Ok(given)
        };
        let ended = merge(2, &read, &mut Once::default(), &mut |_| {
            ControlFlow::Break(())
        });
        assert_eq!(ended.unwrap_or_default().len(), 2);
    }

    #[test]
    fn a_stream_that_fails_does_not_keep_the_others_from_being_read() {
        let mut given = 0;
        let read = |number: usize, take: &mut Take<'_>| {
            let _ = take(Piece::Other("a line"));
            match number {
                0 => Err(Failure::new("it cannot be read")),
                _ => Ok(()),
            }
        };
        let ended = merge(2, &read, &mut Once::default(), &mut |_| {
            given += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(
            (ended.map_err(|failure| failure.to_string()), given),
            (Err("it cannot be read".to_owned()), 2)
        );
    }
}
