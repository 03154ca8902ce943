//! Filters: from the builder and the environment, and changed while all are running.

use libtest_mimic::Trial;
use shmlog::{Level, SetFilterError, ShmLogger, debug, error, get_logger, info, trace, warn};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, assert_says, listen, quiet, role_command, say,
};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("filtering_parent", filtering_parent),
    ("one_with_two_rings", one_with_two_rings),
    ("filtered_child", filtered_child),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_filter_of_the_builder_counts_in_all_processes,
        a_variable_replaces_the_builders_filter_and_a_wrong_one_is_said,
        a_filter_that_one_process_sets_counts_in_all_with_their_next_call,
        a_filter_that_is_none_changes_nothing,
        the_verdicts_of_one_ring_do_not_count_in_the_next,
    ]
}

/// One record of each level for some targets, those that only the running program knows too.
fn log_all(round: &str) {
    macro_rules! all_levels {
        ($($target:tt)*) => {
            trace!($($target)* "{round} trace");
            debug!($($target)* "{round} debug");
            info!($($target)* "{round} info");
            warn!($($target)* "{round} warn");
            error!($($target)* "{round} error");
        };
    }
    let (imu, can) = (get_logger("imu"), String::from("can::bus"));
    all_levels!();
    all_levels!(logger: imu,);
    all_levels!(target: &can,);
    all_levels!(target: "can",);
}

/// Arguments: folder, level, filter.
fn filtering_parent(arguments: &[String]) {
    let builder = quiet(&arguments[0]).level(arguments[1].parse().unwrap());
    let logger = builder.filter(&arguments[2]).init_parent().unwrap();
    say(&format!("ring {}", logger.name()));
    let mut child = Actor::from_command(role_command("filtered_child", &[]));
    child.hear("attached");
    loop {
        let order = listen();
        let Some((round, filter)) = order.split_once(' ') else {
            break;
        };
        if filter != "-" {
            // By the other process.
            child.tell(&format!("set {filter}"));
            say(&format!("set {}", child.hear("set ")));
            assert_eq!(logger.filter(), child.hear("now "));
        }
        log_all(round);
        child.tell(&format!("log {round}"));
        child.hear("logged");
    }
    drop(child);
}

fn filtered_child(_: &[String]) {
    let logger = ShmLogger::attach().unwrap();
    say("attached");
    loop {
        match listen().split_once(' ') {
            Some(("set", filter)) => {
                let set = logger.set_filter(filter);
                say(&format!(
                    "set {}",
                    set.map_or_else(|why| why.to_string(), |()| String::new())
                ));
                say(&format!("now {}", logger.filter()));
            }
            Some((_, round)) => {
                log_all(round);
                say("logged");
            }
            None => return,
        }
    }
}

/// The levels that are recorded of the four targets in a round, lowest first, `-` for none; both processes must agree.
fn recorded(folder: &Folder, round: &str) -> [String; 4] {
    let records = folder.records();
    let of_round = records
        .iter()
        .filter(|record| record.message.starts_with(round));
    let of_round: Vec<_> = of_round.collect();
    let processes: std::collections::HashSet<u32> =
        of_round.iter().map(|record| record.pid).collect();
    assert_eq!(processes.len(), 2, "both have logged in {round}");
    let module = module_path!();
    [module, "imu", "can::bus", "can"].map(|target| {
        let of = |pid: u32| {
            let mine = of_round
                .iter()
                .filter(move |record| record.pid == pid && record.target == target);
            let levels: Vec<Level> = mine.map(|record| record.level).collect();
            let all = Level::ALL
                .into_iter()
                .filter(|level| *level < Level::Critical);
            let from = levels.first().copied();
            let expected: Vec<Level> = all
                .filter(|level| from.is_some_and(|from| *level >= from))
                .collect();
            assert_eq!(levels, expected, "{target} in {round}");
            from.map_or("-".to_owned(), |level| level.to_string().to_lowercase())
        };
        let all: Vec<String> = processes.iter().map(|&pid| of(pid)).collect();
        assert_eq!(all[0], all[1], "{target} in {round}");
        all[0].clone()
    })
}

fn start(folder: &Folder, level: &str, filter: &str, variables: &[(&str, &str)]) -> Actor {
    let mut command = role_command("filtering_parent", &[folder.text(), level, filter]);
    command.envs(variables.iter().copied());
    Actor::from_command(command)
}

fn a_filter_of_the_builder_counts_in_all_processes() {
    let folder = Folder::new();
    let mut parent = start(&folder, "warn", "imu=debug,can::bus=off", &[]);
    let ring = parent.hear("ring ");
    parent.tell("first -");
    parent.finish();
    assert_nothing_remains(&ring);
    assert_eq!(recorded(&folder, "first"), ["warn", "debug", "-", "warn"]);
}

