//! The sink as a whole, from session to session, whichever process is killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use proptest::prelude::*;

use super::{indexed, sequences};
use crate::record::Record;
use crate::sink::file::period::Period;
use crate::sink::file::tests::Folder;
use crate::sink::file::{FileConfig, Rotate};
use crate::sink::mcap::{Compression, Format, McapSink};
use crate::sink::samples::record;
use crate::sink::{FilePlace, Sink};

fn config(folder: &Path, max_file_size: u64) -> FileConfig {
    FileConfig {
        max_file_size,
        backup_count: 10_000,
        ..FileConfig::new(folder, "app")
    }
}

fn format() -> Format {
    Format {
        compression: Compression::Zstd,
        topic: "/log".to_owned(),
    }
}

fn open(folder: &Path, max_file_size: u64) -> McapSink {
    McapSink::open(config(folder, max_file_size), format(), Box::new(|_| {})).unwrap()
}

fn resume(folder: &Path, max_file_size: u64, place: &FilePlace) -> McapSink {
    let config = config(folder, max_file_size);
    McapSink::resume(config, format(), Box::new(|_| {}), place, &|_| None).unwrap()
}

/// The files, oldest first.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The sequences in all files, which must all be complete.
fn all_indexed(folder: &Path) -> Vec<u32> {
    let read = |file: PathBuf| indexed(&fs::read(file).unwrap());
    files(folder).into_iter().flat_map(read).collect()
}

fn log(sink: &mut McapSink, numbers: std::ops::Range<u32>, text: &str) {
    for number in numbers {
        sink.record(&record(number.into(), text));
    }
}

fn numbers(range: std::ops::Range<u32>) -> Vec<u32> {
    range.collect()
}

#[test]
fn what_was_begun_since_the_checkpoint_is_taken_away_and_what_dead_sessions_left_is_completed() {
    let folder = Folder::new("mcap leftovers");
    let mut sink = open(folder.path(), 1 << 30);
    log(&mut sink, 0..100, "text");
    sink.commit().unwrap();
    let place = sink.place().unwrap();
    log(&mut sink, 100..120, "text");
    sink.commit().unwrap();
    // Killed.
    drop(sink);
    assert_eq!(
        sequences(&fs::read(&files(folder.path())[0]).unwrap()),
        numbers(0..120)
    );
    let mut sink = resume(folder.path(), 1 << 30, &place);
    log(&mut sink, 100..130, "text");
    sink.commit().unwrap();
    drop(sink);
    let left = files(folder.path()).remove(0);
    let before = fs::read(&left).unwrap();
    // One that was written a moment ago may have a drainer that is being started anew.
    open(folder.path(), 1 << 30).finish(Duration::ZERO).unwrap();
    assert_eq!(fs::read(&left).unwrap(), before);
    let file = fs::File::options().append(true).open(&left).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60))
        .unwrap();
    open(folder.path(), 1 << 30).finish(Duration::ZERO).unwrap();
    assert_eq!(all_indexed(folder.path()), numbers(0..130));
}

#[test]
fn what_a_checkpoint_knows_of_comes_into_no_chunk_with_what_none_does() {
    let folder = Folder::new("mcap checkpoint");
    let large = "x".repeat(1 << 10);
    let mut sink = open(folder.path(), 1 << 30);
    log(&mut sink, 0..5, "text");
    sink.commit().unwrap();
    let place = sink.place().unwrap();
    // More than a chunk, bit by bit, and no checkpoint.
    for number in 0..3 {
        log(&mut sink, 5 + 300 * number..305 + 300 * number, &large);
        sink.commit().unwrap();
    }
    sink.commit().unwrap();
    drop(sink);
    let mut sink = resume(folder.path(), 1 << 30, &place);
    log(&mut sink, 5..10, "text");
    sink.finish(Duration::ZERO).unwrap();
    assert_eq!(all_indexed(folder.path()), numbers(0..10));
}

