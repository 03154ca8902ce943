//! Names of log files: `{program}_{YYYYmmdd_HHMMSS_micros}.log`, how they are made and how they are told
//! from the files of other programs.

use crate::sink::stamp::{Stamp, micros};
use crate::sink::text::is_harmful;

/// What stands behind the program's name; `#` is a digit.
const PATTERN: &[u8] = b"_########_######_######.log";

/// The longest name of a file that Linux takes, in bytes.
const NAME_MAX: usize = 255;

/// The program's name as it may stand in the name of a file: no separators, no blanks, nothing that
/// hides the file, looks like an option or reorders a listing, and room for the rest of the name.
pub(super) fn sanitise(program: &str) -> String {
    let mut name: String = program
        .chars()
        .map(|c| match c {
            '/' | '\\' => '_',
            c if c.is_whitespace() || is_harmful(c) => '_',
            c => c,
        })
        .collect();
    if name.starts_with(['.', '-']) {
        name.replace_range(..1, "_");
    }
    let mut length = name.len().min(NAME_MAX - PATTERN.len());
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    name.truncate(length);
    if name.is_empty() {
        name.push_str("program");
    }
    name
}

/// The name of a file begun `micros_since_1970` microseconds after 1970 (UTC), in local time.
pub(super) fn file_name(program: &str, micros_since_1970: i64) -> String {
    let time_ns = micros_since_1970.saturating_mul(1_000);
    let mut digits: Vec<u8> = Stamp::default().date_and_time(time_ns).to_vec();
    digits.extend_from_slice(&micros(time_ns));
    digits.retain(u8::is_ascii_digit);
    let mut digits = digits.into_iter().map(char::from);
    let mut name = program.to_owned();
    for place in PATTERN {
        match place {
            b'#' => name.extend(digits.next()),
            other => name.push(char::from(*other)),
        }
    }
    name
}

/// What stands at the end of the name of a file of recovered records, in place of `.log`.
const RECOVERED: &str = "_recovered.log";

/// As much of a program's name as leaves room for the rest of a recovered file's.
fn shortened(program: &str) -> &str {
    let mut length = program
        .len()
        .min(NAME_MAX - PATTERN.len() - RECOVERED.len());
    while !program.is_char_boundary(length) {
        length -= 1;
    }
    &program[..length]
}

/// The name of a file of records that were recovered at this time, which no pruner takes for a log file.
pub(super) fn recovered_name(program: &str, micros_since_1970: i64) -> String {
    let name = file_name(shortened(program), micros_since_1970);
    name.strip_suffix(".log").unwrap_or(&name).to_owned() + RECOVERED
}

/// Whether `name` is what [`recovered_name`] gives for this program, and no other, at some time.
pub(super) fn is_recovered(name: &str, program: &str) -> bool {
    name.strip_suffix(RECOVERED)
        .is_some_and(|rest| belongs_to(&format!("{rest}.log"), shortened(program)))
}

/// Whether `name` is what [`file_name`] gives for this program, and no other, at some time.
pub(super) fn belongs_to(name: &str, program: &str) -> bool {
    name.strip_prefix(program).is_some_and(|rest| {
        let fits = |(byte, place): (u8, &u8)| match place {
            b'#' => byte.is_ascii_digit(),
            other => byte == *other,
        };
        rest.len() == PATTERN.len() && rest.bytes().zip(PATTERN).all(fits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_program_owns_its_names_and_no_others() {
        assert!(belongs_to("app_20261122_174512_123456.log", "app"));
        assert!(!belongs_to("app_server_20261122_174512_123456.log", "app"));
        assert!(!belongs_to("app_20261122_174512_123456.log", "app_server"));
        assert!(!belongs_to(
            "app_20261122_174512_123456_20261122_174512_123456.log",
            "app"
        ));
        assert!(!belongs_to("app_20261122_174512_123456.log.gz", "app"));
        assert!(!belongs_to("app_20261122_174512_12345x.log", "app"));
        assert!(!belongs_to("app_2026112x_174512_123456.log", "app"));
        assert!(!belongs_to("xapp_20261122_174512_123456.log", "app"));
    }

    #[test]
    fn hostile_program_names_become_harmless_file_names() {
        assert_eq!(sanitise("../../etc/passwd"), "_._.._etc_passwd");
        assert_eq!(sanitise("my app\t\0\x1b[2J\u{202e}"), "my_app___[2J_");
        assert_eq!(sanitise("-rf"), "_rf");
        assert_eq!(sanitise(""), "program");
        assert_eq!(sanitise("wörker-1"), "wörker-1");
    }

    proptest! {
        #[test]
        fn every_name_fits_and_is_recognised(program in any::<String>(), long in "ä{0,200}", micros in 0..i64::MAX / 1_000) {
            let program = sanitise(&(program + &long));
            let name = file_name(&program, micros);
            prop_assert!(name.len() <= NAME_MAX && !name.contains(['/', '\0']) && !name.starts_with('.'));
            prop_assert!(belongs_to(&name, &program), "{}", name);
            let recovered = recovered_name(&program, micros);
            prop_assert!(recovered.len() <= NAME_MAX && recovered.ends_with("_recovered.log"));
            prop_assert!(is_recovered(&recovered, &program) && !is_recovered(&name, &program));
            prop_assert!(!belongs_to(&recovered, &program), "no pruner may take {}", recovered);
        }
    }
}