fn a_variable_replaces_the_builders_filter_and_a_wrong_one_is_said() {
    type Case = (
        &'static [(&'static str, &'static str)],
        [&'static str; 4],
        &'static str,
    );
    let cases: [Case; 9] = [
        (
            &[("RUST_LOG", "imu")],
            ["error", "trace", "error", "error"],
            "",
        ),
        (
            &[("SHMLOG_LEVEL", "info,can=off"), ("RUST_LOG", "trace")],
            ["info", "info", "-", "-"],
            "",
        ),
        (
            &[("SHMLOG_LEVEL", "")],
            ["error", "error", "error", "info"],
            "",
        ),
        (
            &[("SHMLOG_LEVEL", "imu=loud")],
            ["error", "error", "error", "info"],
            "SHMLOG_LEVEL is ignored, and the program's own filter is used: \"imu=loud\" is no filter",
        ),
        (
            &[("SHMLOG_LEVEL", "wrn")],
            ["error", "error", "error", "info"],
            "did you mean warn?",
        ),
        (
            &[("SHMLOG_LEVEL", "warn imu=debug")],
            ["error", "error", "error", "info"],
            "did you mean warn,imu=debug?",
        ),
        (
            &[("RUST_LOG", "2")],
            ["error", "error", "error", "info"],
            "RUST_LOG is ignored",
        ),
        (
            &[("RUST_LOG", "*=debug")],
            ["error", "error", "error", "info"],
            "did you mean debug?",
        ),
        (
            &[("RUST_LOG", "debug/regex")],
            ["error", "error", "error", "info"],
            "did you mean debug?",
        ),
    ];
    for (variables, expected, said) in cases {
        let folder = Folder::new();
        let mut parent = start(&folder, "error", "can=info,can::bus=error", variables);
        let ring = parent.hear("ring ");
        parent.tell("first -");
        parent.finish();
        assert_nothing_remains(&ring);
        assert_eq!(recorded(&folder, "first"), expected, "{variables:?}");
        let text = folder.log_text();
        match said.is_empty() {
            true => assert!(!text.contains("ignored"), "{text}"),
            false => assert_says(&text, &["is ignored", said, "imu=debug,can::bus=off"]),
        }
    }
}

fn a_filter_that_one_process_sets_counts_in_all_with_their_next_call() {
    let folder = Folder::new();
    let mut parent = start(&folder, "warn", "", &[]);
    let ring = parent.hear("ring ");
    for order in [
        "a -",
        "b imu=debug",
        "c info,can=off,can::bus=trace",
        "d off,can=error",
        "e critical",
        "f -",
    ] {
        parent.tell(order);
        if !order.ends_with('-') {
            assert_eq!(parent.hear("set"), "");
        }
    }
    parent.tell("g error");
    assert_eq!(parent.hear("set"), "");
    parent.finish();
    assert_nothing_remains(&ring);
    assert_eq!(recorded(&folder, "a"), ["warn"; 4]);
    assert_eq!(recorded(&folder, "b"), ["warn", "debug", "warn", "warn"]);
    assert_eq!(recorded(&folder, "c"), ["info", "info", "trace", "-"]);
    assert_eq!(recorded(&folder, "d"), ["-", "-", "error", "error"]);
    let text = folder.log_text();
    assert!(!text.contains(" - e ") && !text.contains(" - f "), "{text}");
    assert_eq!(recorded(&folder, "g"), ["error"; 4]);
}

fn a_filter_that_is_none_changes_nothing() {
    let folder = Folder::new();
    let logger = quiet(folder.text())
        .level(Level::Info)
        .env(false)
        .init_parent()
        .unwrap();
    let why = logger.set_filter("warn,imu=loud").unwrap_err();
    assert_says(
        &why.to_string(),
        &["stays as it was", "\"imu=loud\"", "critical"],
    );
    let why = logger
        .set_filter(&"abcdefghi=info,".repeat(60))
        .unwrap_err();
    assert!(
        matches!(why, SetFilterError::TooLong { bytes: 900 }),
        "{why}"
    );
    assert!(logger.set_filter("").is_err());
    assert_eq!(logger.filter(), "info");
    for (wrong, said) in [("a=b=c", "a=b=c"), ("wrn", "did you mean warn?")] {
        let why = logger.set_filter(wrong).unwrap_err().to_string();
        assert_says(&why, &["stays as it was", said]);
        let builder = quiet(folder.text()).filter(wrong);
        let why = builder.init_parent().unwrap_err().to_string();
        assert_says(&why, &["filter", said]);
    }
    assert_eq!(logger.filter(), "info");
    drop(logger);
}

/// Two rings, one after the other, with opposite filters.
fn one_with_two_rings(arguments: &[String]) {
    for filter in ["info,imu=off,can=debug", "info,imu=debug,can=off"] {
        let builder = quiet(&arguments[0]).filter(filter);
        let logger = builder.init_parent().unwrap();
        log_all("round");
        for (target, name) in [("imu", "imu"), ("can", "can")] {
            debug!(target: target, "{filter}: {name}");
        }
        debug!(target: "imu", "{filter}: imu by itself");
        drop(logger);
    }
}

fn the_verdicts_of_one_ring_do_not_count_in_the_next() {
    let folder = Folder::new();
    Actor::start("one_with_two_rings", &[folder.text()]).finish();
    let messages = folder.messages();
    let about: Vec<&String> = messages
        .iter()
        .filter(|message| message.contains("imu="))
        .collect();
    assert_eq!(
        about,
        [
            "info,imu=off,can=debug: can",
            "info,imu=debug,can=off: imu",
            "info,imu=debug,can=off: imu by itself",
        ]
    );
}
