//! The end of a round: what the files say, what each author's book says, what the ring has counted and how each
//! process ended must be one story.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use shmlog::{Level, Stats};

use crate::book::{self, Book};
use crate::figures::{Figure, News};
use crate::reader::{Reader, Seen};
use crate::text::{self, Author};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Killed,
    Exited,
}

/// What all books say, with what is known by them of the records that are not in the files.
#[derive(Default)]
struct Sums {
    attempted: u64,
    returned: u64,
    /// Records with the sequence of a late one.
    of_late: usize,
    /// Dropped records, by level.
    levels: [u64; Level::ALL.len()],
    lost: Vec<News>,
}

/// Compares them all. Returns the records that are lost, each with its explanation.
pub fn reckon(
    reader: &mut Reader,
    books: &Path,
    stats: &Stats,
    ends: &HashMap<u32, End>,
) -> io::Result<Vec<News>> {
    let mut sums = Sums::default();
    let mut seen = std::mem::take(&mut reader.authors);
    let authors = book::authors(books)?;
    reader.figures.set(Figure::Threads, authors.len() as u64);
    for author in authors {
        if let Some(book) = Book::open(books, author)? {
            let seen = seen.remove(&author).unwrap_or_default();
            let end = ends.get(&author.pid);
            sums.add(reader, author, &book, &seen, end);
        }
    }
    for (author, seen) in seen {
        let count = seen.count();
        reader.differ(format!("{count} records of {author:?}, who has no book"));
    }
    compare_sums(reader, stats, &sums);
    check_last_words(reader, stats);
    Ok(sums.lost)
}

impl Sums {
    fn add(
        &mut self,
        reader: &mut Reader,
        author: Author,
        book: &Book,
        seen: &Seen,
        end: Option<&End>,
    ) {
        let (attempted, returned) = (book.attempted(), book.returned());
        self.attempted += attempted;
        self.returned += returned;
        let sequences = seen.sequences.iter();
        let sequences = sequences.filter_map(|sequence| sequence.checked_sub(1));
        let of_late = sequences.filter(|sequence| reader.late.contains(sequence));
        self.of_late += of_late.count();
        match reckon_one(author, book, seen, end) {
            Ok(outcome) => {
                for number in (0..outcome.settled).filter(|number| !seen.has(*number)) {
                    self.levels[text::level(reader.seed, author, number) as usize] += 1;
                }
                self.lost.extend(outcome.lost.map(News::Lost));
            }
            Err(why) => reader.differ(format!(
                "author {}[{}]: {why}; its book: {attempted} attempted, {returned} returned; the files: {} records, \
                 {} dropped, {} lost, cut off: {:?}; its process: {end:?}",
                author.pid,
                author.tid,
                seen.count(),
                seen.dropped,
                seen.lost,
                seen.cut,
            )),
        }
    }
}

impl Seen {
    fn count(&self) -> u64 {
        self.sequences
            .iter()
            .filter(|sequence| **sequence != 0)
            .count() as u64
    }

    fn has(&self, number: u64) -> bool {
        let sequence = self.sequences.get(number as usize);
        sequence.is_some_and(|sequence| *sequence != 0)
    }

    fn missing(&self, numbers: std::ops::Range<u64>) -> u64 {
        numbers.filter(|number| !self.has(*number)).count() as u64
    }
}

/// What became of the records of an author that are not in the files.
struct Outcome {
    /// Those of lower numbers were dropped.
    settled: u64,
    /// How one was lost.
    lost: Option<String>,
}

/// One author's records.
fn reckon_one(
    author: Author,
    book: &Book,
    seen: &Seen,
    end: Option<&End>,
) -> Result<Outcome, String> {
    let (attempted, returned) = (book.attempted(), book.returned());
    let end = end.ok_or("nobody knows how its process ended")?;
    if attempted > returned + 1 || returned > attempted {
        return Err("its book is wrong".to_owned());
    }
    if seen.sequences.len() as u64 > attempted {
        return Err("more records than it began".to_owned());
    }
    let rising = seen.sequences.iter().filter(|sequence| **sequence != 0);
    if !rising.is_sorted() {
        return Err("its records are not in its order, by their sequences".to_owned());
    }
    // The call that had not returned when the thread ended, if there is one.
    let in_hand = (attempted > returned).then_some(returned);
    if seen.cut.is_some_and(|cut| Some(cut) != in_hand) {
        return Err("a record is cut off whose call returned".to_owned());
    }
    check_looks(book, seen)?;
    explain_missing(author, book, seen, *end)
}

