//! Files by the time of their records.

use super::*;
use crate::record::Record;

const HOUR_NS: i64 = 3_600_000_000_000;

fn hourly(folder: &Folder) -> FileConfig {
    FileConfig {
        rotate: Rotate::Hourly,
        ..config(folder)
    }
}

fn log_at(sink: &mut FileSink, sequence: u64, time_ns: i64) {
    sink.record(&Record {
        time_ns,
        ..record(sequence, "x")
    });
}

/// The sequences in each file.
fn files(folder: &Folder) -> Vec<Vec<String>> {
    let read = |name: String| fs::read_to_string(folder.path().join(name)).unwrap();
    let owned = |text: String| sequences(&text).into_iter().map(str::to_owned).collect();
    folder.names().into_iter().map(read).map(owned).collect()
}

/// The beginning of an hour that is over.
fn hour(ago: i64) -> i64 {
    let now = clock::wall_ns();
    now - now % HOUR_NS - ago * HOUR_NS
}

/// As if the session had begun in an hour that is over.
fn begun_at(sink: &mut FileSink, time_ns: i64) {
    sink.period = Period::of(Rotate::Hourly, (0, 0), time_ns);
}

#[test]
fn the_records_of_an_hour_are_in_a_file_named_after_the_first_of_them() {
    let folder = Folder::new("hours");
    let mut sink = open(hourly(&folder)).unwrap();
    begun_at(&mut sink, hour(3));
    // In one batch, by a drainer that is hours behind; but for the first file, which was made just now.
    fs::remove_file(sink.path()).unwrap();
    let first = sink.names.at(name::local_micros(hour(3)));
    sink.log = LogFile::create_at(
        folder.path(),
        &sink.names,
        name::local_micros(hour(3)),
        &mut |_| {},
    )
    .unwrap();
    log_at(&mut sink, 0, hour(3));
    log_at(&mut sink, 1, hour(2) - 1_000);
    log_at(&mut sink, 2, hour(2));
    // A little older, and much older: they go with the one before.
    log_at(&mut sink, 3, hour(2) - 1_000);
    log_at(&mut sink, 4, 0);
    log_at(&mut sink, 5, hour(1) + 5_000);
    sink.commit().unwrap();
    assert_eq!(
        files(&folder),
        [vec!["0", "1"], vec!["2", "3", "4"], vec!["5"]]
    );
    let name = |time_ns| sink.names.at(name::local_micros(time_ns));
    assert_eq!(
        folder.names(),
        [first, name(hour(2)), name(hour(1) + 5_000)]
    );
}

#[test]
fn a_file_in_whose_hour_nothing_was_logged_goes() {
    let folder = Folder::new("silent hour");
    let mut sink = open(hourly(&folder)).unwrap();
    begun_at(&mut sink, hour(2));
    log_at(&mut sink, 0, clock::wall_ns());
    sink.commit().unwrap();
    assert_eq!(files(&folder), [vec!["0"]]);
    assert_eq!(sink.place().unwrap().name, folder.names()[0]);
}

#[test]
fn a_successor_knows_the_hour_of_the_file_it_goes_on_in() {
    let folder = Folder::new("resumed hour");
    let mut sink = open(hourly(&folder)).unwrap();
    log_at(&mut sink, 0, clock::wall_ns());
    sink.commit().unwrap();
    let mut place = sink.place().unwrap();
    drop(sink);
    let names = hourly(&folder).names();
    let old = names.at(name::local_micros(hour(2) + 5_000_000));
    fs::rename(folder.path().join(&place.name), folder.path().join(&old)).unwrap();
    place.name = old.clone();
    let resume =
        |place: &FilePlace| FileSink::resume(hourly(&folder), Box::new(|_| {}), place, &|_| None);
    let mut sink = resume(&place).unwrap();
    log_at(&mut sink, 1, hour(1) - 1_000);
    log_at(&mut sink, 2, hour(1));
    sink.commit().unwrap();
    assert_eq!(files(&folder), [vec!["0", "1"], vec!["2"]]);
    // And when that file is gone: nothing is named before it.
    drop(sink);
    fs::remove_file(folder.path().join(&old)).unwrap();
    place.name = names.at(name::local_micros(clock::wall_ns() + HOUR_NS));
    let sink = resume(&place).unwrap();
    assert!(sink.place().unwrap().name > place.name);
}

#[test]
fn records_of_the_future_begin_no_file_and_name_none() {
    let folder = Folder::new("future");
    let mut sink = open(FileConfig {
        max_file_size: 1,
        ..hourly(&folder)
    })
    .unwrap();
    for sequence in 0..3 {
        log_at(&mut sink, sequence, i64::MAX);
    }
    sink.commit().unwrap();
    let soon = sink
        .names
        .at(name::local_micros(clock::wall_ns() + 1_000_000));
    assert!(folder.names().into_iter().all(|name| name < soon));
    assert_eq!(folder.names().len(), 3);
}

#[test]
fn a_folder_is_pruned_by_age_while_nothing_is_logged() {
    let folder = Folder::new("aging");
    let mut sink = open(FileConfig {
        keep_for: Some(Duration::from_secs(3_600)),
        ..config(&folder)
    })
    .unwrap();
    let old = folder.path().join(sink.names.at(0));
    fs::write(&old, "old").unwrap();
    let ago = std::time::SystemTime::now() - Duration::from_secs(3_601);
    File::open(&old).unwrap().set_modified(ago).unwrap();
    sink.commit().unwrap();
    assert_eq!(folder.names().len(), 2);
    sink.upkeep.look_now();
    sink.commit().unwrap();
    assert_eq!(folder.names().len(), 1);
}

/// What stands behind the time of each record's line.
fn offsets(text: &str) -> Vec<Option<&str>> {
    let lines = text.lines().filter(|line| !line.starts_with(' '));
    lines
        .map(|line| Some(&line[26..32]).filter(|behind| !behind.starts_with(' ')))
        .collect()
}

#[test]
fn the_first_line_of_each_file_and_of_each_drainer_tells_the_offset_from_utc_and_no_other() {
    let folder = Folder::new("offsets");
    let mut sink = open(FileConfig {
        max_file_size: 1_000,
        ..config(&folder)
    })
    .unwrap();
    log(&mut sink, 0..40);
    sink.commit().unwrap();
    // One that is begun for another reason, with records that wait.
    log(&mut sink, 40..43);
    fs::remove_file(sink.path()).unwrap();
    sink.commit().unwrap();
    let names = folder.names();
    assert!(names.len() > 3);
    let read = |name: &String| fs::read_to_string(folder.path().join(name)).unwrap();
    for text in names.iter().map(read) {
        assert!(text.len() <= 1_000);
        let offsets = offsets(&text);
        assert!(offsets[0].is_some_and(|offset| offset.ends_with('0') && offset.contains(':')));
        assert!(offsets[1..].iter().all(Option::is_none), "{text}");
    }
    let place = sink.place().unwrap();
    drop(sink);
    let mut sink = FileSink::resume(config(&folder), Box::new(|_| {}), &place, &|_| None).unwrap();
    log(&mut sink, 43..45);
    sink.commit().unwrap();
    let text = read(names.last().unwrap());
    let told: Vec<_> = offsets(&text).iter().map(Option::is_some).collect();
    assert_eq!(told, [true, false, false, true, false]);
}
