//! Processes that log into sinks of all kinds, and what they must be found to have said.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;
use shmlog::sink::SinkSpec;
use shmlog::{Level, OnFull, ShmLogger, error, get_logger, info, log, warn};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, listen, quiet, role_command, say,
};

pub const ROLES: &[Role] = &[
    ("logged_parent", logged_parent),
    ("logged_child", logged_child),
    ("losing_parent", losing_parent),
];

/// Records of each child.
pub const EACH: u64 = 300;
const CHILDREN: [&str; 2] = ["child-1", "child-2"];
/// The last record of all.
pub const END: &str = "that was all";

/// `spec…`, one for each sink. Each child logs when it is told to, then the parent ends it all.
fn logged_parent(specs: &[String]) {
    let builder = quiet("").file(false).process_name("app");
    let builder = builder.on_full(OnFull::Block(Duration::from_secs(60)));
    let with = specs.iter().fold(builder, |builder, spec| {
        builder.sink(spec.parse::<SinkSpec>().unwrap())
    });
    let logger = with.init_parent().unwrap();
    info!("begun");
    logger.flush(Duration::from_secs(60)).unwrap();
    say(logger.name());
    let each = listen();
    let start = |who: &str| role_command("logged_child", &[who, &each]).spawn().unwrap();
    let children = CHILDREN.map(start);
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    error!("{END}");
    logger.flush(Duration::from_secs(60)).unwrap();
    say("logged");
    listen();
}

/// `who each`
fn logged_child(arguments: &[String]) {
    let logger = ShmLogger::builder()
        .process_name(&arguments[0])
        .attach()
        .unwrap();
    let bus = get_logger("can::bus");
    for number in 0..arguments[1].parse::<u64>().unwrap() {
        let level = Level::ALL[number as usize % Level::ALL.len()];
        match number % 4 {
            0 => log!(target: "can", level, "number {number}"),
            1 => log!(logger: bus, level, bus = number, state = "at rest"; "number {number}"),
            2 => log!(target: "canary", level, "number {number}\nand \"more\"\n  of it\x1b[31m"),
            _ => {
                warn!(load = number as f64 / 8.0, ok = number % 8 == 3; "number {number} {}", "x".repeat(number as usize % 90))
            }
        }
    }
    drop(logger);
}

/// `spec…`. Logs faster than the drainer reads, into a small ring, and says how many records that cost.
fn losing_parent(specs: &[String]) {
    let builder = quiet("")
        .file(false)
        .process_name("app")
        .slots(64)
        .on_full(OnFull::Drop);
    let with = specs.iter().fold(builder, |builder, spec| {
        builder.sink(spec.parse::<SinkSpec>().unwrap())
    });
    let logger = with.init_parent().unwrap();
    while logger.stats().dropped < 100 {
        info!("in a hurry");
    }
    logger.flush(Duration::from_secs(60)).unwrap();
    info!("{END}");
    logger.flush(Duration::from_secs(60)).unwrap();
    say(&logger.stats().dropped.to_string());
    drop(logger);
}

/// Plays them from beginning to end.
pub fn play(specs: &[String]) {
    let specs: Vec<&str> = specs.iter().map(String::as_str).collect();
    let mut parent = Actor::start("logged_parent", &specs);
    let ring = parent.hear("");
    parent.tell(&EACH.to_string());
    parent.hear("logged");
    parent.finish();
    assert_nothing_remains(&ring);
}

/// Sinks of all kinds, each in a folder of its own.
pub struct Sinks {
    pub folder: Folder,
}

impl Sinks {
    pub fn new() -> Sinks {
        let folder = Folder::new();
        let spec = |kind: &str, place: &str, options: &str| {
            let spec = SinkSpec::new(kind)
                .at(folder.path().join(place))
                .to_string();
            format!("{spec}{options}")
        };
        play(&[
            spec("json", "json", ""),
            spec("file", "text", "?latest=on"),
            spec("file", "packed", "?max_size=10000&keep=1000&gzip=on"),
            spec("mcap", "mcap", "?max_size=30000&keep=1000"),
            spec("logfmt", "logfmt", ""),
        ]);
        Sinks { folder }
    }

    pub fn at(&self, place: &str) -> PathBuf {
        self.folder.path().join(place)
    }

    /// The bytes of the only file there.
    pub fn bytes(&self, place: &str) -> Vec<u8> {
        fs::read(only_file(&self.at(place))).unwrap()
    }

    /// All records, by another parser.
    pub fn rows(&self) -> Vec<Json> {
        rows(&self.bytes("json"))
    }
}

/// The only file in a folder that is no link.
pub fn only_file(folder: &Path) -> PathBuf {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let files: Vec<_> = entries
        .filter(|entry| entry.file_type().unwrap().is_file())
        .collect();
    let [file] = &files[..] else {
        panic!("{files:?}");
    };
    file.path()
}

/// The objects in lines of JSON.
pub fn rows(bytes: &[u8]) -> Vec<Json> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A text of an object.
pub fn text<'j>(row: &'j Json, key: &str) -> &'j str {
    row[key].as_str().unwrap_or_default()
}
