//! Files that cannot be written, or are taken away: the console says so, the file says how many records that has
//! concerned when it works again, and the sums are right.

use std::fs;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};

use crate::disk_scene::{EACH, log_some, play, play_fault, wait_until_taken};
use crate::host::configured;
use crate::own_mount::OwnMount;
use crate::support::{
    Folder, Line, Role, assert_nothing_remains, assert_says, drainers_of, parse_log, role_command,
    send,
};
use crate::tally::number;
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[("killed_with_a_full_disk", killed_with_a_full_disk)];

pub fn trials() -> Vec<Trial> {
    trials![
        a_full_disk_costs_no_record_that_fits_the_queue,
        an_input_output_error_costs_no_record_that_fits_the_queue,
        beyond_the_queue_a_full_disk_costs_what_the_file_says_at_that_place,
        a_real_disk_that_is_full_takes_a_record_in_part_and_the_rest_when_there_is_room,
        a_folder_that_cannot_be_had_for_a_while_gets_what_waited_for_it,
        a_file_deleted_from_outside_costs_what_it_held_and_no_more,
        a_folder_removed_from_outside_is_made_anew,
        a_file_renamed_from_outside_as_logrotate_does_costs_nothing,
        a_disk_that_stays_full_is_told_at_the_end_with_what_is_missing,
        when_all_are_killed_with_a_full_disk_the_recovered_file_says_what_is_missing,
    ]
}

/// How many records of the program are missing, by a line of the drainer's.
fn missing(line: &Line) -> u64 {
    let said = line.message.contains(" missing here (app[");
    let count = line.message.split(' ').next().filter(|_| said);
    count.map_or(0, |count| count.parse().unwrap())
}

fn check_full_disk(fault: &str, error: &str) -> Result<(), Ignored> {
    let scene = play_fault(fault, "")?;
    scene.assert_all_arrived();
    let waited = format!(
        "can be written again: {} records waited for that, and 0 more",
        2 * EACH
    );
    scene.assert_said(&["cannot write the log file", error, &waited]);
    Ok(())
}

fn a_full_disk_costs_no_record_that_fits_the_queue() -> Result<(), Ignored> {
    check_full_disk("ENOSPC", "No space left on device")
}

fn an_input_output_error_costs_no_record_that_fits_the_queue() -> Result<(), Ignored> {
    check_full_disk("EIO", "Input/output error")
}

fn beyond_the_queue_a_full_disk_costs_what_the_file_says_at_that_place() -> Result<(), Ignored> {
    let scene = play_fault("ENOSPC", "queue_bytes=18000")?;
    let mut next = 0;
    for line in &scene.lines {
        if line.sequence.is_some() {
            assert_eq!(number(line), next);
            next += 1;
        } else {
            next += missing(line);
        }
    }
    assert_eq!(next, scene.logged);
    // Of the first half some found room, if not all were met at once.
    assert!((EACH..2 * EACH).contains(&scene.lost), "{}", scene.lost);
    assert_eq!(scene.numbers().len() as u64, scene.delivered);
    scene.assert_console_has_all();
    let waited = 2 * EACH - scene.lost;
    let affected = format!("{waited} records waited for that, and {} more", scene.lost);
    scene.assert_said(&["No space left on device", &affected]);
    Ok(())
}

fn a_real_disk_that_is_full_takes_a_record_in_part_and_the_rest_when_there_is_room()
-> Result<(), Ignored> {
    let (folder, around) = (Folder::new(), Folder::new());
    let (logs, notes) = (folder.path().join("logs"), around.path().join("notes"));
    fs::create_dir(&logs).unwrap();
    let disk = OwnMount::over(&logs, "128k")?;
    // Out of its mounts before they go: the files.
    let keep = folder.path().join("kept");
    fs::create_dir(&keep).unwrap();
    let copy = format!("cp {logs:?}/*.log {keep:?}");
    let arguments = [
        logs.to_str().unwrap(),
        "ballast",
        "",
        notes.to_str().unwrap(),
    ];
    let command = disk.role_and_then(&copy, "parent_on_a_faulty_disk", &arguments);
    let mut scene = play(folder, command, &notes)?;
    scene.lines = parse_log(&Folder::log_text_of(&keep));
    scene.assert_all_arrived();
    scene.assert_said(&["No space left on device", "can be written again: "]);
    Ok(())
}

fn a_folder_that_cannot_be_had_for_a_while_gets_what_waited_for_it() {
    let scene = play_fault("in the way", "").unwrap();
    // What was there before was moved aside with its folder.
    assert!(
        scene.numbers().iter().copied().eq(EACH..scene.logged),
        "{:?}",
        scene.numbers()
    );
    let aside = Folder::log_text_of(&scene.folder.path().join("logs.aside"));
    let before = parse_log(&aside);
    assert!(before.iter().map(number).eq(0..EACH));
    assert_eq!((scene.delivered, scene.lost), (scene.logged, 0));
    scene.assert_console_has_all();
    let waited = format!("can be written again: {} records waited for that", 2 * EACH);
    scene.assert_said(&[
        "cannot write the log file",
        &waited,
        &format!("records in it: {EACH};"),
    ]);
}

