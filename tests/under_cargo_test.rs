//! The public interface in process, under the usual test harness: whose `main` is not ours, which has several
//! threads, and whose arguments and captured output a drainer must not care about.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shmlog::{InitError, Level, ShmLogger, debug, get_logger, info, warn};

/// A process holds one ring at a time, so these tests take turns.
fn my_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder that is gone when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("shmlog-under-cargo-test-{}-{name}", std::process::id());
        Folder(std::env::temp_dir().join(name))
    }

    fn init(&self) -> Result<ShmLogger, InitError> {
        ShmLogger::builder()
            .level(Level::Info)
            .console(false)
            .file(true)
            .file_path(&self.0)
            // Rings that other programs of this user left are told of in the log.
            .recover(false)
            .env(false)
            .init_parent()
    }

    /// What stands behind the dash in each line of all files.
    fn messages(&self) -> Vec<String> {
        let mut files: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let text: String = files
            .iter()
            .map(|path| fs::read_to_string(path).unwrap())
            .collect();
        let message = |line: &str| line.split_once(" - ").unwrap().1.to_owned();
        text.lines().map(message).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn records_are_in_the_file_when_the_logger_is_dropped() {
    let (_turn, folder) = (my_turn(), Folder::new("records"));
    let logger = folder.init().unwrap();
    let ring = logger.name().to_owned();
    info!("from a test");
    debug!("not recorded");
    std::thread::scope(|scope| {
        scope.spawn(|| warn!(logger: get_logger("thread"), "from a thread of a test"));
    });
    drop(logger);
    info!("goes nowhere");
    assert_eq!(
        folder.messages(),
        ["from a test", "from a thread of a test"]
    );
    assert!(!Path::new("/dev/shm").join(ring).exists());
}

#[test]
fn a_second_ring_is_refused_while_the_first_lives_and_made_after_it() {
    let (_turn, folder) = (my_turn(), Folder::new("second"));
    let first = folder.init().unwrap();
    let refused = folder.init().unwrap_err();
    assert!(
        matches!(&refused, InitError::AlreadyInitialised { name } if name == first.name()),
        "{refused:?}"
    );
    info!("one");
    drop(first);
    let second = folder.init().unwrap();
    info!("two");
    second.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(second.stats().delivered, 1);
    drop(second);
    assert_eq!(folder.messages(), ["one", "two"]);
}

#[test]
fn a_test_that_panics_loses_nothing_and_lets_the_next_make_a_ring() {
    let (_turn, folder) = (my_turn(), Folder::new("panic"));
    let thread = std::thread::spawn({
        let logger = folder.init().unwrap();
        move || {
            info!("before the panic");
            assert_eq!(logger.name(), "", "as a failing test");
        }
    });
    assert!(thread.join().is_err());
    assert_eq!(folder.messages(), ["before the panic"]);
    drop(folder.init().unwrap());
}

#[test]
fn nothing_of_an_examples_main_runs_in_its_drainer() {
    let (_turn, folder) = (my_turn(), Folder::new("once"));
    fs::create_dir_all(&folder.0).unwrap();
    let file = folder.0.join("once.txt");
    let output = example("once").env("ONCE_FILE", &file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("main has written"), "{shown}");
}

/// The command that runs an example, built now if only this test was built.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let path = profile.join("examples").join(name);
    if !path.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--example", name]);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        build.env("CARGO_TARGET_DIR", profile.parent().unwrap());
        assert!(build.status().unwrap().success());
    }
    Command::new(path)
}
