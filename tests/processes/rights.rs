//! Programs with rights that their starter does not have, and processes in another namespace of pids or times.
//!
//! Only root can play this; for others the tests are ignored.

#![allow(unsafe_code)]

use std::ffi::{CString, OsString};
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{AttachError, InitError, RecoverError, ShmLogger, info, warn};

use crate::forking::{fork, wait};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, assert_says, drainers_of, listen, quiet,
    role_by, role_of_copy, say, segments_made_by,
};
use crate::tally::{Log, settled};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("host_of_others", host_of_others),
    ("setuid", setuid),
    ("raised", raised),
    ("with_capabilities", with_capabilities),
    ("in_another_namespace", in_another_namespace),
    ("parent_of_other_namespaces", parent_of_other_namespaces),
    ("in_another_time_namespace", in_another_time_namespace),
    ("parent_of_other_times", parent_of_other_times),
];

pub fn trials() -> Vec<Trial> {
    if cfg!(feature = "portable") {
        return Vec::new();
    }
    let all = trials![
        a_setuid_program_obeys_none_of_our_variables_and_makes_no_ring,
        a_setuid_program_that_starts_anew_with_real_rights_has_forgotten_what_its_starter_told_it,
        a_program_with_capabilities_of_its_file_obeys_no_variable_and_its_drainer_has_none,
        a_process_of_another_pid_namespace_is_refused_by_name,
        what_forks_into_another_pid_namespace_is_counted_and_told_of,
        a_process_of_another_time_namespace_is_refused_by_name,
        what_forks_into_another_time_namespace_is_counted_and_told_of,
    ];
    let is_root = rustix::process::geteuid().is_root();
    all.into_iter().map(|trial| trial.with_ignored_flag(!is_root)).collect()
}

const NOBODY: u32 = 65_534;

fn has_foreign_rights() -> bool {
    // SAFETY: only reads what the kernel laid down at the start of the process.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// A ring to be kept out of.
fn host_of_others(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    listen();
}

/// `ring folder`: is told of a ring, and to be a drainer, and a relay.
fn setuid(arguments: &[String]) {
    assert!(has_foreign_rights());
    assert_eq!(rustix::process::geteuid().as_raw(), NOBODY);
    assert_eq!(steering(), [""; 0]);
    let error = ShmLogger::attach().unwrap_err();
    assert!(matches!(error, AttachError::NoRing), "{error:?}");
    for error in [
        ShmLogger::init().unwrap_err(),
        quiet(&arguments[1]).init_parent().unwrap_err(),
    ] {
        assert!(matches!(error, InitError::ForeignRights), "{error:?}");
        assert_says(&error.to_string(), &["setuid", "setresuid"]);
    }
    assert_eq!(segments_made_by(std::process::id()), [""; 0]);
    // By its name, which its own code gives, it is looked at like any other.
    let error = ShmLogger::attach_to(&arguments[0]).unwrap_err();
    let foreign = matches!(error, AttachError::Foreign { owner: 0, me: NOBODY, .. });
    assert!(foreign, "{error:?}");
    say("played");
}

fn a_setuid_program_obeys_none_of_our_variables_and_makes_no_ring() {
    let (logs, folder) = (Folder::new(), Folder::new());
    let mut host = Actor::start("host_of_others", &[logs.text()]);
    let ring = host.hear("");
    let (program, mut command) = role_of_copy(&folder, "setuid", &[&ring, folder.text()]);
    chown(&program, Some(NOBODY), None).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();
    command.env("SHMLOG_RING", &ring).env("SHMLOG_DRAINER", "0");
    command.env("SHMLOG_RELAY", "0");
    let mut actor = Actor::from_command(command);
    actor.hear("played");
    actor.finish();
    host.finish();
    assert_nothing_remains(&ring);
    assert_eq!(logs.records(), []);
}

/// The variables by which a starter could steer a program that logs.
fn steering() -> Vec<OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    let steers = |name: &OsString| {
        let name = name.to_str().unwrap_or_default();
        name.starts_with("SHMLOG_") || STEERING.iter().any(|(other, _)| name == *other)
    };
    names.filter(steers).collect()
}

const STEERING: [(&str, &str); 9] = [
    ("SHMLOG_DRAINER", "ring=x"),
    ("SHMLOG_RELAY", "x"),
    ("SHMLOG_RING", "shmlog-1-00000000000000000000000000000000"),
    ("SHMLOG_LEVEL", "off"),
    ("RUST_LOG", "off"),
    ("RUST_BACKTRACE", "full"),
    ("RUST_MIN_STACK", "1000000000000000"),
    ("TMPDIR", "/nowhere"),
    ("TZ", "../../../nowhere"),
];

/// `folder`: makes the rights of its file its own, starts itself anew and logs.
fn raised(arguments: &[String]) {
    assert_eq!(steering(), [""; 0]);
    if has_foreign_rights() {
        // SAFETY: no memory is involved.
        let failed = unsafe { libc::setresgid(0, 0, 0) } | unsafe { libc::setresuid(0, 0, 0) };
        assert_eq!(failed, 0);
        let error = Command::new("/proc/self/exe").args(arguments).exec();
        panic!("{error}");
    }
    let builder = ShmLogger::builder().console(false).file(true).recover(false);
    let logger = builder.file_path(&arguments[0]).init_parent().unwrap();
    warn!("as if nothing had been said");
    drop(logger);
    say("played");
}

