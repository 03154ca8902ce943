//! Numbers in few characters: `12.3k`, `4.5 MiB`, `3d 4h`.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A number of things in at most six characters: `999`, `12.3k`, `4.56M`.
pub fn count(n: u64) -> String {
    scaled(n as f64, 1000.0, &["", "k", "M", "G", "T", "P", "E"])
}

/// Things a second.
pub fn rate(a_second: f64) -> String {
    let a_second = a_second.max(0.0);
    match a_second {
        // A few a second: the tenths tell whether there is any.
        0.0 => "0/s".to_owned(),
        ..9.95 => format!("{a_second:.1}/s"),
        _ => count(a_second.round() as u64) + "/s",
    }
}

/// A number of bytes: `512 B`, `4.50 MiB`.
pub fn bytes(n: u64) -> String {
    scaled(
        n as f64,
        1024.0,
        &[" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"],
    )
}

/// With three digits, of the first unit of which there are fewer than a thousand.
fn scaled(mut n: f64, base: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while n >= 999.5 && unit + 1 < units.len() {
        n /= base;
        unit += 1;
    }
    let digits = match n {
        _ if unit == 0 => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{n:.digits$}{}", units[unit])
}

/// A share of one: `0 %`, `<1 %`, `12 %`.
pub fn percent(share: f64) -> String {
    let share = share.clamp(0.0, 1.0) * 100.0;
    match share {
        0.0..1.0 if share > 0.0 => "<1 %".to_owned(),
        1.0.. => format!("{share:.0} %"),
        _ => "0 %".to_owned(),
    }
}

/// A stretch of time by its two largest units: `450ms`, `12s`, `3m 20s`, `4h 5m`, `2d 3h`.
pub fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// Reads a stretch of time: `500ms`, `10s` (or `10sec`), `2m` (or `2min`), `1h`, `7d`, `2w`; a number alone is of seconds.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is no time; write 500ms, 10s, 2m, 1h or 7d");
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| refused())?;
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "w" => 604_800.0,
        _ => return Err(refused()),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| refused())
}

/// The same, of a time that makes sense only within these bounds.
pub fn parse_time_within(text: &str, bounds: RangeInclusive<Duration>) -> Result<Duration, String> {
    let time = parse_time(text)?;
    let (least, most) = (age(*bounds.start()), age(*bounds.end()));
    match bounds.contains(&time) {
        true => Ok(time),
        false => Err(format!("a time between {least} and {most} is needed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units_and_anything_else_is_refused() {
        let times = [
            "500ms", "10s", "10sec", "1.5h", "2m", "2min", "7d", "1w", "3",
        ];
        let read = times.map(|text| parse_time(text).unwrap().as_millis());
        assert_eq!(
            read,
            [
                500,
                10_000,
                10_000,
                5_400_000,
                120_000,
                120_000,
                604_800_000,
                604_800_000,
                3000
            ]
        );
        for wrong in [
            "",
            "s",
            "10 s",
            "1e400s",
            "-1s",
            "10x",
            "..",
            "99999999999999999999d",
        ] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_have_three_digits_and_the_unit_that_fits() {
        let counts = [
            0,
            7,
            999,
            1000,
            12_345,
            999_499,
            999_500,
            4_560_000,
            u64::MAX,
        ];
        let expected = [
            "0", "7", "999", "1.00k", "12.3k", "999k", "1.00M", "4.56M", "18.4E",
        ];
        assert_eq!(counts.map(count), expected);
        let sizes = [0, 1023, 1024, 8 << 20, 11_534_336].map(bytes);
        assert_eq!(
            sizes,
            ["0 B", "1.00 KiB", "1.00 KiB", "8.00 MiB", "11.0 MiB"]
        );
        let rates = [0.0, 0.04, 9.9, 10.4, 5_123_456.0, -1.0].map(rate);
        assert_eq!(rates, ["0/s", "0.0/s", "9.9/s", "10/s", "5.12M/s", "0/s"]);
    }

    #[test]
    fn a_small_share_is_not_said_to_be_none() {
        let shares = [0.0, -0.0, 0.001, 0.5, 7.0, f64::NAN].map(percent);
        assert_eq!(shares, ["0 %", "0 %", "<1 %", "50 %", "100 %", "0 %"]);
    }

    #[test]
    fn a_time_is_said_by_its_two_largest_units() {
        let times = [450, 12_000, 200_000, 14_700_000, 183_600_000];
        let said = times.map(|ms| age(Duration::from_millis(ms)));
        assert_eq!(said, ["450ms", "12s", "3m 20s", "4h 5m", "2d 3h"]);
    }
}