#[test]
fn a_file_deleted_or_renamed_from_outside_is_followed_by_a_new_one() {
    let folder = Folder::new("mcap lost");
    let mut sink = open(folder.path(), 1 << 30);
    log(&mut sink, 0..3, "text");
    sink.commit().unwrap();
    fs::remove_file(sink.path()).unwrap();
    log(&mut sink, 3..5, "text");
    sink.commit().unwrap();
    let news = sink.take_news().join("\n");
    assert!(
        news.contains("was deleted from outside; messages in it: 3;"),
        "{news}"
    );
    let aside = folder.path().join("aside");
    fs::rename(sink.path(), &aside).unwrap();
    sink.next_look = Instant::now();
    log(&mut sink, 5..6, "text");
    sink.commit().unwrap();
    let news = sink.take_news().join("\n");
    assert!(
        news.contains("moved or replaced from outside; messages in it: 2;"),
        "{news}"
    );
    sink.finish(Duration::ZERO).unwrap();
    assert_eq!(indexed(&fs::read(&aside).unwrap()), numbers(3..5));
    fs::remove_file(aside).unwrap();
    assert_eq!(all_indexed(folder.path()), numbers(5..6));
}

#[test]
fn a_new_day_begins_a_new_file_and_the_link_is_to_the_latest() {
    let folder = Folder::new("mcap days");
    let config = FileConfig {
        rotate: Rotate::Daily,
        latest: true,
        ..config(folder.path(), 1 << 30)
    };
    let mut sink = McapSink::open(config, format(), Box::new(|_| {})).unwrap();
    let now = crate::clock::wall_ns();
    let day_before = now - 2 * 86_400_000_000_000;
    sink.period = Period::of(Rotate::Daily, (0, 0), day_before);
    for day in [2_i64, 1, 0] {
        for number in 0..3 {
            let of_day = Record {
                time_ns: now - day * 86_400_000_000_000,
                ..record(10 * (3 - day as u64) + number, "text")
            };
            sink.record(&of_day);
            if sink.wants_commit() {
                sink.commit().unwrap();
                sink.place().unwrap();
            }
        }
        sink.commit().unwrap();
        sink.place().unwrap();
    }
    sink.finish(Duration::ZERO).unwrap();
    let link = folder.path().join("app_latest.mcap");
    assert_eq!(
        fs::read_link(&link).unwrap().to_str(),
        sink.path().file_name().unwrap().to_str()
    );
    fs::remove_file(link).unwrap();
    assert_eq!(files(folder.path()).len(), 3);
    assert_eq!(
        all_indexed(folder.path()),
        [10, 11, 12, 20, 21, 22, 30, 31, 32]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn each_record_is_there_once_though_the_writer_is_killed_at_any_time(
        batches in prop::collection::vec((1..30_u32, any::<bool>(), 0..4_u8), 1..20),
        max_file_size in prop::sample::select(vec![1, 3_000, 2_000_000, 1 << 30]),
    ) {
        let folder = Folder::new("mcap killed");
        let path = folder.path();
        let large = "a large text ".repeat(20_000);
        let mut sink = open(path, max_file_size);
        let mut place = sink.place().unwrap();
        let mut next = 0;
        for (count, is_large, fate) in batches {
            let text = if is_large { &large } else { "text" };
            let (mut end, mut number) = (next, next);
            let most = next + if is_large { count / 4 + 1 } else { count };
            while number < most {
                log(&mut sink, number..number + 1, text);
                number += 1;
                if sink.wants_commit() || number == most {
                    sink.commit().unwrap();
                    prop_assert!(sink.settled());
                    // Killed before or after the checkpoint of the last batch, or not at all.
                    if fate == 0 && number == most {
                        break;
                    }
                    place = sink.place().unwrap();
                    end = number;
                }
            }
            next = end;
            if fate < 2 {
                let after = files(path).into_iter().filter(|file| {
                    file.file_name().unwrap().to_str().unwrap() > place.name.as_str()
                });
                drop(sink);
                // They were announced.
                after.for_each(|file| fs::remove_file(file).unwrap());
                sink = resume(path, max_file_size, &place);
                place = sink.place().unwrap();
            }
        }
        sink.finish(Duration::ZERO).unwrap();
        drop(sink);
        prop_assert_eq!(all_indexed(path), numbers(0..next));
        for file in files(path) {
            let bytes = fs::read(file).unwrap();
            let is_small = bytes.len() as u64 <= max_file_size;
            // Of a writer that was killed before its first checkpoint only the file's head may be left.
            prop_assert!(is_small || indexed(&bytes).len() <= 1 || max_file_size > 3_000);
        }
    }
}
