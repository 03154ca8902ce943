//! The MCAP sink, end to end: what several processes log is what the reference reader finds, once, whoever is killed.

use std::fs;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::faulty::Faults;
use crate::mcap_files::{By, Said, mcap_files, python, read, read_all, sequences};
use crate::mcap_scene::{check, check_all, log_some, record, recorder};
use crate::support::{Folder, Role, assert_nothing_remains, role_command, say, until};
use crate::tally::settled;
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[("recorded_on_a_full_disk", recorded_on_a_full_disk)];

pub fn trials() -> Vec<Trial> {
    trials![
        what_several_processes_log_is_what_the_reference_reader_finds,
        past_its_size_a_file_is_followed_by_another_and_only_so_many_remain,
        a_full_disk_costs_no_record_that_fits_the_queue,
        beyond_the_queue_a_full_disk_costs_what_the_file_says_at_that_place,
        who_logs_nothing_leaves_no_file,
    ]
}

fn what_several_processes_log_is_what_the_reference_reader_finds() -> Result<(), Ignored> {
    python()?;
    for compression in ["zstd", "lz4", "none"] {
        let folder = Folder::new();
        record(
            &format!("mcap:{}?compression={compression}", folder.text()),
            3,
            6_000,
        );
        let files = mcap_files(folder.path());
        assert_eq!(files.len(), 1);
        let all = read(&files[0], By::Index)?;
        assert_eq!(all.len(), 4 * 6_000);
        let of = check_all(&all);
        assert!(
            of.len() == 4 && of.values().all(|count| *count == 6_000),
            "{of:?}"
        );
        let read: Vec<u32> = all.iter().map(|said| said.sequence).collect();
        assert_eq!(sequences(&files[0]), read);
        // About 120 bytes each, and as much for what stands around them: in chunks, and small if compressed.
        let bytes = fs::metadata(&files[0]).unwrap().len();
        assert_eq!(
            bytes < 1_500_000,
            compression != "none",
            "{compression}: {bytes} bytes"
        );
    }
    Ok(())
}

fn past_its_size_a_file_is_followed_by_another_and_only_so_many_remain() -> Result<(), Ignored> {
    python()?;
    let folder = Folder::new();
    record(
        &format!(
            "mcap:{}?max_size=200K&keep=1000&compression=none",
            folder.text()
        ),
        1,
        4_000,
    );
    let files = mcap_files(folder.path());
    assert!(files.len() > 5, "{files:?}");
    for file in &files {
        assert!(fs::metadata(file).unwrap().len() <= 200 << 10, "{file:?}");
    }
    let of = check_all(&read_all(folder.path(), By::Index)?);
    assert!(of.values().all(|count| *count == 4_000) && of.len() == 2);
    for _ in 0..3 {
        record(&format!("mcap:{}?keep=2", folder.text()), 0, 5);
    }
    let files = mcap_files(folder.path());
    assert_eq!(files.len(), 2);
    assert_eq!(check_all(&read(&files[1], By::Index)?)["parent"], 5);
    // A record that is longer than a file may be has one to itself.
    let folder = Folder::new();
    record(&format!("mcap:{}?max_size=1&keep=100", folder.text()), 0, 5);
    assert_eq!(mcap_files(folder.path()).len(), 5);
    Ok(())
}

/// `folder options`: logs before, during and after a fault of its disk.
fn recorded_on_a_full_disk(arguments: &[String]) {
    let [folder, queue_bytes] = arguments else {
        panic!("two arguments");
    };
    let Some(faults) = Faults::install(folder) else {
        return;
    };
    let builder = recorder(&format!("mcap:{folder}"));
    let logger = builder
        .queue_bytes(queue_bytes.parse().unwrap())
        .init_parent()
        .unwrap();
    log_some("parent", 0..100);
    logger.flush(Duration::from_secs(60)).unwrap();
    faults.begin(libc::ENOSPC);
    for round in 1..3 {
        log_some("parent", round * 100..(round + 1) * 100);
        let before = faults.refused();
        until("it is met", || {
            faults.refused() > before && logger.stats().sink_errors > 0
        });
    }
    faults.end();
    logger.flush(Duration::from_secs(60)).unwrap();
    log_some("parent", 300..400);
    let stats = settled(&logger, 1);
    say(&format!("{} {}", logger.name(), stats.lost));
}

/// What is in the file at the end, and how many records were lost.
fn play_full_disk(queue_bytes: usize) -> Result<(Vec<Said>, u64), Ignored> {
    python()?;
    let folder = Folder::new();
    let mut role = role_command(
        "recorded_on_a_full_disk",
        &[folder.text(), &queue_bytes.to_string()],
    );
    let said = String::from_utf8(role.output().unwrap().stdout).unwrap();
    let Some((ring, lost)) = said.trim().split_once(' ') else {
        return Err(Ignored(
            "the system lets no process decide about another's writes",
        ));
    };
    assert_nothing_remains(ring);
    let files = mcap_files(folder.path());
    assert_eq!(files.len(), 1);
    Ok((read(&files[0], By::Index)?, lost.parse().unwrap()))
}

fn a_full_disk_costs_no_record_that_fits_the_queue() -> Result<(), Ignored> {
    let (all, lost) = play_full_disk(16 << 20)?;
    assert_eq!(lost, 0);
    assert_eq!(check_all(&all)["parent"], 400);
    let said = |words: &str| {
        all.iter()
            .any(|said| said.name == "shmlog" && said.message.contains(words))
    };
    assert!(said("cannot write the MCAP file") && said("No space left on device"));
    assert!(
        said("can be written again: 200 records waited for that, and 0 more"),
        "{all:?}"
    );
    Ok(())
}

fn beyond_the_queue_a_full_disk_costs_what_the_file_says_at_that_place() -> Result<(), Ignored> {
    let (all, lost) = play_full_disk(18_000)?;
    assert!(lost > 0);
    let (mut next, mut told) = (0, 0);
    for said in &all {
        if said.name == "shmlog" {
            if said.message.contains(" missing here (parent[") {
                told += said
                    .message
                    .split(' ')
                    .next()
                    .unwrap()
                    .parse::<u64>()
                    .unwrap();
                next += told;
            }
        } else {
            assert_eq!(check(said, said.name.split('/').next().unwrap()), next);
            next += 1;
        }
    }
    assert_eq!((next, told), (400, lost));
    Ok(())
}

fn who_logs_nothing_leaves_no_file() {
    let folder = Folder::new();
    record(&format!("mcap:{}", folder.text()), 0, 0);
    assert!(mcap_files(folder.path()).is_empty());
}
