//! The flight recorder: records below a level are kept back, the last so many of them, and handed to the sinks only when
//! one at or above that level comes, in front of it.
//!
//! What is kept are copies in the drainer's memory, each in buffers that the next one takes over, so that nothing is
//! allocated for a record once the recorder is full.

use std::collections::VecDeque;

use super::delivery::bytes_of;
use crate::level::Level;
use crate::record::{Record, Values};

/// Bytes that are kept altogether; the oldest records go first, and one of more than half of that is not kept at all. They
/// are handed over at once, so they must find room in the queue of any sink.
pub(crate) const MOST_BYTES: usize = 4 << 20;
/// Buffers that are larger are not taken over: one huge record must not make all that come after it as large.
const SPARE_BYTES: usize = 2 << 10;

/// How many records are kept, and which level has them written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backtrace {
    pub(crate) records: usize,
    pub(crate) level: Level,
}

/// A copy of a record.
#[derive(Default)]
struct Kept {
    sequence: Option<u64>,
    late: bool,
    time_ns: i64,
    level: Option<Level>,
    pid: u32,
    tid: u32,
    target_is_module: bool,
    line: u32,
    origin: Option<u64>,
    /// Process, thread, target, file, scope, message and the keys of values, one behind the other, and where each ends.
    text: String,
    ends: [usize; 7],
    /// The kinds of the keys' values, and behind them the values.
    values: Vec<u8>,
    kinds: usize,
}

impl Kept {
    fn fill(&mut self, record: &Record<'_>) {
        let (keys, kinds, values) = record.values.parts();
        let texts = [
            record.process,
            record.thread,
            record.target,
            record.file,
            record.scope,
            record.message,
            keys,
        ];
        self.text.clear();
        for (end, text) in self.ends.iter_mut().zip(texts) {
            self.text.push_str(text);
            *end = self.text.len();
        }
        self.values.clear();
        self.values.extend_from_slice(kinds);
        self.kinds = kinds.len();
        self.values.extend_from_slice(values);
        (self.sequence, self.late) = (record.sequence, record.late);
        (self.time_ns, self.level) = (record.time_ns, Some(record.level));
        (self.pid, self.tid) = (record.pid, record.tid);
        (self.line, self.origin) = (record.line, record.origin);
        self.target_is_module = record.target_is_module;
    }

    fn record(&self) -> Record<'_> {
        let text = |part: usize| {
            let begin = part.checked_sub(1).map_or(0, |before| self.ends[before]);
            self.text.get(begin..self.ends[part]).unwrap_or("")
        };
        let (kinds, values) = self.values.split_at(self.kinds);
        Record {
            sequence: self.sequence,
            late: self.late,
            time_ns: self.time_ns,
            level: self.level.unwrap_or(Level::Error),
            process: text(0),
            pid: self.pid,
            thread: text(1),
            tid: self.tid,
            target: text(2),
            target_is_module: self.target_is_module,
            file: text(3),
            line: self.line,
            origin: self.origin,
            scope: text(4),
            message: text(5),
            values: Values::of_parts(text(6), kinds, values),
        }
    }

    /// The memory that it takes.
    fn bytes(&self) -> usize {
        size_of::<Kept>() + self.text.capacity() + self.values.capacity()
    }
}

/// The records that are kept back.
pub(super) struct Recorder {
    backtrace: Backtrace,
    kept: VecDeque<Kept>,
    bytes: usize,
    /// Buffers of a record that is kept no more.
    spare: Option<Kept>,
    /// Records that fell out.
    fallen: u64,
}

impl Recorder {
    pub(super) fn new(backtrace: Backtrace) -> Recorder {
        Recorder {
            backtrace,
            kept: VecDeque::new(),
            bytes: 0,
            spare: None,
            fallen: 0,
        }
    }

