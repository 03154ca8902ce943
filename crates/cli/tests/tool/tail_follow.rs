//! `shmlog tail -f` of files: nothing is lost or doubled across rotation, and when drainers are killed.

use std::collections::HashMap;
use std::fs;
use std::process::Stdio;

use libtest_mimic::Trial;
use rustix::process::Signal;
use serde_json::Value as Json;

use crate::logged::{END, Sinks, only_file, text};
use crate::support::{Actor, Folder, Role, assert_nothing_remains, drainers_of, send};
use crate::tool;
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![
        each_record_comes_once_and_in_order_across_rotation_under_load,
        each_record_comes_once_though_drainers_are_killed,
        records_of_several_files_that_a_killed_drainer_had_begun_are_found_in_the_one_before,
        the_link_to_the_latest_file_and_a_new_run_are_followed,
        a_file_of_another_name_is_followed_when_it_is_replaced_or_emptied,
        nobody_who_reads_on_is_no_failure,
    ]
}

/// Starts `shmlog tail` with these arguments.
fn start(arguments: &[&str]) -> Actor {
    Actor::from_command(tool::command(&[&["tail"], arguments].concat()))
}

/// Records of each child under load.
const LOAD: u64 = 8_000;

/// Hears all records of the children and the last, each once and in order; the log's own words may stand between them.
/// `amid` is done at some records.
fn hear_all(tail: &mut Actor, amid: &dyn Fn(u64)) {
    // Long records take several places of the ring, so sequences ascend but are not dense; numbers are.
    let (mut last, mut next) = (0, HashMap::from([("child-1", 0), ("child-2", 0)]));
    let mut heard = 0;
    loop {
        let row: Json = serde_json::from_str(&tail.hear("")).unwrap();
        let Some(sequence) = row["seq"].as_u64() else {
            continue;
        };
        assert!(sequence > last, "{row} behind {last}");
        last = sequence;
        if text(&row, "message") == END {
            break;
        }
        let next = next.get_mut(text(&row, "process")).unwrap();
        let number = text(&row, "message").split(['\n', ' ']).nth(1).unwrap();
        assert_eq!(number.parse(), Ok(*next), "{row}");
        *next += 1;
        heard += 1;
        amid(heard);
    }
    assert_eq!(heard, 2 * LOAD);
}

/// Plays a program that is followed from its first record on, up to its end.
fn follow(spec: &str, followed: &str, amid: &dyn Fn(&str, u64)) -> Actor {
    let mut parent = Actor::start("logged_parent", &[spec]);
    let ring = parent.hear("");
    let mut tail = start(&["-f", "-n", "all", "--output", "json", followed]);
    let first: Json = serde_json::from_str(&tail.hear("")).unwrap();
    assert_eq!(
        (text(&first, "message"), first["seq"].as_u64()),
        ("begun", Some(0))
    );
    parent.tell(&LOAD.to_string());
    hear_all(&mut tail, &|heard| amid(&ring, heard));
    parent.hear("logged");
    parent.finish();
    assert_nothing_remains(&ring);
    tail
}

fn each_record_comes_once_and_in_order_across_rotation_under_load() {
    for (kind, options) in [("file", ""), ("file", "&gzip=on"), ("json", "")] {
        let folder = Folder::new();
        let spec = format!(
            "{kind}:{}?max_size=20000&keep=100000{options}",
            folder.text()
        );
        let mut tail = follow(&spec, folder.text(), &|_, _| {});
        let files = fs::read_dir(folder.path()).unwrap().count();
        assert!(files > 40, "{files} files");
        tail.signal(Signal::INT);
        assert!(!tail.wait().success());
    }
}

fn each_record_comes_once_though_drainers_are_killed() {
    for size in ["20000", "1G"] {
        let folder = Folder::new();
        let spec = format!("file:{}?max_size={size}&keep=100000", folder.text());
        let kill = |ring: &str, heard: u64| {
            if heard.is_multiple_of(1_500) {
                drainers_of(ring)
                    .into_iter()
                    .for_each(|drainer| send(drainer, Signal::KILL));
            }
        };
        let tail = follow(&spec, folder.text(), &kill);
        tail.signal(Signal::INT);
    }
}

