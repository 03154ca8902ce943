//! MCAP files whose writer is killed: they can be read all the same, and each record stands once.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::mcap_files::{By, mcap_files, python, read, read_all, sequences};
use crate::mcap_scene::{check_all, log_some, record, recorder};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, listen, log_files, parse_log, say,
    send, until, wait_for_end,
};
use crate::tally::{Dice, settled};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("recorded_and_all_killed", recorded_and_all_killed),
    ("recorded_by_the_often_killed", recorded_by_the_often_killed),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_file_can_be_read_while_it_is_written_and_completed_when_all_were_killed,
        all_records_are_there_once_though_the_drainer_is_killed_all_the_time,
        what_a_dead_ring_holds_is_recovered_and_each_record_stands_once,
    ]
}

/// `spec records`: logs so many, says so, and goes on without an end.
fn recorded_and_all_killed(arguments: &[String]) {
    let [spec, records] = arguments else {
        panic!("two arguments");
    };
    let logger = recorder(spec).init_parent().unwrap();
    say(logger.name());
    let records = records.parse().unwrap();
    log_some("parent", 0..records);
    logger.flush(Duration::from_secs(60)).unwrap();
    say("flushed");
    let mut next = records;
    // Not if the test has failed.
    if listen() != "go on" {
        return;
    }
    loop {
        log_some("parent", next..next + 100);
        next += 100;
    }
}

/// Kills a parent and its drainer at a moment of chance; returns its ring.
fn kill_all_amid(spec: &str, records: u64, dice: &mut Dice, look: impl FnOnce()) -> String {
    let mut parent = Actor::start("recorded_and_all_killed", &[spec, &records.to_string()]);
    let ring = parent.hear("");
    parent.hear("flushed");
    look();
    let drainer = drainers_of(&ring)[0];
    parent.tell("go on");
    for _ in 0..dice.below(200) {
        dice.dawdle();
    }
    // It must not start another.
    parent.signal(Signal::STOP);
    send(drainer, Signal::KILL);
    parent.signal(Signal::KILL);
    parent.wait();
    wait_for_end(drainer);
    ring
}

fn a_file_can_be_read_while_it_is_written_and_completed_when_all_were_killed() -> Result<(), Ignored>
{
    python()?;
    let (folder, mut dice) = (Folder::new(), Dice::new(1));
    let mut before: Vec<(String, usize)> = Vec::new();
    for round in 0..9_u64 {
        let compression = ["zstd", "lz4", "none"][round as usize % 3];
        let spec = format!("mcap:{}?compression={compression}&keep=100", folder.text());
        let known = mcap_files(folder.path());
        let records = 1 + round * round * 200;
        let ring = kill_all_amid(&spec, records, &mut dice, || {
            let files = mcap_files(folder.path());
            let file = files.iter().find(|file| !known.contains(file)).unwrap();
            let copy = folder.path().join("copy");
            fs::write(&copy, at_rest(file)).unwrap();
            let now = read(&copy, By::Stream).unwrap();
            assert_eq!(check_all(&now)["parent"], records);
        });
        discard(&ring);
        let files = mcap_files(folder.path());
        assert_eq!(files.len(), known.len() + 1);
        let file = files.iter().find(|file| !known.contains(file)).unwrap();
        let cut = read(file, By::Stream)?;
        assert!(check_all(&cut)["parent"] >= records);
        let read: Vec<u32> = cut.iter().map(|said| said.sequence).collect();
        assert_eq!(sequences(file), read);
        before.push((file.to_str().unwrap().to_owned(), cut.len()));
        // Long ago.
        File::options()
            .append(true)
            .open(file)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
    }
    record(&format!("mcap:{}?keep=100", folder.text()), 0, 10);
    for (file, messages) in before {
        let all = read(Path::new(&file), By::Index)?;
        assert_eq!(all.len(), messages, "{file}");
        check_all(&all);
    }
    Ok(())
}

/// The bytes of a file that is being written, between two steps.
fn at_rest(file: &Path) -> Vec<u8> {
    let mut before = fs::read(file).unwrap();
    loop {
        let now = fs::read(file).unwrap();
        if now == before {
            return now;
        }
        before = now;
    }
}

