//! Log files as a parent leaves them: their names, how they follow one another, and which of them stay.

use std::fs;
use std::path::Path;

use libtest_mimic::Trial;
use shmlog::info;

use crate::host::{configured, settled_stats};
use crate::support::{Actor, Folder, Role, listen, log_files, perform, say};
use crate::trials;

pub const ROLES: &[Role] = &[("session", session)];

pub fn trials() -> Vec<Trial> {
    trials![
        a_file_is_named_after_program_and_time_and_its_folder_is_made,
        past_its_size_a_file_is_followed_by_another_and_no_record_is_torn_or_lost,
        of_all_sessions_of_a_program_only_so_many_files_remain,
        sessions_at_the_same_time_leave_each_others_open_files_alone,
        many_sessions_that_prune_at_the_same_time_trip_over_nothing,
        a_program_prunes_no_files_but_its_own,
    ]
}

/// `folder settings records wait`: logs so many records, says so, and waits for a word if asked to.
fn session(arguments: &[String]) {
    let [folder, settings, count, wait] = arguments else {
        panic!("four arguments");
    };
    let logger = configured(folder, settings).init_parent().unwrap();
    for number in 0..count.parse::<usize>().unwrap() {
        info!("record {number} {}", "x".repeat(number % 200));
    }
    assert_eq!(settled_stats(&logger).sink_errors, 0);
    say("logged");
    if wait == "wait" {
        listen();
        info!("after the wait");
    }
}

fn play(folder: &Folder, settings: &str, count: usize) {
    perform(
        "session",
        &[folder.text(), settings, &count.to_string(), ""],
    );
}

fn begin(folder: &Folder, settings: &str) -> Actor {
    let mut actor = Actor::start("session", &[folder.text(), settings, "1", "wait"]);
    actor.hear("logged");
    actor
}

/// `{program}_{YYYYmmdd_HHMMSS_micros}.log`
fn is_named(name: &str, program: &str) -> bool {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let time = name
        .strip_prefix(program)
        .and_then(|rest| rest.strip_prefix('_')?.strip_suffix(".log"));
    let parts: Vec<&str> = time.map_or(vec![], |time| time.split('_').collect());
    parts.len() == 3 && digits(parts[0], 8) && digits(parts[1], 6) && digits(parts[2], 6)
}

fn a_file_is_named_after_program_and_time_and_its_folder_is_made() {
    let folder = Folder::new();
    let deep = folder.path().join("made/if missing/ä");
    let before = chrono::Local::now().format("arm_%Y%m%d_%H%M%S_%6f.log");
    let arguments = [deep.to_str().unwrap(), "process_name=arm", "1", ""];
    perform("session", &arguments);
    let after = chrono::Local::now().format("arm_%Y%m%d_%H%M%S_%6f.log");
    let names = log_files(&deep);
    assert!(names.len() == 1 && is_named(&names[0], "arm"), "{names:?}");
    assert!(before.to_string() <= names[0] && names[0] <= after.to_string());
    assert_eq!(
        fs::read_dir(&deep).unwrap().count(),
        1,
        "and nothing beside it"
    );

    let program = std::env::current_exe().unwrap();
    let program = program.file_stem().unwrap().to_str().unwrap();
    let folder = Folder::new();
    play(&folder, "", 1);
    assert!(is_named(&log_files(folder.path())[0], program));
}

