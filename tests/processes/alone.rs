//! A stage for tests that leave dead rings, and the program that comes after.
//!
//! Any parent recovers any dead ring of its user, so a test that leaves dead rings plays in shared memory of
//! its own: it is started once more, as a role, in a mount namespace with a fresh `/dev/shm`. Where that
//! cannot be made, as in many containers, it is ignored.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use shmlog::info;

use crate::own_mount::OwnMount;
use crate::support::{
    Actor, Folder, Line, Role, assert_nothing_remains, listen, log_files, parse_log, quiet, say,
};
use crate::trial::{Ending, Ignored};

pub const ROLES: &[Role] = &[("successor", successor)];

/// Tests, each by its name as a role plays it.
pub type Scenes = &'static [(&'static str, fn())];

/// The tests of a module, whose `role` calls [`play`].
pub fn trials_of(module: &str, role: &'static str, scenes: Scenes) -> Vec<Trial> {
    let trial = |&(name, _): &(&'static str, fn())| {
        Trial::ignorable_test(format!("{module}::{name}"), move || {
            play_alone(role, name).completion()
        })
    };
    scenes.iter().map(trial).collect()
}

/// Plays a scene in shared memory of its own.
fn play_alone(role: &str, scene: &str) -> Result<(), Ignored> {
    if cfg!(feature = "portable") {
        return Err(Ignored("a portable ring is not recovered"));
    }
    let alone = OwnMount::over("/dev/shm", "64m")?;
    Actor::from_command(alone.role(role, &[scene])).finish();
    Ok(())
}

/// Plays the scene that the arguments name, alone in shared memory.
pub fn play(scenes: Scenes, arguments: &[String]) {
    let scene = scenes.iter().find(|(name, _)| *name == arguments[0]);
    scene.unwrap().1();
    assert_eq!(shared_memory(), [""; 0], "nothing remains");
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn shared_memory() -> Vec<String> {
    let names = fs::read_dir("/dev/shm").unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

pub fn segment(ring: &str) -> PathBuf {
    Path::new("/dev/shm").join(ring)
}

/// The path of the file `what` beside a ring.
pub fn beside(ring: &str, what: &str) -> Option<PathBuf> {
    let folder = if cfg!(feature = "portable") { std::env::temp_dir() } else { "/dev/shm".into() };
    let prefix = format!("{ring}.{what}-");
    let mut paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))
}

/// `folder`: the next program, which logs one record.
fn successor(arguments: &[String]) {
    let builder = quiet(&arguments[0]).recover(true);
    let logger = builder.process_name("next").init_parent().unwrap();
    info!("next 0");
    say(logger.name());
    listen();
}

/// Plays a successor, and returns what it says of itself: its own words.
pub fn succeed(folder: &Folder) -> Vec<Line> {
    let mut next = Actor::start("successor", &[folder.text()]);
    let ring = next.hear("");
    next.finish();
    assert_nothing_remains(&ring);
    let mut words = Vec::new();
    let of_next = |name: &String| name.starts_with("next_") && !name.ends_with("_recovered.log");
    for name in log_files(folder.path()).iter().filter(|name| of_next(name)) {
        let lines = parse_log(&fs::read_to_string(folder.path().join(name)).unwrap());
        words.extend(lines.into_iter().filter(|line| line.sequence.is_none()));
    }
    words
}

pub fn recovered_files(folder: &Folder) -> Vec<String> {
    let mut names = log_files(folder.path());
    names.retain(|name| name.ends_with("_recovered.log"));
    names
}
