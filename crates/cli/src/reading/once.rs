//! Knows the records that came last, so that a record which stands in several files is handed on once.
//!
//! A program with a text sink and a JSON sink writes each record twice. Both files give it the same sequence and, to the
//! microsecond, the same time. What the drainer itself says has no sequence; its words tell it apart.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Piece;

/// How many records are remembered. Two sinks of one program are at most a batch apart; a stream of few records, read beside
/// one of many, is held back by its times.
const REMEMBERED: usize = 1 << 16;

/// Remembers the last records, and the stream that each came from.
#[derive(Default)]
pub struct Once {
    streams: HashMap<u64, usize>,
    order: VecDeque<u64>,
}

impl Once {
    /// Whether a piece of the stream of this number is new: no other stream has brought it. Lines that are no records always
    /// are.
    pub fn is_new(&mut self, stream: usize, piece: &Piece<'_>) -> bool {
        let Piece::Record(record) = piece else {
            return true;
        };
        let mut hasher = DefaultHasher::new();
        (record.sequence, record.time_ns.div_euclid(1_000)).hash(&mut hasher);
        if record.sequence.is_none() {
            record.message.hash(&mut hasher);
        }
        let identity = hasher.finish();
        if let Some(known) = self.streams.get(&identity) {
            return *known == stream;
        }
        self.streams.insert(identity, stream);
        self.order.push_back(identity);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.streams.remove(&oldest);
        }
        true
    }
}
