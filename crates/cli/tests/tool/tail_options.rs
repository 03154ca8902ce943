//! `shmlog tail` with each of its filters, over text, JSON lines and compressed parts: the same records, by an oracle that
//! looks at the rows of another parser.

use libtest_mimic::Trial;
use serde_json::Value as Json;
use shmlog::Level;

use crate::logged::{Sinks, text};
use crate::shown::{sequences, shown};
use crate::support::Role;
use crate::trials;

pub const ROLES: &[Role] = &[];

pub fn trials() -> Vec<Trial> {
    trials![every_option_shows_the_same_records_of_every_kind_of_file]
}

/// Which rows an option lets pass.
type Passes<'a> = Box<dyn Fn(&Json) -> bool + 'a>;
/// An option's words, and that.
type Case<'a> = (Vec<String>, Passes<'a>);

fn case<'a>(words: &[&str], passes: impl Fn(&Json) -> bool + 'a) -> Case<'a> {
    (
        words.iter().map(|word| (*word).to_owned()).collect(),
        Box::new(passes),
    )
}

fn options(rows: &[Json]) -> Vec<Case<'_>> {
    let level = |row: &Json| text(row, "level").parse::<Level>().unwrap();
    let pid = rows[5]["pid"].as_u64().unwrap();
    let has_one_digit = |row: &Json| {
        let number = text(row, "message").split(['\n', ' ']).nth(1);
        text(row, "message").starts_with("number ")
            && number.is_some_and(|number| number.len() == 1)
    };
    let is_bus = |row: &Json| [13, 17].map(Json::from).contains(&row["fields"]["bus"]);
    vec![
        case(&[], |_| true),
        case(&["-p", "warn"], move |row| level(row) >= Level::Warn),
        case(&["--level", "CRITICAL"], move |row| {
            level(row) == Level::Critical
        }),
        case(&["-t", "can"], |row| {
            ["can", "can::bus"].contains(&text(row, "target"))
        }),
        case(&["--proc", "child-1"], |row| {
            text(row, "process") == "child-1"
        }),
        case(&["--proc", &pid.to_string()], move |row| {
            row["pid"].as_u64() == Some(pid)
        }),
        case(&["--grep", r"number \d\b"], has_one_digit),
        case(&["--grep", "bus=1[37]$|bus=1[37] "], is_bus),
        case(&["-p", "error", "--proc", "child-2"], move |row| {
            level(row) >= Level::Error && text(row, "process") == "child-2"
        }),
    ]
}

/// Text files have microseconds, so times are cut there.
fn spans(rows: &[Json]) -> Vec<Case<'_>> {
    let middle = &text(&rows[rows.len() / 2], "time")[..26];
    let (from, to) = (format!("{middle}000Z"), format!("{middle}999Z"));
    vec![
        case(&["--since", &from.clone()], move |row| {
            text(row, "time") >= &from[..]
        }),
        case(&["--until", &to.clone()], move |row| {
            text(row, "time") <= &to[..]
        }),
    ]
}

fn every_option_shows_the_same_records_of_every_kind_of_file() {
    let sinks = Sinks::new();
    let all = sinks.rows();
    assert!(all.len() > 600);
    for (words, passes) in options(&all).into_iter().chain(spans(&all)) {
        let expected: Vec<_> = all.iter().filter(|row| passes(row)).cloned().collect();
        assert!(!expected.is_empty(), "{words:?} shows nothing");
        for place in ["json", "text", "packed"] {
            let path = sinks.at(place);
            let words: Vec<&str> = words
                .iter()
                .map(String::as_str)
                .chain([path.to_str().unwrap()])
                .collect();
            let found = shown(&[&words[..], &["-n", "all"]].concat());
            assert_eq!(sequences(&found), sequences(&expected), "{words:?}");
            let last = shown(&[&words[..], &["-n", "7"]].concat());
            assert_eq!(
                sequences(&last),
                sequences(&expected[expected.len().saturating_sub(7)..]),
                "{words:?}"
            );
        }
    }
}
