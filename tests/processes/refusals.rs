//! What `init_parent` refuses, in which words, and that nothing of the attempt remains.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{Builder, CreateError, InitError, Level, OnFull, ShmLogger, info};

use crate::own_mount::OwnMount;
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, assert_says, drainers_of, perform, quiet,
    role_command, say, segments_made_by,
};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("refused_for_its_settings", refused_for_its_settings),
    ("refused_at_folders", refused_at_folders),
    ("refused_for_want_of_memory", refused_for_want_of_memory),
    ("refused_without_proc", refused_without_proc),
    ("refused_the_second_time", refused_the_second_time),
    ("extremes", extremes),
    ("outer", outer),
    ("inner", inner),
    ("leaf", leaf),
];

pub fn trials() -> Vec<Trial> {
    let mut all = trials![
        settings_that_are_not_allowed_are_refused_by_field_value_and_what_is_allowed,
        the_smallest_and_the_largest_settings_are_taken,
        a_folder_that_cannot_be_written_is_refused_and_leaves_nothing,
        a_second_ring_is_refused_as_long_as_the_first_is_held,
        a_child_that_inherited_a_ring_makes_its_own_and_the_outer_one_works_on,
    ];
    // The portable segment cannot see a shortage coming.
    if !cfg!(feature = "portable") {
        all.extend(trials![
            too_little_shared_memory_is_an_error_that_names_the_need_and_leaves_nothing,
            without_proc_the_error_says_that_it_is_missing
        ]);
    }
    all
}

fn quiet_here() -> Builder {
    ShmLogger::builder().console(false).file(true)
}

/// In a process of its own: other tests of this one make segments too.
fn settings_that_are_not_allowed_are_refused_by_field_value_and_what_is_allowed() {
    Actor::start("refused_for_its_settings", &[]).finish();
}

fn refused_for_its_settings(_: &[String]) {
    let block = |duration| quiet_here().on_full(OnFull::Block(duration));
    let cases: Vec<(Builder, &str, &str, &[&str])> = vec![
        (
            quiet_here().file(false),
            "console",
            "false",
            &["at least one"],
        ),
        (quiet_here().backup_count(0), "backup_count", "0", &["1"]),
        (quiet_here().max_file_size(0), "max_file_size", "0", &["1"]),
        (quiet_here().queue_bytes(0), "queue_bytes", "0", &["1024", "4294967296"]),
        (quiet_here().queue_bytes(1023), "queue_bytes", "1023", &["1024"]),
        (quiet_here().queue_bytes(usize::MAX), "queue_bytes", "18446744073709551615", &["4294967296"]),
        (quiet_here().slots(0), "slots", "0", &["power of two"]),
        (quiet_here().slots(8), "slots", "8", &["16", "67108864"]),
        (quiet_here().slots(1000), "slots", "1000", &["power of two"]),
        (
            quiet_here().slots(1 << 27),
            "slots",
            "134217728",
            &["16", "67108864"],
        ),
        (quiet_here().slot_size(0), "slot_size", "0", &["64", "4096"]),
        (
            quiet_here().slot_size(32),
            "slot_size",
            "32",
            &["64", "4096"],
        ),
        (
            quiet_here().slot_size(100),
            "slot_size",
            "100",
            &["power of two"],
        ),
        (
            quiet_here().slot_size(8192),
            "slot_size",
            "8192",
            &["64", "4096"],
        ),
        (
            quiet_here().slots(64).reserved_slots(Level::Error, 33),
            "reserved_slots",
            "33",
            &["0", "half of the slots, 32"],
        ),
        (
            quiet_here().max_producers(0),
            "max_producers",
            "0",
            &["1", "16384"],
        ),
        (
            quiet_here().max_producers(16_385),
            "max_producers",
            "16385",
            &["1", "16384"],
        ),
        (
            quiet_here().stall_timeout(Duration::ZERO),
            "stall_timeout",
            "0ns",
            &["more than 0"],
        ),
        (
            block(Duration::ZERO),
            "on_full",
            "0ns",
            &["more than 0", "Drop"],
        ),
        (
            quiet_here().process_name(""),
            "process_name",
            "\"\"",
            &["a name"],
        ),
        (
            quiet_here().process_name(" \t"),
            "process_name",
            "\" \\t\"",
            &["a name"],
        ),
    ];
    for (builder, field, value, allowed) in cases {
        let error = builder.clone().init_parent().unwrap_err();
        let InitError::Setting { field: found, .. } = &error else {
            panic!("{field}: {error:?}");
        };
        assert_eq!(*found, field);
        assert_says(&error.to_string(), &[field, value, "allowed: "]);
        assert_says(&error.to_string(), allowed);
    }
    assert_eq!(segments_made_by(std::process::id()), [""; 0]);
}

