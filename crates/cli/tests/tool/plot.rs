//! `shmlog plot`: what stands in the picture of files that real processes wrote.

use std::fs;

use libtest_mimic::Trial;

use crate::logged::{EACH, Sinks};
use crate::support::{Actor, Folder, Role, assert_says};
use crate::tool::shmlog;
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![
        the_picture_names_levels_and_processes_with_their_numbers_whatever_the_files_are,
        panels_can_be_chosen_and_the_size_is_what_was_asked_for,
        gaps_are_shaded_and_losses_are_marked_with_their_number,
        what_a_full_ring_cost_is_marked_whatever_the_files_are,
        processes_beyond_the_eighth_are_one,
        what_cannot_be_drawn_is_named_with_a_way_out,
    ]
}

fn picture(arguments: &[&str]) -> String {
    let all = [&["plot"], arguments, &["-o", "-"]].concat();
    let done = shmlog(&all).assert().success().stderr("");
    let svg = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert!(
        svg.starts_with("<svg ") && svg.ends_with("</svg>\n"),
        "{svg}"
    );
    svg
}

/// The words in a picture, in the order in which they were drawn.
fn words(svg: &str) -> Vec<&str> {
    let lines = svg.lines().skip_while(|line| !line.starts_with("<text"));
    let mut lines = lines.filter(|line| !line.starts_with('<'));
    lines.by_ref().map(str::trim).collect()
}

/// What stands behind a name in the legend.
fn number_of(svg: &str, name: &str) -> String {
    let words = words(svg);
    // A lane has its name too, before the legend.
    let at = words.iter().rposition(|word| *word == name);
    let at = at.unwrap_or_else(|| panic!("no {name} in {words:?}"));
    words[at + 1].replace('\u{202f}', "")
}

fn the_picture_names_levels_and_processes_with_their_numbers_whatever_the_files_are() {
    let sinks = Sinks::new();
    let rows = sinks.rows();
    let count = |key: &str, name: &str| {
        rows.iter()
            .filter(|row| row[key] == name)
            .count()
            .to_string()
    };
    for place in ["json", "text", "packed", "mcap"] {
        let svg = picture(&[sinks.at(place).to_str().unwrap()]);
        assert_says(
            &svg,
            &[
                "records per second, by level",
                "records per second, by process",
            ],
        );
        for level in ["info", "warn", "error", "critical"] {
            assert_eq!(number_of(&svg, level), count("level", level), "{place}");
        }
        for child in ["child-1", "child-2"] {
            assert_eq!(number_of(&svg, child), EACH.to_string(), "{place}");
        }
        assert!(
            words(&svg)[0].contains(&format!("{} records, ", rows.len())),
            "{:?}",
            words(&svg)
        );
    }
}