/// Lines of a text file, of these sequences.
fn lines(sequences: std::ops::Range<u32>) -> String {
    let line = |n| format!("2026-01-01 00:00:00.00000{n}+00:00 INFO     #{n} app[7] main[7] app src/main.rs:1 - n {n}\n");
    sequences.map(line).collect()
}

fn records_of_several_files_that_a_killed_drainer_had_begun_are_found_in_the_one_before() {
    let folder = Folder::new();
    let file = |n: u32| folder.path().join(format!("app_20260101_000000_00000{n}.log"));
    fs::write(file(0), lines(0..2)).unwrap();
    let mut tail = start(&["-f", "-n", "all", "--output", "json", folder.text()]);
    let mut hear = |sequences: std::ops::Range<u64>| {
        for sequence in sequences {
            let row: Json = serde_json::from_str(&tail.hear("")).unwrap();
            assert_eq!(row["seq"].as_u64(), Some(sequence), "{row}");
        }
    };
    hear(0..2);
    fs::write(file(2), lines(2..3)).unwrap();
    hear(2..3);
    fs::write(file(3), lines(3..4)).unwrap();
    hear(3..4);
    // The next drainer takes the batch back, and puts more of it into the first file.
    fs::remove_file(file(2)).unwrap();
    fs::remove_file(file(3)).unwrap();
    fs::write(file(0), lines(0..5)).unwrap();
    fs::write(file(5), lines(5..6)).unwrap();
    hear(4..6);
    tail.signal(Signal::INT);
}

fn the_link_to_the_latest_file_and_a_new_run_are_followed() {
    let folder = Folder::new();
    let spec = format!(
        "json:{}?max_size=20000&keep=100000&latest=on",
        folder.text()
    );
    let mut parent = Actor::start("logged_parent", &[&spec]);
    parent.hear("");
    let link = folder.path().join("app_latest.jsonl");
    let mut tail = start(&[
        "-f",
        "-n",
        "all",
        "--output",
        "json",
        link.to_str().unwrap(),
    ]);
    assert_eq!(
        text(&serde_json::from_str(&tail.hear("")).unwrap(), "message"),
        "begun"
    );
    parent.tell("0");
    parent.hear("logged");
    parent.finish();
    assert_eq!(
        text(&serde_json::from_str(&tail.hear("")).unwrap(), "message"),
        END
    );
    let mut again = Actor::start("logged_parent", &[&spec]);
    again.hear("");
    assert_eq!(
        text(&serde_json::from_str(&tail.hear("")).unwrap(), "message"),
        "begun"
    );
    again.tell("0");
    again.hear("logged");
    again.finish();
    assert_eq!(
        text(&serde_json::from_str(&tail.hear("")).unwrap(), "message"),
        END
    );
    tail.signal(Signal::INT);
}

fn a_file_of_another_name_is_followed_when_it_is_replaced_or_emptied() {
    let folder = Folder::new();
    let path = folder.path().join("syslog");
    fs::write(&path, "one\ntwo\n").unwrap();
    let mut tail = start(&["-f", "-n1", path.to_str().unwrap()]);
    assert_eq!(tail.hear(""), "two");
    fs::rename(&path, folder.path().join("syslog.1")).unwrap();
    fs::write(&path, "three\n").unwrap();
    assert_eq!(tail.hear(""), "three");
    fs::write(&path, "4\n").unwrap();
    assert_eq!(tail.hear(""), "4");
    tail.signal(Signal::INT);
}

fn nobody_who_reads_on_is_no_failure() {
    let sinks = Sinks::new();
    let path = only_file(&sinks.at("json"));
    for words in [&["-n", "all"][..], &["-n", "3", "-f"]] {
        let mut command = tool::command(&["tail"]);
        command
            .args(words)
            .arg(&path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", output.status);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}
