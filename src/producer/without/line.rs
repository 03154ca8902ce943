//! A record as a line for standard error: `WARN imu: drift axis=z (src/imu.rs:12)`.

use std::fmt::Write;

use crate::level::Level;
use crate::record::format::Room;
use crate::record::{CallSite, Site, Values};

/// The line of a record whose arguments stand in `captured`.
pub(super) fn of(level: Level, site: &CallSite, target: Option<&str>, captured: &[u8]) -> String {
    let statement = &site.statement;
    let mut message = String::new();
    let mut room = Room::behind(&message);
    let site = Site::of(statement);
    let rest = site.and_then(|site| site.format.render(captured, &mut message, &mut room));
    let values = rest.map(|rest| Values::of(statement.keys, rest));
    let scope = values.and_then(|values| values.itself()?.scope);
    let mut line = format!("{level} {}: ", target.unwrap_or(statement.target));
    if let Some(scope) = scope {
        line = format!("{line}{scope}: ");
    }
    line += &message;
    // A String takes everything.
    for (key, value) in values.iter().flat_map(Values::iter) {
        let _ = match value {
            crate::record::Value::Text(text) => write!(line, " {key}={text:?}"),
            value => write!(line, " {key}={value}"),
        };
    }
    if !statement.file.is_empty() {
        let _ = write!(line, " ({}:{})", statement.file, statement.line);
    }
    let mut line = harmless(&line);
    line.push('\n');
    line
}

/// Text that neither steers a terminal nor looks like another record's line.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\n    "),
            '\t' => out.push(c),
            c if c.is_ascii() && !c.is_ascii_control() => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::capture::{Arguments, Rendered};

    #[test]
    fn a_record_is_a_line_with_its_values_and_steers_no_terminal() {
        static SITE: CallSite = CallSite::new("imu", "imu.rs", 12, "{} of {}", "axis", false);
        let mut captured = Vec::new();
        (3_u8, Rendered(format_args!("\x1b[2Jten\ntwo ü")), "z").capture_all(&mut captured);
        let line = of(Level::Warn, &SITE, None, &captured);
        assert_eq!(
            line,
            "WARN imu: 3 of \\u{1b}[2Jten\n    two ü axis=\"z\" (imu.rs:12)\n"
        );
        let cut_off = of(Level::Error, &SITE, Some("arm"), &captured[..9]);
        assert!(cut_off.starts_with("ERROR arm: ") && cut_off.ends_with(" (imu.rs:12)\n"));
    }
}