fn extremes(arguments: &[String]) {
    let least = quiet(&arguments[0])
        .backup_count(1)
        .max_file_size(1)
        .slots(16)
        .slot_size(64)
        .max_producers(1)
        .stall_timeout(Duration::from_nanos(1))
        .on_full(OnFull::Block(Duration::from_nanos(1)))
        .process_name("x");
    let most = quiet(&arguments[0])
        .backup_count(u64::MAX)
        .max_file_size(u64::MAX)
        .slot_size(4096)
        .slots(1024)
        .max_producers(16_384)
        .stall_timeout(Duration::MAX)
        .on_full(OnFull::Block(Duration::MAX))
        .process_name("long name ".repeat(1000));
    for builder in [least, most] {
        let logger = builder.init_parent().unwrap();
        info!("works");
        logger.flush(Duration::from_secs(60)).unwrap();
        assert_eq!(logger.stats().delivered, 1);
    }
}

fn the_smallest_and_the_largest_settings_are_taken() {
    let folder = Folder::new();
    perform("extremes", &[folder.text()]);
    assert!(folder.log_text().matches("works").count() >= 1);
}

/// Asserts that this process has made nothing that is still there, and that a ring can be made.
fn assert_clean_and_able(folder: &str) {
    assert_eq!(segments_made_by(std::process::id()), [""; 0]);
    assert_eq!(std::env::var_os("SHMLOG_RING"), None);
    info!("goes nowhere");
    let logger = quiet(folder).slots(16).max_producers(4).init_parent();
    let logger = logger.unwrap();
    info!("goes somewhere");
    logger.flush(Duration::from_secs(60)).unwrap();
    let ring = logger.name().to_owned();
    drop(logger);
    assert_nothing_remains(&ring);
}

/// `good bad…`: a folder that can be written, and others that cannot.
fn refused_at_folders(arguments: &[String]) {
    for bad in &arguments[1..] {
        let error = quiet(bad).init_parent().unwrap_err();
        let text = error.to_string();
        assert_says(&text, &["file_path", bad, "this user may"]);
        assert_clean_and_able(&arguments[0]);
    }
    // No drainer of the failed attempts is left, neither running nor as a zombie: we have no children.
    assert!(rustix::process::wait(rustix::process::WaitOptions::NOHANG).is_err());
}

