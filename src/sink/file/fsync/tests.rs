//! Which files are synced, by what waits to be, without the thread; and what comes of it, with it.

use super::*;
use crate::sink::file::name::Names;
use crate::sink::file::tests::Folder;

/// Without a thread: what is asked for stays where it was put.
fn idle(policy: FileSync) -> Syncer {
    Syncer {
        policy,
        shared: Arc::default(),
        present: None,
        before: None,
        asked: 0,
        is_grave: false,
    }
}

fn file(folder: &Folder, micros: i64) -> LogFile {
    let names = Names::new("app", ".log");
    LogFile::create_at(folder.path(), &names, micros, &mut |_| {}).unwrap()
}

/// How many files are to be synced, and whether at once; they count as synced then.
fn take(syncer: &Syncer) -> (usize, bool) {
    let mut state = syncer.shared.state();
    let due = state.due.take().is_some_and(|due| due <= Instant::now());
    (std::mem::take(&mut state.waiting).len(), due)
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn every_so_often_only_what_was_written_is_synced_and_a_file_left_behind_too() {
    let folder = Folder::new("every");
    let (one, two) = (file(&folder, 1), file(&folder, 2));
    let mut syncer = idle(FileSync::Every(HOUR));
    syncer.begin(&one, folder.path());
    syncer.wrote(0, true);
    assert_eq!(take(&syncer), (0, false));
    syncer.wrote(10, true);
    syncer.wrote(20, true);
    assert_eq!(take(&syncer), (1, false));
    syncer.wrote(20, true);
    assert_eq!(take(&syncer), (0, false));
    syncer.wrote(30, true);
    syncer.leave(40);
    syncer.begin(&two, folder.path());
    syncer.wrote(10, true);
    assert_eq!(take(&syncer), (2, false));
}

#[test]
fn at_an_error_all_that_was_written_is_synced_once_it_is_written() {
    let folder = Folder::new("at error");
    let (one, two) = (file(&folder, 1), file(&folder, 2));
    let mut syncer = idle(FileSync::AtError);
    syncer.begin(&one, folder.path());
    syncer.note(Level::Warn);
    syncer.wrote(10, true);
    syncer.leave(20);
    assert_eq!(take(&syncer), (0, false));
    syncer.begin(&two, folder.path());
    syncer.note(Level::Error);
    // The disk is full.
    syncer.wrote(5, false);
    assert_eq!(take(&syncer), (0, false));
    syncer.wrote(10, true);
    assert_eq!(take(&syncer), (2, true));
    syncer.wrote(20, true);
    assert_eq!(take(&syncer), (0, false));
    syncer.note(Level::Critical);
    syncer.wrote(30, true);
    assert_eq!(take(&syncer), (1, true));
}

#[test]
fn where_more_files_are_left_behind_than_may_wait_all_are_synced_by_one() {
    let folder = Folder::new("many");
    let mut syncer = idle(FileSync::Every(HOUR));
    for number in 0..100 {
        syncer.begin(&file(&folder, number), folder.path());
        syncer.leave(10);
        assert!(syncer.shared.state().waiting.len() <= MOST_WAITING);
        assert_eq!(
            syncer.shared.state().too_many,
            number >= MOST_WAITING as i64
        );
    }
    let own = Arc::clone(&syncer.shared);
    let worker = thread::spawn(move || work(&own));
    syncer.finish(0, Instant::now() + HOUR).unwrap();
    worker.join().unwrap();
    assert!(!syncer.shared.state().too_many);
}

#[test]
fn in_the_end_what_is_not_synced_yet_is_waited_for_and_nothing_else() {
    let folder = Folder::new("sync end");
    let log = file(&folder, 1);
    for policy in [FileSync::Every(HOUR), FileSync::AtError] {
        let mut syncer = Syncer::start(policy).unwrap().unwrap();
        syncer.begin(&log, folder.path());
        syncer.wrote(10, true);
        syncer.finish(10, Instant::now() + HOUR).unwrap();
        assert_eq!(take(&syncer), (0, false));
        // The thread does not work any more, so a wait for it would be in vain.
        syncer.finish(10, Instant::now()).unwrap();
        let refused = syncer.finish(20, Instant::now()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    }
    assert!(Syncer::start(FileSync::Never).unwrap().is_none());
}

#[test]
fn a_sync_that_fails_is_an_outcome_and_so_is_the_next_that_does_not() {
    let folder = Folder::new("sync fails");
    let mut log = file(&folder, 1);
    let real = std::mem::replace(&mut log.file, pipe());
    let mut syncer = Syncer::start(FileSync::Every(Duration::ZERO))
        .unwrap()
        .unwrap();
    syncer.begin(&log, folder.path());
    syncer.wrote(10, true);
    let outcome = || loop {
        if let Some(outcome) = syncer.take_outcomes().pop() {
            break outcome;
        }
        thread::yield_now();
    };
    outcome().unwrap_err();
    log.file = real;
    let mut syncer = syncer;
    syncer.begin(&log, folder.path());
    syncer.wrote(10, true);
    let outcome = loop {
        if let Some(outcome) = syncer.take_outcomes().pop() {
            break outcome;
        }
        thread::yield_now();
    };
    outcome.unwrap();
}

/// What cannot be synced.
fn pipe() -> File {
    let (_, writer) = io::pipe().unwrap();
    File::from(std::os::fd::OwnedFd::from(writer))
}
