//! Which sink of the user's own was at work when a drainer died: word for its successor.
//!
//! Such a sink may abort, run into a fault, or exit, and the drainer dies of it. A successor that knew nothing would hand
//! it the same record, and die too, for ever, while all other sinks wait. So the drainer notes each call of such a sink
//! before it makes it, and takes the note back after it. A note that is still there is of a call that killed.
//!
//! - Two deaths in a row at the same record: the sink is not given that record.
//! - Three deaths in a row of whatever calls of the sink: the log goes on without it.
//!
//! They are in a row as long as the sink has not taken [`FORGIVEN`] records in between. A drainer that is killed from
//! outside amid such a call looks the same; that this happens three times in a row to one sink is not to be expected.
//!
//! ```text
//!   per sink, 8 words   0 the call at hand, 0 if none │ 1 its record │ 2 deaths in a row │ 3 record at the last of them
//!                       4 deaths in a row at that │ 5 record to pass by, plus 1 │ 6 records taken since │ 7 –
//! ```
//!
//! The words are in a file beside the segment and not in it: no member that scribbles over the segment can have a sink
//! done without. Only the drainer at work writes them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::segment::{self, private};
use crate::sync::{AtomicU64, Ordering};
use crate::words::WORD;

/// What the file is called beside the ring.
const FILE: &str = "blame";
/// Sinks that are watched; of more than these the deaths are not remembered.
const MOST_SINKS: usize = 32;
const WORDS: usize = 8;
const FILE_BYTES: usize = MOST_SINKS * WORDS * WORD;

/// Deaths in a row after which a sink is done without.
const MOST_DEATHS: u64 = 3;
/// Deaths in a row at one record after which that is passed by.
const DEATHS_AT_RECORD: u64 = 2;
/// Records after which the deaths before are forgotten.
const FORGIVEN: u64 = 10_000;
/// In place of a record's sequence: it has none.
const NONE: u64 = u64::MAX;

const CALL: usize = 0;
const RECORD: usize = 1;
const DEATHS: usize = 2;
const LAST_RECORD: usize = 3;
const DEATHS_AT: usize = 4;
const PASSED_BY: usize = 5;
const TAKEN: usize = 6;

/// What a sink is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Call {
    Open = 1,
    Record = 2,
    Commit = 3,
    Finish = 4,
    /// How it is: whether it has settled, wants a commit, has lost anything.
    Ask = 5,
}

impl Call {
    fn of(number: u64) -> Call {
        match number {
            1 => Call::Open,
            2 => Call::Record,
            3 => Call::Commit,
            4 => Call::Finish,
            _ => Call::Ask,
        }
    }

    /// As it stands behind "the drainer died".
    const fn words(self) -> &'static str {
        match self {
            Call::Open => "while it was opened",
            Call::Record => "while it took a record",
            Call::Commit => "while it ended a batch",
            Call::Finish => "while it was closed",
            Call::Ask => "while it was asked how it is",
        }
    }
}

/// The words of all sinks; `None` where they cannot be had, and then nothing is remembered.
#[derive(Clone, Copy)]
pub(super) struct Blame(Option<&'static [AtomicU64]>);

impl Blame {
    /// Of the ring of this name. The first drainer remembers nothing.
    pub(super) fn open(ring: &str, first: bool) -> Blame {
        let words =
            open_file(ring).and_then(|file| segment::words_of_file(&file, FILE_BYTES / WORD));
        let blame = Blame(words.ok());
        if first {
            let words = blame.0.into_iter().flatten();
            words.for_each(|word| put(word, 0));
        }
        blame
    }

    /// The words of the sink of this number.
    pub(super) fn seat(self, sink: usize) -> Option<Seat> {
        let words = self.0?.chunks_exact(WORDS).nth(sink)?;
        Some(Seat(words))
    }
}

/// Makes the file, or opens the one that a predecessor made. One that others can have made or changed is none.
fn open_file(ring: &str) -> io::Result<File> {
    if let Some((file, _)) = private::find(ring, FILE)? {
        return match file.metadata()?.len() == FILE_BYTES as u64 {
            true => Ok(file),
            false => Err(io::ErrorKind::InvalidData.into()),
        };
    }
    let (file, _) = private::make(ring, FILE)?;
    file.write_all_at(&[0; FILE_BYTES], 0)?;
    Ok(file)
}

/// Which sink was being opened when the drainer of this ring died.
pub(super) fn sink_at_opening(ring: &str) -> Option<usize> {
    let words = Blame::open(ring, false);
    let is_opened = |sink: &usize| {
        words
            .seat(*sink)
            .is_some_and(|seat| seat.call() == Some(Call::Open))
    };
    (0..MOST_SINKS).find(is_opened)
}

// Relaxed: one thread of one process at a time uses the words, and its successor after its death, when all that it stored is
// there. The calls in between are of code that the compiler does not know, so it keeps the stores where they are.
fn get(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed)
}

fn put(word: &AtomicU64, value: u64) {
    // Relaxed: as in `get`.
    word.store(value, Ordering::Relaxed);
}

/// What is to become of a sink.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is used as ever, but for a record that may be passed by.
    GoOn,
    /// The log goes on without it, and why.
    Without(String),
}