    /// Takes a record; `write` gets what is to be written now. Returns the bytes of those.
    pub(super) fn take(
        &mut self,
        record: &Record<'_>,
        mut write: impl FnMut(&Record<'_>),
    ) -> usize {
        if record.level < self.backtrace.level {
            self.keep(record);
            return 0;
        }
        let bytes = std::mem::take(&mut self.bytes);
        for kept in self.kept.drain(..) {
            write(&kept.record());
        }
        write(record);
        bytes
    }

    fn keep(&mut self, record: &Record<'_>) {
        // It would push out all others and then itself.
        if bytes_of(record) > MOST_BYTES / 2 {
            self.fallen += 1;
            return;
        }
        let mut new = self.spare.take().unwrap_or_default();
        new.fill(record);
        self.bytes += new.bytes();
        self.kept.push_back(new);
        while self.kept.len() > self.backtrace.records || self.bytes > MOST_BYTES {
            let Some(old) = self.kept.pop_front() else {
                break;
            };
            self.bytes -= old.bytes();
            self.fallen += 1;
            self.spare = Some(old).filter(|old| old.bytes() <= SPARE_BYTES);
        }
    }

    /// What it says in the end: how many were not written, if any.
    pub(super) fn last_words(&self) -> Option<String> {
        let count = self.fallen + self.kept.len() as u64;
        let level = self.backtrace.level;
        (count > 0).then(|| {
            format!("{count} records below {level} were kept back and not written, as the backtrace of {} asks", self.backtrace.records)
        })
    }

    /// What the successor of a killed drainer says.
    pub(super) fn first_words(&self) -> String {
        format!(
            "the drainer was killed, and with it what the backtrace kept back: up to {} records below {}",
            self.backtrace.records, self.backtrace.level
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples::{entry, values};
    use crate::sink::samples::record;

    fn taken(recorder: &mut Recorder, level: Level, sequence: u64, message: &str) -> Vec<String> {
        let mut written = Vec::new();
        let one = Record {
            level,
            ..record(sequence, message)
        };
        recorder.take(&one, |record| written.push(format!("{record:?}")));
        written
    }

    fn recorder(records: usize) -> Recorder {
        let level = Level::Error;
        Recorder::new(Backtrace { records, level })
    }

    #[test]
    fn the_last_so_many_come_in_front_of_what_calls_for_them_as_they_were() {
        let mut recorder = recorder(3);
        for n in 0..10 {
            assert!(taken(&mut recorder, Level::Info, n, &format!("m{n}")).is_empty());
        }
        let bytes = entry("robot", "g1");
        let full = Record {
            late: true,
            scope: "a:b",
            origin: Some(7),
            level: Level::Debug,
            values: values(&bytes),
            ..record(10, "two\nlines")
        };
        recorder.take(&full, |_| panic!("below the level"));
        let written = taken(&mut recorder, Level::Error, 11, "bang");
        let all = [(8, "m8"), (9, "m9")].map(|(n, text)| Record {
            level: Level::Info,
            ..record(n, text)
        });
        let bang = Record {
            level: Level::Error,
            ..record(11, "bang")
        };
        let expected: Vec<String> = [&all[0], &all[1], &full, &bang]
            .map(|one| format!("{one:?}"))
            .to_vec();
        assert_eq!(written, expected);
        assert_eq!(taken(&mut recorder, Level::Critical, 12, "again").len(), 1);
        assert!(
            recorder
                .last_words()
                .unwrap()
                .starts_with("8 records below ERROR")
        );
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_too() {
        let mut recorder = recorder(1000);
        let long = "x".repeat(MOST_BYTES / 4);
        for n in 0..10 {
            taken(&mut recorder, Level::Info, n, &long);
        }
        assert!(recorder.bytes <= MOST_BYTES);
        for n in 10..2010 {
            taken(&mut recorder, Level::Info, n, "short");
        }
        assert_eq!(recorder.kept.len(), 1000);
        assert!(
            recorder.bytes <= 1000 * SPARE_BYTES,
            "short ones take little room"
        );
        assert_eq!(taken(&mut recorder, Level::Error, 2010, "bang").len(), 1001);
        assert_eq!(recorder.bytes, 0);
        for n in 2011..2021 {
            taken(&mut recorder, Level::Info, n, &long);
        }
        assert_eq!(taken(&mut recorder, Level::Error, 2021, "bang").len(), 4);
        taken(&mut recorder, Level::Info, 2022, "short");
        taken(&mut recorder, Level::Info, 2023, &"x".repeat(16 << 20));
        assert_eq!(
            taken(&mut recorder, Level::Error, 2024, "bang").len(),
            2,
            "the huge one alone is not kept"
        );
    }
}
