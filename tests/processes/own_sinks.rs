//! Sinks that the program brings along: this program's is called `collect`, and is found by its drainers.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::sink::{Record, Sink, SinkSpec};
use shmlog::{Level, OnFull, ShmLogger, info};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, assert_says, log_files, quiet, role_command, say,
};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_an_own_sink", parent_of_an_own_sink),
    ("child_of_an_own_sink", child_of_an_own_sink),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_sink_of_the_programs_own_gets_the_records_of_all_processes,
        a_sink_of_the_programs_own_is_chosen_by_the_environment,
        a_sink_that_panics_is_done_without_and_the_others_go_on,
        a_sink_that_panics_at_its_end_is_told_of,
        a_kind_that_is_registered_twice_is_refused_when_it_is_used,
    ]
}

/// Writes messages into a file; panics where it is told to.
struct Collect {
    file: File,
    lines: String,
    records: u64,
    panic_at: u64,
    panics_at_end: bool,
}

impl Sink for Collect {
    fn name(&self) -> String {
        "collector".to_owned()
    }

    fn record(&mut self, record: &Record<'_>) {
        if record.sequence.is_some() {
            assert_ne!(self.records, self.panic_at, "one record too many");
            self.records += 1;
            self.lines += &format!("{} {}\n", record.process, record.message);
        }
    }

    fn commit(&mut self) -> io::Result<()> {
        self.file.write_all(self.lines.as_bytes())?;
        self.lines.clear();
        Ok(())
    }

    fn finish(&mut self, _: Duration) -> io::Result<()> {
        assert!(!self.panics_at_end, "no end in peace");
        self.commit()
    }
}

fn open_collect(spec: &SinkSpec) -> Result<Box<dyn Sink>, Box<dyn Error>> {
    spec.allow(&["panic_at", "end"])?;
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(spec.place().unwrap_or_default())?;
    Ok(Box::new(Collect {
        file,
        lines: String::new(),
        records: 0,
        panic_at: spec.number("panic_at", ..)?.unwrap_or(u64::MAX),
        panics_at_end: spec.one_of("end", &[("panic", true)])?.unwrap_or(false),
    }))
}

shmlog::register_sink!("collect", open_collect);
shmlog::register_sink!("twofold", open_collect);
shmlog::register_sink!("twofold", open_collect);

const CHILDREN: usize = 3;
const RECORDS: usize = 300;

/// `folder spec`
fn parent_of_an_own_sink(arguments: &[String]) {
    let mut builder = quiet(&arguments[0])
        .level(Level::Info)
        .process_name("parent")
        .on_full(OnFull::Block(Duration::from_secs(60)));
    if !arguments[1].is_empty() {
        builder = builder.sink(arguments[1].parse::<SinkSpec>().unwrap());
    }
    let logger = builder.init_parent().unwrap();
    say(&format!("ring {}", logger.name()));
    let start = |index: usize| {
        let name = format!("child-{index}");
        role_command("child_of_an_own_sink", &[&name])
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..CHILDREN).map(start).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    logger.flush(Duration::from_secs(60)).unwrap();
    let stats = logger.stats();
    assert_eq!(
        (stats.delivered, stats.lost),
        ((CHILDREN * RECORDS) as u64, 0)
    );
    say(&format!("{} {}", stats.sink_errors, stats.drainer_restarts));
}

fn child_of_an_own_sink(arguments: &[String]) {
    let builder = ShmLogger::builder().process_name(&arguments[0]);
    let _logger = builder.attach().unwrap();
    (0..RECORDS).for_each(|number| info!("{number}"));
}

/// Plays a parent whose own sink is told `options`; returns the errors of sinks, what was collected, and what was
/// printed to standard error.
fn play(folder: &Folder, options: &str, by_environment: bool) -> (String, Vec<String>, String) {
    let collected = folder.path().join("collected");
    let spec = format!("collect:{}{options}", collected.display());
    let told = if by_environment { "" } else { &spec };
    let mut command = role_command("parent_of_an_own_sink", &[folder.text(), told]);
    if by_environment {
        command.env("SHMLOG_SINKS", &spec);
    }
    let errors = folder.path().join("errors");
    command.stderr(File::create(&errors).unwrap());
    let mut parent = Actor::from_command(command);
    let ring = parent.hear("ring ");
    let stats = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let read = |path| std::fs::read_to_string(path).unwrap();
    let lines = read(collected).lines().map(str::to_owned).collect();
    (stats, lines, read(errors))
}

/// Asserts that the lines are the records of all children, in order for each.
fn assert_complete(lines: &[String]) {
    for child in 0..CHILDREN {
        let prefix = format!("child-{child} ");
        let own = lines
            .iter()
            .filter_map(|line| line.strip_prefix(&prefix)?.parse().ok());
        assert_eq!(
            own.collect::<Vec<usize>>(),
            (0..RECORDS).collect::<Vec<_>>()
        );
    }
    assert_eq!(lines.len(), CHILDREN * RECORDS);
}

/// What is in the text file beside it.
fn in_file(folder: &Folder) -> Vec<String> {
    let records = folder
        .records()
        .into_iter()
        .filter(|line| line.sequence.is_some());
    records
        .map(|line| format!("{} {}", line.process, line.message))
        .collect()
}

fn a_sink_of_the_programs_own_gets_the_records_of_all_processes() {
    let folder = Folder::new();
    let (stats, lines, errors) = play(&folder, "", false);
    assert_eq!((&*stats, &*errors), ("0 0", ""));
    assert_complete(&lines);
    assert_eq!(lines, in_file(&folder), "in the same order");
}

fn a_sink_of_the_programs_own_is_chosen_by_the_environment() {
    let folder = Folder::new();
    let (stats, lines, _) = play(&folder, "", true);
    assert_eq!(stats, "0 0");
    assert_complete(&lines);
    assert_eq!(
        log_files(folder.path()),
        [""; 0],
        "in place of the builder's"
    );
}

fn a_sink_that_panics_is_done_without_and_the_others_go_on() {
    let folder = Folder::new();
    let (stats, lines, _) = play(&folder, "?panic_at=100", false);
    assert_eq!(stats, "1 0", "told once, and the drainer lived on");
    assert!(lines.len() <= 100);
    assert_complete(&in_file(&folder));
    let words = folder
        .records()
        .into_iter()
        .filter(|line| line.sequence.is_none());
    let words: Vec<String> = words.map(|line| line.message).collect();
    assert_eq!(words.len(), 1, "{words:?}");
    assert_says(
        &words[0],
        &[
            "collector: it panicked: ",
            "one record too many",
            "goes on without",
        ],
    );
}

fn a_sink_that_panics_at_its_end_is_told_of() {
    let folder = Folder::new();
    let (stats, lines, errors) = play(&folder, "?end=panic", false);
    assert_eq!(stats, "0 0");
    assert_complete(&lines);
    assert_complete(&in_file(&folder));
    assert_says(
        &errors,
        &["shmlog: at the end of the log: collector: it panicked: no end in peace"],
    );
}

fn a_kind_that_is_registered_twice_is_refused_when_it_is_used() {
    let builder = ShmLogger::builder().sink(SinkSpec::new("twofold"));
    let error = builder.env(false).init_parent().unwrap_err().to_string();
    assert_says(&error, &["twofold", "kind", "registered once"]);
    assert_eq!(error.matches("own_sinks.rs:").count(), 2, "{error}");
}
