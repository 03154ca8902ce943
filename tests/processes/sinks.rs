//! Several sinks at once: from the builder and from the environment, each with a level of its own, and those that are
//! refused.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::sink::{Console, SinkSpec, SpecError, TextFile};
use shmlog::{Builder, InitError, Level, ShmLogger, error, get_logger, info, trace, warn};

use crate::support::{
    Actor, Folder, Line, Role, assert_nothing_remains, assert_says, drainers_of, listen, log_files,
    parse_log, perform, quiet, role_command, say, segments_made_by, send, until,
};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_several_sinks", parent_of_several_sinks),
    ("child_of_several_sinks", child_of_several_sinks),
    (
        "parent_told_by_the_environment",
        parent_told_by_the_environment,
    ),
    ("refused_for_its_sinks", refused_for_its_sinks),
    ("parent_that_loses_a_folder", parent_that_loses_a_folder),
];

pub fn trials() -> Vec<Trial> {
    trials![
        each_sink_gets_from_all_processes_what_its_own_level_lets_pass,
        a_variable_replaces_the_sinks_of_the_builder,
        a_wrong_variable_is_ignored_and_the_log_says_so,
        a_variable_that_is_empty_or_not_obeyed_changes_nothing,
        sinks_that_cannot_be_are_refused_by_name_and_leave_nothing,
        a_sink_that_cannot_be_opened_again_is_done_without_until_it_can,
    ]
}

const CHILDREN: usize = 3;
const ROUNDS: usize = 200;

/// A parent's settings without any sink.
fn without_sinks() -> Builder {
    ShmLogger::builder()
        .level(Level::Trace)
        .recover(false)
        .console(false)
}

fn log_rounds(who: &str) {
    let imu = get_logger("imu");
    for round in 0..ROUNDS {
        trace!(logger: imu, "{who} imu trace {round}");
        info!(logger: imu, "{who} imu info {round}");
        info!("{who} info {round}");
        warn!(target: "can::bus", "{who} can warn {round}");
        error!("{who} error {round}");
    }
}

