//! Time as people read it: the local date, rendered once a second and kept; with its microseconds, kept while they stay.
//! And as programs do: RFC 3339, in UTC.
//!
//! A full rendering costs some 300 ns, more than the rest of a line; almost all records of a batch share
//! their second with the one before.

use chrono::{DateTime, Datelike, Local, Offset, Timelike};

use super::text::put_padded;

/// The date and time asked for last.
#[derive(Default)]
pub(super) struct Stamp {
    /// Seconds since 1970 that `text` shows; `None` before the first.
    second: Option<i64>,
    text: [u8; Stamp::LENGTH],
    /// What that second is ahead of UTC by, in seconds.
    offset_s: i32,
    /// Microseconds since 1970 that `exact` shows; `None` before the first.
    micro: Option<i64>,
    exact: [u8; Stamp::EXACT_LENGTH],
}

impl Stamp {
    /// Bytes of `2026-11-22 17:45:12`.
    pub(super) const LENGTH: usize = 19;

    /// Bytes of `2026-11-22 17:45:12.123456`.
    pub(super) const EXACT_LENGTH: usize = Stamp::LENGTH + 7;

    /// `2026-11-22 17:45:12.123456` in local time, for nanoseconds since 1970. Records that come as fast as they can
    /// share their microsecond too.
    pub(super) fn exact(&mut self, time_ns: i64) -> &[u8; Stamp::EXACT_LENGTH] {
        let micro = time_ns.div_euclid(1_000);
        if self.micro != Some(micro) {
            let date = *self.date_and_time(time_ns);
            self.exact[..Stamp::LENGTH].copy_from_slice(&date);
            self.exact[Stamp::LENGTH] = b'.';
            self.exact[Stamp::LENGTH + 1..].copy_from_slice(&micros(time_ns));
            self.micro = Some(micro);
        }
        &self.exact
    }

    /// `2026-11-22 17:45:12` in local time, for nanoseconds since 1970.
    pub(super) fn date_and_time(&mut self, time_ns: i64) -> &[u8; Stamp::LENGTH] {
        let second = time_ns.div_euclid(1_000_000_000);
        if self.second != Some(second) {
            (self.text, self.offset_s) = render(second);
            self.second = Some(second);
        }
        &self.text
    }

    /// What the time asked for last is ahead of UTC by, in seconds; `None` before the first.
    pub(super) fn offset_s(&self) -> Option<i32> {
        self.second.map(|_| self.offset_s)
    }

    /// `17:45:12` in local time.
    pub(super) fn time_of_day(&mut self, time_ns: i64) -> [u8; 8] {
        let mut time = [0; 8];
        time.copy_from_slice(&self.date_and_time(time_ns)[11..]);
        time
    }
}

/// The date and time in UTC asked for last.
pub(super) struct UtcStamp {
    /// Seconds since 1970 that `text` shows.
    second: i64,
    text: [u8; UtcStamp::LENGTH],
}

impl Default for UtcStamp {
    fn default() -> UtcStamp {
        let text = *b"1970-01-01T00:00:00.000000000Z";
        UtcStamp { second: 0, text }
    }
}

impl UtcStamp {
    const LENGTH: usize = 30;

    /// `2026-11-22T17:45:12.123456789Z`, for nanoseconds since 1970.
    pub(super) fn rfc3339(&mut self, time_ns: i64) -> &[u8; UtcStamp::LENGTH] {
        let second = time_ns.div_euclid(1_000_000_000);
        if self.second != second
            && let Some(utc) = DateTime::from_timestamp(second, 0)
        {
            put_date_and_time(&mut self.text, &utc);
            self.second = second;
        }
        let nanos = time_ns.rem_euclid(1_000_000_000);
        put_padded(&mut self.text[20..29], nanos as u32);
        &self.text
    }
}

/// The microseconds within the second, six digits.
pub(super) fn micros(time_ns: i64) -> [u8; 6] {
    let micros = time_ns.rem_euclid(1_000_000_000) / 1_000;
    let mut digits = [0; 6];
    put_padded(&mut digits, micros as u32);
    digits
}

/// `+01:00`, for seconds ahead of UTC.
pub(super) fn offset_text(offset_s: i32) -> [u8; 6] {
    let mut text = *b"+00:00";
    if offset_s < 0 {
        text[0] = b'-';
    }
    // Zones of a history in which offsets had seconds are as good as those without.
    let minutes = offset_s.unsigned_abs() / 60;
    put_padded(&mut text[1..3], minutes / 60);
    put_padded(&mut text[4..6], minutes % 60);
    text
}

fn render(second: i64) -> ([u8; Stamp::LENGTH], i32) {
    let mut text = *b"0000-00-00 00:00:00";
    // Every i64 of nanoseconds lies in the years 1677 to 2262, which chrono knows and four digits hold.
    if let Some(utc) = DateTime::from_timestamp(second, 0) {
        let local = utc.with_timezone(&Local);
        put_date_and_time(&mut text, &local);
        return (text, local.offset().fix().local_minus_utc());
    }
    (text, 0)
}

/// The digits of `0000-00-00 00:00:00`.
fn put_date_and_time(text: &mut [u8], time: &(impl Datelike + Timelike)) {
    put_padded(&mut text[0..4], time.year().unsigned_abs());
    put_padded(&mut text[5..7], time.month());
    put_padded(&mut text[8..10], time.day());
    put_padded(&mut text[11..13], time.hour());
    put_padded(&mut text[14..16], time.minute());
    put_padded(&mut text[17..19], time.second());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn dates_are_what_chrono_formats(times in prop::collection::vec(any::<i64>(), 1..5)) {
            let (mut stamp, mut utc_stamp) = (Stamp::default(), UtcStamp::default());
            for time in times {
                let local = DateTime::from_timestamp_nanos(time).with_timezone(&Local);
                let shown = String::from_utf8(stamp.date_and_time(time).to_vec()).unwrap();
                prop_assert_eq!(shown, local.format("%Y-%m-%d %H:%M:%S").to_string());
                let shown = String::from_utf8(micros(time).to_vec()).unwrap();
                prop_assert_eq!(shown, local.format("%6f").to_string());
                let shown = String::from_utf8(stamp.exact(time).to_vec()).unwrap();
                prop_assert_eq!(shown, local.format("%Y-%m-%d %H:%M:%S.%6f").to_string());
                let shown = String::from_utf8(utc_stamp.rfc3339(time).to_vec()).unwrap();
                let utc = DateTime::from_timestamp_nanos(time);
                prop_assert_eq!(shown, utc.format("%Y-%m-%dT%H:%M:%S.%9fZ").to_string());
            }
        }
    }
}