/// The words of one sink.
#[derive(Clone, Copy)]
pub(super) struct Seat(&'static [AtomicU64]);

impl Seat {
    /// To be stored before a call of the sink.
    #[inline]
    pub(super) fn begin(self, call: Call, record: Option<u64>) {
        put(&self.0[RECORD], record.unwrap_or(NONE));
        put(&self.0[CALL], call as u64);
    }

    /// The call came back.
    #[inline]
    pub(super) fn end(self, call: Call) {
        put(&self.0[CALL], 0);
        if call == Call::Record {
            let taken = get(&self.0[TAKEN]).saturating_add(1);
            put(&self.0[TAKEN], taken);
            if taken == FORGIVEN {
                put(&self.0[DEATHS], 0);
            }
        }
    }

    /// Whether a record is not to be given to the sink.
    #[inline]
    pub(super) fn passes_by(self, record: Option<u64>) -> bool {
        let passed_by = get(&self.0[PASSED_BY]);
        passed_by != 0 && record.is_some_and(|record| record.wrapping_add(1) == passed_by)
    }

    fn call(self) -> Option<Call> {
        Some(get(&self.0[CALL]))
            .filter(|call| *call != 0)
            .map(Call::of)
    }

    /// Settles what a predecessor left: whether it died of this sink. To be asked before the sink is opened.
    pub(super) fn judge(self) -> Verdict {
        let Some(killer) = self.call() else {
            return self.verdict("some time ago");
        };
        let word = |at: usize| &self.0[at];
        let record = match killer {
            Call::Record => get(word(RECORD)),
            _ => NONE,
        };
        let again = record != NONE && record == get(word(LAST_RECORD));
        let at_record = if again { get(word(DEATHS_AT)) } else { 0 } + 1;
        put(word(LAST_RECORD), record);
        put(word(DEATHS_AT), at_record);
        if record != NONE && at_record >= DEATHS_AT_RECORD {
            put(word(PASSED_BY), record.wrapping_add(1));
        }
        put(word(DEATHS), get(word(DEATHS)).saturating_add(1));
        put(word(TAKEN), 0);
        // At last: a drainer that is killed amid this has the death counted twice rather than not at all.
        put(word(CALL), 0);
        self.verdict(killer.words())
    }

    fn verdict(self, at: &str) -> Verdict {
        match get(&self.0[DEATHS]) {
            0..MOST_DEATHS => Verdict::GoOn,
            deaths => Verdict::Without(format!(
                "the drainer died {deaths} times in a row while this sink was at work, the last time {at}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ring {
        name: String,
    }

    impl Ring {
        fn new(name: &str) -> Ring {
            Ring {
                name: format!("shmlog-blame-{name}-{}", std::process::id()),
            }
        }

        /// What a drainer finds that begins now.
        fn seat(&self, first: bool) -> Seat {
            Blame::open(&self.name, first).seat(1).unwrap()
        }

        /// Dies at a call, after so many records.
        fn die(&self, call: Call, record: Option<u64>, taken: u64) -> Verdict {
            let seat = self.seat(false);
            let verdict = seat.judge();
            for _ in 0..taken {
                seat.begin(Call::Record, Some(7));
                seat.end(Call::Record);
            }
            seat.begin(call, record);
            verdict
        }
    }

    impl Drop for Ring {
        fn drop(&mut self) {
            private::remove(&self.name, FILE);
        }
    }

    #[test]
    fn a_sink_that_kills_three_times_in_a_row_is_done_without_from_then_on() {
        let ring = Ring::new("thrice");
        assert_eq!(ring.seat(true).judge(), Verdict::GoOn);
        assert_eq!(ring.die(Call::Open, None, 0), Verdict::GoOn);
        assert_eq!(ring.die(Call::Record, Some(5), 100), Verdict::GoOn);
        assert_eq!(ring.die(Call::Commit, None, 100), Verdict::GoOn);
        for _ in 0..3 {
            let Verdict::Without(why) = ring.seat(false).judge() else {
                panic!()
            };
            assert!(why.contains("3 times in a row"), "{why}");
        }
        assert!(!ring.seat(false).passes_by(Some(5)));
        assert_eq!(
            ring.seat(true).judge(),
            Verdict::GoOn,
            "another ring's first"
        );
    }

    #[test]
    fn a_record_that_kills_twice_is_passed_by_and_no_other_is() {
        let ring = Ring::new("record");
        ring.seat(true);
        ring.die(Call::Record, Some(5), 0);
        ring.die(Call::Record, Some(5), 3);
        let seat = ring.seat(false);
        assert_eq!(seat.judge(), Verdict::GoOn);
        assert!(seat.passes_by(Some(5)) && !seat.passes_by(Some(6)) && !seat.passes_by(None));
        assert_eq!(ring.die(Call::Record, Some(6), 3), Verdict::GoOn);
        assert!(matches!(ring.seat(false).judge(), Verdict::Without(_)));
    }

    #[test]
    fn words_without_a_sequence_are_no_record_that_could_be_passed_by() {
        let ring = Ring::new("words");
        ring.seat(true);
        ring.die(Call::Record, None, 0);
        ring.die(Call::Record, None, 0);
        let seat = ring.seat(false);
        assert!(
            seat.judge() == Verdict::GoOn && !seat.passes_by(None) && !seat.passes_by(Some(NONE))
        );
    }

    #[test]
    fn deaths_long_ago_are_forgotten() {
        let ring = Ring::new("ago");
        ring.seat(true);
        ring.die(Call::Commit, None, 0);
        ring.die(Call::Commit, None, 0);
        ring.die(Call::Commit, None, FORGIVEN);
        assert_eq!(ring.seat(false).judge(), Verdict::GoOn);
    }

    #[test]
    fn a_death_of_something_else_is_no_sinks_fault() {
        let ring = Ring::new("else");
        ring.seat(true);
        for _ in 0..9 {
            let seat = ring.seat(false);
            assert_eq!(seat.judge(), Verdict::GoOn);
            seat.begin(Call::Record, Some(1));
            seat.end(Call::Record);
        }
    }

    #[test]
    fn a_file_of_another_length_is_not_believed() {
        let ring = Ring::new("others");
        private::make(&ring.name, FILE).unwrap();
        assert!(Blame::open(&ring.name, false).seat(0).is_none());
    }
}
