//! Rings whose whole program was killed: what they held is saved, once, by whoever comes next.
//!
//! Any parent recovers any dead ring of its user, so a test that leaves dead rings plays in shared memory of
//! its own: it is started once more, as a role, in a mount namespace with a fresh `/dev/shm`. Where that
//! cannot be made, as in many containers, nothing can be shown.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process_group};
use shmlog::{OnFull, RecoverError, ShmLogger, info};

use crate::support::{
    Actor, Folder, Line, Role, assert_nothing_remains, assert_says, drainers_of, listen, log_files,
    parse_log, quiet, role_command, say, send, until, wait_for_end,
};
use crate::tally::{Log, Tally, number};

pub const ROLES: &[Role] = &[
    ("doomed", doomed),
    ("doomed_child", doomed_child),
    ("lonely", lonely),
    ("successor", successor),
    ("alone_in_shm", alone_in_shm),
];

/// The tests, each by its name as a role plays it.
const SCENES: &[(&str, fn())] = &[
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
    (
        "a_dead_ring_that_holds_nothing_unread_is_removed_without_a_file",
        removed_when_empty,
    ),
    (
        "a_batch_that_was_written_and_not_noted_stands_once",
        cut_back_to_the_checkpoint,
    ),
    (
        "a_folder_that_is_gone_is_not_made_again_and_the_new_parents_takes_the_records",
        saved_elsewhere,
    ),
    (
        "records_that_find_no_room_stay_in_the_ring_until_there_is",
        kept_until_there_is_room,
    ),
    (
        "a_ring_is_not_recovered_while_anybody_uses_it",
        refused_while_in_use,
    ),
    (
        "rings_of_other_versions_users_and_namespaces_are_left_alone",
        left_alone,
    ),
    (
        "a_damaged_ring_is_told_of_and_left_and_stops_nobody",
        told_of_and_left,
    ),
];

pub fn trials() -> Vec<Trial> {
    let trial = |&(name, _): &(&'static str, fn())| {
        Trial::test(format!("recovery::{name}"), move || {
            play_alone(name);
            Ok(())
        })
    };
    SCENES.iter().map(trial).collect()
}

/// Plays a scene in shared memory of its own.
fn play_alone(scene: &str) {
    let flags = if is_root() { "-m" } else { "-rm" };
    let mount = "mount -t tmpfs -o size=64m tmpfs /dev/shm";
    let in_own_mounts = |script: &str| {
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", script]);
        command
    };
    if cfg!(feature = "portable")
        || !in_own_mounts(&format!("{mount} 2>/dev/null"))
            .status()
            .is_ok_and(|status| status.success())
    {
        return;
    }
    let role = role_command("alone_in_shm", &[scene]);
    let mut command = in_own_mounts(&format!("{mount} && exec \"$0\" \"$@\""));
    command.arg(role.get_program()).args(role.get_args());
    let variables = role.get_envs();
    command.envs(variables.filter_map(|(key, value)| Some((key, value?))));
    Actor::from_command(command).finish();
}

fn alone_in_shm(arguments: &[String]) {
    let scene = SCENES.iter().find(|(name, _)| *name == arguments[0]);
    scene.unwrap().1();
    assert_eq!(shared_memory(), [""; 0], "nothing remains");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn shared_memory() -> Vec<String> {
    let names = fs::read_dir("/dev/shm").unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
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
        assert_eq!(everybody.len(), 2 + CHILDREN.len(), "with its drainer");
        kill_process_group(Pid::from_raw(parent.id() as i32).unwrap(), Signal::KILL).unwrap();
        let pid = parent.id();
        assert_eq!(
            parent.wait().unwrap().signal(),
            Some(Signal::KILL.as_raw())
        );
        everybody.into_iter().for_each(wait_for_end);
        assert!(segment(&ring).exists());
        Dead { ring, pid }
    }
}

