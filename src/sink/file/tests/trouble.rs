//! Files that take nothing, or not all: what waits, what is lost, and what is said of it.

use std::io::{PipeReader, Read};
use std::os::fd::OwnedFd;

use super::*;
use crate::sink::Owed;

/// Puts the real file back in the place of one that failed.
fn swap(sink: &mut FileSink, file: File) -> File {
    std::mem::replace(&mut sink.log.file, file)
}

fn dev_full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A file that takes what a pipe takes, and no more.
fn narrow() -> (PipeReader, File) {
    let (reader, writer) = io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    rustix::io::ioctl_fionbio(&reader, true).unwrap();
    (reader, File::from(OwnedFd::from(writer)))
}

#[test]
fn a_full_disk_loses_nothing_that_fits_the_queue_and_is_told_once() {
    let folder = Folder::new("full");
    let mut sink = open(config(&folder)).unwrap();
    log(&mut sink, 0..5);
    sink.commit().unwrap();
    let real = swap(&mut sink, dev_full());
    log(&mut sink, 5..10);
    let refused = sink.commit().unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    assert!(refused.to_string().contains(".log"), "{refused}");
    log(&mut sink, 10..15);
    sink.commit().unwrap();
    assert!(!sink.settled());
    swap(&mut sink, real);
    sink.commit().unwrap();
    assert!(sink.settled());
    assert_eq!(sequences(&folder.text()), numbers(0..15));
}

#[test]
fn beyond_the_queue_records_are_counted_and_the_log_says_so_at_the_gap() {
    let folder = Folder::new("beyond");
    let mut sink = open(FileConfig {
        queue_bytes: 1_000,
        ..config(&folder)
    })
    .unwrap();
    let real = swap(&mut sink, dev_full());
    log(&mut sink, 0..1);
    sink.commit().unwrap_err();
    log(&mut sink, 1..100);
    sink.commit().unwrap();
    swap(&mut sink, real);
    sink.commit().unwrap();
    log(&mut sink, 100..102);
    sink.commit().unwrap();
    let text = folder.text();
    let kept = sequences(&text).len() as u64 - 3;
    let mut expected = numbers(0..kept);
    expected.extend(["-", "100", "101"].map(str::to_owned));
    assert_eq!(sequences(&text), expected);
    let lost = 100 - kept;
    assert_eq!((sink.take_lost(), sink.take_lost()), (lost, 0));
    let news = sink.take_news().join("\n");
    let affected = format!("{kept} records waited for that, and {lost} more");
    assert!(
        news.contains(&affected) && sink.take_news().is_empty(),
        "{news}"
    );
    assert!(
        kept > 5
            && text.contains(&format!(
                " - {lost} records are missing here (worker-1[1234]: {lost}): No space left"
            )),
        "{text}"
    );
}

#[test]
fn a_write_taken_in_parts_goes_on_exactly_where_it_stopped() {
    let folder = Folder::new("parts");
    let mut sink = open(config(&folder)).unwrap();
    let (mut reader, writer) = narrow();
    swap(&mut sink, writer);
    log(&mut sink, 0..5_000);
    let all = sink.backlog.bytes.clone();
    let (mut arrived, mut refusals) = (Vec::new(), 0);
    while !sink.settled() {
        refusals += u32::from(sink.commit().is_err());
        _ = reader.read_to_end(&mut arrived);
    }
    assert!(arrived == all && sink.place().unwrap().bytes == all.len() as u64);
    assert_eq!(refusals, 1);
}

#[test]
fn the_place_is_the_end_of_a_whole_record_and_tells_what_is_not_in_the_file() {
    let folder = Folder::new("place");
    let mut sink = open(FileConfig {
        queue_bytes: 1_000_000,
        ..config(&folder)
    })
    .unwrap();
    let (mut reader, writer) = narrow();
    swap(&mut sink, writer);
    log(&mut sink, 0..10_000);
    sink.commit().unwrap_err();
    log(&mut sink, 10_000..11_000);
    let mut arrived = Vec::new();
    _ = reader.read_to_end(&mut arrived);
    let place = sink.place().unwrap();
    let whole = place.bytes as usize;
    let in_part = arrived.len() - whole;
    assert!(
        in_part > 0 && arrived[..whole].ends_with(b"lines\n"),
        "{in_part}"
    );
    let kept = String::from_utf8(arrived[..whole].to_vec()).unwrap();
    let owed = 11_000 - sequences(&kept).len() as u64;
    assert_eq!(
        (place.owed.total(), place.owed.untold),
        (owed, sink.take_lost())
    );
    assert!(place.owed.waiting > 0 && place.owed.untold > 0);
    let whose: u64 = place
        .owed
        .whose
        .iter()
        .map(|(pid, count)| {
            assert_eq!(*pid, 1234);
            count
        })
        .sum();
    assert_eq!(whose, owed);
}

