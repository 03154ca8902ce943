//! Where marks stand on the axes, and what is written at them.

use chrono::{DateTime, Local, Offset};

const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// As many whole weeks.
const YEAR: i64 = 364 * DAY;

/// Distances that people count in.
const STEPS: [i64; 33] = [
    MS,
    2 * MS,
    5 * MS,
    10 * MS,
    20 * MS,
    50 * MS,
    100 * MS,
    200 * MS,
    500 * MS,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    91 * DAY,
    YEAR,
];

/// A time on the clock on the wall.
pub fn local(time_ns: i64) -> DateTime<Local> {
    DateTime::from_timestamp_nanos(time_ns).with_timezone(&Local)
}

/// Times from one to another, at most so many, and their words: whole seconds, minutes, hours of local time.
pub fn times(from_ns: i64, to_ns: i64, most: usize) -> Vec<(i64, String)> {
    let span = to_ns - from_ns;
    let fits = |step: &&i64| span / **step <= most as i64;
    let years = || (span / most as i64 / YEAR + 1) * YEAR;
    let step = STEPS.iter().find(fits).copied().unwrap_or_else(years);
    let offset = i64::from(local(from_ns).offset().fix().local_minus_utc()) * SECOND;
    let first = -(-(from_ns + offset)).div_euclid(step) * step - offset;
    let times = (0..=most as i64 + 1)
        .map(|number| first + number * step)
        .take_while(|time| *time <= to_ns);
    times.map(|time| (time, words(time, step))).collect()
}

fn words(time_ns: i64, step: i64) -> String {
    let time = local(time_ns);
    let is_midnight = step >= MINUTE && time.format("%H:%M").to_string() == "00:00";
    let form = match step {
        _ if is_midnight || step >= DAY => "%Y-%m-%d",
        MINUTE.. => "%H:%M",
        SECOND.. => "%H:%M:%S",
        _ => "%H:%M:%S%.3f",
    };
    time.format(form).to_string()
}

/// Numbers from 0 on, about four, of which the last is not below `most`, and their words: 1, 2 or 5 and zeros.
pub fn numbers(most: f64) -> Vec<(f64, String)> {
    let step = step(most);
    let count = (most / step).ceil() as usize;
    (0..=count)
        .map(|number| (number as f64 * step, short(number as f64 * step)))
        .collect()
}

/// What lies between two of them.
pub fn step(most: f64) -> f64 {
    let rough = (most / 4.0).max(1e-9);
    let ten = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * ten);
    step.into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * ten)
}

/// `1200` as `1.2k`.
fn short(number: f64) -> String {
    let with = |number: f64, unit: &str| {
        let text = format!("{number:.3}");
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match number {
        1e6.. => with(number / 1e6, "M"),
        1e3.. => with(number / 1e3, "k"),
        _ => with(number, ""),
    }
}

/// `1234567` as `1 234 567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1.5 s`, `12 min`: about how long.
pub fn duration(ns: i64) -> String {
    let of = |unit: i64, name: &str| {
        format!("{:.1} {name}", ns as f64 / unit as f64).replace(".0 ", " ")
    };
    match ns {
        DAY.. => of(DAY, "d"),
        HOUR.. => of(HOUR, "h"),
        MINUTE.. => of(MINUTE, "min"),
        SECOND.. => of(SECOND, "s"),
        _ => of(MS, "ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_round_and_short() {
        let words = |most: f64| {
            numbers(most)
                .into_iter()
                .map(|(_, words)| words)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(10.0), ["0", "5", "10"]);
        assert_eq!(words(4_100.0), ["0", "2k", "4k", "6k"]);
        assert_eq!(words(0.9), ["0", "0.5", "1"]);
        assert_eq!(
            (grouped(7), grouped(1_234_567)),
            ("7".into(), "1\u{202f}234\u{202f}567".into())
        );
        assert_eq!(
            (
                duration(1_500 * MS),
                duration(90 * MINUTE),
                duration(5 * SECOND)
            ),
            ("1.5 s".into(), "1.5 h".into(), "5 s".into())
        );
    }

    proptest! {
        #[test]
        fn marks_lie_on_the_axis_and_are_not_too_many(from in 0..4_000_000_000_000_000_000_i64, span in MS..3_000 * DAY, most in 2..20_usize) {
            let marks = times(from, from + span, most);
            prop_assert!(marks.len() <= most + 1);
            prop_assert!(marks.iter().all(|(time, words)| (from..=from + span).contains(time) && !words.is_empty()));
            prop_assert!(marks.is_sorted());
        }
    }
}
