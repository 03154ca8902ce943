//! `shmlog run`: what lines of foreign programs say of themselves, and which of them are one record.

use std::process::Command;

use libtest_mimic::Trial;
use serde_json::Value as Json;
use shmlog::sink::SinkSpec;

use crate::logged::{only_file, rows, text};
use crate::running::run_command;
use crate::support::{Folder, Role};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![
        a_traceback_is_one_record_and_lines_say_their_level,
        what_python_prints_is_there_when_it_is_killed,
        at_a_pseudo_terminal_records_are_the_same_and_colours_are_left_out,
        what_is_left_in_the_background_holds_up_no_pseudo_terminal_and_its_lines_are_recorded,
        a_regular_expression_says_levels_and_a_senseless_one_is_refused_at_once,
    ]
}

/// What a program printed, as JSON.
fn printed_by(program: &[&str]) -> Vec<Json> {
    printed_with(&[], program)
}

/// The same with options of the run's.
fn printed_with(options: &[&str], program: &[&str]) -> Vec<Json> {
    let folder = Folder::new();
    let sink = SinkSpec::new("json").at(folder.path()).to_string();
    let output = run_command(&[options, &["-q", "--sink", &sink, "--"], program].concat()).output();
    assert!(output.unwrap().stderr.is_empty());
    let bytes = std::fs::read(only_file(folder.path())).unwrap();
    let mut rows = rows(&bytes);
    rows.retain(|row| ["stdout", "stderr"].contains(&text(row, "target")));
    rows
}

fn a_traceback_is_one_record_and_lines_say_their_level() -> Result<(), Ignored> {
    if Command::new("python3").arg("-V").output().is_err() {
        return Err(Ignored("there is no python3"));
    }
    let program = "
import sys, logging
print('plain')
print('[WARN] [17.5]: low battery')
print('{\"level\":\"error\",\"msg\":\"x\"}')
print('<2>detail')
print('of one\\nwrite', file=sys.stderr)
logging.error('no answer')
try:
    try:
        {}['joint']
    except KeyError:
        raise ValueError('no joint')
except ValueError:
    logging.exception('moving')
raise SystemError('the end')
";
    let rows = printed_by(&["python3", "-c", program]);
    let of = |stream: &str| -> Vec<(String, String)> {
        let rows = rows.iter().filter(|row| text(row, "target") == stream);
        rows.map(|row| (text(row, "level").to_owned(), text(row, "message").to_owned())).collect()
    };
    let out = of("stdout");
    let out: Vec<_> = out.iter().map(|(level, text)| (&level[..], &text[..])).collect();
    assert_eq!(
        out,
        [
            ("info", "plain"),
            ("warn", "[WARN] [17.5]: low battery"),
            ("error", "{\"level\":\"error\",\"msg\":\"x\"}"),
            ("critical", "detail"),
        ]
    );
    let err = of("stderr");
    let expected = ["warn of one\nwrite", "error ERROR:root:no answer", "error ERROR:root:moving\nTraceback", "error Traceback"];
    assert_eq!(err.len(), expected.len(), "{err:#?}");
    for ((level, message), expected) in err.iter().zip(expected) {
        assert!(format!("{level} {message}").starts_with(expected), "{level} {message}");
    }
    assert!(err[2].1.contains("KeyError: 'joint'\nDuring") && err[2].1.ends_with("ValueError: no joint"));
    assert!(err[3].1.ends_with("SystemError: the end"));
    Ok(())
}

fn what_python_prints_is_there_when_it_is_killed() -> Result<(), Ignored> {
    if Command::new("python3").arg("-V").output().is_err() {
        return Err(Ignored("there is no python3"));
    }
    let program = "
import os, signal
for number in range(5):
    print('line', number)
os.kill(os.getpid(), signal.SIGKILL)
";
    let rows = printed_by(&["python3", "-c", program]);
    let expected: Vec<_> = (0..5).map(|number| format!("line {number}")).collect();
    assert_eq!(rows.iter().map(|row| text(row, "message")).collect::<Vec<_>>(), expected);
    Ok(())
}


/// Stream, level and text of each.
fn said_in(rows: &[Json]) -> Vec<[String; 3]> {
    let of = |row: &Json| ["target", "level", "message"].map(|key| text(row, key).to_owned());
    rows.iter().map(of).collect()
}

fn at_a_pseudo_terminal_records_are_the_same_and_colours_are_left_out() {
    let lines = "printf 'out\\n[ERROR] no answer\\n  in detail\\n'; seq 1 3000; printf 'no end'; sleep 0.1; printf 'err\\r\\n<2>last' >&2";
    let asks = |options: &[&str]| {
        let script = "test -t 1 && test -t 2 && printf '\\033[1;32mgreen\\033[0m\\n' || echo pipes";
        said_in(&printed_with(options, &["sh", "-c", script]))
    };
    let [piped, at_terminal] = [&[][..], &["--pty"]].map(|options| {
        let mut said = said_in(&printed_with(options, &["sh", "-c", lines]));
        // Between the two streams the order is that of reading.
        said.sort_by(|a, b| a[0].cmp(&b[0]));
        said
    });
    assert_eq!(piped.len(), 3005);
    assert_eq!(at_terminal, piped);
    assert_eq!(asks(&[])[0][2], "pipes");
    assert_eq!(asks(&["--pty"])[0], ["stdout", "info", "green"]);
}

fn what_is_left_in_the_background_holds_up_no_pseudo_terminal_and_its_lines_are_recorded() {
    let script = "(sleep 0.3; echo later) & echo first; exit 0";
    let said = said_in(&printed_with(&["--pty"], &["sh", "-c", script]));
    let texts: Vec<_> = said.iter().map(|[_, _, text]| &**text).collect();
    // The drainer stays for the second, which comes after the run's end.
    assert_eq!(texts.first(), Some(&"first"));
}

fn a_regular_expression_says_levels_and_a_senseless_one_is_refused_at_once() {
    let pattern = r"^\S+ (?<level>\w+)/";
    let script = "printf '1 E/cam: [INFO] dark\\n2 warning/cam: dim\\n3 loud/cam: x\\n[WARN] y\\n'";
    let said = said_in(&printed_with(&["--level-regex", pattern], &["sh", "-c", script]));
    let levels: Vec<_> = said.iter().map(|[_, level, _]| &**level).collect();
    assert_eq!(levels, ["error", "warn", "info", "warn"]);
    for (pattern, words) in [("(?<level>x", "unclosed"), ("(x)", "(?<level>…)"), ("", "0 bytes")] {
        let output = run_command(&["--level-regex", pattern, "--", "touch", "/no/such"]).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(words), "{said}");
    }
}