fn a_folder_that_cannot_be_written_is_refused_and_leaves_nothing() {
    let (good, bad) = (Folder::new(), Folder::new());
    let file = bad.path().join("file");
    fs::write(&file, "").unwrap();
    let (in_the_way, below) = (file.to_str().unwrap(), file.join("logs"));
    // In /proc nothing can be made; as root only the drainer finds out.
    let below = below.to_str().unwrap();
    let arguments = [good.text(), in_the_way, below, "/proc", "/proc/logs"];
    perform("refused_at_folders", &arguments);
    assert_eq!(good.records().len(), 4);

    let (good, bad) = (Folder::new(), Folder::new());
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(good.path(), open).unwrap();
    fs::set_permissions(bad.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let below = bad.path().join("logs");
    let arguments = [good.text(), bad.text(), below.to_str().unwrap()];
    if rustix::process::geteuid().is_root() {
        let (_copy, command) = crate::support::role_of_nobody("refused_at_folders", &arguments);
        Actor::from_command(command).finish();
    } else {
        perform("refused_at_folders", &arguments);
    }
    assert_eq!(fs::read_dir(bad.path()).unwrap().count(), 0);
}

/// `folder`: `/dev/shm` holds two mebibytes and nothing else.
fn refused_for_want_of_memory(arguments: &[String]) {
    let error = quiet(&arguments[0]).init_parent().unwrap_err();
    let InitError::Segment(CreateError::NoSpace {
        needed, available, ..
    }) = error
    else {
        panic!("{error:?}");
    };
    assert!(needed > 8 << 20 && available <= 2 << 20, "{error}");
    let words = ["/dev/shm", &needed.to_string(), &available.to_string()];
    assert_says(&error.to_string(), &words);
    assert_says(&error.to_string(), &["fewer slots"]);
    assert_eq!(fs::read_dir("/dev/shm").unwrap().count(), 0);
    assert_clean_and_able(&arguments[0]);
}

fn too_little_shared_memory_is_an_error_that_names_the_need_and_leaves_nothing()
-> Result<(), Ignored> {
    let little = OwnMount::over("/dev/shm", "2m")?;
    let folder = Folder::new();
    let role = little.role("refused_for_want_of_memory", &[folder.text()]);
    Actor::from_command(role).finish();
    assert_eq!(folder.records().len(), 1);
    Ok(())
}

fn refused_without_proc(arguments: &[String]) {
    let error = quiet(&arguments[0]).init_parent().unwrap_err();
    assert_says(&error.to_string(), &["/proc/self/exe", "mount -t proc"]);
    assert!(segments_made_by(std::process::id()).is_empty());
}

fn without_proc_the_error_says_that_it_is_missing() -> Result<(), Ignored> {
    let nothing = OwnMount::over("/proc", "1m")?;
    let folder = Folder::new();
    let role = nothing.role("refused_without_proc", &[folder.text()]);
    Actor::from_command(role).finish();
    Ok(())
}

fn refused_the_second_time(arguments: &[String]) {
    for round in 0..3 {
        let logger = quiet(&arguments[0]).init_parent().unwrap();
        let error = quiet(&arguments[0]).init_parent().unwrap_err();
        let InitError::AlreadyInitialised { name } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(name, logger.name());
        assert_says(&error.to_string(), &[name, "drop", "get_logger"]);
        let elsewhere = std::thread::scope(|scope| {
            let init = || quiet(&arguments[0]).init_parent();
            scope.spawn(init).join().unwrap()
        });
        assert!(elsewhere.is_err());
        info!("round {round}");
        logger.flush(Duration::from_secs(60)).unwrap();
        let mut made = segments_made_by(std::process::id());
        // The drainer's book, beside it.
        made.retain(|name| !name.contains('.'));
        assert_eq!(made, [logger.name()]);
        assert_eq!(drainers_of(logger.name()).len(), 1);
    }
}

fn a_second_ring_is_refused_as_long_as_the_first_is_held() {
    let folder = Folder::new();
    perform("refused_the_second_time", &[folder.text()]);
    assert_eq!(folder.messages(), ["round 0", "round 1", "round 2"]);
}

/// `outer's folder, inner's folder`
fn outer(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    info!("outer before");
    let status = role_command("inner", &[&arguments[1], logger.name()]).status();
    assert!(status.unwrap().success());
    info!("outer after");
}

/// `inner's folder, outer's ring`: logs there first, makes its own ring, and returns there.
fn inner(arguments: &[String]) {
    let (folder, outer) = (&arguments[0], &arguments[1]);
    let attached = ShmLogger::attach().unwrap();
    assert_eq!(attached.name(), outer);
    info!("inner as a child");
    let error = quiet("/proc/no/such").init_parent().unwrap_err();
    assert!(matches!(error, InitError::Folder { .. }), "{error:?}");
    info!("inner still a child");
    let logger = quiet(folder).init_parent().unwrap();
    assert_ne!(logger.name(), outer);
    say(logger.name());
    info!("inner as a parent");
    let leaf = |ring: &str| assert!(role_command("leaf", &[ring]).status().unwrap().success());
    leaf(logger.name());
    drop(logger);
    info!("inner without a ring");
    leaf(outer);
    let _ = ShmLogger::attach().unwrap();
    info!("inner as a child again");
}

fn leaf(arguments: &[String]) {
    let logger = ShmLogger::attach().unwrap();
    assert_eq!(logger.name(), arguments[0]);
    info!("leaf");
}

fn a_child_that_inherited_a_ring_makes_its_own_and_the_outer_one_works_on() {
    let (outer, inner) = (Folder::new(), Folder::new());
    let mut actor = Actor::start("outer", &[outer.text(), inner.text()]);
    let rings = [actor.hear("shmlog-"), actor.hear("shmlog-")];
    actor.finish();
    for ring in rings {
        assert_nothing_remains(&format!("shmlog-{ring}"));
    }
    assert_eq!(inner.messages(), ["inner as a parent", "leaf"]);
    let expected = [
        "outer before",
        "inner as a child",
        "inner still a child",
        "leaf",
        "inner as a child again",
        "outer after",
    ];
    assert_eq!(outer.messages(), expected);
}
