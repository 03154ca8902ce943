//! The disk is full and the drainer dies: what waited in its memory is lost, counted, and told at its place.
//!
//! The failpoint of that name stands in for the full disk: it needs no rights, takes a record in part as a disk
//! does, and can be lifted from outside. (A limit on the size of files does not: that fills one file, not the disk.)

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::sink::TextFile;
use shmlog::{Builder, OnFull, ShmLogger};
use std::fs;
use std::time::Duration;

use crate::scene::{FAILPOINTS, arm, disarm, log, text};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, parse_log, quiet, role_command, say,
    send, until,
};
use crate::tally::settled;
use crate::trials;

pub const ROLES: &[Role] = &[("parent_with_a_full_disk", parent_with_a_full_disk)];

pub fn trials() -> Vec<Trial> {
    trials![
        what_waited_for_a_full_disk_is_told_when_the_drainer_is_killed,
        what_waited_for_a_full_disk_is_told_once_wherever_the_drainer_dies,
        what_found_no_room_to_wait_for_a_full_disk_is_told_when_the_drainer_is_killed,
        of_two_sinks_the_one_with_room_has_all_and_the_first_one_decides_what_counts_as_lost,
    ]
}

const LENGTH: usize = 100;
/// Records of which all are logged while the disk takes nothing.
const WHILE_FULL: u64 = 300;

/// What says how long a file may become before the disk is full, for each drainer of this process.
const LIMIT: &str = "SHMLOG_DISK_LIMIT";

/// Lets files grow to so many bytes.
fn limit_files(bytes: Option<u64>) {
    let limit = std::env::var(LIMIT).unwrap();
    match bytes {
        // At once: a drainer must not find it half.
        Some(bytes) => {
            let new = limit.clone() + ".new";
            fs::write(&new, bytes.to_string()).unwrap();
            fs::rename(new, limit).unwrap();
        }
        None => fs::remove_file(limit).unwrap(),
    }
}

fn log_more(next: &mut u64, count: u64) {
    (*next..*next + count).for_each(|number| log("parent", number, LENGTH));
    *next += count;
}

/// All that was logged is out of the ring.
fn wait_until_taken(logger: &ShmLogger, count: u64) {
    until("all is taken", || {
        let stats = logger.stats();
        stats.delivered + stats.lost == count
    });
}

fn kill_drainer(logger: &ShmLogger) {
    let before = logger.stats().drainer_restarts;
    for drainer in drainers_of(logger.name()) {
        send(drainer, Signal::KILL);
    }
    until("there is another", || {
        logger.stats().drainer_restarts > before && !drainers_of(logger.name()).is_empty()
    });
}

/// The parent's sinks: one with a file that will be too long, and maybe one before or behind it with files that are
/// too short for that.
fn sinks(folder: &str, other: &str, order: &str) -> Builder {
    let short = TextFile::new(other).max_size(300).keep(100_000);
    match order {
        "alone" => quiet(folder),
        "behind" => quiet(folder).sink(short),
        _ => quiet(folder).file(false).sink(short).sink(TextFile::new(folder)),
    }
}

/// `folder queue failpoints other order`
fn parent_with_a_full_disk(arguments: &[String]) {
    let [folder, queue, failpoints, other, order] = arguments else {
        panic!("five arguments");
    };
    let builder = sinks(folder, other, order)
        .process_name("parent")
        .on_full(OnFull::Block(Duration::from_secs(60)))
        .queue_bytes(queue.parse().unwrap());
    let logger = builder.init_parent().unwrap();
    let (ring, mut next) = (logger.name().to_owned(), 0);
    say(&ring);
    log_more(&mut next, 20);
    logger.flush(Duration::from_secs(60)).unwrap();
    // So much that a record fits in part.
    let file = Folder::log_text_of(folder.as_ref()).len() as u64;
    limit_files(Some(file + 350));
    log_more(&mut next, WHILE_FULL / 2);
    wait_until_taken(&logger, next);
    arm(failpoints);
    kill_drainer(&logger);
    // Of those that were killed before some are lost now, and these wait with the line that says so.
    log_more(&mut next, WHILE_FULL / 2);
    if !failpoints.is_empty() {
        let before = logger.stats().drainer_restarts;
        while logger.stats().drainer_restarts < before + 3 {
            // Some steps are only taken for a record.
            log_more(&mut next, 1);
            let _ = logger.flush(Duration::from_millis(1));
        }
        disarm();
    }
    wait_until_taken(&logger, next);
    kill_drainer(&logger);
    limit_files(None);
    logger.flush(Duration::from_secs(60)).unwrap();
    log_more(&mut next, 20);
    let stats = settled(&logger, 1);
    say(&format!("{next} {} {}", stats.delivered, stats.lost));
}

