//! Rings whose whole program was killed while it logged: what they held is saved, once, by whoever comes next.

use std::fs;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process_group};
use shmlog::{OnFull, RecoverError, ShmLogger, info};

use crate::alone::{Scenes, play, recovered_files, segment, succeed, trials_of};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, assert_says, drainers_of, parse_log, quiet,
    role_command, send, until, wait_for_end,
};
use crate::tally::{Log, Tally, number};

pub const ROLES: &[Role] = &[
    ("doomed", doomed),
    ("doomed_child", doomed_child),
    ("scene_of_recovery", scene),
];

const SCENES: Scenes = &[
    (
        "the_next_parent_saves_what_a_killed_program_logged_and_each_record_stands_once",
        saved_by_the_next_parent,
    ),
    (
        "a_killed_program_that_wrote_to_the_console_alone_is_saved_into_the_next_ones_folder",
        saved_from_a_console,
    ),
    (
        "a_dead_ring_is_recovered_on_demand_by_its_name_and_only_once",
        saved_on_demand,
    ),
    (
        "two_parents_that_start_at_the_same_moment_recover_each_dead_ring_once",
        saved_by_one_of_two,
    ),
];

pub fn trials() -> Vec<Trial> {
    trials_of("recovery", "scene_of_recovery", SCENES)
}

fn scene(arguments: &[String]) {
    play(SCENES, arguments);
}

const CHILDREN: [&str; 3] = ["one", "two", "three"];

/// `folder sink`: a program whose processes log without an end.
fn doomed(arguments: &[String]) {
    let [folder, sink] = arguments else { panic!() };
    let builder = quiet(folder)
        .slots(1 << 12)
        .on_full(OnFull::Block(Duration::from_secs(60)));
    let builder = match &**sink {
        "console" => builder.console(true).file(false),
        _ => builder,
    };
    let logger = builder.process_name("doomed").init_parent().unwrap();
    // Not to the standard output, which may be the console's.
    fs::write(Path::new(folder).join("ring"), logger.name()).unwrap();
    let start = |who| role_command("doomed_child", &[folder, who]).spawn().unwrap();
    let _children = CHILDREN.map(start);
    log_for_ever(folder, "doomed");
}

fn doomed_child(arguments: &[String]) {
    let [folder, who] = arguments else { panic!() };
    let _logger = ShmLogger::builder().process_name(&**who).attach().unwrap();
    log_for_ever(folder, who);
}

fn log_for_ever(folder: &str, who: &str) {
    let tally = Tally::of(folder, who);
    loop {
        // Some are longer than a run, so that the notes of incomplete records are needed as well.
        tally.count(|n| match n % 50 {
            7 => info!("{who} {n} {}", "x".repeat(5000)),
            _ => info!("{who} {n}"),
        });
    }
}

/// A program that was killed in the midst of logging, to the last process: its ring is what is left.
struct Dead {
    ring: String,
    pid: u32,
}

impl Dead {
    fn leave(folder: &Folder, sink: &str) -> Dead {
        Dead::leave_after(folder, sink, 3000)
    }

    fn leave_after(folder: &Folder, sink: &str, records: u64) -> Dead {
        let mut command = role_command("doomed", &[folder.text(), sink]);
        command.process_group(0);
        command.stdout(Stdio::null());
        let mut parent = command.spawn().unwrap();
        let tallies = names().map(|who| Tally::of(folder.text(), who));
        until("all of them log", || {
            tallies.iter().all(|tally| tally.returned() > records)
        });
        let ring = fs::read_to_string(folder.path().join("ring")).unwrap();
        let everybody = processes_of(parent.id());
        assert_eq!(everybody.len(), 1 + CHILDREN.len(), "without its drainer");
        // Stopped wherever it is, the drainer leaves something unread for certain.
        let drainer = drainers_of(&ring)[0];
        send(drainer, Signal::STOP);
        until("whole records stand in the ring", || taken_slots(&ring) > 500);
        kill_process_group(Pid::from_raw(parent.id() as i32).unwrap(), Signal::KILL).unwrap();
        let pid = parent.id();
        assert_eq!(
            parent.wait().unwrap().signal(),
            Some(Signal::KILL.as_raw())
        );
        // It is in a group of its own.
        send(drainer, Signal::KILL);
        everybody.into_iter().chain([drainer]).for_each(wait_for_end);
        assert!(segment(&ring).exists());
        Dead { ring, pid }
    }
}

/// How many slots are claimed and not released, by the words for tail and head.
fn taken_slots(ring: &str) -> u64 {
    let file = fs::File::open(segment(ring)).unwrap();
    let word = |line: u64| {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, line * 128).unwrap();
        u64::from_ne_bytes(bytes)
    };
    // The head last: it is the drainer's, which stands still or has moved on since.
    let tail = word(2);
    tail.saturating_sub(word(3))
}

fn names() -> [&'static str; 4] {
    ["doomed", CHILDREN[0], CHILDREN[1], CHILDREN[2]]
}

/// The processes of a group.
fn processes_of(group: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap();
    pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            fields.split(' ').nth(2) == Some(&group.to_string())
        })
        .collect()
}