/// Takes a dead ring away, and what it holds.
fn discard(ring: &str) {
    let names = fs::read_dir("/dev/shm").unwrap();
    for name in names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()) {
        if name.split('.').next() == Some(ring) {
            fs::remove_file(Path::new("/dev/shm").join(name)).unwrap();
        }
    }
}

/// `spec records kills`
fn recorded_by_the_often_killed(arguments: &[String]) {
    let [spec, records, kills] = arguments else {
        panic!("three arguments");
    };
    let logger = recorder(spec).slots(512).init_parent().unwrap();
    say(logger.name());
    let children: Vec<Actor> = (0..3)
        .map(|number| Actor::start("recorded_child", &[&format!("child-{number}"), records]))
        .collect();
    let (records, kills): (u64, u64) = (records.parse().unwrap(), kills.parse().unwrap());
    let (mut dice, mut last) = (Dice::new(kills), 0);
    for kill in 0..kills {
        until("so many are delivered", || {
            logger.stats().delivered >= kill * records * 3 / kills
        });
        for _ in 0..dice.below(300) {
            dice.dawdle();
        }
        let mut found = None;
        while found.is_none() {
            found = drainers_of(logger.name())
                .into_iter()
                .find(|drainer| *drainer != last);
        }
        last = found.unwrap();
        send(last, Signal::KILL);
        wait_for_end(last);
    }
    children.into_iter().for_each(Actor::finish);
    let stats = settled(&logger, 0);
    assert_eq!(
        (stats.delivered, stats.dropped, stats.lost),
        (3 * records, 0, 0)
    );
    assert!(stats.drainer_restarts + 1 >= kills, "{stats:?}");
}

fn all_records_are_there_once_though_the_drainer_is_killed_all_the_time() -> Result<(), Ignored> {
    python()?;
    for options in [
        "compression=zstd",
        "compression=lz4&max_size=300K",
        "compression=none&max_size=2M",
    ] {
        let folder = Folder::new();
        let spec = format!("mcap:{}?keep=1000&{options}", folder.text());
        let mut parent = Actor::start("recorded_by_the_often_killed", &[&spec, "40000", "60"]);
        let ring = parent.hear("");
        parent.finish();
        assert_nothing_remains(&ring);
        let files = mcap_files(folder.path());
        assert_eq!(files.len() > 1, options.contains("max_size"), "{files:?}");
        let all = read_all(folder.path(), By::Index)?;
        assert_eq!(all.len(), 3 * 40_000);
        let of = check_all(&all);
        assert!(
            of.len() == 3 && of.values().all(|count| *count == 40_000),
            "{of:?}"
        );
    }
    Ok(())
}

fn what_a_dead_ring_holds_is_recovered_and_each_record_stands_once() -> Result<(), Ignored> {
    python()?;
    if cfg!(feature = "portable") {
        return Err(Ignored("a portable ring is not recovered"));
    }
    let mut dice = Dice::new(2);
    for round in 0..8 {
        let folder = Folder::new();
        let spec = format!("mcap:{}", folder.text());
        let ring = kill_all_amid(&spec, round * 500, &mut dice, || {});
        let recovered = shmlog::recover(&ring).unwrap();
        assert_nothing_remains(&ring);
        let mut files = mcap_files(folder.path());
        // One that nothing was written to may be there, if its writer was killed.
        files.retain(|file| fs::metadata(file).unwrap().len() > 0);
        let recorded = match &files[..] {
            [] => 0,
            [file] => check_all(&read(file, By::Index)?)
                .remove("parent")
                .unwrap_or(0),
            more => panic!("{more:?}"),
        };
        assert!(recorded >= round * 500, "{recorded} in round {round}");
        let text: String = log_files(folder.path())
            .iter()
            .map(|name| fs::read_to_string(folder.path().join(name)).unwrap())
            .collect();
        let saved = parse_log(&text)
            .into_iter()
            .filter(|line| line.sequence.is_some());
        let number = |message: &str| message.split(' ').nth(1).unwrap().parse::<u64>().unwrap();
        let numbers: Vec<u64> = saved.map(|line| number(&line.message)).collect();
        assert_eq!(numbers.len() as u64, recovered.records);
        assert!(
            numbers
                .iter()
                .copied()
                .eq(recorded..recorded + recovered.records),
            "{recorded} {numbers:?}"
        );
    }
    Ok(())
}