/// What came of it.
struct Played {
    /// Records in the file that was too long, and those that it says are missing.
    found: u64,
    told: u64,
    logged: u64,
    /// As they were counted.
    delivered: u64,
    lost: u64,
    /// The folder of the other sink.
    other: Folder,
}

/// Plays it; returns how many records are in the file and how many were lost.
fn play(queue: usize, failpoints: &str) -> (u64, u64) {
    let played = play_with(queue, failpoints, "alone");
    let Played { found, told, .. } = played;
    assert_eq!((played.delivered, played.lost), (found, told), "{failpoints}");
    (found, told)
}

fn play_with(queue: usize, failpoints: &str, order: &str) -> Played {
    let (folder, other, around) = (Folder::new(), Folder::new(), Folder::new());
    let arguments = [folder.text(), &queue.to_string(), failpoints, other.text(), order];
    let mut command = role_command("parent_with_a_full_disk", &arguments);
    command.env_remove(FAILPOINTS).env(LIMIT, around.path().join("limit"));
    let mut parent = Actor::from_command(command);
    let ring = parent.hear("");
    let stats = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let mut stats = stats
        .split(' ')
        .map(|number| number.parse::<u64>().unwrap());
    let [logged, delivered, lost] = [(); 3].map(|()| stats.next().unwrap());

    // Each record stands in its place, or in that place is said how many are missing.
    let (mut next, mut found, mut told) = (0, 0, 0);
    for line in parse_log(&folder.log_text()) {
        if line.sequence.is_some() {
            let expected = format!("parent {next} {}", text("parent", next, LENGTH));
            assert_eq!(line.message, expected, "{failpoints}");
            (next, found) = (next + 1, found + 1);
        } else if let Some((missing, rest)) = line.message.split_once(" record")
            && rest.contains("missing here")
        {
            let missing: u64 = missing.parse().unwrap();
            assert!(rest.contains(&format!("parent[{}]: {missing}", parent_pid(&ring))));
            (next, told) = (next + missing, told + missing);
        }
    }
    assert_eq!(next, logged, "{failpoints}");
    Played {
        found,
        told,
        logged,
        delivered,
        lost,
        other,
    }
}

/// A ring's name has its maker's.
fn parent_pid(ring: &str) -> &str {
    ring.split('-').nth(1).unwrap()
}

fn what_waited_for_a_full_disk_is_told_when_the_drainer_is_killed() {
    let (found, told) = play(16 << 20, "");
    // The last records before the disk was full are in the file; of the others, those that waited are not.
    assert!(found >= 40 && told > WHILE_FULL / 2, "{found} {told}");
}

fn what_waited_for_a_full_disk_is_told_once_wherever_the_drainer_dies() {
    for step in [
        "drainer.read=kill@20",
        "drainer.written=kill@20",
        "checkpoint.half=kill@2",
        "drainer.checkpointed=kill@1",
        "release.slot=kill@10",
        "drainer.released=kill@20",
    ] {
        let (_, told) = play(16 << 20, step);
        assert!(told > WHILE_FULL / 2, "{step}: {told}");
    }
}

fn what_found_no_room_to_wait_for_a_full_disk_is_told_when_the_drainer_is_killed() {
    let (found, told) = play(2_000, "");
    assert!(found >= 40 && told > WHILE_FULL / 2, "{found} {told}");
}

fn of_two_sinks_the_one_with_room_has_all_and_the_first_one_decides_what_counts_as_lost() {
    for step in ["", "checkpoint.half=kill@2", "drainer.written=kill@20"] {
        for queue in [16 << 20, 2_000] {
            for order in ["before", "behind"] {
                let played = play_with(queue, step, order);
                let Played { found, told, logged, .. } = played;
                assert!(found >= 40 && told > WHILE_FULL / 2, "{found} {told}");
                let counted = match order {
                    "behind" => (found, told),
                    _ => (logged, 0),
                };
                assert_eq!((played.delivered, played.lost), counted, "{step} {queue} {order}");
                let lines = parse_log(&played.other.log_text()).into_iter();
                let records: Vec<_> = lines.filter(|line| line.sequence.is_some()).collect();
                assert_eq!(records.len() as u64, logged, "{step} {queue} {order}");
                for (number, record) in (0..).zip(records) {
                    let expected = format!("parent {number} {}", text("parent", number, LENGTH));
                    assert_eq!(record.message, expected, "{step} {queue} {order}");
                }
            }
        }
    }
}
