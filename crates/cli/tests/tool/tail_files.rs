//! `shmlog tail` of files: how files are named, what they hold, and what is damaged.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use libtest_mimic::Trial;

use serde_json::Value as Json;
use shmlog::sink::SinkSpec;

use crate::logged::{EACH, Sinks, only_file, play, rows, text};
use crate::shown::{sequences, shown, tail};
use crate::support::{Folder, Role, assert_says, log_files};
use crate::pty::Terminal;
use crate::tool::{self, shmlog};
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![
        what_is_shown_as_json_and_logfmt_is_what_those_sinks_write,
        a_mcap_file_shows_what_its_messages_say,
        text_is_that_of_the_console_and_coloured_if_so_wished,
        a_folder_of_several_kinds_shows_each_record_once_in_its_place,
        the_last_records_are_found_whichever_way_the_files_are_named,
        what_is_long_goes_through_a_pager_on_a_terminal_and_nowhere_else,
        a_file_that_is_not_there_is_waited_for,
        lines_of_other_programs_are_shown_as_they_are,
        what_is_damaged_is_said_with_file_and_line_and_the_rest_is_shown,
        what_cannot_be_read_is_named_with_a_way_out,
    ]
}

fn what_is_shown_as_json_and_logfmt_is_what_those_sinks_write() {
    let sinks = Sinks::new();
    let json = only_file(&sinks.at("json"));
    for form in ["json", "logfmt"] {
        let (out, _) = tail(&["-n", "all", "--output", form, json.to_str().unwrap()]);
        assert_eq!(String::from_utf8(out), String::from_utf8(sinks.bytes(form)));
    }
}

fn a_mcap_file_shows_what_its_messages_say() {
    let sinks = Sinks::new();
    let all = sinks.rows();
    let path = sinks.at("mcap");
    let found = shown(&["-n", "all", path.to_str().unwrap()]);
    assert_eq!(sequences(&found), sequences(&all));
    for (found, row) in found.iter().zip(&all) {
        assert_eq!(
            (text(found, "time"), text(found, "process")),
            (text(row, "time"), text(row, "process"))
        );
        assert!(text(found, "message").starts_with(text(row, "message")));
        assert!(["trace", text(found, "level")].contains(&text(row, "level")));
    }
    let of_bus = shown(&[
        "-n",
        "all",
        "-t",
        "can::bus",
        "--grep",
        "bus=13 ",
        path.to_str().unwrap(),
    ]);
    assert_eq!(of_bus.len(), 2);
    let done = shmlog(&["tail", "-f", path.to_str().unwrap()])
        .assert()
        .code(1);
    assert_says(
        &String::from_utf8_lossy(&done.get_output().stderr),
        &[".mcap", "cannot be followed", "leave -f out"],
    );
}

fn text_is_that_of_the_console_and_coloured_if_so_wished() {
    let sinks = Sinks::new();
    let path = sinks.at("json");
    let words = [
        "-n",
        "1",
        "--grep",
        "number 13$",
        "--proc",
        "child-1",
        path.to_str().unwrap(),
    ];
    let (plain, error) = tail(&words);
    let plain = String::from_utf8(plain).unwrap();
    assert_eq!((plain.lines().count(), &error[..]), (1, ""));
    assert_says(
        &plain,
        &[
            "DEBUG    child-1/main ",
            " number 13 bus=13 state=\"at rest\"  can::bus tail",
        ]
        .map(|word| word.trim_end_matches(" tail")),
    );
    let (colour, _) = tail(&[&words[..], &["--color", "always"]].concat());
    let colour = String::from_utf8(colour).unwrap();
    assert_says(&colour, &["\x1b[34mDEBUG\x1b[0m"]);
    let (never, _) = tail(&[&words[..], &["--color", "never"]].concat());
    assert_eq!(String::from_utf8(never).unwrap(), plain);
    // What was logged does not steer the terminal.
    let (all, _) = tail(&["-n", "all", path.to_str().unwrap()]);
    assert!(!all.contains(&0x1b));
}

fn a_folder_of_several_kinds_shows_each_record_once_in_its_place() {
    let folder = Folder::new();
    let spec = |kind: &str, options: &str| {
        let spec = SinkSpec::new(kind).at(folder.path()).to_string();
        format!("{spec}{options}")
    };
    play(&[
        spec("file", ""),
        spec("json", "?level=warn"),
        spec("mcap", "?level=error"),
    ]);
    let all = shown(&["-n", "all", folder.text()]);
    assert!(sequences(&all).is_sorted_by(|one, next| one < next));
    // A parent that says two things, and two children.
    assert_eq!(all.len() as u64, 2 + 2 * EACH);
    assert_eq!(sequences(&shown(&["-n", "25", folder.text()])), sequences(&all[all.len() - 25..]));
    // JSON tells most of those that it has.
    let is_marked = |row: &&Json| row["fields"]["ok"].is_boolean();
    assert!(all.iter().filter(is_marked).count() > 10);
    let warned = shown(&["-n", "all", "-l", "warn", folder.text()]);
    let is_warned = |row: &&Json| ["warn", "error", "critical"].contains(&text(row, "level"));
    assert_eq!(warned.len(), all.iter().filter(is_warned).count());
    let picture = folder.path().join("load.svg");
    shmlog(&["plot", folder.text(), "-o", picture.to_str().unwrap()])
        .assert()
        .success();
    let picture = fs::read_to_string(picture).unwrap();
    assert_says(&picture, &[&format!("{} records", all.len())]);
}

