//! What becomes of log files that are full: compressed, linked, deleted by age and bytes; and what is forced onto the
//! disk when.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use libtest_mimic::Trial;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use shmlog::{OnFull, ShmLogger, error, info, warn};

use crate::closed_files::{is_packed, latest, names, need_gzip, text, with_files};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, listen, parse_log, perform, role_by,
    role_command, say, until,
};
use crate::tally::{Dice, number};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_loggers", parent_of_loggers),
    ("logger_of_many", logger_of_many),
    ("without_room_to_compress", without_room_to_compress),
    ("idle_for_long", idle_for_long),
    ("session_without_a_word", session_without_a_word),
    ("synced_parent", synced_parent),
];

pub fn trials() -> Vec<Trial> {
    trials![
        records_of_several_processes_stand_once_in_files_that_gzip_reads,
        full_files_leave_by_bytes_and_the_newest_stay,
        files_leave_by_age_while_nothing_is_logged,
        the_link_leads_to_the_last_file_while_the_program_runs_and_after_it,
        a_file_that_finds_no_room_to_be_compressed_stays_and_that_is_said_once,
        nothing_is_synced_unless_asked_for,
        an_error_is_synced_and_nothing_else_but_the_end,
        every_so_often_what_was_written_is_synced_and_nothing_else,
    ]
}

const EACH: u64 = 2_000;
const LOGGERS: u64 = 3;

fn patient(folder: &str, options: &str) -> shmlog::Builder {
    let builder = with_files(folder, options).process_name("app");
    builder.on_full(OnFull::Block(Duration::from_secs(60)))
}

/// `who`
fn logger_of_many(arguments: &[String]) {
    let logger = ShmLogger::builder()
        .process_name(&arguments[0])
        .attach()
        .unwrap();
    for number in 0..EACH {
        info!(
            "{} {number} {}",
            arguments[0],
            "x".repeat(number as usize % 100)
        );
    }
    drop(logger);
}

