//! Times as they stand in text files: local, with their offset from UTC in the first line of a file and where that changes.

use chrono::{Local, LocalResult, NaiveDate, TimeZone};

/// Bytes of `2026-11-22 17:45:12.123456`.
pub const STAMP: usize = 26;
/// Bytes of `+01:00`.
const OFFSET: usize = 6;
/// Bytes of that up to the minute; within one no zone changes its offset.
const MINUTE: usize = 16;
/// Where the hour repeats in autumn, a record that would be so much older than the one before is of the second time.
const BACKWARDS_NS: i64 = 30 * 60 * 1_000_000_000;

/// Reads times, and remembers the minute it read last.
#[derive(Debug, Default)]
pub struct LocalTimes {
    minute: String,
    /// When that minute began, in seconds since 1970: the first and the second time.
    began: (i64, i64),
    last_ns: i64,
    /// What times are ahead of UTC by, in seconds, if the file has said that.
    offset_s: Option<i64>,
}

impl LocalTimes {
    /// What stands behind a time, if that is an offset from UTC like `+01:00`, and the rest of the line.
    pub fn offset(behind: &str) -> (Option<i64>, &str) {
        let Some((text, rest)) = behind.split_at_checked(OFFSET) else {
            return (None, behind);
        };
        let bytes = text.as_bytes();
        let sign = match bytes[0] {
            b'+' => 1,
            b'-' => -1,
            _ => return (None, behind),
        };
        let parts = (number(&bytes[1..3]), number(&bytes[4..6]));
        match parts {
            (Some(hours), Some(minutes)) if bytes[3] == b':' => {
                (Some(sign * (hours * 3_600 + minutes * 60)), rest)
            }
            _ => (None, behind),
        }
    }

    /// From here on times are ahead of UTC by so much, unless `None`: then by as much as those before.
    pub fn turn_to(&mut self, offset_s: Option<i64>) {
        if offset_s.is_some() && self.offset_s != offset_s {
            self.offset_s = offset_s;
            self.minute.clear();
        }
    }

    /// Takes note of the first line of a file of which only a later part is read. If this machine's zone had the offset that
    /// it tells, that zone knows better when it changed.
    pub fn begin_with(&mut self, line: &str) {
        let Some((stamp, behind)) = line.split_at_checked(STAMP) else {
            return;
        };
        let (offset_s, _) = LocalTimes::offset(behind);
        let mut told = LocalTimes::default();
        told.turn_to(offset_s);
        if told.read(stamp) != LocalTimes::default().read(stamp) {
            self.turn_to(offset_s);
        }
    }

    /// Nanoseconds since 1970 of `2026-11-22 17:45:12.123456`; `None` if that is no time.
    pub fn read(&mut self, stamp: &str) -> Option<i64> {
        let bytes = stamp.as_bytes();
        let has = |at: usize, sign: u8| bytes.get(at) == Some(&sign);
        if bytes.len() != STAMP || !stamp.is_ascii() || !(has(16, b':') && has(19, b'.')) {
            return None;
        }
        if self.minute != stamp[..MINUTE] {
            self.began = beginning(&stamp[..MINUTE], self.offset_s)?;
            stamp[..MINUTE].clone_into(&mut self.minute);
        }
        let second = number(&bytes[17..19]).filter(|second| *second < 60)?;
        let behind = second * 1_000_000_000 + number(&bytes[20..26])? * 1_000;
        let at = |began: i64| began.checked_mul(1_000_000_000)?.checked_add(behind);
        let (first, again) = (at(self.began.0)?, at(self.began.1)?);
        let is_again = first < self.last_ns.saturating_sub(BACKWARDS_NS);
        self.last_ns = if is_again { again } else { first };
        Some(self.last_ns)
    }
}

/// Of digits alone.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + i64::from(digit - b'0'))
    })
}

fn beginning(minute: &str, offset_s: Option<i64>) -> Option<(i64, i64)> {
    let bytes = minute.as_bytes();
    let signs = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':')];
    if signs.iter().any(|(at, sign)| bytes[*at] != *sign) {
        return None;
    }
    let part = |from: usize, to: usize| u32::try_from(number(&bytes[from..to])?).ok();
    let date = NaiveDate::from_ymd_opt(part(0, 4)? as i32, part(5, 7)?, part(8, 10)?)?;
    let shown = date.and_hms_opt(part(11, 13)?, part(14, 16)?, 0)?;
    if let Some(offset_s) = offset_s {
        let began = shown.and_utc().timestamp() - offset_s;
        return Some((began, began));
    }
    Some(match Local.from_local_datetime(&shown) {
        LocalResult::Single(time) => (time.timestamp(), time.timestamp()),
        LocalResult::Ambiguous(first, again) => {
            let (first, again) = (first.timestamp(), again.timestamp());
            (first.min(again), first.max(again))
        }
        // The clock never showed it here: the file is from elsewhere.
        LocalResult::None => (shown.and_utc().timestamp(), shown.and_utc().timestamp()),
    })
}
