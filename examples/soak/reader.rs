//! Log files read back, record by record: each is made again from its number and compared byte for byte, and what
//! was seen of every author is kept for the reckoning at the end of the round.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::figures::{Figure, Figures};
use crate::text::{Author, Form, LOGGER, as_in_file, content};

/// What stands at the end of a record whose writer died halfway.
const CUT: &str = " ‹cut off›";
/// Differences that are told; more are only counted.
const MOST_TOLD: usize = 50;

/// What the files say of one author.
#[derive(Default)]
pub struct Seen {
    /// The sequence of each of its records, by number, plus one; 0 for what was not seen.
    pub sequences: Vec<u64>,
    /// The number of a record that is cut off.
    pub cut: Option<u64>,
    /// Of the last record not marked late.
    last_prompt: Option<u64>,
    /// What the log's own words say.
    pub dropped: u64,
    pub lost: u64,
}

/// All that was read of a ring's files.
pub struct Reader {
    pub seed: u64,
    pub authors: HashMap<Author, Seen>,
    /// The highest sequence not marked late, plus one.
    prompt: u64,
    pub late: HashSet<u64>,
    /// What the log says of its numbers in the end.
    pub last_words: Vec<String>,
    pub figures: Figures,
    pub differences: Vec<String>,
    untold: u64,
}

/// The parts of a record in a file.
struct Line<'a> {
    sequence: Option<u64>,
    late: bool,
    level: &'a str,
    process: &'a str,
    author: Author,
    target: &'a str,
    place: &'a str,
    message: &'a str,
}

impl Reader {
    pub fn new(seed: u64) -> Reader {
        Reader {
            seed,
            authors: HashMap::new(),
            prompt: 0,
            late: HashSet::new(),
            last_words: Vec::new(),
            figures: Figures::default(),
            differences: Vec::new(),
            untold: 0,
        }
    }

    pub fn differ(&mut self, text: String) {
        if self.differences.len() < MOST_TOLD {
            self.differences.push(text);
        } else {
            self.untold += 1;
        }
    }

    /// Differences that were too many to be told.
    pub fn untold(&self) -> u64 {
        self.untold
    }

    /// Reads a file to which nothing will be added.
    pub fn read(&mut self, path: &Path) -> std::io::Result<()> {
        let bytes = std::fs::read(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.figures.add(Figure::Files, 1);
        self.figures.add(Figure::Bytes, bytes.len() as u64);
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(error) => {
                self.differ(format!("{name}: no text: {error}"));
                return Ok(());
            }
        };
        let mut begin = 0;
        for record in records_of(text) {
            if let Err(why) = self.take(record) {
                let shown: String = record.chars().take(300).collect();
                self.differ(format!("{name}, byte {begin}: {why}: {shown}"));
            }
            begin += record.len();
        }
        Ok(())
    }

    fn take(&mut self, record: &str) -> Result<(), String> {
        let line = parse(record).ok_or("not a whole record")?;
        match line.sequence {
            None => self.take_word(&line),
            Some(sequence) => self.take_record(&line, sequence),
        }
    }

    /// The drainer's own words, of the numbers or of an author: `3 records of member[12]/main[12] dropped: …`.
    fn take_word(&mut self, line: &Line<'_>) -> Result<(), String> {
        if let Some(numbers) = line.message.strip_prefix("in the end: ") {
            self.last_words.push(numbers.to_owned());
            return Ok(());
        }
        if line.message.starts_with("so far: ") {
            return Ok(());
        }
        let unknown = "words that a soak gives no cause for";
        let (count, rest) = line.message.split_once(" record").ok_or(unknown)?;
        let count: u64 = count.parse().map_err(|_| unknown)?;
        let (_, rest) = rest.split_once(" of ").ok_or(unknown)?;
        let (who, deed) = rest.split_once(' ').ok_or(unknown)?;
        let (process, thread) = who.split_once('/').ok_or(unknown)?;
        let (_, pid) = named(process).ok_or(unknown)?;
        let (_, tid) = named(thread).ok_or(unknown)?;
        let seen = self.authors.entry(Author { pid, tid }).or_default();
        match deed {
            "dropped: the ring was full" => {
                seen.dropped += count;
                self.figures.add(Figure::Dropped, count);
            }
            "lost: it ended while writing" => {
                seen.lost += count;
                self.figures.add(Figure::Lost, count);
            }
            _ => return Err(unknown.to_owned()),
        }
        Ok(())
    }

