//! JSON and logfmt from several processes, into files and pipes, read by programs that know nothing of us.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::Value as Json;
use shmlog::sink::SinkSpec;
use shmlog::{OnFull, ShmLogger, error, info, warn};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, listen, quiet, role_command, say,
    send, until, wait_for_end,
};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_encodings", parent_of_encodings),
    ("child_of_encodings", child_of_encodings),
    ("one_who_is_read_along", one_who_is_read_along),
];

pub fn trials() -> Vec<Trial> {
    trials![
        every_record_of_all_processes_stands_once_in_the_json_files_though_the_drainer_is_killed,
        every_record_of_all_processes_stands_once_in_the_logfmt_files_though_the_drainer_is_killed,
        jq_reads_the_files_and_the_pipe,
        json_on_standard_output_is_read_along,
        readers_of_a_fifo_come_and_go_and_each_begins_with_a_whole_line,
        a_fifo_that_nobody_reads_holds_up_nothing_and_the_other_sinks_say_what_is_missing_there,
        records_from_a_level_on_go_to_standard_error_if_so_wished,
        json_may_have_standard_output_while_the_console_has_standard_error,
    ]
}

const NAMES: [&str; 3] = ["left", "right", "vision"];
const EACH: u64 = 400;
/// What an encoding may stumble over.
const TRICKY: [&str; 5] = [
    "plain",
    "two\nlines\tand a \"quote\" \\ back",
    "",
    "\x1b[2J\u{202e}\u{2028}{\"seq\":1}",
    "漢字 🔌 a=b",
];

fn tricky(number: u64) -> &'static str {
    TRICKY[number as usize % TRICKY.len()]
}

fn kill_drainer(logger: &ShmLogger) {
    let ring = logger.name();
    until("there is a drainer", || !drainers_of(ring).is_empty());
    for drainer in drainers_of(ring) {
        send(drainer, Signal::KILL);
        wait_for_end(drainer);
    }
}

/// `folder sinks kills`
fn parent_of_encodings(arguments: &[String]) {
    let [folder, sinks, kills] = arguments else {
        panic!("three arguments");
    };
    let mut builder = quiet(folder).file(false).process_name("app");
    for spec in SinkSpec::list(sinks).unwrap() {
        builder = builder.sink(spec);
    }
    let builder = builder.on_full(OnFull::Block(Duration::from_secs(60)));
    let logger = builder.slots(256).init_parent().unwrap();
    // Standard output may be the log's.
    eprintln!("{}", logger.name());
    let start = |name: &&str| Actor::start("child_of_encodings", &[name]);
    let mut children: Vec<Actor> = NAMES.iter().map(start).collect();
    let kills: u64 = kills.parse().unwrap();
    for round in 0..=kills {
        children.iter_mut().for_each(|child| child.tell("go"));
        if round < kills {
            let some = EACH * NAMES.len() as u64 / 3;
            let moment = round * EACH * NAMES.len() as u64 + some;
            until("some are delivered", || logger.stats().delivered >= moment);
            kill_drainer(&logger);
        }
        children
            .iter_mut()
            .for_each(|child| drop(child.hear("done")));
    }
    children.into_iter().for_each(Actor::finish);
}

/// `name`: so many records for each word that it hears.
fn child_of_encodings(arguments: &[String]) {
    let _logger = ShmLogger::builder()
        .process_name(&*arguments[0])
        .attach()
        .unwrap();
    let mut number = 0_u64;
    while listen() == "go" {
        for _ in 0..EACH {
            let text = tricky(number);
            warn!(target: "numbers", number, text, half = number as f64 / 2.0, even = number.is_multiple_of(2); "{text}");
            number += 1;
        }
        say("done");
    }
}

/// Plays a parent to its end; what it wrote to standard output comes back.
fn play(folder: &Folder, sinks: &str, kills: u64) -> Vec<u8> {
    let arguments = [folder.text(), sinks, &kills.to_string()];
    let mut command = role_command("parent_of_encodings", &arguments);
    let output = command.env_remove("SHMLOG_SINKS").output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    assert_nothing_remains(told.lines().next().unwrap());
    output.stdout
}

