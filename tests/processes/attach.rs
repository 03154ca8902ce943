//! Who may attach to what: every refusal has a name, and none of them crashes, hangs or changes anything.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use shmlog::{AttachError, InitError, ShmLogger, get_logger, info};

use crate::host::host_good_child;
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, assert_says, listen, perform, quiet, role_command,
    say,
};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("keeper", keeper),
    ("attach_by_name", attach_by_name),
    ("attach_twice", attach_twice),
    ("attach_elsewhere", attach_elsewhere),
    ("init_as_either", init_as_either),
    ("refused_as_foreign", refused_as_foreign),
];

pub fn trials() -> Vec<Trial> {
    let mut all = trials![
        a_segment_has_mode_0600_and_a_name_of_128_random_bits,
        without_a_ring_in_the_environment_attaching_is_refused,
        a_ring_that_is_gone_is_refused,
        what_cannot_be_a_rings_name_is_refused_before_any_file_is_looked_at,
        another_layout_version_is_refused_by_both_numbers,
        a_damaged_geometry_is_refused,
        a_file_that_is_no_segment_is_refused,
        a_ring_can_be_attached_to_by_its_name_and_more_than_once,
        a_process_that_logs_into_one_ring_is_refused_at_another,
        init_makes_a_ring_where_there_is_none_and_attaches_where_there_is_one,
    ];
    // The portable segment has no file to look at, and nothing but the unguessable name to go by.
    if !cfg!(feature = "portable") {
        all.extend(trials![
            what_is_no_file_at_all_is_refused_without_waiting_for_it,
            a_ring_that_others_may_open_is_refused,
            a_ring_of_another_user_is_refused,
        ]);
    }
    all
}

const NOBODY: u32 = 65_534;

/// A parent that waits for a word, with one segment for the tests to look at.
struct Kept {
    actor: Actor,
    ring: String,
    _folder: Folder,
}

impl Kept {
    fn new() -> Kept {
        let folder = Folder::new();
        let mut actor = Actor::start("keeper", &[folder.text()]);
        let ring = actor.hear("ring ");
        Kept {
            actor,
            ring,
            _folder: folder,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(Path::new("/dev/shm").join(&self.ring)).unwrap()
    }

    fn finish(self) {
        self.actor.finish();
        assert_nothing_remains(&self.ring);
    }
}

fn keeper(arguments: &[String]) {
    let logger = quiet(&arguments[0]).slots(64).init_parent().unwrap();
    say(&format!("ring {}", logger.name()));
    listen();
}

/// Something by a ring's name that a test made, gone when the test ends.
struct Crafted {
    name: String,
    path: PathBuf,
}

impl Crafted {
    fn name() -> Crafted {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("shmlog-{}-{count:032x}", std::process::id());
        let path = Path::new("/dev/shm").join(&name);
        Crafted { name, path }
    }

    fn file(bytes: &[u8]) -> Crafted {
        let crafted = Crafted::name();
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(0o600);
        options
            .open(&crafted.path)
            .unwrap()
            .write_all(bytes)
            .unwrap();
        crafted
    }

    fn refusal(&self) -> AttachError {
        ShmLogger::attach_to(&self.name).unwrap_err()
    }
}

impl Drop for Crafted {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_dir(&self.path);
    }
}

fn set_word(bytes: &mut [u8], index: usize, change: impl Fn(u64) -> u64) {
    let word: &mut [u8; 8] = bytes[8 * index..][..8].as_mut().try_into().unwrap();
    *word = change(u64::from_ne_bytes(*word)).to_ne_bytes();
}

fn a_segment_has_mode_0600_and_a_name_of_128_random_bits() {
    let kept = Kept::new();
    let rest = kept.ring.strip_prefix("shmlog-").unwrap();
    let (pid, random) = rest.split_once('-').unwrap();
    assert_eq!(pid, kept.actor.pid().to_string());
    assert_eq!(random.len(), 32);
    assert!(random.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let metadata = fs::metadata(Path::new("/dev/shm").join(&kept.ring)).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o600);
    kept.finish();
}