    fn take_record(&mut self, line: &Line<'_>, sequence: u64) -> Result<(), String> {
        self.figures.add(Figure::Delivered, 1);
        let number = number_of(line).ok_or("a record without a number")?;
        let cut = check_content(self.seed, line, number)?;
        self.check_order(line, sequence)?;
        let seen = self.authors.entry(line.author).or_default();
        let index = number as usize;
        if index >= 1 << 26 {
            return Err("a number that nobody has reached".to_owned());
        }
        if seen.sequences.len() <= index {
            seen.sequences.resize(index + 1, 0);
        }
        let before = std::mem::replace(&mut seen.sequences[index], sequence + 1);
        if before != 0 {
            return Err(format!("a second time, after sequence {}", before - 1));
        }
        if cut && seen.cut.replace(number).is_some() {
            return Err("the author's second that is cut off".to_owned());
        }
        self.figures.add(Figure::CutOff, u64::from(cut));
        if !line.late {
            if let Some(last) = seen.last_prompt.filter(|last| *last >= number) {
                return Err(format!("after its author's record {last}"));
            }
            seen.last_prompt = Some(number);
        }
        Ok(())
    }

    fn check_order(&mut self, line: &Line<'_>, sequence: u64) -> Result<(), String> {
        if line.late {
            self.figures.add(Figure::Late, 1);
            if !self.late.insert(sequence) {
                return Err("two late records of one sequence".to_owned());
            }
        } else if sequence < self.prompt {
            return Err(format!("not late, and after sequence {}", self.prompt - 1));
        } else {
            self.prompt = sequence + 1;
        }
        Ok(())
    }
}

/// A record begins at a line that begins with a digit; further lines of its message begin with blanks. Whatever
/// stands in front of the first record, or behind the last line's end, is handed on as it is.
fn records_of(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let bytes = rest.as_bytes();
        let ends = |at: &usize| bytes[*at] == b'\n' && bytes.get(at + 1) != Some(&b' ');
        let end = (0..bytes.len()).find(ends).map_or(bytes.len(), |at| at + 1);
        let (record, after) = rest.split_at(end);
        rest = after;
        Some(record)
    })
}

/// `name[number]`
fn named(word: &str) -> Option<(&str, u32)> {
    let (name, number) = word.strip_suffix(']')?.rsplit_once('[')?;
    Some((name, number.parse().ok()?))
}

/// `date time LEVEL #sequence process[pid] thread[tid] target file:line - message`
fn parse(record: &str) -> Option<Line<'_>> {
    let (head, message) = record.strip_suffix('\n')?.split_once(" - ")?;
    let mut words = head.split_ascii_whitespace();
    let (date, time) = (words.next()?, words.next()?);
    if (date.len(), time.len()) != ("2026-11-22".len(), "18:31:57.014473".len()) {
        return None;
    }
    let level = words.next()?;
    let sequence = words.next()?.strip_prefix('#')?;
    let (sequence, late) = match sequence.strip_suffix("/late") {
        Some(number) => (number, true),
        None => (sequence, false),
    };
    let sequence = match sequence {
        "-" => None,
        number => Some(number.parse().ok()?),
    };
    let (process, pid) = named(words.next()?)?;
    let (_, tid) = named(words.next()?)?;
    Some(Line {
        sequence,
        late,
        level,
        process,
        author: Author { pid, tid },
        target: words.next()?,
        place: words.next().unwrap_or_default(),
        message,
    })
}

fn number_of(line: &Line<'_>) -> Option<u64> {
    if let Some(Ok(number)) = line.target.strip_prefix('n').map(str::parse) {
        return Some(number);
    }
    line.message.split([' ', '\n']).next()?.parse().ok()
}

/// Compares a record with what its author must have logged. `true` when it is cut off, and right as far as it goes.
fn check_content(seed: u64, line: &Line<'_>, number: u64) -> Result<bool, String> {
    let expected = content(seed, line.author, number);
    let target = match expected.form {
        Form::Plain => concat!(env!("CARGO_CRATE_NAME"), "::member").to_owned(),
        Form::Named => LOGGER.to_owned(),
        Form::Bare => format!("n{number}"),
    };
    let is_placed = line.place.starts_with("examples/soak/member.rs:");
    if line.target != target || !is_placed || line.process != "member" {
        return Err("a wrong target, place or name of the process".to_owned());
    }
    if line.level != expected.level.as_str() {
        return Err(format!("not of level {}", expected.level.as_str()));
    }
    let message = as_in_file(expected.form, number, &expected.text);
    if line.message == message {
        return Ok(false);
    }
    // A character may have been torn.
    let begun = line.message.strip_suffix(CUT);
    let begun = begun.map(|begun| begun.trim_end_matches(char::REPLACEMENT_CHARACTER));
    if begun.is_some_and(|begun| message.starts_with(begun)) {
        return Ok(true);
    }
    let same = line.message.bytes().zip(message.bytes());
    let same = same
        .take_while(|(found, expected)| found == expected)
        .count();
    let (found, expected) = (line.message.len(), message.len());
    Err(format!(
        "{found} bytes where {expected} were logged, the first {same} of them the same"
    ))
}
