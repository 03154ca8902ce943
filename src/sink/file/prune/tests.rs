//! What stays and what goes, among sessions, links, compressed files and leftovers.

use std::fs::File;
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use flate2::{Compression, GzBuilder};
use rustix::fs::{FlockOperation, flock};

use super::*;
use crate::sink::file::open::LogFile;
use crate::sink::file::tests::Folder;

fn app() -> Names {
    Names::new("app", ".log")
}

/// So many files, of any age and size.
fn files(count: usize) -> Keep {
    Keep {
        files: count,
        bytes: u64::MAX,
        since_ns: None,
        session: app().at(i64::MAX / 1_000),
    }
}

/// `false` while another process has the folder locked.
fn try_to_prune(folder: &Folder, keep: &Keep) -> bool {
    let held = HeldFolder::try_hold(folder.path()).unwrap();
    held.map(|held| prune(&held, &app(), keep).unwrap())
        .is_some()
}

fn prune_to(folder: &Folder, count: usize) {
    assert!(try_to_prune(folder, &files(count)));
}

fn touch(folder: &Folder, program: &str, micros: i64) -> String {
    let name = Names::new(program, ".log").at(micros);
    fs::write(folder.path().join(&name), "old").unwrap();
    name
}

#[test]
fn only_the_oldest_files_of_the_program_itself_go() {
    let folder = Folder::new("own");
    let own: Vec<_> = (0..5)
        .map(|n| touch(&folder, "app", n * 60_000_000))
        .collect();
    let mut expected = own[3..].to_vec();
    expected.extend((0..5).map(|n| touch(&folder, "app_server", n)));
    for foreign in ["app.log", "app_notes.txt", "app_latest.log"] {
        fs::write(folder.path().join(foreign), "").unwrap();
        expected.push(foreign.to_owned());
    }
    prune_to(&folder, 2);
    expected.sort();
    assert_eq!(folder.names(), expected);
}

#[test]
fn a_file_that_a_session_writes_is_left_and_the_next_oldest_goes() {
    let folder = Folder::new("open");
    let open = LogFile::create_at(folder.path(), &app(), 0, &mut |_| {}).unwrap();
    touch(&folder, "app", 60_000_000);
    let newest = touch(&folder, "app", 120_000_000);
    prune_to(&folder, 2);
    assert_eq!(folder.names(), [app().at(0), newest]);
    drop(open);
}

#[test]
fn a_folder_or_a_link_with_a_fitting_name_is_left_alone() {
    let folder = Folder::new("kinds");
    fs::create_dir(folder.path().join(app().at(0))).unwrap();
    std::os::unix::fs::symlink("/dev/null", folder.path().join(app().at(1))).unwrap();
    touch(&folder, "app", 2);
    touch(&folder, "app", 3);
    prune_to(&folder, 1);
    assert_eq!(folder.names(), [app().at(0), app().at(1), app().at(3)]);
}

#[test]
fn sessions_that_prune_at_the_same_moment_leave_exactly_what_is_allowed() {
    let folder = Folder::new("together");
    for round in 0..20_i64 {
        let names: Vec<_> = (0..40)
            .map(|n| touch(&folder, "app", round * 1_000 + n))
            .collect();
        let barrier = Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    while !try_to_prune(&folder, &files(7)) {}
                });
            }
        });
        assert_eq!(folder.names(), names[33..]);
    }
}

#[test]
fn a_file_already_gone_counts_as_deleted() {
    let folder = Folder::new("gone");
    let held = HeldFolder::try_hold(folder.path()).unwrap().unwrap();
    assert!(held.remove_unless_open("never was").unwrap());
}

#[test]
fn who_comes_while_another_prunes_is_told_so_and_does_not_wait() {
    let folder = Folder::new("busy");
    let other = File::open(folder.path()).unwrap();
    flock(&other, FlockOperation::LockExclusive).unwrap();
    assert!(!try_to_prune(&folder, &files(1)));
}

/// A file of some bytes, last written some days ago.
fn put(folder: &Folder, name: &str, bytes: usize, days: u64) {
    let path = folder.path().join(name);
    fs::write(&path, vec![b'x'; bytes]).unwrap();
    let written = SystemTime::now() - Duration::from_secs(days * 86_400);
    File::open(path).unwrap().set_modified(written).unwrap();
}

fn now_ns() -> i64 {
    crate::clock::wall_ns()
}

#[test]
fn what_was_last_written_too_long_ago_goes_compressed_or_not() {
    let folder = Folder::new("age");
    let names: Vec<_> = (0..6).map(|n| app().at(n)).collect();
    let packed = Names::compressed(&names[1]);
    put(&folder, &names[0], 1, 9);
    put(&folder, &packed, 1, 8);
    // Older by name, but written all week.
    put(&folder, &names[2], 1, 1);
    put(&folder, &names[3], 1, 8);
    put(&folder, &names[4], 1, 6);
    let open = LogFile::create_at(folder.path(), &app(), 5, &mut |_| {}).unwrap();
    put(&folder, &names[5], 1, 30);
    let config = FileConfig {
        backup_count: 100,
        keep_for: Some(Duration::from_secs(7 * 86_400)),
        ..FileConfig::new(folder.path(), "app")
    };
    assert!(try_to_prune(&folder, &Keep::of(&config, now_ns(), "")));
    assert_eq!(
        folder.names(),
        [&names[2], &names[4], &names[5]].map(String::as_str)
    );
    drop(open);
}