fn names() -> [&'static str; 4] {
    ["doomed", CHILDREN[0], CHILDREN[1], CHILDREN[2]]
}

fn segment(ring: &str) -> PathBuf {
    Path::new("/dev/shm").join(ring)
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

/// `folder`: the next program, which logs one record.
fn successor(arguments: &[String]) {
    let builder = quiet(&arguments[0]).recover(true);
    let logger = builder.process_name("next").init_parent().unwrap();
    info!("next 0");
    say(logger.name());
    listen();
}

/// Plays a successor, and returns what it says of itself: its own words.
fn succeed(folder: &Folder) -> Vec<Line> {
    let mut next = Actor::start("successor", &[folder.text()]);
    let ring = next.hear("");
    next.finish();
    assert_nothing_remains(&ring);
    let mut words = Vec::new();
    let of_next = |name: &String| name.starts_with("next_") && !name.ends_with("_recovered.log");
    for name in log_files(folder.path()).iter().filter(|name| of_next(name)) {
        let lines = parse_log(&fs::read_to_string(folder.path().join(name)).unwrap());
        words.extend(lines.into_iter().filter(|line| line.sequence.is_none()));
    }
    words
}

fn recovered_files(folder: &Folder) -> Vec<String> {
    let mut names = log_files(folder.path());
    names.retain(|name| name.ends_with("_recovered.log"));
    names
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

/// `folder`: a parent without children that has logged three records, all of them in the file.
fn lonely(arguments: &[String]) {
    let logger = quiet(&arguments[0]).process_name("lonely").init_parent().unwrap();
    for n in 0..3 {
        info!("lonely {n}");
    }
    logger.flush(Duration::from_secs(60)).unwrap();
    say(logger.name());
    if listen() == "log" {
        let drainer = drainers_of(logger.name())[0];
        send(drainer, Signal::STOP);
        crate::tally::wait_until_stopped(drainer);
        for n in 3..10 {
            info!("lonely {n}");
        }
        say("logged");
    }
    listen();
}

/// Kills a lonely parent and its drainer, the drainer first stopped so that neither outlives the other.
fn kill_with_drainer(parent: &mut Actor, ring: &str) {
    let drainer = drainers_of(ring)[0];
    send(drainer, Signal::STOP);
    crate::tally::wait_until_stopped(drainer);
    parent.signal(Signal::KILL);
    assert_eq!(parent.wait().signal(), Some(Signal::KILL.as_raw()));
    send(drainer, Signal::KILL);
    wait_for_end(drainer);
}

fn leave_lonely(folder: &Folder, unread: bool) -> String {
    let mut parent = Actor::start("lonely", &[folder.text()]);
    let ring = parent.hear("");
    if unread {
        parent.tell("log");
        parent.hear("logged");
    }
    kill_with_drainer(&mut parent, &ring);
    ring
}

fn removed_when_empty() {
    let folder = Folder::new();
    let ring = leave_lonely(&folder, false);
    let words = succeed(&folder);
    assert_eq!(words.len(), 1, "{words:?}");
    assert_says(&words[0].message, &[&ring, "nothing was left"]);
    assert_eq!(recovered_files(&folder), [""; 0]);
    assert_eq!(folder.records().iter().filter(|line| line.process == "lonely").count(), 3);
}

fn lonely_records(folders: &[&Folder]) -> Vec<String> {
    let lines = folders.iter().flat_map(|folder| folder.records());
    let lines = lines.filter(|line| line.process == "lonely");
    lines.map(|line| line.message).collect()
}

fn expected(count: u64) -> Vec<String> {
    (0..count).map(|n| format!("lonely {n}")).collect()
}

fn cut_back_to_the_checkpoint() {
    let folder = Folder::new();
    let ring = leave_lonely(&folder, true);
    // As if the drainer had written its next batch, half a line of it, and died before its checkpoint.
    let file = folder.path().join(&log_files(folder.path())[0]);
    let whole = fs::read_to_string(&file).unwrap();
    let like_the_last = whole.lines().last().unwrap().replace("lonely 2", "lonely 3");
    let half = &like_the_last[..like_the_last.len() / 2];
    fs::write(&file, format!("{whole}{like_the_last}\n{half}")).unwrap();
    let recovered = shmlog::recover(&ring).unwrap();
    assert_eq!((recovered.records, recovered.lost), (7, 0));
    assert_eq!(fs::read_to_string(&file).unwrap(), whole);
    assert_eq!(lonely_records(&[&folder]), expected(10));
}

fn saved_elsewhere() {
    let (theirs, ours) = (Folder::new(), Folder::new());
    leave_lonely(&theirs, true);
    fs::remove_dir_all(theirs.path()).unwrap();
    let words = succeed(&ours);
    assert_says(&words[0].message, &["recovered 7 records", ours.text()]);
    assert!(!theirs.path().exists());
    assert_eq!(lonely_records(&[&ours]), expected(10)[3..]);
}

fn kept_until_there_is_room() {
    let full = Folder::new();
    let mount = |what: &[&str]| {
        let status = Command::new(what[0]).args(&what[1..]).arg(full.path()).status();
        assert!(status.unwrap().success());
    };
    mount(&["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs"]);
    let ring = leave_lonely(&full, true);
    let ballast = full.path().join("ballast");
    // Until there is no room for one more page.
    let _ = fs::write(&ballast, vec![0; 1 << 20]);
    for _ in 0..2 {
        let error = shmlog::recover(&ring).unwrap_err();
        assert!(matches!(error, RecoverError::File(_)), "{error}");
        assert_says(&error.to_string(), &["stay in shared memory"]);
        assert_eq!(recovered_files(&full), [""; 0]);
    }
    fs::remove_file(&ballast).unwrap();
    let recovered = shmlog::recover(&ring).unwrap();
    assert_eq!((recovered.records, recovered.lost), (7, 0));
    assert_eq!(lonely_records(&[&full]), expected(10));
    mount(&["umount"]);
}

fn assert_in_use(ring: &str) {
    let error = shmlog::recover(ring).unwrap_err();
    assert!(matches!(error, RecoverError::InUse { .. }), "{error}");
    assert!(segment(ring).exists());
}

fn refused_while_in_use() {
    // The parent alone, while its drainer is stopped or there is none.
    let folder = Folder::new();
    let mut parent = Actor::start("lonely", &[folder.text()]);
    let ring = parent.hear("");
    assert_in_use(&ring);
    parent.tell("go");
    parent.finish();
    assert_nothing_remains(&ring);

    // The drainer alone.
    let folder = Folder::new();
    let mut parent = Actor::start("lonely", &[folder.text()]);
    let ring = parent.hear("");
    let drainer = drainers_of(&ring)[0];
    send(drainer, Signal::STOP);
    crate::tally::wait_until_stopped(drainer);
    parent.signal(Signal::KILL);
    parent.wait();
    assert_in_use(&ring);
    assert_eq!(succeed(&folder), []);
    send(drainer, Signal::CONT);
    assert_nothing_remains(&ring);

    // A child alone: its parent and the drainer are killed.
    let folder = Folder::new();
    let mut parent = Actor::start("lonely", &[folder.text()]);
    let ring = parent.hear("");
    let mut command = role_command("doomed_child", &[folder.text(), "one"]);
    command.env("SHMLOG_RING", &ring);
    let mut child = Actor::from_command(command);
    let tally = Tally::of(folder.text(), "one");
    until("the child logs", || tally.returned() > 100);
    child.signal(Signal::STOP);
    crate::tally::wait_until_stopped(child.pid());
    kill_with_drainer(&mut parent, &ring);
    assert_in_use(&ring);
    assert_eq!(succeed(&folder), []);
    child.signal(Signal::KILL);
    child.wait();
    shmlog::recover(&ring).unwrap();
    assert_eq!(lonely_records(&[&folder]), expected(3));

    // Nobody but one who was given the name and has not attached yet.
    let folder = Folder::new();
    let mut parent = Actor::start("lonely", &[folder.text()]);
    let ring = parent.hear("");
    let mut heir = Command::new("sleep");
    heir.arg("1000").env("SHMLOG_RING", &ring);
    let mut heir = heir.spawn().unwrap();
    kill_with_drainer(&mut parent, &ring);
    assert_in_use(&ring);
    heir.kill().unwrap();
    heir.wait().unwrap();
    shmlog::recover(&ring).unwrap();
}

/// Word 512 of a segment begins what its maker wrote of itself; the word after it is the pid namespace.
const NAMESPACE_AT: u64 = 513 * 8;

fn overwrite(ring: &str, at: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().write(true).open(segment(ring)).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

fn left_alone() {
    let folder = Folder::new();
    let ring = leave_lonely(&folder, true);
    let untouched = |folder: &Folder, ring: &str| {
        let before = fs::read(segment(ring)).unwrap();
        assert_eq!(succeed(folder), []);
        assert!(before == fs::read(segment(ring)).unwrap(), "not a bit is changed");
        shmlog::recover(ring).unwrap_err()
    };
    let ready = fs::read(segment(&ring)).unwrap()[..8].to_vec();
    let version = u64::from_ne_bytes(ready[..].try_into().unwrap()) + 1;
    overwrite(&ring, 0, &version.to_ne_bytes());
    let error = untouched(&folder, &ring);
    let next = version as u8;
    assert!(matches!(error, RecoverError::Version { found, .. } if found == next), "{error}");
    overwrite(&ring, 0, &ready);

    if is_root() {
        chown(segment(&ring), Some(65_534), Some(65_534)).unwrap();
        let error = untouched(&folder, &ring);
        assert!(matches!(error, RecoverError::Foreign { owner: 65_534, .. }), "{error}");
        chown(segment(&ring), Some(0), Some(0)).unwrap();
    }

    let namespace = fs::read(segment(&ring)).unwrap()[NAMESPACE_AT as usize..][..8].to_vec();
    overwrite(&ring, NAMESPACE_AT, &1_u64.to_ne_bytes());
    let error = untouched(&folder, &ring);
    assert!(matches!(error, RecoverError::Elsewhere { .. }), "{error}");
    overwrite(&ring, NAMESPACE_AT, &namespace);

    shmlog::recover(&ring).unwrap();
    assert_eq!(lonely_records(&[&folder]), expected(10));
}

fn told_of_and_left() {
    let folder = Folder::new();
    let ring = leave_lonely(&folder, true);
    let geometry = fs::read(segment(&ring)).unwrap()[8..16].to_vec();
    overwrite(&ring, 8, &u64::MAX.to_ne_bytes());
    let words = succeed(&folder);
    assert_eq!(words.len(), 1, "{words:?}");
    assert_says(&words[0].message, &["not recovered", &ring, "damaged"]);
    let error = shmlog::recover(&ring).unwrap_err();
    assert!(matches!(error, RecoverError::Damaged { .. }), "{error}");
    overwrite(&ring, 8, &geometry);
    // A tail that nobody can have reached: what is there comes through, and there is an end to it.
    let tail = fs::read(segment(&ring)).unwrap()[32 * 8..][..8].to_vec();
    let tail = u64::from_ne_bytes(tail.try_into().unwrap());
    overwrite(&ring, 32 * 8, &(tail + (1 << 50)).to_ne_bytes());
    let recovered = shmlog::recover(&ring).unwrap();
    assert_eq!(recovered.records, 7);
    assert_says(&folder.log_text(), &["the ring is damaged"]);
    assert_eq!(lonely_records(&[&folder]), expected(10));
}