fn past_its_size_a_file_is_followed_by_another_and_no_record_is_torn_or_lost() {
    let folder = Folder::new();
    play(&folder, "block max_file_size=20000 backup_count=1000", 3000);
    let names = log_files(folder.path());
    assert!(names.len() > 10, "{names:?}");
    let mut number = 0;
    for name in &names {
        let path = folder.path().join(name);
        assert!(fs::metadata(&path).unwrap().len() <= 20_000, "{name}");
        for record in crate::support::parse_log(&fs::read_to_string(path).unwrap()) {
            let expected = format!("record {number} {}", "x".repeat(number % 200));
            assert_eq!(record.message, expected, "in {name}");
            number += 1;
        }
    }
    assert_eq!(number, 3000);

    let folder = Folder::new();
    play(&folder, "block max_file_size=20000 backup_count=3", 3000);
    assert_eq!(log_files(folder.path()).len(), 3);
    let records = folder.records();
    assert!(records.last().unwrap().message.starts_with("record 2999 "));
    assert_eq!(log_files(folder.path()).len(), 3);

    // A record that is longer than a file may be has one to itself.
    let folder = Folder::new();
    play(&folder, "max_file_size=1", 5);
    assert_eq!(log_files(folder.path()).len(), 5);
    assert_eq!(folder.records().len(), 5);
}

fn of_all_sessions_of_a_program_only_so_many_files_remain() {
    let folder = Folder::new();
    let mut made: Vec<String> = Vec::new();
    for session in 1..=6 {
        play(&folder, "backup_count=3 process_name=app", 1);
        let names = log_files(folder.path());
        assert_eq!(names.len(), session.min(3));
        made.push(names.last().unwrap().clone());
        // The oldest go, the newest stay.
        assert_eq!(names, made[session.saturating_sub(3)..]);
    }
}

fn sessions_at_the_same_time_leave_each_others_open_files_alone() {
    let folder = Folder::new();
    let settings = "backup_count=1 process_name=app";
    let mut actors: Vec<Actor> = (0..3).map(|_| begin(&folder, settings)).collect();
    let open = log_files(folder.path());
    assert_eq!(open.len(), 3, "all are being written");
    // More sessions come and go, and take nothing but what is closed.
    play(&folder, settings, 1);
    for actor in &mut actors {
        actor.tell("go on");
    }
    actors.into_iter().for_each(Actor::finish);
    for record in folder.records() {
        assert!(["record 0 ", "after the wait"].contains(&&*record.message));
    }
    // The last that ended found all others closed, or all are left to the next session.
    play(&folder, settings, 1);
    assert_eq!(log_files(folder.path()).len(), 1);
}

fn many_sessions_that_prune_at_the_same_time_trip_over_nothing() {
    let folder = Folder::new();
    let settings = "backup_count=2 process_name=app max_file_size=3000";
    for _ in 0..5 {
        play(&folder, settings, 5);
    }
    let arguments = [folder.text(), settings, "100", "wait"];
    let mut actors: Vec<Actor> = (0..6)
        .map(|_| Actor::start("session", &arguments))
        .collect();
    for actor in &mut actors {
        // It asserts by itself that no sink reported an error.
        actor.hear("logged");
    }
    // Each one's open file is there.
    assert!(log_files(folder.path()).len() >= 6);
    actors.into_iter().for_each(Actor::finish);
    play(&folder, settings, 1);
    assert!(log_files(folder.path()).len() <= 2);
}

fn a_program_prunes_no_files_but_its_own() {
    let folder = Folder::new();
    play(&folder, "process_name=app_server", 1);
    let others = [
        "app_server_20200101_000000_000000.log",
        "app_20200101_000000_000000.log.xz",
        "app_20200101_000000_00000.log",
        "app_notes.log",
        "app.log",
        "other_20200101_000000_000000.log",
    ];
    for other in others {
        fs::write(folder.path().join(other), "").unwrap();
    }
    let own = "app_20200101_000000_000000.log";
    fs::write(folder.path().join(own), "").unwrap();
    for _ in 0..3 {
        play(&folder, "backup_count=1 process_name=app", 1);
    }
    let exists = |name: &str| Path::new(&folder.path().join(name)).exists();
    assert!(others.iter().all(|name| exists(name)));
    assert!(!exists(own));
    let names = log_files(folder.path());
    let count = |program| names.iter().filter(|name| is_named(name, program)).count();
    assert_eq!((count("app"), count("app_server")), (1, 2));
}