/// `folder options`
fn parent_of_loggers(arguments: &[String]) {
    let logger = patient(&arguments[0], &arguments[1]).init_parent().unwrap();
    say(logger.name());
    let start = |who: u64| role_command("logger_of_many", &[&format!("logger-{who}")]).spawn();
    let children: Vec<_> = (0..LOGGERS).map(|who| start(who).unwrap()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(logger.stats().sink_errors, 0);
}

/// Plays them to their end.
fn play(options: &str) -> Folder {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_loggers", &[folder.text(), options]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    folder
}

fn records_of_several_processes_stand_once_in_files_that_gzip_reads() -> Result<(), Ignored> {
    need_gzip()?;
    let folder = play("max_size=20000&keep=100000&gzip=on&latest=on");
    let names = names(folder.path());
    let (last, closed) = names.split_last().unwrap();
    assert!(
        closed.len() > 20 && closed.iter().all(|name| is_packed(name)),
        "{names:?}"
    );
    assert!(!is_packed(last));
    assert_eq!(latest(folder.path(), "app").unwrap(), Path::new(last));
    let lines = parse_log(&text(folder.path()));
    assert!(
        lines
            .iter()
            .map(|line| line.sequence)
            .is_sorted_by(|a, b| a < b)
    );
    for who in (0..LOGGERS).map(|who| format!("logger-{who}")) {
        let of_it = lines.iter().filter(|line| line.process == who);
        assert!(of_it.map(number).eq(0..EACH), "of {who}");
    }
    Ok(())
}

fn full_files_leave_by_bytes_and_the_newest_stay() -> Result<(), Ignored> {
    need_gzip()?;
    for options in ["", "&gzip=on"] {
        let folder = play(&format!("max_size=10000&keep_bytes=50000{options}"));
        let names = names(folder.path());
        let sizes = names
            .iter()
            .map(|name| fs::metadata(folder.path().join(name)).unwrap().len());
        let bytes: u64 = sizes.sum();
        // Not compressed yet they count as what they are, so of compressed ones there may be less.
        let least = if options.is_empty() { 30_000 } else { 0 };
        assert!(
            bytes <= 50_000 && bytes > least,
            "{bytes} bytes in {names:?}"
        );
        let lines = parse_log(&text(folder.path()));
        // No gap: the oldest went.
        assert!(lines.iter().any(|line| number(line) == EACH - 1));
        for who in (0..LOGGERS).map(|who| format!("logger-{who}")) {
            let of_it = lines.iter().filter(|line| line.process == who).map(number);
            let count = of_it.clone().count() as u64;
            assert!(of_it.eq(EACH - count..EACH), "of {who}");
        }
    }
    Ok(())
}

/// `folder options`: logs and waits.
fn idle_for_long(arguments: &[String]) {
    let logger = patient(&arguments[0], &arguments[1]).init_parent().unwrap();
    info!("app 0");
    logger.flush(Duration::from_secs(60)).unwrap();
    say("logged");
    while listen() == "log" {
        info!("app 1 {}", "x".repeat(300));
        logger.flush(Duration::from_secs(60)).unwrap();
        say("logged");
    }
}

fn files_leave_by_age_while_nothing_is_logged() {
    let folder = Folder::new();
    let mut idle = Actor::start("idle_for_long", &[folder.text(), "keep_for=20s"]);
    idle.hear("logged");
    let [hour, packed] = [
        "app_20200101_000000_000000.log",
        "app_20200101_000000_000001.log.gz",
    ]
    .map(|name| folder.path().join(name));
    for path in [&hour, &packed] {
        fs::write(path, "old").unwrap();
        let written = SystemTime::now() - Duration::from_secs(3_601);
        File::open(path).unwrap().set_modified(written).unwrap();
    }
    let young = folder.path().join("app_20200101_000000_000002.log");
    fs::write(&young, "young").unwrap();
    let soon = SystemTime::now() + Duration::from_secs(3_600);
    File::open(&young).unwrap().set_modified(soon).unwrap();
    until("they go", || !hour.exists() && !packed.exists());
    assert!(young.exists());
    idle.tell("end");
    idle.finish();
    assert_eq!(names(folder.path()).len(), 2);
}

/// `folder`
fn session_without_a_word(arguments: &[String]) {
    drop(patient(&arguments[0], "latest=on").init_parent().unwrap());
}

fn the_link_leads_to_the_last_file_while_the_program_runs_and_after_it() {
    let folder = Folder::new();
    let mut idle = Actor::start("idle_for_long", &[folder.text(), "max_size=400&latest=on"]);
    idle.hear("logged");
    let mut seen = Vec::new();
    for _ in 0..5 {
        idle.tell("log");
        idle.hear("logged");
        let last = names(folder.path()).pop().unwrap();
        // Flushed is what is written: the link follows at once, but behind that.
        until("the link follows", || {
            latest(folder.path(), "app").unwrap() == Path::new(&last)
        });
        seen.push(last);
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    idle.tell("end");
    idle.finish();
    let last = seen.last().unwrap();
    assert_eq!(latest(folder.path(), "app").unwrap(), Path::new(last));
    // A program of which nothing is logged leaves it where it was.
    perform("session_without_a_word", &[folder.text()]);
    assert_eq!(latest(folder.path(), "app").unwrap(), Path::new(last));
}

/// Logs text that does not get shorter by much.
fn log_noise(dice: &mut Dice, next: &mut u64, records: u64, length: usize) {
    for _ in 0..records {
        let noise: String = (0..length)
            .map(|_| char::from(b'!' + dice.below(90) as u8))
            .collect();
        info!("app {next} {noise}");
        *next += 1;
    }
}

/// `folder`
fn without_room_to_compress(arguments: &[String]) {
    let options = "max_size=60000&keep=100&gzip=on";
    let logger = patient(&arguments[0], options).init_parent().unwrap();
    say(logger.name());
    let (mut dice, mut next) = (Dice::new(1), 0);
    let drainer = Pid::from_raw(drainers_of(logger.name())[0] as i32);
    let limit = |bytes| {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(drainer, Resource::Fsize, limit).unwrap();
    };
    log_noise(&mut dice, &mut next, 90, 500);
    logger.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(names(arguments[0].as_ref()).len(), 1);
    // No room for what that file will be, but some for the next, which begins with a record that is too long for it.
    limit(Some(20_000));
    log_noise(&mut dice, &mut next, 1, 10_000);
    until("it is tried", || logger.stats().sink_errors == 1);
    limit(None);
    log_noise(&mut dice, &mut next, 300, 500);
    logger.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(logger.stats().sink_errors, 1);
    say(&next.to_string());
}

fn a_file_that_finds_no_room_to_be_compressed_stays_and_that_is_said_once() -> Result<(), Ignored> {
    need_gzip()?;
    let folder = Folder::new();
    let mut parent = Actor::start("without_room_to_compress", &[folder.text()]);
    let ring = parent.hear("");
    let logged: u64 = parent.hear("").parse().unwrap();
    parent.finish();
    assert_nothing_remains(&ring);
    let names = names(folder.path());
    let packed: Vec<_> = names.iter().map(|name| is_packed(name)).collect();
    let (first, rest) = packed.split_first().unwrap();
    let (last, rest) = rest.split_last().unwrap();
    assert!(
        !first && !last && rest.iter().all(|packed| *packed),
        "{names:?}"
    );
    let lines = parse_log(&text(folder.path()));
    let (records, words): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.sequence.is_some());
    assert!(records.into_iter().map(number).eq(0..logged));
    let [told] = words[..] else {
        panic!("{words:?}");
    };
    let said = &told.message;
    assert!(
        said.contains("cannot compress the log file") && said.contains(&names[0]),
        "{said}"
    );
    Ok(())
}

/// How many files and how many folders were synced, by strace.
fn syncs(trace: &Path) -> (usize, usize) {
    let text = fs::read_to_string(trace).unwrap_or_default();
    let done = |call: &str| text.lines().filter(|line| line.contains(call)).count();
    (done("fdatasync("), done("fsync("))
}

/// `folder policy trace`
fn synced_parent(arguments: &[String]) {
    let [folder, policy, trace] = arguments else {
        panic!("three arguments");
    };
    let options = format!("sync={policy}");
    let logger = patient(folder, &options).init_parent().unwrap();
    let flush = || logger.flush(Duration::from_secs(60)).unwrap();
    let is_synced = |times| until("it is synced", || syncs(trace.as_ref()).0 == times);
    for round in 1..=3 {
        info!("app says");
        flush();
        warn!("app warns");
        flush();
        match &**policy {
            "error" => {
                assert_eq!(syncs(trace.as_ref()).0, round - 1);
                error!("app fails");
                flush();
                is_synced(round);
            }
            "1h" => assert_eq!(syncs(trace.as_ref()).0, 0),
            "never" => {}
            // The second record may have come in time for the first one's, or not.
            _ => until("it is synced", || syncs(trace.as_ref()).0 >= round),
        }
    }
    say(&syncs(trace.as_ref()).0.to_string());
    if policy == "error" {
        // Not synced but by the end.
        info!("app ends");
    }
}

/// Plays it under strace; how many syncs it had seen before its end, and how many there were with it.
fn trace_syncs(policy: &str) -> Result<(usize, (usize, usize)), Ignored> {
    let (folder, around) = (Folder::new(), Folder::new());
    let trace = around.path().join("trace");
    let strace = |arguments: &[&str]| {
        let mut command = Command::new("strace");
        command.args([
            "-f",
            "-qq",
            "-e",
            "trace=fdatasync,fsync",
            "-e",
            "signal=none",
            "-o",
        ]);
        command.arg(&trace).args(arguments);
        command
    };
    let tried = strace(&["true"]).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        return Err(Ignored(
            "strace cannot be had here: install the package strace",
        ));
    }
    let arguments = [folder.text(), policy, trace.to_str().unwrap()];
    let mut parent = Actor::from_command(role_by(strace(&[]), "synced_parent", &arguments));
    let before = parent.hear("").parse().unwrap();
    // With all that strace follows, so with the drainer.
    parent.finish();
    Ok((before, syncs(&trace)))
}

fn nothing_is_synced_unless_asked_for() -> Result<(), Ignored> {
    assert_eq!(trace_syncs("never")?, (0, (0, 0)));
    Ok(())
}

fn an_error_is_synced_and_nothing_else_but_the_end() -> Result<(), Ignored> {
    // With the first its name in the folder.
    assert_eq!(trace_syncs("error")?, (3, (4, 1)));
    Ok(())
}

fn every_so_often_what_was_written_is_synced_and_nothing_else() -> Result<(), Ignored> {
    assert_eq!(trace_syncs("1h")?, (0, (1, 1)));
    // Six records, and whatever else is not written.
    let (before, (files, folders)) = trace_syncs("1ms")?;
    assert!(
        (3..=6).contains(&before) && (before..=7).contains(&files),
        "{before} {files}"
    );
    assert_eq!(folders, 1);
    Ok(())
}
