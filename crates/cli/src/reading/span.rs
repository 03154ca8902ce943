//! Which time is meant: `10m` ago, or a date.

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};

use crate::failure::Failure;
use crate::show;

/// From when to when.
#[derive(Debug, Default, clap::Args)]
pub struct Times {
    /// Only records from then on: `90s`, `10m`, `2h`, `3d` ago (a number alone: seconds), `today`, `yesterday`, `17:45` today, or
    /// `2026-11-22 17:45:12` (local, or with a zone)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only records up to then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Times {
    /// Whether any time is given.
    pub fn is_set(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }
}

/// Times between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub since_ns: i64,
    pub until_ns: i64,
}

impl Span {
    /// As the arguments say.
    pub fn of(arguments: &Times) -> Result<Span, Failure> {
        let now = Local::now();
        let time = |option: &str, text: &Option<String>, default: i64| {
            match text {
            None => Ok(default),
            Some(text) => time_of(text, now).ok_or_else(|| {
                Failure::of_arguments(format!(
                    "{option} {text:?} is no time; give one like 90s, 10m, 2h or 3d ago, today, 17:45, or 2026-11-22T17:45:12"
                ))
            }),
        }
        };
        let span = Span {
            since_ns: time("--since", &arguments.since, i64::MIN)?,
            until_ns: time("--until", &arguments.until, i64::MAX)?,
        };
        if span.since_ns > span.until_ns {
            return Err(Failure::of_arguments(
                "--since is later than --until, so nothing lies between; exchange them",
            ));
        }
        Ok(span)
    }

    /// Whether a time lies between.
    pub fn contains(&self, time_ns: i64) -> bool {
        (self.since_ns..=self.until_ns).contains(&time_ns)
    }
}

fn time_of(text: &str, now: DateTime<Local>) -> Option<i64> {
    let text = text.trim();
    if let Some(ago) = ago_ns(text) {
        return now.timestamp_nanos_opt()?.checked_sub(ago);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return time.timestamp_nanos_opt();
    }
    let shown = shown_of(text, now.date_naive())?;
    let local = Local.from_local_datetime(&shown);
    // What the clock never showed here is taken for UTC.
    let time = local
        .earliest()
        .map_or(Utc.from_utc_datetime(&shown), |time| time.to_utc());
    time.timestamp_nanos_opt()
}

fn shown_of(text: &str, today: NaiveDate) -> Option<NaiveDateTime> {
    let both = [
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
    ];
    let both = both
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let date = || {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()?
            .and_hms_opt(0, 0, 0)
    };
    let named = || match text {
        "today" => today.and_hms_opt(0, 0, 0),
        "yesterday" => today.pred_opt()?.and_hms_opt(0, 0, 0),
        _ => None,
    };
    let times = ["%H:%M:%S%.f", "%H:%M"];
    let time = || {
        times
            .iter()
            .find_map(|form| NaiveTime::parse_from_str(text, form).ok())
    };
    both.or_else(date)
        .or_else(named)
        .or_else(|| Some(today.and_time(time()?)))
}

/// `90s`, `10m`, `1.5h`; a number alone is of seconds, as everywhere in the tool.
fn ago_ns(text: &str) -> Option<i64> {
    let ago = show::parse_time(text).ok()?;
    i64::try_from(ago.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_ago_of_today_or_dates() {
        let now = Local.with_ymd_and_hms(2026, 11, 22, 17, 45, 12).unwrap();
        let ago = |text: &str| now.timestamp_nanos_opt().unwrap() - time_of(text, now).unwrap();
        assert_eq!(ago("90s"), 90_000_000_000);
        assert_eq!(ago("1.5h"), 5_400_000_000_000);
        assert_eq!(ago("17:45"), 12_000_000_000);
        assert_eq!(ago("2026-11-22T17:45:11.5"), 500_000_000);
        assert_eq!(ago("2026-11-22 17:44"), 72_000_000_000);
        assert_eq!(time_of("1970-01-01T01:00:00+01:00", now), Some(0));
        assert_eq!(ago("10"), 10_000_000_000);
        let since = |text: &str| {
            Local
                .timestamp_nanos(time_of(text, now).unwrap())
                .naive_local()
                .to_string()
        };
        assert_eq!(since("today"), "2026-11-22 00:00:00");
        assert_eq!(since("yesterday"), "2026-11-21 00:00:00");
        for none in ["", "soon", "10 parsecs", "-5m", "2026-13-01"] {
            assert_eq!(time_of(none, now), None, "{none}");
        }
    }
}