fn a_file_deleted_from_outside_costs_what_it_held_and_no_more() {
    let scene = play_fault("deleted", "").unwrap();
    assert!(scene.numbers().into_iter().eq(EACH..scene.logged));
    scene.assert_console_has_all();
    let said = format!("was deleted from outside; records in it: {EACH}; the log goes on in");
    scene.assert_said(&[&said]);
}

fn a_folder_removed_from_outside_is_made_anew() {
    let scene = play_fault("removed", "").unwrap();
    assert!(scene.numbers().into_iter().eq(EACH..scene.logged));
    scene.assert_console_has_all();
    let said = format!("was deleted from outside; records in it: {EACH}; the log goes on in");
    scene.assert_said(&[&said]);
}

fn a_file_renamed_from_outside_as_logrotate_does_costs_nothing() {
    let scene = play_fault("renamed", "").unwrap();
    // What was written before the path was looked at is in the file of the new name.
    let logs = scene.folder.path().join("logs");
    let mut names = fs::read_dir(&logs)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let renamed = names.find(|path| path.extension().is_some_and(|end| end == "1"));
    let text = fs::read_to_string(renamed.unwrap()).unwrap();
    let records = parse_log(&text)
        .into_iter()
        .filter(|line| line.sequence.is_some());
    let mut numbers: Vec<u64> = records.map(|line| number(&line)).collect();
    let in_it = numbers.len();
    numbers.extend(scene.numbers());
    assert!(numbers.into_iter().eq(0..scene.logged));
    assert_eq!((scene.delivered, scene.lost), (scene.logged, 0));
    scene.assert_console_has_all();
    let said =
        format!("was moved or replaced from outside; records in it: {in_it}; the log goes on in");
    scene.assert_said(&[&said]);
}

fn a_disk_that_stays_full_is_told_at_the_end_with_what_is_missing() -> Result<(), Ignored> {
    let scene = play_fault("ENOSPC to the end", "")?;
    assert!(scene.numbers().into_iter().eq(0..EACH));
    scene.assert_console_has_all();
    assert_says(&scene.words_on_console(), &["No space left on device"]);
    let missing = format!("at its end {} records are missing", 2 * EACH);
    assert_says(&scene.complaints, &["No space left on device", &missing]);
    Ok(())
}

/// `folder`: kills its drainer and itself.
fn killed_with_a_full_disk(arguments: &[String]) {
    let logger = configured(&arguments[0], "block process_name=app")
        .init_parent()
        .unwrap();
    let mut next = 0;
    log_some(&mut next, EACH);
    logger.flush(Duration::from_secs(60)).unwrap();
    let bytes = Folder::log_text_of(arguments[0].as_ref()).len() as u64;
    let drainer = drainers_of(logger.name())[0];
    // Takes a record in part, as a disk does.
    let limit = Rlimit {
        current: Some(bytes + 500),
        maximum: None,
    };
    let pid = Pid::from_raw(drainer as i32);
    prlimit(pid, Resource::Fsize, limit).unwrap();
    // Nor may it begin another file, as on a disk that is full.
    let descriptors = Rlimit {
        current: Some(0),
        ..getrlimit(Resource::Nofile)
    };
    prlimit(pid, Resource::Nofile, descriptors).unwrap();
    log_some(&mut next, EACH);
    wait_until_taken(&logger, next);
    println!("{}", logger.name());
    // Its successor would come too late for what it would need a parent for.
    send(drainer, Signal::STOP);
    log_some(&mut next, EACH);
    send(drainer, Signal::KILL);
    send(std::process::id(), Signal::KILL);
}

fn when_all_are_killed_with_a_full_disk_the_recovered_file_says_what_is_missing()
-> Result<(), Ignored> {
    if cfg!(feature = "portable") {
        return Err(Ignored("a portable ring is not recovered"));
    }
    let folder = Folder::new();
    let role = role_command("killed_with_a_full_disk", &[folder.text()])
        .output()
        .unwrap();
    let ring = String::from_utf8(role.stdout).unwrap();
    let ring = ring.trim();
    drainers_of(ring)
        .into_iter()
        .for_each(crate::support::wait_for_end);
    let recovered = shmlog::recover(ring).unwrap();
    assert_nothing_remains(ring);
    let lines = parse_log(&folder.log_text());
    let (mut next, mut told) = (0, 0);
    for line in &lines {
        if line.sequence.is_some() {
            assert_eq!(number(line), next);
            next += 1;
        } else {
            told += missing(line);
            next += missing(line);
        }
    }
    assert_eq!(next, 3 * EACH);
    assert!(told > EACH / 2 && told < EACH, "{told}");
    assert_eq!((recovered.records, recovered.lost), (EACH, told));
    Ok(())
}
