//! The first line of a record in a text file:
//! `2026-11-22 17:45:12.123456 WARN     #42 worker-1[1234] main[1235] can src/bin/worker.rs:17 - bus 2 is slow`

use super::owned::Owned;
use super::times::{LocalTimes, STAMP};

/// Levels are padded to the longest.
const LEVEL: usize = 8;

/// What the further lines of a record begin with.
pub const INDENT: &str = "    ";

/// Reads the line into `record`, which is empty; `None` if it begins no record. The message is all up to the line's end.
pub fn read(line: &str, times: &mut LocalTimes, record: &mut Owned) -> Option<()> {
    if !line.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    let (stamp, rest) = line.split_at_checked(STAMP)?;
    let (offset_s, rest) = LocalTimes::offset(rest);
    let (level, rest) = rest.strip_prefix(' ')?.split_at_checked(LEVEL)?;
    record.level = level.trim_end().parse().ok()?;
    let (sequence, rest) = rest.strip_prefix(" #")?.split_once(' ')?;
    let on_time = sequence.strip_suffix("/late");
    record.late = on_time.is_some();
    record.sequence = match on_time.unwrap_or(sequence) {
        "-" => None,
        digits => Some(number(digits)?),
    };
    let (process, pid, rest) = numbered(rest)?;
    let (thread, tid, rest) = numbered(rest.strip_prefix(' ')?)?;
    let (place, message) = divided(rest)?;
    times.turn_to(offset_s);
    record.time_ns = times.read(stamp)?;
    record.process.push_str(process);
    record.thread.push_str(thread);
    (record.pid, record.tid) = (pid, tid);
    read_place(place, record);
    record.message.push_str(message);
    Some(())
}

/// `name[number]`, and what is behind it. The name may hold anything.
fn numbered(text: &str) -> Option<(&str, u32, &str)> {
    text.match_indices('[').find_map(|(at, _)| {
        let (digits, rest) = text[at + 1..].split_once(']')?;
        let is_end = rest.starts_with(' ');
        let number = is_end.then(|| number(digits)).flatten()?;
        Some((&text[..at], u32::try_from(number).ok()?, rest))
    })
}

/// ` target file:line - message`, or ` - message`.
fn divided(rest: &str) -> Option<(&str, &str)> {
    let place = |text: &str| text.is_empty() || text.len() > 1 && text.starts_with(' ');
    let mut signs = rest.match_indices(" - ");
    let at = signs.find_map(|(at, _)| place(&rest[..at]).then_some(at));
    let (place, message) = match at {
        Some(at) => (&rest[..at], &rest[at + 3..]),
        // The blank at a line's end is lost easily.
        None => (rest.strip_suffix(" -")?, ""),
    };
    Some((place.strip_prefix(' ').unwrap_or(place), message))
}

/// `target file:line`, as much of it as there is.
fn read_place(place: &str, record: &mut Owned) {
    let with_line = place.rsplit_once(':');
    let with_line =
        with_line.and_then(|(place, line)| Some((place, u32::try_from(number(line)?).ok()?)));
    let (target, file, line) = match with_line {
        None => (place, "", 0),
        Some((file, line)) => match file.split_once(' ') {
            None if !file.is_empty() => ("", file, line),
            Some((target, file)) if !target.is_empty() && !file.is_empty() => (target, file, line),
            _ => (place, "", 0),
        },
    };
    record.target.push_str(target);
    record.file.push_str(file);
    record.line = line;
}

/// As it is written: without signs, and no zeros in front.
fn number(digits: &str) -> Option<u64> {
    let is_written_so = digits.bytes().all(|digit| digit.is_ascii_digit())
        && (digits.len() == 1 || !digits.starts_with('0'));
    is_written_so.then(|| digits.parse().ok()).flatten()
}