fn panels_can_be_chosen_and_the_size_is_what_was_asked_for() {
    let sinks = Sinks::new();
    let path = sinks.at("json");
    let path = path.to_str().unwrap();
    let level = picture(&["--by", "level", "--width", "640", "--height", "480", path]);
    assert_says(&level, &[r#"<svg width="640" height="480""#, "by level"]);
    assert!(!level.contains("by process"));
    assert!(!picture(&["--by", "process", path]).contains("by level"));
    let file = sinks.at("out.svg");
    shmlog(&["plot", path, "-o", file.to_str().unwrap()])
        .assert()
        .success()
        .stdout("");
    assert_eq!(fs::read_to_string(file).unwrap(), picture(&[path]));
}

/// A file of JSON lines: second, process, message; the log itself has no sequence.
fn file_of(folder: &Folder, rows: &[(u32, &str, &str)]) -> String {
    let line = |(second, process, message): &(u32, &str, &str)| {
        let seq = if *process == "shmlog" {
            ""
        } else {
            r#""seq":1,"#
        };
        let (minute, second) = (second / 60, second % 60);
        format!(
            r#"{{"time":"2026-11-22T17:{minute:02}:{second:02}Z","level":"warn",{seq}"process":"{process}","message":"{message}"}}"#
        ) + "\n"
    };
    let path = folder.path().join("robot.jsonl");
    fs::write(&path, rows.iter().map(line).collect::<String>()).unwrap();
    path.to_str().unwrap().to_owned()
}

const GREY: &str = "#ECECF1";

fn gaps_are_shaded_and_losses_are_marked_with_their_number() {
    let folder = Folder::new();
    let mut rows: Vec<_> = (0..300).map(|second| (second, "arm", "x")).collect();
    let whole = picture(&["--by", "level", &file_of(&folder, &rows)]);
    assert!(!whole.contains(GREY) && !whole.contains("lost"), "{whole}");
    rows.drain(100..200);
    rows.insert(
        20,
        (
            20,
            "shmlog",
            "1234 records of arm[7] dropped: the ring was full",
        ),
    );
    rows.insert(
        21,
        (
            20,
            "shmlog",
            "in the end: 1300 written, 1234 dropped, 0 lost",
        ),
    );
    rows.push((
        300,
        "shmlog",
        "3 records are missing here (arm[7]: 3): disk full",
    ));
    let path = file_of(&folder, &rows);
    let svg = picture(&["--by", "level", &path]);
    assert_eq!(svg.matches(GREY).count(), 1);
    assert_says(&svg, &["nothing for 1.7 min", "−1\u{202f}234", "−3"]);
    assert_eq!(number_of(&svg, "lost"), "1237");
    let later = picture(&["--by", "level", "--since", "2026-11-22T17:03:00Z", &path]);
    assert_eq!(
        (later.matches(GREY).count(), &number_of(&later, "lost")[..]),
        (0, "3")
    );
}

fn what_a_full_ring_cost_is_marked_whatever_the_files_are() {
    let folder = Folder::new();
    let kinds = ["json", "file", "mcap"];
    let place = |kind: &str| folder.path().join(kind).to_str().unwrap().to_owned();
    let specs = kinds.map(|kind| format!("{kind}:{}", place(kind)));
    let mut parent = Actor::start("losing_parent", &specs.each_ref().map(String::as_str));
    let dropped = parent.hear("");
    parent.finish();
    for kind in kinds {
        assert_eq!(
            number_of(&picture(&[&place(kind)]), "lost"),
            dropped,
            "{kind}"
        );
    }
}

fn processes_beyond_the_eighth_are_one() {
    let folder = Folder::new();
    let names: Vec<_> = (0..12_u32)
        .map(|number| format!("worker-{number}"))
        .collect();
    let seconds = (0..120_u32).filter(|second| second % 12 < 8 || second % 24 > 11);
    let rows: Vec<_> = seconds
        .map(|second| (second, names[second as usize % 12].as_str(), "x"))
        .collect();
    let svg = picture(&[&file_of(&folder, &rows)]);
    assert_eq!(
        (number_of(&svg, "worker-0"), number_of(&svg, "worker-7")),
        ("10".to_owned(), "10".to_owned())
    );
    assert_eq!(number_of(&svg, "4 more"), "20");
    assert!(!svg.contains("worker-9"));
}

fn what_cannot_be_drawn_is_named_with_a_way_out() {
    let folder = Folder::new();
    let refused_with = |code: i32, arguments: &[&str], words: &[&str]| {
        let done = shmlog(&[&["plot"], arguments].concat()).assert().code(code);
        assert_says(&String::from_utf8_lossy(&done.get_output().stderr), words);
    };
    let refused = |arguments: &[&str], words: &[&str]| refused_with(1, arguments, words);
    let path = file_of(&folder, &[(1, "arm", "x")]);
    refused_with(
        2,
        &[&path, "-o", &path],
        &["robot.jsonl", "one of the log files", "another name"],
    );
    refused(
        &[&path, "-o", "/missing/out.svg"],
        &["/missing/out.svg", "No such file", "another place"],
    );
    refused(
        &[&path, "-o", "-", "--since", "2030-01-01"],
        &["no records", "robot.jsonl", "tail"],
    );
    refused(
        &[folder.text(), "-o", "-"],
        &["no log files", folder.text()],
    );
    refused(
        &["/missing.log", "-o", "-"],
        &["/missing.log", "No such file"],
    );
    assert!(fs::read_to_string(&path).unwrap().contains("arm"));
    shmlog(&["plot", &path]).assert().code(2);
    shmlog(&["plot", "-o", "-"]).assert().code(2);
    // One record is a picture, too.
    picture(&[&path]);
}