fn a_setuid_program_that_starts_anew_with_real_rights_has_forgotten_what_its_starter_told_it() {
    let (logs, folder, his) = (Folder::new(), Folder::new(), Folder::new());
    fs::set_permissions(logs.path(), Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(his.path(), Permissions::from_mode(0o777)).unwrap();
    let (program, mut command) = role_of_copy(&folder, "raised", &[logs.text()]);
    let mut all = STEERING.to_vec();
    let sinks = format!("file:{}", his.text());
    all.push(("SHMLOG_SINKS", &sinks));
    command.uid(NOBODY).gid(NOBODY).envs(all);
    fs::set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();
    let mut actor = Actor::from_command(command);
    actor.hear("played");
    actor.finish();
    assert_eq!(logs.messages().len(), 1, "the level is the program's own");
    assert_eq!(fs::read_dir(his.path()).unwrap().count(), 0);
}

/// Gives a file a capability, effective at once: the lowest that this container has to give.
fn give_capability(program: &Path) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap();
    let bounding = u64::from_str_radix(bounding.trim(), 16).unwrap();
    let permitted = 1_u64 << bounding.trailing_zeros();
    // VFS_CAP_REVISION_2 with the effective flag; then permitted and inheritable, low and high halves.
    let words = [0x0200_0001, permitted as u32, 0, (permitted >> 32) as u32, 0];
    let value: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
    let program = CString::new(program.as_os_str().as_bytes()).unwrap();
    // SAFETY: two texts that end in zero, and a value of that length.
    let failed = unsafe {
        libc::setxattr(
            program.as_ptr(),
            c"security.capability".as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    assert_eq!(failed, 0, "{}", std::io::Error::last_os_error());
}

/// `folder`: a robot's program that may raise its priority, say.
fn with_capabilities(arguments: &[String]) {
    assert!(has_foreign_rights());
    // The starter's word of a ring is gone.
    assert_eq!(steering(), [""; 0]);
    assert!(matches!(ShmLogger::attach().unwrap_err(), AttachError::NoRing));
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    info!("works");
    logger.flush(Duration::from_secs(60)).unwrap();
    say(logger.name());
    listen();
}

fn a_program_with_capabilities_of_its_file_obeys_no_variable_and_its_drainer_has_none() {
    let (folder, logs) = (Folder::new(), Folder::new());
    fs::set_permissions(logs.path(), Permissions::from_mode(0o777)).unwrap();
    let (program, mut command) = role_of_copy(&folder, "with_capabilities", &[logs.text()]);
    give_capability(&program);
    let nobodys = format!("shmlog-1-{}", "0".repeat(32));
    let nobodys_sinks = Folder::new();
    fs::set_permissions(nobodys_sinks.path(), Permissions::from_mode(0o777)).unwrap();
    command.uid(NOBODY).gid(NOBODY).env("SHMLOG_RING", nobodys);
    command.env("SHMLOG_SINKS", format!("file:{}", nobodys_sinks.text()));
    let mut actor = Actor::from_command(command);
    let ring = actor.hear("");
    let drainer = drainers_of(&ring)[0];
    let capabilities = |pid: u32| -> Vec<bool> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let sets = status.lines().filter(|line| line.starts_with("CapPrm") || line.starts_with("CapEff"));
        sets.map(|set| !set.ends_with("0000000000000000")).collect()
    };
    assert_eq!(capabilities(actor.pid()), [true, true]);
    assert_eq!(capabilities(drainer), [false, false]);
    actor.finish();
    assert_nothing_remains(&ring);
    assert_eq!(logs.records().len(), 1);
    assert_eq!(fs::read_dir(nobodys_sinks.path()).unwrap().count(), 0);
}

fn unshare_pids() {
    // SAFETY: no memory is involved; it is children made from now on that are elsewhere.
    let failed = unsafe { libc::unshare(libc::CLONE_NEWPID) };
    assert_eq!(failed, 0, "{}", std::io::Error::last_os_error());
}

fn in_another_namespace(_: &[String]) {
    for error in [
        ShmLogger::attach().unwrap_err(),
        ShmLogger::attach_to(&std::env::var("SHMLOG_RING").unwrap()).unwrap_err(),
    ] {
        assert!(matches!(error, AttachError::OtherNamespace { .. }), "{error:?}");
        assert_says(&error.to_string(), &["pid namespace", "shmlog-", "init_parent", "--pid"]);
    }
    info!("goes nowhere");
    // A ring of its own it can have.
    let folder = Folder::new();
    let logger = quiet(folder.text()).init_parent().unwrap();
    info!("goes into its own");
    drop(logger);
    assert_eq!(folder.records().len(), 1);
    say("played");
}

fn a_process_of_another_pid_namespace_is_refused_by_name() {
    let folder = Folder::new();
    let mut host = Actor::start("host_of_others", &[folder.text()]);
    let ring = host.hear("");
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc"]);
    command.env("SHMLOG_RING", &ring);
    let command = role_by(command, "in_another_namespace", &[]);
    let mut actor = Actor::from_command(command);
    actor.hear("played");
    actor.finish();
    host.finish();
    assert_nothing_remains(&ring);
    assert_eq!(folder.records(), []);
}

/// `folder`: its children are elsewhere, a child that forks and a drainer.
fn parent_of_other_namespaces(arguments: &[String]) {
    play_parent_of_others(&arguments[0], "pid", unshare_pids);
}

/// Plays a parent whose children come into another namespace of this `kind` once `leave` has been called.
fn play_parent_of_others(folder: &str, kind: &str, leave: fn()) {
    let logger = quiet(folder).init_parent().unwrap();
    say(logger.name());
    info!("parent before");
    wait(fork(|| {
        info!("child before");
        leave();
        wait(fork(|| {
            info!("goes nowhere");
            info!("goes nowhere");
        }));
        info!("child after");
    }));
    info!("parent after");
    let stats = settled(&logger, 1);
    assert_eq!((stats.dropped, stats.lost), (2, 0));
    drop(logger);
    leave();
    let error = quiet(folder).init_parent().unwrap_err();
    assert!(matches!(error, InitError::Drainer(_)), "{error:?}");
    assert_says(&error.to_string(), &[&format!("{kind} namespace"), "init_parent", "unshare"]);
    assert_eq!(segments_made_by(std::process::id()), [""; 0]);
}

fn what_forks_into_another_pid_namespace_is_counted_and_told_of() {
    assert_others_are_told_of("parent_of_other_namespaces", "pid");
}

fn assert_others_are_told_of(parent: &str, kind: &str) {
    let folder = Folder::new();
    let mut parent = Actor::start(parent, &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let log = Log::read(&folder);
    let messages: Vec<&str> = log.records.iter().map(|record| &*record.message).collect();
    assert_eq!(messages, ["parent before", "child before", "child after", "parent after"]);
    let said = log.words.iter().map(|word| &*word.message);
    let said: Vec<&str> = said.filter(|text| text.contains("found no entry:")).collect();
    assert!(!said.is_empty(), "{:?}", log.words);
    for text in said {
        // At once, or one by one.
        assert_says(text, &[" dropped of threads", &format!("another {kind} namespace")]);
    }
}

/// Children made from now on live in a namespace whose clocks are a thousand seconds ahead.
fn unshare_times() {
    const CLONE_NEWTIME: libc::c_int = 0x80;
    // SAFETY: no memory is involved; it is children made from now on that are elsewhere.
    let failed = unsafe { libc::unshare(CLONE_NEWTIME) };
    assert_eq!(failed, 0, "{}", std::io::Error::last_os_error());
    fs::write("/proc/self/timens_offsets", "boottime 1000 0\n").unwrap();
}

fn in_another_time_namespace(_: &[String]) {
    for error in [
        ShmLogger::attach().unwrap_err(),
        ShmLogger::attach_to(&std::env::var("SHMLOG_RING").unwrap()).unwrap_err(),
    ] {
        assert!(matches!(error, AttachError::OtherTimeNamespace { .. }), "{error:?}");
        assert_says(&error.to_string(), &["time namespace", "shmlog-", "init_parent", "--time"]);
    }
    info!("goes nowhere");
    let error = shmlog::recover(&std::env::var("SHMLOG_RING").unwrap()).unwrap_err();
    assert!(matches!(error, RecoverError::Elsewhere { .. }), "{error:?}");
    say("played");
}

fn parent_of_other_times(arguments: &[String]) {
    play_parent_of_others(&arguments[0], "time", unshare_times);
}

/// Whether processes can be put into another time namespace here.
fn by_another_time() -> Result<Command, Ignored> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--time", "--boottime", "1000", "--fork"]);
        command
    };
    let can = unshare().arg("true").stderr(std::process::Stdio::null()).status();
    match can {
        Ok(status) if status.success() => Ok(unshare()),
        _ => Err(Ignored("neither the kernel nor unshare(1) may lack time namespaces")),
    }
}

fn a_process_of_another_time_namespace_is_refused_by_name() -> Result<(), Ignored> {
    let mut command = by_another_time()?;
    let folder = Folder::new();
    let mut host = Actor::start("host_of_others", &[folder.text()]);
    let ring = host.hear("");
    command.env("SHMLOG_RING", &ring);
    let mut actor = Actor::from_command(role_by(command, "in_another_time_namespace", &[]));
    actor.hear("played");
    actor.finish();
    host.finish();
    assert_nothing_remains(&ring);
    assert_eq!(folder.records(), []);
    Ok(())
}

fn what_forks_into_another_time_namespace_is_counted_and_told_of() -> Result<(), Ignored> {
    by_another_time()?;
    assert_others_are_told_of("parent_of_other_times", "time");
    Ok(())
}