/// What became of the records that are not in the files.
fn explain_missing(author: Author, book: &Book, seen: &Seen, end: End) -> Result<Outcome, String> {
    let (attempted, returned) = (book.attempted(), book.returned());
    let missing = seen.missing(0..returned);
    let in_hand_is_missing = attempted > returned && !seen.has(returned);
    // It may have been dropped, died with the thread, or not have come as far as the ring.
    let unexplained = (seen.dropped + seen.lost).checked_sub(missing);
    match (unexplained, seen.lost, in_hand_is_missing) {
        (Some(0), 0, _) => Ok(Outcome {
            settled: returned,
            lost: None,
        }),
        (Some(1), 0, true) => Ok(Outcome {
            settled: attempted,
            lost: None,
        }),
        (Some(1), 1, true) => {
            let how = match end {
                End::Killed => "killed",
                End::Exited => "its process ended",
            };
            let Author { pid, tid } = author;
            let lost = format!("{how} in the midst of the call: record {returned} of {pid}[{tid}]");
            Ok(Outcome {
                settled: returned,
                lost: Some(lost),
            })
        }
        _ => Err(format!(
            "{missing} of the records whose calls returned are missing"
        )),
    }
}

/// Between two looks of the author as many records must be missing as the ring said were dropped.
fn check_looks(book: &Book, seen: &Seen) -> Result<(), String> {
    let (mut from, mut before) = (0, 0);
    for (to, dropped) in book.looks() {
        let missing = seen.missing(from..to);
        if dropped.checked_sub(before) != Some(missing) {
            let gone = (from..to).filter(|number| !seen.has(*number));
            let gone: Vec<u64> = gone.take(8).collect();
            return Err(format!(
                "of its records {from}..{to} {missing} are missing {gone:?}, and the ring said that {before}..{dropped} \
                 were dropped"
            ));
        }
        (from, before) = (to, dropped);
    }
    if before > seen.dropped {
        return Err(format!("{before} were dropped by its book"));
    }
    Ok(())
}

fn compare_sums(reader: &mut Reader, stats: &Stats, sums: &Sums) {
    // All but the late ones rise in the file.
    let (late, of_late) = (reader.late.len(), sums.of_late);
    if of_late != late {
        reader.differ(format!(
            "{of_late} records have the sequences of the {late} late ones"
        ));
    }
    let (levels, said) = (sums.levels, Level::ALL.map(|level| stats.drops.at(level)));
    if said != levels {
        reader.differ(format!(
            "dropped by level: {levels:?}, and the ring says {said:?}"
        ));
    }
    let attempted = sums.returned..=sums.attempted;
    let figures = &reader.figures;
    let said = [
        Figure::Delivered,
        Figure::Dropped,
        Figure::Lost,
        Figure::Late,
    ];
    let said = said.map(|figure| figures.get(figure));
    let counted = [stats.delivered, stats.dropped, stats.lost, stats.late];
    if said != counted {
        reader.differ(format!(
            "delivered, dropped, lost, late: {said:?} in the files, {counted:?} counted by the ring"
        ));
    }
    let sum = stats.delivered + stats.dropped + stats.lost;
    if stats.attempted != sum || !attempted.contains(&stats.attempted) {
        reader.differ(format!(
            "the sum of them is {sum}; the ring says {} were attempted, the books {attempted:?}",
            stats.attempted
        ));
    }
    if stats.sink_errors > 0 {
        reader.differ(format!("{} errors of the sinks", stats.sink_errors));
    }
    reader.figures.set(Figure::Attempted, stats.attempted);
}

/// The log must end with the ring's numbers, if any record is missing. What comes behind the semicolon may have
/// changed since: its drainer may be killed even as it says it.
fn check_last_words(reader: &mut Reader, stats: &Stats) {
    let numbers = |words: &String| words.split(';').next().unwrap_or_default().to_owned();
    let words = std::mem::take(&mut reader.last_words);
    let said: Vec<String> = words.iter().map(numbers).collect();
    let due = (stats.dropped + stats.lost > 0).then(|| numbers(&stats.to_string()));
    if said != Vec::from_iter(due) {
        reader.differ(format!(
            "in the end the log says {words:?}, the ring {stats}"
        ));
    }
}
