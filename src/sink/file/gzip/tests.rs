//! What is compressed, what is not, and what stays when it fails.

use std::fs;

use flate2::read::GzDecoder;

use super::*;
use crate::sink::file::tests::Folder;

const NAME: &str = "app_20261122_174512_123456.log";
const PACKED: &str = "app_20261122_174512_123456.log.gz";

fn shared(folder: &Folder) -> Shared {
    Shared {
        folder: folder.path().to_owned(),
        durable: true,
        state: Mutex::default(),
        changed: Condvar::new(),
    }
}

/// A closed file of this text.
fn closed(folder: &Folder, text: &str) -> Closed {
    let path = folder.path().join(NAME);
    fs::write(&path, text).unwrap();
    Closed {
        name: NAME.to_owned(),
        identity: identity_of(&File::open(path).unwrap()).unwrap(),
    }
}

pub(in crate::sink::file) fn unpacked(path: &std::path::Path) -> String {
    let mut text = String::new();
    let file = File::open(path).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_file_is_replaced_by_a_compressed_one_of_the_same_age_and_rights() {
    let folder = Folder::new("gzip");
    let text = "a line like all others\n".repeat(100_000);
    let closed = closed(&folder, &text);
    let path = folder.path().join(NAME);
    let before = fs::metadata(&path).unwrap();
    let old = before.modified().unwrap() - Duration::from_secs(3_600);
    File::open(&path).unwrap().set_modified(old).unwrap();
    compress(&shared(&folder), &closed).unwrap();
    assert_eq!(folder.names(), [PACKED]);
    let path = folder.path().join(PACKED);
    assert_eq!(unpacked(&path), text);
    let after = fs::metadata(&path).unwrap();
    assert_eq!(after.modified().unwrap(), old);
    assert_eq!(after.mode(), before.mode());
    assert!(after.len() * 10 < before.len());
}

#[test]
fn a_file_that_is_gone_or_another_is_nothing_to_compress() {
    let folder = Folder::new("other file");
    let one = closed(&folder, "one");
    let path = folder.path().join(NAME);
    fs::rename(&path, folder.path().join("kept")).unwrap();
    compress(&shared(&folder), &one).unwrap();
    fs::write(&path, "another").unwrap();
    compress(&shared(&folder), &one).unwrap();
    assert_eq!(folder.names(), [NAME, "kept"]);
}

#[test]
fn a_file_that_is_pruned_while_it_is_compressed_does_not_come_back() {
    let folder = Folder::new("pruned");
    let closed = closed(&folder, "text");
    let shared = shared(&folder);
    let original = File::open(folder.path().join(NAME)).unwrap();
    let new = Names::unfinished(PACKED);
    let file = fill(&shared, begin(&shared, &new).unwrap(), &original, NAME).unwrap();
    fs::remove_file(folder.path().join(NAME)).unwrap();
    assert!(!replace(&shared, &closed, &original, file, [&new, PACKED]).unwrap());
}

#[test]
fn when_it_fails_the_original_stays_and_nothing_else() {
    let folder = Folder::new("gzip fails");
    let closed = closed(&folder, "text");
    let shared = shared(&folder);
    // As if the session ended in the middle.
    shared.state().ended = true;
    compress(&shared, &closed).unwrap_err();
    assert_eq!(folder.names(), [NAME]);
}

#[test]
fn files_are_compressed_one_after_the_other_and_the_rest_stays_at_the_end() {
    let folder = Folder::new("queue");
    let compressor = Compressor::start(folder.path().to_owned(), false).unwrap();
    let add = |number: u32| {
        let name = format!("{number}.log");
        let path = folder.path().join(&name);
        fs::write(&path, number.to_string()).unwrap();
        let identity = identity_of(&File::open(path).unwrap()).unwrap();
        compressor.add(Closed { name, identity });
    };
    (0..3).for_each(add);
    compressor.finish(Instant::now() + Duration::from_secs(60));
    add(3);
    compressor.finish(Instant::now());
    assert_eq!(
        folder.names(),
        ["0.log.gz", "1.log.gz", "2.log.gz", "3.log"]
    );
    let outcomes = compressor.take_outcomes();
    assert!(outcomes.len() == 3 && outcomes.iter().all(Result::is_ok));
}