/// The files of this ending, oldest first.
fn files(folder: &Folder, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == ending));
    paths.sort();
    paths
}

/// Of each process the numbers, with the other values as they must be for that number.
type Seen = BTreeMap<String, Vec<u64>>;

fn assert_all_once(seen: &Seen, rounds: u64) {
    assert!(seen.keys().eq(NAMES.iter()), "{:?}", seen.keys());
    for (name, numbers) in seen {
        assert!(
            numbers.iter().copied().eq(0..EACH * rounds),
            "{name}: each once and in order; {} of them",
            numbers.len()
        );
    }
}

/// Standard output of a foreign program, if there is one of that name.
fn output_of(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Reads lines with Python's `json`, checks the fields, and says whose and which number.
const PYTHON: &str = r#"
import json, sys
tricky = json.loads(sys.argv[1])
for path in sys.argv[2:]:
    for line in open(path, encoding="utf-8", newline="\n"):
        record = json.loads(line)
        if "seq" not in record:
            continue
        fields = record["fields"]
        number = fields["number"]
        text = tricky[number % len(tricky)]
        assert record["message"] == text == fields["text"], line
        assert type(number) is int and fields["half"] == number / 2 and type(fields["half"]) is float, line
        assert fields["even"] is (number % 2 == 0), line
        assert record["level"] == "warn" and record["target"] == "numbers" and record["line"] > 0, line
        print(record["process"], number)
"#;

fn seen_by_python(paths: &[PathBuf]) -> Option<Seen> {
    let mut command = Command::new("python3");
    command.args(["-c", PYTHON]);
    command
        .arg(serde_json::to_string(&TRICKY).unwrap())
        .args(paths);
    let mut seen = Seen::new();
    for line in output_of(&mut command)?.lines() {
        let (name, number) = line.split_once(' ').unwrap();
        let numbers = seen.entry(name.to_owned()).or_default();
        numbers.push(number.parse().unwrap());
    }
    Some(seen)
}

fn every_record_of_all_processes_stands_once_in_the_json_files_though_the_drainer_is_killed()
-> Result<(), Ignored> {
    let folder = Folder::new();
    let kills = 5;
    let sinks = format!("json:{}?max_size=100K&keep=1000", folder.text());
    play(&folder, &sinks, kills);
    let paths = files(&folder, "jsonl");
    assert!(paths.len() > 5, "{paths:?}");
    let seen = seen_by_python(&paths);
    let seen = seen.ok_or(Ignored("there is no python3 (Debian package python3)"))?;
    assert_all_once(&seen, kills + 1);
    Ok(())
}

/// The pairs of a line, read as Go's libraries do.
fn logfmt_pairs(line: &str) -> BTreeMap<&str, String> {
    let mut pairs = BTreeMap::new();
    let mut rest = line;
    while let Some((key, behind)) = rest.split_once('=') {
        let value = if behind.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(behind).into_iter::<String>();
            let value = values.next().unwrap().unwrap();
            rest = &behind[values.byte_offset()..];
            value
        } else {
            let end = behind.find(' ').unwrap_or(behind.len());
            rest = &behind[end..];
            behind[..end].to_owned()
        };
        assert!(pairs.insert(key, value).is_none(), "{key} twice: {line}");
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    assert_eq!(rest, "", "{line}");
    pairs
}

fn every_record_of_all_processes_stands_once_in_the_logfmt_files_though_the_drainer_is_killed() {
    let folder = Folder::new();
    let kills = 3;
    play(
        &folder,
        &format!("logfmt:{}?max_size=100K&keep=1000", folder.text()),
        kills,
    );
    let mut seen = Seen::new();
    for path in files(&folder, "logfmt") {
        for line in fs::read_to_string(path).unwrap().lines() {
            let pairs = logfmt_pairs(line);
            if !pairs.contains_key("seq") {
                continue;
            }
            let number: u64 = pairs["number"].parse().unwrap();
            assert_eq!(
                (&*pairs["msg"], &*pairs["text"]),
                (tricky(number), tricky(number))
            );
            assert_eq!(pairs["half"].parse(), Ok(number as f64 / 2.0));
            assert_eq!((&*pairs["level"], &*pairs["target"]), ("warn", "numbers"));
            seen.entry(pairs["process"].clone())
                .or_default()
                .push(number);
        }
    }
    assert_all_once(&seen, kills + 1);
}

fn jq_reads_the_files_and_the_pipe() -> Result<(), Ignored> {
    let folder = Folder::new();
    let stdout = play(&folder, &format!("json:-;json:{}", folder.text()), 0);
    let piped = folder.path().join("piped.jsonl");
    let filed = files(&folder, "jsonl").remove(0);
    fs::write(&piped, stdout).unwrap();
    let filter = "select(.process == \"left\") | .fields.number";
    for path in [piped, filed] {
        let numbers = output_of(Command::new("jq").arg(filter).arg(path));
        let numbers = numbers.ok_or(Ignored("there is no jq (Debian package jq)"))?;
        assert!(
            numbers
                .lines()
                .map(|line| line.parse::<u64>().unwrap())
                .eq(0..EACH)
        );
    }
    Ok(())
}

/// `folder sinks`: tells its ring on standard error, and logs when it is told how much.
fn one_who_is_read_along(arguments: &[String]) {
    let [folder, sinks] = arguments else {
        panic!("two arguments");
    };
    let mut builder = quiet(folder).process_name("app").queue_bytes(100_000);
    for spec in SinkSpec::list(sinks).unwrap() {
        builder = builder.sink(spec);
    }
    let builder = builder.on_full(OnFull::Block(Duration::from_secs(60)));
    let logger = builder.init_parent().unwrap();
    eprintln!("{}", logger.name());
    let mut number = 0;
    while let Ok(count @ 1..) = listen().parse::<u64>() {
        for _ in 0..count {
            info!(number; "{}", "x".repeat(100));
            number += 1;
        }
        logger.flush(Duration::from_secs(60)).unwrap();
        eprintln!("logged");
    }
    error!("last");
}

/// Such a one, at work.
struct Along {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    ring: String,
}

impl Along {
    fn start(folder: &Folder, sinks: &str, stdout: Stdio) -> Along {
        let mut command = role_command("one_who_is_read_along", &[folder.text(), sinks]);
        command
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped());
        let mut child = command.env_remove("SHMLOG_SINKS").spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let ring = String::new();
        let mut along = Along {
            child,
            stderr,
            ring,
        };
        along.ring = along.hear();
        along
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn log(&mut self, count: u64) {
        use std::io::Write;
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{count}").unwrap();
        assert_eq!(self.hear(), "logged");
    }

    /// What it and its drainer said on standard error at the end.
    fn finish(mut self) -> String {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
        assert_nothing_remains(&self.ring);
        rest
    }
}

fn object(reader: &mut impl BufRead) -> Json {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

fn json_on_standard_output_is_read_along() {
    let folder = Folder::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut along = Along::start(&folder, "json:-", writer.into());
    let mut reader = BufReader::new(reader);
    for round in 0..3 {
        along.log(50);
        for number in round * 50..round * 50 + 50 {
            assert_eq!(object(&mut reader)["fields"]["number"], number);
        }
    }
    along.finish();
    assert_eq!(object(&mut reader)["message"], "last");
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

fn make_fifo(folder: &Folder) -> PathBuf {
    let path = folder.path().join("fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    path
}

fn open(path: &Path) -> BufReader<File> {
    BufReader::new(File::open(path).unwrap())
}

fn readers_of_a_fifo_come_and_go_and_each_begins_with_a_whole_line() {
    let folder = Folder::new();
    let path = make_fifo(&folder);
    let mut along = Along::start(&folder, &format!("json:{}", path.display()), Stdio::null());
    // Before anybody reads.
    along.log(10);
    let mut reader = open(&path);
    for number in 0..10 {
        assert_eq!(object(&mut reader)["fields"]["number"], number);
    }
    drop(reader);
    along.log(20);
    // The first that finds nobody there waits, and so do all behind it.
    let mut reader = open(&path);
    let first = loop {
        let object = object(&mut reader);
        if let Some(number) = object["fields"]["number"].as_u64() {
            break number;
        }
        // The drainer's own words of the reader that went.
    };
    assert!((10..30).contains(&first), "{first}");
    let mut next = first + 1;
    while next < 30 {
        if let Some(number) = object(&mut reader)["fields"]["number"].as_u64() {
            assert_eq!(number, next);
            next += 1;
        }
    }
    let rest = std::thread::spawn(move || reader.lines().map(Result::unwrap).collect::<Vec<_>>());
    along.finish();
    assert!(rest.join().unwrap().last().unwrap().contains("\"last\""));
    let told = folder.log_text();
    assert!(told.contains("no program has it open for reading"), "{told}");
    assert_eq!(told.matches("INFO").count(), 30);
}

fn a_fifo_that_nobody_reads_holds_up_nothing_and_the_other_sinks_say_what_is_missing_there() {
    let folder = Folder::new();
    let path = make_fifo(&folder);
    let mut along = Along::start(&folder, &format!("json:{}", path.display()), Stdio::null());
    along.log(2_000);
    let told = folder.log_text();
    assert_eq!(told.matches("INFO").count(), 2_000);
    let mut reader = open(&path);
    let (mut kept, mut missing) = (0, None);
    while missing.is_none() {
        let object = object(&mut reader);
        match object["fields"]["number"].as_u64() {
            Some(number) => {
                assert_eq!(number, kept);
                kept += 1;
            }
            None => {
                let text = object["message"].as_str().unwrap().to_owned();
                missing = text.contains("missing here").then_some(text);
            }
        }
    }
    let left_out = 2_000 - kept;
    let missing = missing.unwrap();
    assert!(
        missing.starts_with(&format!("{left_out} records ")),
        "{missing}"
    );
    let rest = std::thread::spawn(move || reader.lines().map(Result::unwrap).collect::<Vec<_>>());
    along.finish();
    assert!(rest.join().unwrap().last().unwrap().contains("\"last\""));
    let told = folder.log_text();
    assert!(told.contains("the queue of 100000 bytes is full"), "{told}");
    assert!(
        told.contains(&format!("{left_out} records are missing there")),
        "{told}"
    );
}

/// The messages on standard output and on standard error of one who logs two infos and an error.
fn on_both(sinks: &str) -> (String, String) {
    let folder = Folder::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut along = Along::start(&folder, sinks, writer.into());
    along.log(2);
    let grave = along.finish();
    let mut usual = String::new();
    reader.read_to_string(&mut usual).unwrap();
    (usual, grave)
}

fn records_from_a_level_on_go_to_standard_error_if_so_wished() {
    let (usual, grave) = on_both("console?stderr=warn");
    assert_eq!(
        (usual.lines().count(), grave.lines().count()),
        (2, 1),
        "{usual}{grave}"
    );
    assert!(
        usual.contains(" INFO ") && grave.contains(" ERROR    app/main "),
        "{grave}"
    );
}

fn json_may_have_standard_output_while_the_console_has_standard_error() {
    let (usual, grave) = on_both("console?stderr=trace&level=error;json:-");
    assert_eq!(
        (usual.lines().count(), grave.lines().count()),
        (3, 1),
        "{usual}{grave}"
    );
    for line in usual.lines() {
        assert!(serde_json::from_str::<Json>(line).is_ok(), "{line}");
    }
    assert!(grave.contains(" ERROR    app/main "), "{grave}");
}