fn without_a_ring_in_the_environment_attaching_is_refused() {
    let error = ShmLogger::attach().unwrap_err();
    assert!(matches!(error, AttachError::NoRing), "{error:?}");
    assert_says(&error.to_string(), &["SHMLOG_RING", "init_parent"]);
}

fn a_ring_that_is_gone_is_refused() {
    let kept = Kept::new();
    let ring = kept.ring.clone();
    kept.finish();
    let error = ShmLogger::attach_to(&ring).unwrap_err();
    assert!(matches!(error, AttachError::Gone { .. }), "{error:?}");
    assert_says(&error.to_string(), &[&ring]);
}

fn what_cannot_be_a_rings_name_is_refused_before_any_file_is_looked_at() {
    let random = "0".repeat(32);
    let long = format!("shmlog-1-{}", "0".repeat(1 << 20));
    let names = [
        "",
        "../x",
        "/etc/passwd",
        "shmlog-",
        "shmlog-1-\0",
        &long,
        &format!("../shm/shmlog-1-{random}"),
        &format!("shmlog-1-{random}/"),
        &format!("shmlog-99999999999-{random}"),
        &format!("shmlog-1-{random}\n"),
    ];
    for name in names {
        let error = ShmLogger::attach_to(name).unwrap_err();
        assert!(matches!(error, AttachError::BadName { .. }), "{error:?}");
    }
}

fn another_layout_version_is_refused_by_both_numbers() {
    let kept = Kept::new();
    let mut bytes = kept.bytes();
    set_word(&mut bytes, 0, |ready| (ready & !0xff) | 200);
    let error = Crafted::file(&bytes).refusal();
    assert!(
        matches!(error, AttachError::Version { found: 200, .. }),
        "{error:?}"
    );
    assert_says(&error.to_string(), &["version 200", "same version"]);
    kept.finish();
}

fn a_damaged_geometry_is_refused() {
    let kept = Kept::new();
    let sound = kept.bytes();
    // slots, slot_size, max_producers, site_slots, site_bytes.
    for field in 1..=5 {
        let damages: [fn(u64) -> u64; 4] =
            [|_| 0, |_| u64::MAX, |word| word << 20, |word| word * 2];
        for damage in damages {
            let mut bytes = sound.clone();
            set_word(&mut bytes, field, damage);
            let error = Crafted::file(&bytes).refusal();
            let refused = matches!(error, AttachError::Damaged { .. });
            assert!(refused, "field {field}: {error:?}");
        }
    }
    let short = &sound[..sound.len() - 4096];
    let error = Crafted::file(short).refusal();
    assert!(matches!(error, AttachError::Damaged { .. }), "{error:?}");
    assert_says(&error.to_string(), &["damaged"]);
    kept.finish();
}

