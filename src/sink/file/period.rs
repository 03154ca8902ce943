//! When the time of a file is over, in local time.
//!
//! A file belongs to the hour, or the day, of its first record, by the record's own time: a drainer that is behind
//! puts what was logged before midnight into the file of before midnight. Records come in the order of their
//! sequences, so one that is a little older may follow a younger one; it goes where that is, and never back.
//!
//! Neither a record nor the clock is believed blindly. A record of a time that is still to come (whoever may write
//! into the ring may write any time) counts as of now. When the clock was
//! set back, the present file goes on, up to the end of the hour, or day, that the clock shows now. So each new file
//! takes a clock that passes a boundary.

use chrono::{DateTime, Days, Local, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike};

use super::config::Rotate;

/// What a record may be ahead of the clock, and the clock behind a file, without anything being the matter, in
/// nanoseconds: the drainer compares the two clocks once a second.
const SLACK_NS: i64 = 60_000_000_000;

/// The time that the present file is for.
pub(in crate::sink) struct Period {
    rotate: Rotate,
    /// Hour and minute at which a day begins.
    at: (u8, u8),
    /// A time in it: of the first record, or of when the clock was found set back. In nanoseconds since 1970.
    anchor: i64,
    /// Its end.
    until: i64,
}

impl Period {
    /// The one that this time belongs to.
    pub(in crate::sink) fn of(rotate: Rotate, at: (u8, u8), time_ns: i64) -> Period {
        let (anchor, until) = match rotate {
            Rotate::Never => (i64::MIN, i64::MAX),
            rotate => (time_ns, end_of(rotate, at, time_ns, &Local)),
        };
        Period {
            rotate,
            at,
            anchor,
            until,
        }
    }

    /// Whether it is over for a record of this time, and another one is on from here; `now` is the wall clock.
    pub(in crate::sink) fn is_over_at(&mut self, time_ns: i64, now: impl FnOnce() -> i64) -> bool {
        if (self.anchor..self.until).contains(&time_ns) || self.rotate == Rotate::Never {
            return false;
        }
        let now = now();
        let time_ns = believed(time_ns, now);
        let is_over = time_ns >= self.until;
        if is_over {
            *self = Period::of(self.rotate, self.at, time_ns);
        } else if now < self.anchor.saturating_sub(SLACK_NS) {
            *self = Period::of(self.rotate, self.at, now);
        }
        is_over
    }
}

/// The time of a record, unless it is still to come.
pub(in crate::sink) fn believed(time_ns: i64, now: i64) -> i64 {
    match time_ns.saturating_sub(now) > SLACK_NS {
        true => now,
        false => time_ns,
    }
}

/// When the hour, or the day, of a time is over.
fn end_of<Z: TimeZone>(rotate: Rotate, at: (u8, u8), time_ns: i64, zone: &Z) -> i64 {
    let time = DateTime::from_timestamp_nanos(time_ns).with_timezone(zone);
    let end_s = match rotate {
        Rotate::Never => None,
        Rotate::Hourly => Some(time.timestamp() + left_of_hour(&time)),
        Rotate::Daily => end_of_day(&time, at, zone).map(|end| end.timestamp()),
    };
    end_s.map_or(i64::MAX, |end_s| end_s.saturating_mul(1_000_000_000))
}

/// Seconds. Where clocks are set by half an hour, that hour has half of one.
fn left_of_hour(time: &impl Timelike) -> i64 {
    3_600 - i64::from(time.minute() * 60 + time.second())
}

/// The next time that the clock shows this hour and minute, or more, on a day on which it has not shown that yet.
fn end_of_day<Z: TimeZone>(time: &DateTime<Z>, at: (u8, u8), zone: &Z) -> Option<DateTime<Z>> {
    let at = NaiveTime::from_hms_opt(at.0.into(), at.1.into(), 0).unwrap_or_default();
    let today = time.naive_local().date();
    (0..3).find_map(|days| {
        let moment = today.checked_add_days(Days::new(days))?.and_time(at);
        first_from(moment, zone).filter(|first| first > time)
    })
}

/// When the clock shows this for the first time, or more, if that is left out in spring.
fn first_from<Z: TimeZone>(moment: NaiveDateTime, zone: &Z) -> Option<DateTime<Z>> {
    // The zone may leave out a whole day, as Samoa did in 2011.
    (0..=24 * 60).find_map(|minutes| {
        let shown = moment + TimeDelta::minutes(minutes);
        let times = times_of(shown, zone).into_iter();
        // Set back at midnight, the clock shows 23:00 at what should have been 00:00.
        let is_shown = |time: &DateTime<Z>| time.naive_local() >= shown;
        times.filter(is_shown).min()
    })
}

/// When the clock shows this, none, one, or two times. chrono has them in no certain order, and counts the moment in
/// which the clock is set among those before; so they are asked what is shown then.
pub(super) fn times_of<Z: TimeZone>(shown: NaiveDateTime, zone: &Z) -> Vec<DateTime<Z>> {
    let found = zone.from_local_datetime(&shown);
    let both = [found.clone().earliest(), found.latest()];
    let both = both.into_iter().flatten();
    both.map(|time| zone.from_utc_datetime(&time.naive_utc()))
        .collect()
}

#[cfg(test)]
mod tests;