/// Asserts that what the program logged stands in its files, every record once, and what is missing is told.
fn check_books(dead: &Dead, tallies: &Folder, logs: &[&Folder]) -> u64 {
    let (mut records, mut words) = (Vec::new(), Vec::new());
    for folder in logs {
        let log = Log::read(folder);
        records.extend(log.records);
        words.extend(log.words);
    }
    records.retain(|line| line.process != "next");
    let mut log = Log { records, words };
    log.records.sort_by_key(|record| record.sequence);
    let lost_of = log.said("lost: it ended while writing");
    for pair in log.records.windows(2) {
        assert_ne!(pair[0].sequence, pair[1].sequence, "no sequence twice: {pair:?}");
    }
    let of = log.by_process();
    assert_eq!(of.len(), names().len());
    for who in names() {
        let tally = Tally::of(tallies.text(), who);
        let records = &of[who];
        for (index, record) in records.iter().enumerate() {
            assert_eq!(number(record), index as u64, "{who}: every record once");
        }
        let count = records.len() as u64;
        assert!(count >= tally.returned(), "{who}: what returned is there");
        let settled = count + lost_of.get(who).copied().unwrap_or(0);
        assert!(
            (tally.returned()..=tally.attempted()).contains(&settled),
            "{who}: {settled} of {} to {}",
            tally.returned(),
            tally.attempted()
        );
    }
    assert!(!segment(&dead.ring).exists());
    assert_eq!(dead.pid, of["doomed"][0].pid);
    log.records.len() as u64
}

fn saved_by_the_next_parent() {
    for records in [500, 3000, 10_000] {
        let folder = Folder::new();
        let dead = Dead::leave_after(&folder, "file", records);
        let words = succeed(&folder);
        check_books(&dead, &folder, &[&folder]);
        let files = recovered_files(&folder);
        assert_eq!(files.len(), 1, "{files:?}");
        assert!(files[0].starts_with("doomed_"), "{files:?}");
        assert_eq!(words.len(), 1, "{words:?}");
        let text = fs::read_to_string(folder.path().join(&files[0])).unwrap();
        let count = parse_log(&text).iter().filter(|line| line.sequence.is_some()).count();
        assert!(count > 1);
        let said = format!("recovered {count} records");
        assert_says(&words[0].message, &[&said, "doomed", &dead.ring, &files[0]]);
        assert_eq!(succeed(&folder).len(), 1, "the next but one has nothing to say");
    }
}

fn saved_from_a_console() {
    let (theirs, ours) = (Folder::new(), Folder::new());
    let dead = Dead::leave(&theirs, "console");
    let words = succeed(&ours);
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!(recovered_files(&ours).len(), 1);
    assert!(recovered_files(&ours)[0].starts_with("doomed_"));
    let log = Log::read(&ours);
    // What the console had is not known here; the rest is there, without a gap.
    let mut of = log.by_process();
    of.remove("next");
    assert!(!of.is_empty());
    for (who, records) in of {
        let numbers: Vec<u64> = records.iter().map(number).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
        assert!(*numbers.last().unwrap() + 1 >= Tally::of(theirs.text(), &who).returned());
    }
    assert!(!segment(&dead.ring).exists());
}

fn saved_on_demand() {
    let folder = Folder::new();
    let dead = Dead::leave(&folder, "file");
    let recovered = shmlog::recover(&dead.ring).unwrap();
    check_books(&dead, &folder, &[&folder]);
    assert_eq!(recovered.ring, dead.ring);
    assert_eq!(recovered.program, "doomed");
    let file = recovered.file.unwrap();
    assert_eq!(file.parent().unwrap(), folder.path());
    assert_eq!(file.file_name().unwrap().to_str().unwrap(), recovered_files(&folder)[0]);
    let lines = parse_log(&fs::read_to_string(&file).unwrap());
    let records = lines.iter().filter(|line| line.sequence.is_some()).count() as u64;
    assert!(records > 0);
    assert_eq!(recovered.records, records);
    let error = shmlog::recover(&dead.ring).unwrap_err();
    assert!(matches!(error, RecoverError::NotThere { .. }), "{error}");
    let error = shmlog::recover("../etc/passwd").unwrap_err();
    assert!(matches!(error, RecoverError::BadName { .. }), "{error}");
}

fn saved_by_one_of_two() {
    let folders = [Folder::new(), Folder::new(), Folder::new()];
    let dead = folders.each_ref().map(|folder| Dead::leave(folder, "file"));
    let ours = Folder::new();
    let mut both = [0, 1].map(|_| Actor::start("successor", &[ours.text()]));
    let rings = both.each_mut().map(|next| next.hear(""));
    both.into_iter().for_each(Actor::finish);
    rings.iter().for_each(|ring| assert_nothing_remains(ring));
    for (dead, folder) in dead.iter().zip(&folders) {
        check_books(dead, folder, &[folder]);
        assert_eq!(recovered_files(folder).len(), 1);
    }
    let words = Log::read(&ours).words;
    assert_eq!(words.len(), dead.len(), "each is told of once: {words:?}");
    for dead in &dead {
        assert!(words.iter().any(|word| word.message.contains(&dead.ring)));
    }
}