fn the_last_records_are_found_whichever_way_the_files_are_named() {
    let sinks = Sinks::new();
    let all = sinks.rows();
    let last = |count: usize| sequences(&all[all.len() - count..]);
    let (text, packed) = (sinks.at("text"), sinks.at("packed"));
    let file = only_file(&text);
    let link = text.join("app_latest.log");
    assert!(link.is_symlink());
    for path in [&text, &file, &link, &packed] {
        assert_eq!(sequences(&shown(&[path.to_str().unwrap()])), last(10));
        assert_eq!(
            sequences(&shown(&["-n0", path.to_str().unwrap()])),
            [None; 0]
        );
        assert_eq!(
            sequences(&shown(&["-n", "100", path.to_str().unwrap()])),
            last(100)
        );
    }
    // Its parts by themselves, as a shell lists them.
    let mut parts: Vec<_> = fs::read_dir(&packed)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    parts.sort();
    assert!(parts.len() > 5);
    let parts: Vec<_> = parts.iter().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(
        sequences(&shown(&[&parts[..], &["-n", "all"]].concat())),
        last(all.len())
    );
    // Names do not matter: what a file is, it says itself.
    let other = sinks.at("any name");
    fs::copy(parts[0], &other).unwrap();
    assert!(shown(&["-n", "all", other.to_str().unwrap()]).len() > 10);
}

