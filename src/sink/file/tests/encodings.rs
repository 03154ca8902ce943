//! Files of the other encodings keep the promises that text files do.

use std::fs;

use serde_json::Value as Json;

use super::*;

fn config_of(folder: &Folder, encoding: Encoding) -> FileConfig {
    FileConfig {
        encoding,
        ..config(folder)
    }
}

/// The objects of all files in a folder, one after the other by name.
fn objects(folder: &Folder) -> Vec<Json> {
    let text = folder.text();
    let lines = text.lines().map(serde_json::from_str);
    lines.map(Result::unwrap).collect()
}

#[test]
fn json_records_go_on_in_new_files_whole_and_in_order() {
    let folder = Folder::new("json rotation");
    let mut sink = open(FileConfig {
        max_file_size: 2_000,
        ..config_of(&folder, Encoding::Json)
    })
    .unwrap();
    for batch in 0..10 {
        log(&mut sink, batch * 20..batch * 20 + 20);
        sink.commit().unwrap();
    }
    assert!(folder.names().len() > 10);
    for name in folder.names() {
        let text = fs::read_to_string(folder.path().join(&name)).unwrap();
        assert!(name.ends_with(".jsonl") && text.len() <= 2_000, "{name}");
    }
    let objects = objects(&folder);
    let numbers = objects.iter().map(|object| object["seq"].as_u64().unwrap());
    assert!(numbers.eq(0..200));
    assert_eq!(objects[0]["message"], "a message\nof two lines");
}

#[test]
fn a_successor_goes_on_behind_the_last_whole_object_and_says_what_is_missing_in_one() {
    let folder = Folder::new("json successor");
    let config = || config_of(&folder, Encoding::Json);
    let mut sink = open(config()).unwrap();
    log(&mut sink, 0..3);
    sink.commit().unwrap();
    let mut place = sink.place().unwrap();
    place.owed = crate::sink::Owed {
        waiting: 2,
        ..Default::default()
    };
    log(&mut sink, 3..5);
    sink.commit().unwrap();
    drop(sink);
    let mut successor = FileSink::resume(config(), Box::new(|_| {}), &place, &|_| None).unwrap();
    log(&mut successor, 5..6);
    successor.finish(Duration::ZERO).unwrap();
    assert_eq!(folder.names().len(), 1);
    let objects = objects(&folder);
    let numbers: Vec<_> = objects
        .iter()
        .map(|object| object["seq"].as_u64())
        .collect();
    assert_eq!(numbers, [Some(0), Some(1), Some(2), None, Some(5)]);
    let gap = &objects[3];
    assert_eq!(
        (&gap["process"], &gap["level"]),
        (&"shmlog".into(), &"error".into())
    );
    let told = gap["message"].as_str().unwrap();
    assert!(told.starts_with("2 records are missing here"), "{told}");
}

#[test]
fn files_of_different_encodings_leave_each_other_alone() {
    let folder = Folder::new("side by side");
    for _ in 0..3 {
        for encoding in Encoding::ALL {
            let mut sink = open(FileConfig {
                backup_count: 1,
                ..config_of(&folder, encoding)
            })
            .unwrap();
            log(&mut sink, 0..1);
            sink.finish(Duration::ZERO).unwrap();
        }
    }
    let mut endings: Vec<_> = folder.names();
    endings
        .iter_mut()
        .for_each(|name| *name = name.split_off(name.find('.').unwrap()));
    endings.sort();
    assert_eq!(endings, [".jsonl", ".log", ".logfmt"]);
}

#[test]
fn who_recovers_a_ring_cuts_its_json_file_back_to_the_checkpoint_and_removes_what_was_begun_since()
{
    let folder = Folder::new("json recovered");
    let mut sink = open(FileConfig {
        max_file_size: 2_000,
        ..config_of(&folder, Encoding::Json)
    })
    .unwrap();
    log(&mut sink, 0..3);
    sink.commit().unwrap();
    let place = sink.place().unwrap();
    log(&mut sink, 3..20);
    sink.commit().unwrap();
    drop(sink);
    let begun = folder.names();
    assert!(begun.len() > 2 && begun[0] == place.name);
    let folders = Folders {
        home: Some(folder.path().to_owned()),
        others: vec![],
    };
    let recovered =
        RecoveredFile::resume("app", folders, Box::new(|_, _| {}), Some(&place), &begun);
    drop(recovered.unwrap());
    assert_eq!(folder.names(), begun[..1]);
    assert_eq!(objects(&folder).len(), 3);
}