/// `folder`
fn parent_of_several_sinks(arguments: &[String]) {
    let folder = Path::new(&arguments[0]);
    let at = |name: &str| folder.join(name);
    let spec: SinkSpec = format!("file:{}?level=off", at("none").display())
        .parse()
        .unwrap();
    let logger = without_sinks()
        .on_full(shmlog::OnFull::Block(Duration::from_secs(60)))
        .sink(TextFile::new(at("all")))
        .sink(Console::new().level(Level::Error))
        .sink(TextFile::new(at("some; and more?")).level("warn,imu=info,can=off"))
        .sink(TextFile::new(at("imu")).level("imu"))
        .sink(spec)
        .init_parent()
        .unwrap();
    let start = |index: usize| {
        let mut command = role_command("child_of_several_sinks", &[&format!("child-{index}")]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..CHILDREN).map(start).collect();
    log_rounds("parent");
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    logger.flush(Duration::from_secs(60)).unwrap();
    let stats = logger.stats();
    assert_eq!(stats.delivered, ((CHILDREN + 1) * ROUNDS * 5) as u64);
    assert_eq!((stats.lost, stats.dropped, stats.sink_errors), (0, 0, 0));
}

fn child_of_several_sinks(arguments: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    log_rounds(&arguments[0]);
}

/// Asserts that a log has these kinds of records of everybody, each once, and in order for each process.
fn assert_has(records: &[Line], kinds: &[&str]) {
    let mut expected = Vec::new();
    for round in 0..ROUNDS {
        expected.extend(kinds.iter().map(|kind| format!("{kind} {round}")));
    }
    let children = (0..CHILDREN).map(|index| format!("child-{index}"));
    for who in children.chain(["parent".to_owned()]) {
        let prefix = format!("{who} ");
        let own = records
            .iter()
            .filter_map(|line| line.message.strip_prefix(&prefix));
        assert_eq!(own.collect::<Vec<_>>(), expected, "of {who}");
    }
    assert_eq!(records.len(), expected.len() * (CHILDREN + 1));
}

fn each_sink_gets_from_all_processes_what_its_own_level_lets_pass() {
    let folder = Folder::new();
    let command = role_command("parent_of_several_sinks", &[folder.text()]).output();
    let output = command.unwrap();
    assert!(output.status.success(), "{output:?}");
    let read = |name: &str| parse_log(&Folder::log_text_of(&folder.path().join(name)));
    let all = ["imu trace", "imu info", "info", "can warn", "error"];
    assert_has(&read("all"), &all);
    assert_has(&read("some; and more?"), &["imu info", "error"]);
    assert_has(&read("imu"), &["imu trace", "imu info"]);
    assert_eq!(
        log_files(&folder.path().join("none")),
        [""; 0],
        "empty ones are removed"
    );
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(shown.matches(" error ").count(), (CHILDREN + 1) * ROUNDS);
    assert!(!shown.contains("warn") && !shown.contains("info"));
}

/// `folder env`: its builder has one sink, with a folder that is made.
fn parent_told_by_the_environment(arguments: &[String]) {
    let own = Path::new(&arguments[0]).join("own");
    let logger = without_sinks()
        .sink(TextFile::new(own))
        .env(arguments[1] == "obeys");
    let logger = logger.init_parent().unwrap();
    say(&format!("ring {}", logger.name()));
    info!("info");
    warn!("warn");
}

/// What stands in the builder's folder and in the other one; `None` if that was not made.
fn play_with_variable(value: &[u8], obeys: &str, folder: &Folder) -> [Option<Vec<String>>; 2] {
    let mut command = role_command("parent_told_by_the_environment", &[folder.text(), obeys]);
    command.env("SHMLOG_SINKS", std::ffi::OsString::from_vec(value.to_vec()));
    let mut parent = Actor::from_command(command);
    let ring = parent.hear("ring ");
    parent.finish();
    assert_nothing_remains(&ring);
    ["own", "other"].map(|name| {
        let folder = folder.path().join(name);
        let messages = |folder| {
            parse_log(&Folder::log_text_of(folder))
                .into_iter()
                .map(|line| line.message)
        };
        folder.exists().then(|| messages(&folder).collect())
    })
}

fn a_variable_replaces_the_sinks_of_the_builder() {
    let folder = Folder::new();
    let value = format!(" file:{}/other?level=warn ;", folder.text());
    let [own, other] = play_with_variable(value.as_bytes(), "obeys", &folder);
    assert_eq!(own, None, "not even its folder is made");
    assert_eq!(other, Some(vec!["warn".to_owned()]));
}

fn a_wrong_variable_is_ignored_and_the_log_says_so() {
    let other = |folder: &Folder| format!("file:{}/other", folder.text());
    type Case = (fn(&str) -> String, &'static [&'static str]);
    let cases: &[Case] = &[
        (
            |good| format!("{good};flie:logs"),
            &["flie:logs", "kind", "console, file"],
        ),
        (|good| format!("{good}?kep=3"), &["kep", "keep, keep_bytes"]),
        (
            |good| format!("{good}?keep=0"),
            &["keep", "\"0\"", "from 1 on"],
        ),
        (
            |good| format!("{good}?level=loud,imu=x"),
            &["level", "imu=x", "imu=debug"],
        ),
        (
            |good| format!("{good};file:/proc/no/such"),
            &["/proc/no/such", "this user may"],
        ),
        (|good| format!("{good};{good}"), &["same files"]),
        (
            |good| format!("{good};console;console"),
            &["one sink on standard output"],
        ),
        // Only the drainer finds out.
        (
            |good| format!("{good};collect:/proc/no/such"),
            &["collect:/proc/no/such"],
        ),
        (|_| " ; ".to_owned(), &["at least one sink"]),
    ];
    for (value, said) in cases {
        let folder = Folder::new();
        let value = value(&other(&folder));
        let [own, other] = play_with_variable(value.as_bytes(), "obeys", &folder);
        let own = own.unwrap();
        assert_says(
            &own[0],
            &[
                "SHMLOG_SINKS is ignored",
                "correct the variable, or unset it",
            ],
        );
        assert_says(&own[0], said);
        assert_eq!(own[1..], ["info", "warn"], "{value}");
        assert_eq!(
            other, None,
            "{value}: the folder that was made for it is gone"
        );
    }
    let folder = Folder::new();
    let [own, _] = play_with_variable(b"file:\xff", "obeys", &folder);
    assert_says(&own.unwrap()[0], &["SHMLOG_SINKS is ignored", "%ff"]);
}

fn a_variable_that_is_empty_or_not_obeyed_changes_nothing() {
    let folder = Folder::new();
    let other = format!("file:{}/other", folder.text());
    for (value, obeys) in [("", "obeys"), (&*other, "ignores"), ("nonsense", "ignores")] {
        let folder = Folder::new();
        let [own, other] = play_with_variable(value.as_bytes(), obeys, &folder);
        assert_eq!(
            own,
            Some(vec!["info".to_owned(), "warn".to_owned()]),
            "{value}"
        );
        assert_eq!(other, None);
    }
    assert!(!folder.path().join("other").exists());
}