/// A file of its own in a folder.
fn file_of(folder: &Folder, name: &str, bytes: &[u8]) -> String {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

const RECORD: &str = "2026-11-22 17:45:12.123456 WARN     #42 arm[1234] imu[1235] can src/can.rs:17 - bus 2 is slow\n";

fn what_is_long_goes_through_a_pager_on_a_terminal_and_nowhere_else() {
    let folder = Folder::new();
    let path = file_of(&folder, "many", RECORD.repeat(60).as_bytes());
    let mut command = tool::command(&["tail", "-n", "60", &path]);
    command.env("PAGER", "sed s/^/paged:/");
    let screen = Terminal::with(&command).close();
    // A line says which day it was.
    assert_eq!(screen.matches("paged:").count(), 1 + 60, "{screen}");
    // The same width as without.
    assert!(screen.lines().all(|line| line.len() <= 80 + "paged:".len()), "{screen}");
    for (arguments, pager) in [
        (&["--no-pager"][..], "sed s/^/paged:/"),
        (&["--output", "json"], "sed s/^/paged:/"),
        (&[], "no-such-pager -R"),
        (&[], ""),
    ] {
        let mut command = tool::command(&[&["tail", "-n", "60", &path], arguments].concat());
        command.env("PAGER", pager);
        let screen = Terminal::with(&command).close();
        assert!(!screen.contains("paged:") && screen.matches("bus 2 is slow").count() == 60, "{screen}");
    }
    let mut piped = tool::command(&["tail", "-n", "60", &path]);
    let output = piped.env("PAGER", "sed s/^/paged:/").output().unwrap();
    assert!(output.status.success() && !output.stdout.starts_with(b"paged:"));
}

fn a_file_that_is_not_there_is_waited_for() {
    let folder = Folder::new();
    let path = folder.path().join("late.log");
    let mut command = tool::command(&["tail", "-F", path.to_str().unwrap()]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tail = command.spawn().unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(tail.stderr.take().unwrap());
    said.read_line(&mut line).unwrap();
    assert_says(&line, &["waiting for ", "late.log"]);
    fs::write(&path, RECORD).unwrap();
    let mut out = BufReader::new(tail.stdout.take().unwrap());
    line.clear();
    out.read_line(&mut line).unwrap();
    assert_says(&line, &["bus 2 is slow"]);
    drop(out);
    assert!(tail.wait().unwrap().success());
}

fn lines_of_other_programs_are_shown_as_they_are() {
    let folder = Folder::new();
    let mixed = format!("Segmentation fault\n{RECORD}    still\n# \x1b[31mred\u{202e}\n{RECORD}");
    let path = file_of(&folder, "mixed", mixed.as_bytes());
    let (out, error) = tail(&["-n", "all", &path]);
    let out = String::from_utf8(out).unwrap();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(
        (lines[0], lines[3]),
        ("Segmentation fault", "# \\u{1b}[31mred\\u{202e}"),
        "{out}"
    );
    assert_eq!((lines.len(), &error[..]), (5, ""), "{out}");
    // A filter that they cannot meet, and one that they can.
    assert_eq!(
        tail(&["-n", "all", "-p", "warn", &path])
            .0
            .split(|byte| *byte == b'\n')
            .count(),
        4
    );
    assert_eq!(
        tail(&["-n", "all", "--grep", "^Seg", &path]).0,
        b"Segmentation fault\n"
    );
    let (out, error) = tail(&["-n", "all", "--output", "json", &path]);
    assert_eq!(rows(&out).len(), 2);
    assert_says(&error, &["no records: 2", "--output text"]);
}

fn what_is_damaged_is_said_with_file_and_line_and_the_rest_is_shown() {
    let folder = Folder::new();
    let mut bytes = RECORD.repeat(3).into_bytes();
    bytes.splice(RECORD.len() * 2 - 4..RECORD.len() * 2 - 3, [0xff]);
    let path = file_of(&folder, "not UTF-8", &bytes);
    let (out, error) = tail(&["-n", "all", &path]);
    assert_eq!(
        String::from_utf8(out).unwrap().matches('\u{fffd}').count(),
        1
    );
    assert_says(&error, &[&path, ":2: not UTF-8"]);

    let path = file_of(
        &folder,
        "cut off",
        &RECORD.repeat(2).as_bytes()[..RECORD.len() + 90],
    );
    let (out, error) = tail(&["--output", "json", &path]);
    assert_eq!(rows(&out).len(), 2);
    assert_says(&error, &[&path, ":2: the last line has no end"]);

    let sinks = Sinks::new();
    let packed = log_files_packed(&sinks.at("packed"));
    let bytes = fs::read(&packed).unwrap();
    let path = file_of(&folder, "cut.gz", &bytes[..bytes.len() - 9]);
    let (out, error) = tail(&["-n", "all", "--output", "json", &path]);
    assert!(rows(&out).len() > 10);
    assert_says(&error, &[&path, "cannot be read from here on"]);

    let whole = fs::read_dir(sinks.at("mcap"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let bytes = fs::read(&whole).unwrap();
    for cut in [bytes.len() / 2, bytes.len() - 1, bytes.len() - 20, 30, 8] {
        let path = file_of(&folder, "cut.mcap", &bytes[..cut]);
        tail(&["-n", "all", &path]);
    }
    // Bytes that were changed are told or harmless, and never end it all.
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x55;
        let path = file_of(&folder, "changed.mcap", &bytes);
        let code = shmlog(&["tail", "-n", "all", &path])
            .output()
            .unwrap()
            .status
            .code();
        assert!(matches!(code, Some(0 | 1)), "{at}: {code:?}");
    }
}

fn log_files_packed(folder: &Path) -> String {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut packed: Vec<_> = names
        .filter(|path| path.extension().is_some_and(|end| end == "gz"))
        .collect();
    packed.sort();
    packed[0].to_str().unwrap().to_owned()
}

fn what_cannot_be_read_is_named_with_a_way_out() {
    let folder = Folder::new();
    assert!(log_files(folder.path()).is_empty());
    let refused_with = |code: i32, arguments: &[&str], words: &[&str]| {
        let done = shmlog(&[&["tail"], arguments].concat()).assert().code(code);
        let error = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert_says(&error, words);
        assert_eq!(error.lines().count(), 1, "{error}");
    };
    let refused = |arguments: &[&str], words: &[&str]| refused_with(1, arguments, words);
    refused(
        &[folder.text()],
        &[folder.text(), "no log files", "name other files"],
    );
    let missing = folder.path().join("missing.log");
    refused(
        &[missing.to_str().unwrap()],
        &["missing.log", "No such file"],
    );
    let path = folder.path().join("program");
    fs::File::create(&path)
        .unwrap()
        .write_all(b"\x7fELF\0\0\0")
        .unwrap();
    refused(&[path.to_str().unwrap()], &["program", "is no log", "MCAP"]);
    refused_with(
        2,
        &["--since", "soon", folder.text()],
        &["--since", "soon", "10m"],
    );
    refused_with(
        2,
        &["--since", "1m", "--until", "2m", folder.text()],
        &["later than --until"],
    );
    for wrong in [
        &["--grep", "("][..],
        &["-p", "loud"],
        &["-n", "some"],
        &["--output", "xml"],
    ] {
        shmlog(&[&["tail"], wrong, &[folder.text()]].concat())
            .assert()
            .code(2);
    }
}
