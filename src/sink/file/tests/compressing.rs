//! Upkeep as a whole: what is compressed when, and where the link leads meanwhile.

use super::*;
use crate::sink::file::gzip::tests::unpacked;

fn small(folder: &Folder) -> FileConfig {
    FileConfig {
        max_file_size: 400,
        compress: true,
        latest: true,
        ..config(folder)
    }
}

/// The text of all files, compressed ones too, and nothing of the link.
fn text(folder: &Folder) -> String {
    let names = folder.names().into_iter();
    let names = names.filter(|name| !name.contains("latest"));
    names
        .map(|name| folder.path().join(name))
        .map(|path| match path.extension().unwrap() == "gz" {
            true => unpacked(&path),
            false => fs::read_to_string(path).unwrap(),
        })
        .collect()
}

fn packed(folder: &Folder) -> usize {
    let names = folder.names().into_iter();
    names.filter(|name| name.ends_with(".gz")).count()
}

#[test]
fn rolled_files_are_compressed_and_the_last_one_stays_as_it_is() {
    let folder = Folder::new("rolled");
    let mut sink = open(small(&folder)).unwrap();
    for batch in 0..10 {
        log(&mut sink, batch * 10..batch * 10 + 10);
        sink.commit().unwrap();
    }
    sink.finish(Duration::from_secs(60)).unwrap();
    assert_eq!(sequences(&text(&folder)), numbers(0..100));
    // With the link, which leads to the last, which is plain.
    assert_eq!(packed(&folder), folder.names().len() - 2);
    let last = fs::read_link(folder.path().join("app_latest.log")).unwrap();
    assert_eq!(last, Path::new(&sink.place().unwrap().name));
    assert!(sink.path().exists());
}

#[test]
fn what_a_successor_may_go_on_in_is_not_compressed() {
    let folder = Folder::new("not yet");
    let mut sink = open(small(&folder)).unwrap();
    let first = sink.path().to_owned();
    log(&mut sink, 0..1);
    sink.commit().unwrap();
    // From here on the checkpoint names the first file; the next commit closes it, and no checkpoint follows.
    log(&mut sink, 1..20);
    sink.commit_lines().unwrap();
    sink.upkeep
        .finish(0, Instant::now() + Duration::from_secs(60))
        .unwrap();
    assert!(first.exists() && packed(&folder) == 0);
}

#[test]
fn compressed_files_leave_by_number_like_all_others() {
    let folder = Folder::new("few");
    for session in 0..3 {
        let mut sink = open(FileConfig {
            backup_count: 4,
            ..small(&folder)
        })
        .unwrap();
        for batch in session * 10..session * 10 + 10 {
            log(&mut sink, batch..batch + 1);
            sink.commit().unwrap();
        }
        sink.finish(Duration::from_secs(60)).unwrap();
        assert_eq!(folder.names().len(), 5, "{:?}", folder.names());
    }
    let text = text(&folder);
    assert_eq!(sequences(&text).last(), Some(&"29"));
}

#[test]
fn a_session_that_logs_nothing_gives_the_link_back() {
    let folder = Folder::new("link back");
    let session = |records| {
        let mut sink = open(small(&folder)).unwrap();
        log(&mut sink, 0..records);
        let link = fs::read_link(folder.path().join("app_latest.log")).unwrap();
        assert_eq!(link, Path::new(&sink.place().unwrap().name));
        sink.finish(Duration::ZERO).unwrap();
    };
    session(0);
    assert_eq!(folder.names(), [""; 0]);
    session(1);
    session(0);
    let link = fs::read_link(folder.path().join("app_latest.log")).unwrap();
    assert_eq!(link.to_str().unwrap(), folder.names()[0]);
}

#[test]
fn what_is_in_the_way_of_the_link_is_told_once_and_left() {
    let folder = Folder::new("in the way");
    fs::write(folder.path().join("app_latest.log"), "mine").unwrap();
    let mut sink = open(small(&folder)).unwrap();
    let told = sink.commit().unwrap_err().to_string();
    assert!(told.contains("app_latest.log"), "{told}");
    for batch in 0..10 {
        log(&mut sink, batch * 10..batch * 10 + 10);
        sink.commit().unwrap();
    }
    assert_eq!(
        fs::read(folder.path().join("app_latest.log")).unwrap(),
        b"mine"
    );
}

#[test]
fn a_file_that_is_synced_can_be_pruned_as_soon_as_it_is_closed() {
    let folder = Folder::new("synced");
    let mut sink = open(FileConfig {
        max_file_size: 400,
        backup_count: 1,
        sync: FileSync::Every(Duration::from_secs(3_600)),
        ..config(&folder)
    })
    .unwrap();
    log(&mut sink, 0..20);
    sink.commit().unwrap();
    assert_eq!(folder.names().len(), 1);
    sink.finish(Duration::from_secs(60)).unwrap();
}

#[test]
fn a_sync_that_fails_is_told_once_and_so_is_that_it_works_again() {
    let folder = Folder::new("unsynced");
    let mut sink = open(FileConfig {
        sync: FileSync::Every(Duration::ZERO),
        ..config(&folder)
    })
    .unwrap();
    // The syncer takes a descriptor of it.
    let turn = |sink: &mut FileSink, file| {
        let before = std::mem::replace(&mut sink.log.file, file);
        let syncer = sink.upkeep.syncer.as_mut().unwrap();
        syncer.begin(&sink.log, folder.path());
        before
    };
    let (_, pipe) = io::pipe().unwrap();
    let real = turn(&mut sink, File::from(std::os::fd::OwnedFd::from(pipe)));
    sink.upkeep.wrote(10, true);
    let told = loop {
        if let Err(error) = sink.commit() {
            break error.to_string();
        }
    };
    assert!(told.contains("cannot sync log files"), "{told}");
    turn(&mut sink, real);
    log(&mut sink, 0..1);
    while sink.troubles.news.is_empty() {
        sink.commit().unwrap();
    }
    assert!(sink.take_news()[0].contains("can be synced again"));
}
