//! Times as they stand in text files: local, without a zone.

use chrono::{Local, LocalResult, NaiveDate, TimeZone};

/// Bytes of `2026-11-22 17:45:12.123456`.
pub const STAMP: usize = 26;
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
}

impl LocalTimes {
    /// Nanoseconds since 1970 of `2026-11-22 17:45:12.123456`; `None` if that is no time.
    pub fn read(&mut self, stamp: &str) -> Option<i64> {
        let bytes = stamp.as_bytes();
        let has = |at: usize, sign: u8| bytes.get(at) == Some(&sign);
        if bytes.len() != STAMP || !stamp.is_ascii() || !(has(16, b':') && has(19, b'.')) {
            return None;
        }
        if self.minute != stamp[..MINUTE] {
            self.began = beginning(&stamp[..MINUTE])?;
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

fn beginning(minute: &str) -> Option<(i64, i64)> {
    let bytes = minute.as_bytes();
    let signs = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':')];
    if signs.iter().any(|(at, sign)| bytes[*at] != *sign) {
        return None;
    }
    let part = |from: usize, to: usize| u32::try_from(number(&bytes[from..to])?).ok();
    let date = NaiveDate::from_ymd_opt(part(0, 4)? as i32, part(5, 7)?, part(8, 10)?)?;
    let shown = date.and_hms_opt(part(11, 13)?, part(14, 16)?, 0)?;
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