#[test]
fn a_successor_says_first_what_its_predecessor_had_in_memory() {
    let folder = Folder::new("successor");
    let mut sink = open(config(&folder)).unwrap();
    log(&mut sink, 0..3);
    sink.commit().unwrap();
    swap(&mut sink, dev_full());
    log(&mut sink, 3..10);
    sink.commit().unwrap_err();
    let place = sink.place().unwrap();
    drop(sink);
    let name = |pid| (pid == 1234).then(|| "worker-1".to_owned());
    let mut sink = FileSink::resume(config(&folder), Box::new(|_| {}), &place, &name).unwrap();
    // Until that is in the file it is owed still, but not lost once more.
    let owed = sink.place().unwrap().owed;
    assert_eq!(
        (owed.waiting, owed.untold, owed.whose),
        (0, 7, vec![(1234, 7)])
    );
    log(&mut sink, 10..11);
    sink.commit().unwrap();
    assert_eq!(sink.place().unwrap().owed, Owed::default());
    assert_eq!(sink.take_lost(), 0);
    let text = folder.text();
    assert_eq!(sequences(&text), ["0", "1", "2", "-", "10"]);
    assert!(
        text.contains(" - 7 records are missing here (worker-1[1234]: 7): "),
        "{text}"
    );
}

#[test]
fn while_no_new_file_can_be_made_the_records_wait() {
    let folder = Folder::new("blocked");
    let mut sink = open(config(&folder)).unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    fs::write(folder.path(), "in the way").unwrap();
    log(&mut sink, 0..3);
    sink.commit().unwrap_err();
    sink.commit().unwrap();
    fs::remove_file(folder.path()).unwrap();
    sink.commit().unwrap();
    assert_eq!(sequences(&folder.text()), numbers(0..3));
}

#[test]
fn finishing_with_a_file_that_takes_nothing_ends_and_says_so() {
    let folder = Folder::new("finish");
    let mut sink = open(config(&folder)).unwrap();
    swap(&mut sink, dev_full());
    log(&mut sink, 0..1);
    sink.commit().unwrap_err();
    let refused = sink.finish(Duration::from_millis(1)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    assert!(
        refused.to_string().contains("1 record is missing"),
        "{refused}"
    );
    assert_eq!(sink.take_lost(), 1);
}

/// A folder in which no file can be made.
const NOWHERE: &str = "/proc/no/such";

#[test]
fn when_no_new_file_can_be_had_the_lines_go_on_in_the_present_one_and_that_is_said_once() {
    let folder = Folder::new("overdue");
    let mut sink = open(FileConfig {
        max_file_size: 1_000,
        ..config(&folder)
    })
    .unwrap();
    let mut told = Vec::new();
    sink.config.folder = NOWHERE.into();
    for batch in 0..20 {
        log(&mut sink, batch * 20..batch * 20 + 20);
        told.extend(sink.commit().err());
        assert!(sink.settled());
        if let Some(late) = &mut sink.overdue {
            late.next_try = Instant::now();
        }
    }
    assert_eq!(sequences(&folder.text()), numbers(0..400));
    assert_eq!(folder.names().len(), 1);
    let [told] = &told[..] else {
        panic!("{told:?}");
    };
    let told = told.to_string();
    assert!(
        told.contains(NOWHERE) && told.contains("the log goes on in"),
        "{told}"
    );
    assert!(sink.take_news().is_empty());

    sink.config.folder = folder.path().to_owned();
    sink.overdue.as_mut().unwrap().next_try = Instant::now();
    log(&mut sink, 400..420);
    sink.commit().unwrap();
    assert_eq!(sequences(&folder.text()), numbers(0..420));
    assert!(folder.names().len() > 1);
    let news = sink.take_news().join("\n");
    assert!(news.contains("log files can be begun again"), "{news}");
    // From here on all is as it was.
    log(&mut sink, 420..440);
    sink.commit().unwrap();
    assert!(sink.overdue.is_none() && sink.take_news().is_empty());
}

#[test]
fn between_two_tries_at_a_new_file_the_pauses_grow() {
    let folder = Folder::new("pauses");
    let mut sink = open(FileConfig {
        max_file_size: 300,
        ..config(&folder)
    })
    .unwrap();
    sink.config.folder = NOWHERE.into();
    let mut pauses = Vec::new();
    for sequence in 0..20 {
        log(&mut sink, sequence * 3..sequence * 3 + 3);
        let _ = sink.commit();
        let Some(late) = &mut sink.overdue else {
            continue;
        };
        pauses.push((late.next_try - Instant::now()).as_millis().div_ceil(1_000));
        late.next_try = Instant::now();
    }
    assert_eq!(pauses[..7], [1, 2, 4, 8, 16, 32, 60]);
    assert_eq!(pauses.last(), Some(&60));
}

#[test]
fn a_file_that_cannot_be_followed_is_told_once_though_each_try_has_another_name() {
    let folder = Folder::new("no follower");
    let mut sink = open(config(&folder)).unwrap();
    fs::remove_file(sink.path()).unwrap();
    // A folder that is there and takes no file.
    sink.config.folder = "/proc/self".into();
    log(&mut sink, 0..3);
    let told = sink.commit().unwrap_err().to_string();
    assert!(
        told.contains("cannot make a log file in \"/proc/self\""),
        "{told}"
    );
    for _ in 0..3 {
        sink.commit().unwrap();
    }
}