fn a_file_that_is_no_segment_is_refused() {
    let random: Vec<u8> = (0..100_000_u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    for bytes in [&random[..], &[0; 8192], b"x"] {
        let error = Crafted::file(bytes).refusal();
        let refused = matches!(error, AttachError::NotASegment { .. });
        assert!(refused, "{error:?}");
    }
}

fn what_is_no_file_at_all_is_refused_without_waiting_for_it() {
    let kept = Kept::new();
    let (empty, folder, pipe, link) = (
        Crafted::file(b""),
        Crafted::name(),
        Crafted::name(),
        Crafted::name(),
    );
    fs::create_dir(&folder.path).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe.path,
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    symlink(&kept.ring, &link.path).unwrap();
    for crafted in [&empty, &folder, &pipe, &link] {
        let error = crafted.refusal();
        let refused = matches!(error, AttachError::NotASegment { .. });
        assert!(refused, "{:?}: {error:?}", crafted.path);
    }
    kept.finish();
}

fn a_ring_that_others_may_open_is_refused() {
    let kept = Kept::new();
    let crafted = Crafted::file(&kept.bytes());
    for mode in [0o644, 0o620, 0o601, 0o666] {
        fs::set_permissions(&crafted.path, Permissions::from_mode(mode)).unwrap();
        let error = crafted.refusal();
        let refused = matches!(error, AttachError::Foreign { mode: found, .. } if found == mode);
        assert!(refused, "{error:?}");
        assert_says(&error.to_string(), &[&format!("{mode:04o}"), "0600"]);
    }
    kept.finish();
}

/// Only root can play two users. Elsewhere the one half that needs no second user is tested above.
fn a_ring_of_another_user_is_refused() -> Result<(), Ignored> {
    if !rustix::process::geteuid().is_root() {
        return Err(Ignored("only root can play two users"));
    }
    let kept = Kept::new();
    let theirs = Crafted::file(&kept.bytes());
    chown(&theirs.path, Some(NOBODY), Some(NOBODY)).unwrap();
    let error = theirs.refusal();
    let refused = matches!(
        error,
        AttachError::Foreign {
            owner: NOBODY,
            me: 0,
            ..
        }
    );
    assert!(refused, "{error:?}");
    assert_says(&error.to_string(), &["user 65534", "user 0"]);
    let (_copy, mut command) = crate::support::role_of_nobody("refused_as_foreign", &[]);
    command.env("SHMLOG_RING", &kept.ring);
    Actor::from_command(command).finish();
    kept.finish();
    Ok(())
}

fn refused_as_foreign(_: &[String]) {
    let error = ShmLogger::attach().unwrap_err();
    let refused = matches!(
        error,
        AttachError::Foreign {
            owner: 0,
            me: NOBODY,
            ..
        }
    );
    assert!(refused, "{error:?}");
    let error = ShmLogger::init().unwrap_err();
    let refused = matches!(error, InitError::Attach(AttachError::Foreign { .. }));
    assert!(refused, "{error:?}");
}

fn attach_by_name(arguments: &[String]) {
    let logger = ShmLogger::attach_to(&arguments[0]).unwrap();
    assert_eq!(logger.name(), arguments[0]);
    info!("by name");
}

fn attach_twice(_: &[String]) {
    let first = ShmLogger::attach().unwrap();
    info!("attached once");
    let second = ShmLogger::attach().unwrap();
    let third = ShmLogger::attach_to(first.name()).unwrap();
    let (name, drop_all) = (first.name().to_owned(), (first, second, third));
    info!("attached three times");
    drop(drop_all);
    info!(logger: get_logger("end"), "still attached");
    // Not inherited by anybody but found by its name, from a process that was told of no ring.
    let mut other = role_command("attach_by_name", &[&name]);
    other.env_remove("SHMLOG_RING");
    assert!(other.status().unwrap().success());
}

fn a_ring_can_be_attached_to_by_its_name_and_more_than_once() {
    let folder = Folder::new();
    host_good_child(&folder, "", "attach_twice", &[]);
    let messages: Vec<_> = folder.records().into_iter().map(|r| r.message).collect();
    let expected = [
        "attached once",
        "attached three times",
        "still attached",
        "by name",
    ];
    assert_eq!(messages, expected);
}

fn attach_elsewhere(arguments: &[String]) {
    let first = ShmLogger::attach().unwrap();
    let error = ShmLogger::attach_to(&arguments[0]).unwrap_err();
    let AttachError::Elsewhere { name } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(name, first.name());
    assert_says(&error.to_string(), &[name, "one ring"]);
    info!("still here");
}

fn a_process_that_logs_into_one_ring_is_refused_at_another() {
    let (kept, folder) = (Kept::new(), Folder::new());
    host_good_child(&folder, "", "attach_elsewhere", &[&kept.ring]);
    assert_eq!(folder.records()[0].message, "still here");
    kept.finish();
}

/// Parent where no ring is, which then starts itself as the child.
fn init_as_either(arguments: &[String]) {
    let logger = ShmLogger::init().unwrap();
    match arguments.first() {
        None => {
            let name = logger.name().to_owned();
            let status = role_command("init_as_either", &[&name]).status();
            assert!(status.unwrap().success());
            drop(logger);
            assert_nothing_remains(&name);
        }
        Some(name) => assert_eq!(logger.name(), name),
    }
}

fn init_makes_a_ring_where_there_is_none_and_attaches_where_there_is_one() {
    perform("init_as_either", &[]);
    let mut command = role_command("init_as_either", &[]);
    command.env("SHMLOG_RING", "");
    Actor::from_command(command).finish();
}