#[test]
fn beyond_so_many_bytes_together_the_oldest_go_and_open_ones_count() {
    let folder = Folder::new("bytes");
    let names: Vec<_> = (0..5).map(|n| app().at(n)).collect();
    let open = LogFile::create_at(folder.path(), &app(), 0, &mut |_| {}).unwrap();
    put(&folder, &names[0], 400, 0);
    put(&folder, &Names::compressed(&names[1]), 300, 0);
    for name in &names[2..] {
        put(&folder, name, 200, 0);
    }
    let bytes = |bytes| Keep {
        bytes,
        ..files(100)
    };
    assert!(try_to_prune(&folder, &bytes(1_300)));
    assert_eq!(folder.names().len(), 5);
    assert!(try_to_prune(&folder, &bytes(1_299)));
    assert_eq!(folder.names().len(), 4);
    assert!(try_to_prune(&folder, &bytes(650)));
    assert_eq!(folder.names(), [&names[0], &names[4]].map(String::as_str));
    assert!(try_to_prune(&folder, &bytes(1)));
    assert_eq!(folder.names(), [names[0].as_str()]);
    drop(open);
}

#[test]
fn compressed_files_count_as_files() {
    let folder = Folder::new("packed");
    let names: Vec<_> = (0..5).map(|n| app().at(n)).collect();
    let packed: Vec<_> = names.iter().map(|name| Names::compressed(name)).collect();
    for name in [&packed[0], &packed[1], &names[2], &packed[3], &names[4]] {
        put(&folder, name, 1, 0);
    }
    prune_to(&folder, 3);
    assert_eq!(
        folder.names(),
        [&names[2], &packed[3], &names[4]].map(String::as_str)
    );
}

#[test]
fn what_a_killed_compression_left_goes_and_the_original_stays() {
    let folder = Folder::new("left");
    let names: Vec<_> = (0..4).map(|n| app().at(n)).collect();
    let packed: Vec<_> = names.iter().map(|name| Names::compressed(name)).collect();
    put(&folder, &names[0], 1, 0);
    put(&folder, &Names::unfinished(&packed[0]), 1, 0);
    put(&folder, &names[1], 1, 0);
    let ours = GzBuilder::new()
        .comment("shmlog")
        .write(Vec::new(), Compression::default());
    fs::write(folder.path().join(&packed[1]), ours.finish().unwrap()).unwrap();
    put(&folder, &packed[2], 1, 0);
    // One that another session is making right now.
    let making = Names::unfinished(&packed[3]);
    put(&folder, &making, 1, 0);
    let maker = File::open(folder.path().join(&making)).unwrap();
    flock(&maker, FlockOperation::LockExclusive).unwrap();
    prune_to(&folder, 100);
    assert_eq!(
        folder.names(),
        [&names[0], &names[1], &packed[2], &making].map(String::as_str)
    );
}

#[test]
fn what_somebody_else_compresses_just_now_is_left_to_him() {
    let folder = Folder::new("by hand");
    let name = app().at(0);
    let packed = Names::compressed(&name);
    for begun in [&[][..], b"\x1f\x8b\x08"] {
        put(&folder, &name, 1, 0);
        fs::write(folder.path().join(&packed), begun).unwrap();
        prune_to(&folder, 100);
        assert_eq!(folder.names(), [&name, &packed].map(String::as_str));
    }
}

fn touch_recovered(folder: &Folder, micros: i64) -> String {
    let name = app().recovered_at(micros);
    fs::write(folder.path().join(&name), "saved").unwrap();
    name
}

#[test]
fn a_program_that_crashes_at_each_start_leaves_no_more_recovered_files_than_logs() {
    let folder = Folder::new("crash loop");
    for start in 0..10 {
        touch_recovered(&folder, start * 60_000_000);
        let session = touch(&folder, "app", start * 60_000_000 + 1);
        let keep = Keep {
            session,
            ..files(2)
        };
        assert!(try_to_prune(&folder, &keep));
    }
    let minute = |start: i64| start * 60_000_000;
    let mut expected = [8, 9].map(|start| app().at(minute(start) + 1)).to_vec();
    expected.extend([8, 9].map(|start| app().recovered_at(minute(start))));
    expected.sort();
    assert_eq!(folder.names(), expected);
}

#[test]
fn what_the_present_start_has_recovered_stays_whatever_its_number_and_bytes() {
    let folder = Folder::new("news");
    touch_recovered(&folder, 0);
    touch(&folder, "app", 1);
    let mut expected: Vec<_> = (2..7).map(|n| touch_recovered(&folder, n)).collect();
    let session = touch(&folder, "app", 7);
    // The session goes on.
    expected.push(touch(&folder, "app", 8));
    let keep = Keep {
        session,
        bytes: 1,
        ..files(1)
    };
    let open = LogFile::reopen(
        &folder.path().join(&expected[5]),
        &crate::sink::FilePlace {
            bytes: u64::MAX,
            ..Default::default()
        },
        8,
    );
    assert!(try_to_prune(&folder, &keep));
    expected.sort();
    assert_eq!(folder.names(), expected);
    drop(open);
    // To a later one they are as old as they are.
    let keep = Keep {
        session: app().at(9),
        ..files(1)
    };
    assert!(try_to_prune(&folder, &keep));
    assert_eq!(folder.names(), [expected[4].clone(), expected[5].clone()]);
}

#[test]
fn recovered_files_leave_by_age_too() {
    let folder = Folder::new("old news");
    touch_recovered(&folder, 0);
    let keep = Keep {
        since_ns: Some(i128::MAX),
        ..files(10)
    };
    assert!(try_to_prune(&folder, &keep));
    assert!(folder.names().is_empty());
}