/// `folder`
fn refused_for_its_sinks(arguments: &[String]) {
    let at = |name: &str| Path::new(&arguments[0]).join(name);
    let spec = |text: &str| text.parse::<SinkSpec>().unwrap();
    let file = |name: &str| TextFile::new(at(name));
    fs::create_dir(at("real")).unwrap();
    symlink(at("real"), at("link")).unwrap();
    let many = (0..9).fold(without_sinks(), |builder, n| {
        builder.sink(file(&n.to_string()))
    });
    let cases: Vec<(Builder, &[&str])> = vec![
        (
            without_sinks().sink(spec("flie")),
            &["flie", "kind", "console, file", "collect"],
        ),
        (
            without_sinks().sink(file("a").keep(0)),
            &["keep", "\"0\"", "from 1 on"],
        ),
        (
            without_sinks().sink(file("a").level("x=loud")),
            &["level", "x=loud", "imu=debug"],
        ),
        (
            without_sinks().sink(file("")).sink(TextFile::new("")),
            &["place", "a folder"],
        ),
        (
            without_sinks().sink(file("a").level("")),
            &["level", "imu=debug"],
        ),
        (
            without_sinks().sink(file("a/../a")).sink(file("a")),
            &["place", "same files"],
        ),
        (
            without_sinks().sink(file("real")).sink(file("link")),
            &["place", "same files"],
        ),
        (
            without_sinks()
                .file(true)
                .file_path(at("a"))
                .sink(file("a")),
            &["place", "same files"],
        ),
        (
            without_sinks().console(true).sink(Console::new()),
            &["standard output"],
        ),
        (many, &["8 sinks with files in all"]),
        (without_sinks().sink(spec("collect?x=1")), &["collect?x=1"]),
        (
            without_sinks()
                .sink(file("a"))
                .sink(spec("collect:/proc/no")),
            &["collect:/proc/no"],
        ),
    ];
    for (builder, said) in cases {
        let error = builder.env(false).init_parent().unwrap_err();
        assert_says(&error.to_string(), said);
        let expected = matches!(
            error,
            InitError::Sink(SpecError { .. }) | InitError::Drainer(_)
        );
        assert!(expected, "{error:?}");
        let mut names: Vec<_> = fs::read_dir(&arguments[0]).unwrap().collect();
        names.retain(|name| {
            !["real", "link"]
                .map(Into::into)
                .contains(&name.as_ref().unwrap().file_name())
        });
        assert!(names.is_empty(), "{names:?}");
    }
    assert_eq!(fs::read_dir(at("real")).unwrap().count(), 0);
    assert_eq!(segments_made_by(std::process::id()), [""; 0]);
}

fn sinks_that_cannot_be_are_refused_by_name_and_leave_nothing() {
    let folder = Folder::new();
    perform("refused_for_its_sinks", &[folder.text()]);
}

/// `folder`: two sinks with files, the first of which has to do without its folder for a while.
fn parent_that_loses_a_folder(arguments: &[String]) {
    let at = |name: &str| Path::new(&arguments[0]).join(name);
    let builder = quiet(at("lost").to_str().unwrap()).sink(TextFile::new(at("kept")));
    let logger = builder.process_name("parent").init_parent().unwrap();
    say(&format!("ring {}", logger.name()));
    while let "log" = &*listen() {
        let number = logger.stats().attempted;
        info!("record {number}");
        logger.flush(Duration::from_secs(60)).unwrap();
        let stats = logger.stats();
        say(&format!(
            "{} {} {}",
            stats.delivered, stats.lost, stats.drainer_restarts
        ));
    }
}

fn a_sink_that_cannot_be_opened_again_is_done_without_until_it_can() {
    let folder = Folder::new();
    let at = |name: &str| folder.path().join(name);
    let mut parent = Actor::start("parent_that_loses_a_folder", &[folder.text()]);
    let ring = parent.hear("ring ");
    let mut log = || {
        parent.tell("log");
        parent.hear("")
    };
    assert_eq!(log(), "1 0 0");
    // Something else stands there, so the folder cannot be made anew.
    fs::rename(at("lost"), at("taken away")).unwrap();
    fs::write(at("lost"), "").unwrap();
    let drainer = drainers_of(&ring)[0];
    send(drainer, Signal::KILL);
    until("there is another", || {
        drainers_of(&ring).iter().any(|pid| *pid != drainer)
    });
    assert_eq!(
        log(),
        "1 1 1",
        "the first sink with files decides what is lost"
    );
    assert_eq!(log(), "1 2 1");
    fs::remove_file(at("lost")).unwrap();
    let kept = || parse_log(&Folder::log_text_of(&at("kept")));
    let is_back = |line: &Line| {
        line.message
            .contains("is there again; missing in it: 2 records")
    };
    until("it is tried", || kept().iter().any(is_back));
    assert_eq!(log(), "2 2 1");
    parent.finish();
    assert_nothing_remains(&ring);
    let records = |lines: Vec<Line>| {
        let records = lines.into_iter().filter(|line| line.sequence.is_some());
        records.map(|line| line.message).collect::<Vec<_>>()
    };
    assert_eq!(
        records(kept()),
        ["record 0", "record 1", "record 2", "record 3"]
    );
    let said = |text: &str| {
        kept()
            .iter()
            .filter(|line| line.message.contains(text))
            .count()
    };
    assert_eq!(said("cannot be opened again"), 1);
    let before = parse_log(&Folder::log_text_of(&at("taken away")));
    assert_eq!(records(before), ["record 0"]);
    let after = parse_log(&Folder::log_text_of(&at("lost")));
    assert_says(&after[0].message, &["2 records are missing here (parent["]);
    assert_eq!(records(after), ["record 3"]);
}
