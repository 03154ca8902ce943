//! Ends of hours and days, beside clocks that are set by the season, and records of any time.

use chrono::{FixedOffset, MappedLocalTime, NaiveDate};
use proptest::prelude::*;

use super::*;

const S: i64 = 1_000_000_000;
const HOUR_S: i64 = 3_600;

/// Clocks that are set once. As loosely told as chrono does for those of the system.
#[derive(Clone, Debug)]
struct Zone {
    before_s: i32,
    after_s: i32,
    change_s: i64,
}

impl TimeZone for Zone {
    type Offset = FixedOffset;

    fn from_offset(offset: &FixedOffset) -> Zone {
        let offset_s = offset.local_minus_utc();
        Zone {
            before_s: offset_s,
            after_s: offset_s,
            change_s: 0,
        }
    }

    fn offset_from_local_date(&self, _: &NaiveDate) -> MappedLocalTime<FixedOffset> {
        unreachable!("days are not asked for")
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<FixedOffset> {
        let local_s = local.and_utc().timestamp();
        let before = local_s - i64::from(self.before_s) <= self.change_s;
        let after = local_s - i64::from(self.after_s) >= self.change_s;
        let offset = |s| FixedOffset::east_opt(s).unwrap();
        match (before, after) {
            (true, true) => MappedLocalTime::Ambiguous(offset(self.before_s), offset(self.after_s)),
            (true, false) => MappedLocalTime::Single(offset(self.before_s)),
            (false, true) => MappedLocalTime::Single(offset(self.after_s)),
            (false, false) => MappedLocalTime::None,
        }
    }

    fn offset_from_utc_date(&self, _: &NaiveDate) -> FixedOffset {
        unreachable!("days are not asked for")
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
        let is_after = utc.and_utc().timestamp() >= self.change_s;
        FixedOffset::east_opt(if is_after {
            self.after_s
        } else {
            self.before_s
        })
        .unwrap()
    }
}

/// 2026-10-25 01:00 UTC: 03:00 becomes 02:00 in Berlin.
const AUTUMN: Zone = Zone {
    before_s: 7_200,
    after_s: 3_600,
    change_s: 1_792_890_000,
};
/// 2026-03-29 01:00 UTC: 02:00 becomes 03:00 in Berlin.
const SPRING: Zone = Zone {
    before_s: 3_600,
    after_s: 7_200,
    change_s: 1_774_746_000,
};

/// What the clock shows.
fn shown(zone: &Zone, time_s: i64) -> NaiveDateTime {
    let time = DateTime::from_timestamp(time_s, 0).unwrap();
    time.with_timezone(zone).naive_local()
}

fn end_s(rotate: Rotate, at: (u8, u8), time_s: i64, zone: &Zone) -> i64 {
    end_of(rotate, at, time_s * S + 5, zone) / S
}

/// Minute by minute: when the clock shows more than it ever has, and passes the hour of a day by that.
fn end_of_day_by_steps(at: (u8, u8), time_s: i64, zone: &Zone) -> i64 {
    let at = NaiveTime::from_hms_opt(at.0.into(), at.1.into(), 0).unwrap();
    let days_of = |shown: NaiveDateTime| {
        let is_before = shown.time() < at;
        shown.date() - Days::new(u64::from(is_before))
    };
    let mut step_s = (time_s / 60) * 60 - 72 * HOUR_S;
    let mut most = shown(zone, step_s);
    loop {
        step_s += 60;
        let now = shown(zone, step_s);
        if now > most && days_of(now) > days_of(most) && step_s > time_s {
            return step_s;
        }
        most = most.max(now);
    }
}

proptest! {
    #[test]
    fn a_day_ends_when_the_clock_first_shows_its_hour(
        by_s in -30 * HOUR_S..30 * HOUR_S, hour in 0..24_u8, minute in 0..60_u8,
        before_h in -11..12_i32, by_m in prop::sample::select(vec![-60, -30, 0, 30, 60]),
        change_h in 0..48_i64,
    ) {
        let before_s = before_h * 3_600;
        let zone = Zone { before_s, after_s: before_s + by_m * 60, change_s: 1_792_890_000 + change_h * HOUR_S };
        let time_s = zone.change_s + by_s;
        let found = end_s(Rotate::Daily, (hour, minute), time_s, &zone);
        prop_assert_eq!(found, end_of_day_by_steps((hour, minute), time_s, &zone));
    }

    #[test]
    fn an_hour_ends_when_the_clock_shows_a_full_one(by_s in -30 * HOUR_S..30 * HOUR_S, half: bool) {
        // In India the full hours are half ones elsewhere.
        let shift_s = if half { 1_800 } else { 0 };
        let zone = Zone { before_s: AUTUMN.before_s + shift_s, after_s: AUTUMN.after_s + shift_s, ..AUTUMN };
        let time_s = zone.change_s + by_s;
        let expected = (time_s + 1..).find(|s| shown(&zone, *s).format("%M%S").to_string() == "0000");
        prop_assert_eq!(end_s(Rotate::Hourly, (0, 0), time_s, &zone), expected.unwrap());
    }

    #[test]
    fn there_is_an_end_for_any_time(time_ns: i64, hour in 0..24_u8) {
        for rotate in [Rotate::Hourly, Rotate::Daily] {
            prop_assert!(Period::of(rotate, (hour, 0), time_ns).until >= time_ns);
        }
    }
}

#[test]
fn the_hour_that_comes_twice_in_autumn_is_two_hours_and_no_two_days() {
    let first = AUTUMN.change_s - HOUR_S;
    assert_eq!(shown(&AUTUMN, first), shown(&AUTUMN, first + HOUR_S));
    let end = |time_s| end_s(Rotate::Hourly, (0, 0), time_s, &AUTUMN);
    assert_eq!(end(first), first + HOUR_S);
    assert_eq!(end(first + HOUR_S), first + 2 * HOUR_S);
    // At 02:30 a new day, and not again an hour later.
    let end = |time_s| end_s(Rotate::Daily, (2, 30), time_s, &AUTUMN);
    assert_eq!(end(first), first + HOUR_S / 2);
    assert_eq!(end(first + HOUR_S / 2), first + HOUR_S / 2 + 25 * HOUR_S);
    assert_eq!(end(first + HOUR_S), first + HOUR_S / 2 + 25 * HOUR_S);
}

#[test]
fn a_day_that_should_begin_in_the_hour_left_out_in_spring_begins_behind_it() {
    let end = |time_s| end_s(Rotate::Daily, (2, 30), time_s, &SPRING);
    assert_eq!(end(SPRING.change_s - HOUR_S), SPRING.change_s);
    assert_eq!(
        end(SPRING.change_s),
        SPRING.change_s + 23 * HOUR_S + HOUR_S / 2
    );
}

/// A day that began at 0, in hours, and the zone of the machine does not matter.
fn first_hours() -> Period {
    Period {
        rotate: Rotate::Hourly,
        at: (0, 0),
        anchor: 10 * HOUR_S * S + 5 * S,
        until: 11 * HOUR_S * S,
    }
}

/// `10:30` in nanoseconds.
fn at(hours: i64, minutes: i64) -> i64 {
    (hours * HOUR_S + minutes * 60) * S
}

#[test]
fn a_record_behind_the_end_begins_a_new_time_once_and_older_ones_go_with_it() {
    let mut period = first_hours();
    let mut is_over = |record, now| period.is_over_at(record, || now);
    assert!(!is_over(at(10, 59), at(11, 0)));
    assert!(is_over(at(11, 0), at(11, 0)));
    // Older, by a little and by much: late ones.
    assert!(!is_over(at(11, 0) - 1, at(11, 0)));
    assert!(!is_over(at(2, 0), at(11, 1)));
    assert!(!is_over(at(11, 1), at(11, 1)));
    assert!(is_over(at(12, 30), at(12, 30)));
}

#[test]
fn records_of_a_time_to_come_count_as_of_now() {
    let mut period = first_hours();
    assert!(!period.is_over_at(i64::MAX, || at(10, 30)));
    assert!(!period.is_over_at(at(11, 30), || at(10, 30)));
    assert!(period.is_over_at(i64::MAX, || at(11, 0)));
    // And nothing hangs on what they said.
    assert!(!period.is_over_at(at(11, 5), || at(11, 5)));
    assert!(period.is_over_at(at(12, 0), || at(12, 0)));
}

#[test]
fn when_the_clock_was_set_back_the_file_goes_on_and_the_next_boundary_counts() {
    let mut period = first_hours();
    let mut is_over = |record, now| period.is_over_at(record, || now);
    // Two hours, and the records do not know it for a second.
    assert!(!is_over(at(10, 30), at(8, 30)));
    assert!(!is_over(at(11, 10), at(8, 30)));
    assert!(!is_over(at(8, 31), at(8, 31)));
    assert!(is_over(at(9, 0), at(9, 0)));
    assert!(!is_over(at(9, 30), at(9, 30)));
    assert!(is_over(at(10, 1), at(10, 1)));
}

#[test]
fn a_clock_that_trembles_at_a_boundary_begins_no_second_file() {
    let mut period = first_hours();
    assert!(period.is_over_at(at(11, 0), || at(11, 0)));
    for tremble in 0..100 {
        let now = at(11, 0) - tremble % 3 * S;
        assert!(!period.is_over_at(now, || now));
    }
}
