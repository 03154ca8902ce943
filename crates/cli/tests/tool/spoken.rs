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
    ]
}

/// What a program printed, as JSON.
fn printed_by(program: &[&str]) -> Vec<Json> {
    let folder = Folder::new();
    let sink = SinkSpec::new("json").at(folder.path()).to_string();
    let output = run_command(&[&["-q", "--sink", &sink, "--"], program].concat()).output();
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

