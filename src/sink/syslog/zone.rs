//! The local time's offset from UTC, asked for once a minute of log.

use chrono::{DateTime, Local, Offset};

use crate::sink::text::put_padded;

/// The offset asked for last.
pub(super) struct Zone {
    /// Minutes since 1970 that it is of; `None` before the first.
    minute: Option<i64>,
    text: [u8; 6],
}

impl Default for Zone {
    fn default() -> Zone {
        Zone {
            minute: None,
            text: *b"+00:00",
        }
    }
}

impl Zone {
    /// `+01:00`, for nanoseconds since 1970.
    pub(super) fn offset(&mut self, time_ns: i64) -> &[u8; 6] {
        // Offsets change at whole minutes.
        let minute = time_ns.div_euclid(60_000_000_000);
        if self.minute != Some(minute)
            && let Some(utc) = DateTime::from_timestamp(minute * 60, 0)
        {
            let seconds = utc.with_timezone(&Local).offset().fix().local_minus_utc();
            let minutes = seconds.unsigned_abs() / 60;
            self.text[0] = if seconds < 0 { b'-' } else { b'+' };
            put_padded(&mut self.text[1..3], minutes / 60);
            put_padded(&mut self.text[4..6], minutes % 60);
            self.minute = Some(minute);
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn offsets_are_what_chrono_formats(times in prop::collection::vec(0..i64::MAX, 1..5)) {
            let mut zone = Zone::default();
            for time in times {
                let local = DateTime::from_timestamp_nanos(time).with_timezone(&Local);
                let shown = String::from_utf8(zone.offset(time).to_vec()).unwrap();
                prop_assert_eq!(shown, local.format("%:z").to_string());
            }
        }
    }
}
