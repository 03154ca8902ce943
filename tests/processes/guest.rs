//! A guest: what drainers and relays have of the program that they were started out of, and what they leave to it.

#![allow(unsafe_code)]

use std::fs;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Resource, Rlimit, Signal, WaitOptions, setrlimit};
use shmlog::{InitError, ShmLogger, info};

use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, assert_says, drainers_of, listen, quiet, role_by,
    say, send, until, wait_for_end,
};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("asks_for_children", asks_for_children),
    ("leaves_all_open", leaves_all_open),
    ("of_realtime", of_realtime),
    ("wishes_for_its_drainer", wishes_for_its_drainer),
    ("wishes_too_much", wishes_too_much),
    ("full_of_descriptors", full_of_descriptors),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_program_finds_no_children_of_ours_and_is_told_of_none,
        a_program_that_ignores_the_end_of_children_is_watched_over_all_the_same,
        a_program_that_adopts_orphans_keeps_no_zombie_of_ours,
        what_a_killed_program_held_is_free_while_others_keep_the_ring,
        a_program_that_has_as_many_descriptors_as_it_may_has_a_drainer_once_it_has_a_ring,
        drainer_and_relay_of_a_realtime_program_are_ordinary_processes,
        drainer_and_relay_of_a_program_whose_children_begin_as_ordinary_are_ordinary_processes,
        a_drainer_runs_where_and_as_it_was_wished_also_when_it_is_another_one,
        wishes_that_cannot_be_fulfilled_are_refused_with_what_can,
    ]
}

static CHILDREN_ENDED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_child(_: libc::c_int) {
    CHILDREN_ENDED.fetch_add(1, Ordering::Relaxed);
}

/// What `wait` finds: also children whose end sends no signal.
fn has_children() -> bool {
    let mut status = 0;
    let options = libc::WNOHANG | libc::__WALL;
    // SAFETY: `status` is there to be written.
    let found = unsafe { libc::waitpid(-1, &raw mut status, options) };
    assert!(found <= 0, "somebody was waited for: {found}");
    found == 0
}

/// Kills the drainer, and waits for the next one to work.
fn replace_drainer(logger: &ShmLogger) -> u32 {
    let drainer = drainers_of(logger.name())[0];
    send(drainer, Signal::KILL);
    info!("for another one");
    logger.flush(Duration::from_secs(60)).unwrap();
    let mut others = drainers_of(logger.name()).into_iter();
    others.find(|other| *other != drainer).unwrap()
}

/// `folder what`: has drainers, one after the other, and a relay.
fn asks_for_children(arguments: &[String]) {
    let [folder, what] = arguments else { panic!() };
    let adopts = what == "adopts";
    let handler = match &**what {
        "ignores" => libc::SIG_IGN,
        _ => count_child as extern "C" fn(libc::c_int) as libc::sighandler_t,
    };
    // SAFETY: the handler adds to an atomic number.
    unsafe { libc::signal(libc::SIGCHLD, handler) };
    if adopts {
        // SAFETY: no memory is involved.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }, 0);
    }
    let logger = quiet(folder).init_parent().unwrap();
    assert_eq!(has_children(), adopts);
    replace_drainer(&logger);
    assert_eq!(has_children(), adopts);
    // Its pipes outlive it: so does the relay.
    let mut program = Command::new("sh");
    program.args(["-c", "read line; echo done"]).stdin(Stdio::piped());
    let program = logger.spawn(program).unwrap();
    let pid = program.id();
    drop(program);
    let ended = || match what == "ignores" {
        true => rustix::process::test_kill_process(rustix::process::Pid::from_raw(pid as i32).unwrap()).is_err(),
        false => {
            let pid = rustix::process::Pid::from_raw(pid as i32);
            rustix::process::waitpid(pid, WaitOptions::NOHANG).unwrap().is_some()
        }
    };
    until("the program has ended", ended);
    let ring = logger.name().to_owned();
    drop(logger);
    until("the ring has ended", || drainers_of(&ring).is_empty());
    if adopts {
        // The supervisor and who starts a relay wait for those that were adopted; here there is no next relay.
        until("the drainer is no zombie", || children_that_are("shmlog-drainer").is_empty());
    } else {
        assert!(!has_children());
        let expected = u32::from(what != "ignores");
        assert_eq!(CHILDREN_ENDED.load(Ordering::Relaxed), expected, "the program's end alone");
    }
    say(&ring);
}

/// The children of this process by that name.
fn children_that_are(name: &str) -> Vec<u32> {
    let me = std::process::id().to_string();
    let processes = fs::read_dir("/proc").unwrap();
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.contains(&format!("({name})")) && field(&stat, 4) == me
    })
    .collect()
}

/// A field of a stat file, by the number that proc(5) gives it.
fn field(stat: &str, number: usize) -> String {
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return String::new();
    };
    fields.split_ascii_whitespace().nth(number - 3).unwrap().to_owned()
}

fn ask_for_children(what: &str) {
    let folder = Folder::new();
    let mut parent = Actor::start("asks_for_children", &[folder.text(), what]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    assert_eq!(folder.messages(), ["for another one", "done"]);
}

fn a_program_finds_no_children_of_ours_and_is_told_of_none() {
    ask_for_children("counts");
}

fn a_program_that_ignores_the_end_of_children_is_watched_over_all_the_same() {
    ask_for_children("ignores");
}

fn a_program_that_adopts_orphans_keeps_no_zombie_of_ours() {
    ask_for_children("adopts");
}

/// The number under which the listening socket stands open for all children.
const LISTENER: i32 = 7;

/// `folder`: leaves a program behind that prints, so a relay, so a drainer. It has standard output and error under two
/// more numbers each.
fn leaves_all_open(arguments: &[String]) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // SAFETY: no memory is involved; nobody has that number.
    assert_eq!(unsafe { libc::dup2(listener.as_raw_fd(), LISTENER) }, LISTENER);
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    let mut program = Command::new("sh");
    program.args(["-c", "exec 7>&- 8>&- 9>&-; echo begun; exec sleep 1000"]);
    let program = logger.spawn(program).unwrap();
    until("it prints", || logger.stats().delivered > 0);
    replace_drainer(&logger);
    say(&format!("{} {} {port}", logger.name(), program.id()));
    listen();
}

fn what_a_killed_program_held_is_free_while_others_keep_the_ring() {
    let folder = Folder::new();
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" 8>&1 9>&2"]);
    let mut command = role_by(shell, "leaves_all_open", &[folder.text()]);
    let (err, err_end) = std::io::pipe().unwrap();
    command.stderr(err_end);
    let mut parent = Actor::from_command(command);
    let said = parent.hear("");
    let [ring, program, port] = said.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{said}")
    };
    parent.signal(Signal::KILL);
    assert_eq!(parent.child.wait().unwrap().signal(), Some(libc::SIGKILL));
    // With these two ends nobody holds the descriptors of the program any more.
    assert_eq!(parent.hear_all(), "");
    assert_eq!(std::io::read_to_string(err).unwrap(), "");
    TcpListener::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
    assert_eq!(drainers_of(ring).len(), 1);
    send(program.parse().unwrap(), Signal::KILL);
    wait_for_end(program.parse().unwrap());
    assert_nothing_remains(ring);
    assert_eq!(folder.messages(), ["begun", "for another one"]);
}

/// `folder`: has no number left for another descriptor when its drainer is killed.
fn full_of_descriptors(arguments: &[String]) {
    let limit = Rlimit {
        current: Some(64),
        maximum: Some(64),
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    let drainer = drainers_of(logger.name())[0];
    let mut files: Vec<_> = (0..64).map_while(|_| fs::File::open("/dev/null").ok()).collect();
    send(drainer, Signal::KILL);
    wait_for_end(drainer);
    info!("waits");
    // One for `/dev/null`, one for the lock that the drainer must not have, the pidfd, and the copy of the book that is handed on.
    files.truncate(files.len() - 4);
    logger.flush(Duration::from_secs(60)).unwrap();
    drop(logger);
}

fn a_program_that_has_as_many_descriptors_as_it_may_has_a_drainer_once_it_has_a_ring() {
    let folder = Folder::new();
    let mut parent = Actor::start("full_of_descriptors", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    assert_eq!(folder.messages(), ["waits"]);
}

/// `folder`: has, by itself, what no drainer should have.
fn of_realtime(arguments: &[String]) {
    let folder = &arguments[0];
    std::env::set_current_dir(folder).unwrap();
    let limit = Rlimit {
        current: Some(1 << 30),
        maximum: None,
    };
    setrlimit(Resource::Fsize, limit).unwrap();
    rustix::process::setpriority_process(None, -3).unwrap();
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1)).unwrap();
    for signal in [libc::SIGCHLD, libc::SIGUSR1] {
        // SAFETY: sets a disposition of the system's own, no handler of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // The best class of I/O.
    // SAFETY: no memory is involved.
    unsafe { libc::syscall(libc::SYS_ioprio_set, 1, 0, 1 << 13) };
    // SAFETY: an all-zero set is a valid, empty one.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours and valid.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGUSR2) };
    // SAFETY: as before; no old set is asked for.
    unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
    let logger = quiet("in/here").init_parent().unwrap();
    let mut program = Command::new("cat");
    program.stdin(Stdio::piped());
    let mut program = logger.spawn(program).unwrap();
    info!("done");
    logger.flush(Duration::from_secs(60)).unwrap();
    say(logger.name());
    listen();
    // It ends, and with it the relay.
    drop(program.stdin.take());
}

/// What a process of ours is to be like, whatever it was started out of.
fn assert_ordinary(pid: u32, processors: &str) {
    let read = |what: &str| fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap();
    let stat = read("stat");
    let number = |at| field(&stat, at).parse::<i64>().unwrap();
    let (group, nice, realtime, policy) = (number(5), number(19), number(40), number(41));
    assert_eq!((nice, realtime, policy), (0, 0, i64::from(libc::SCHED_OTHER)), "{stat}");
    let ours = rustix::process::getpgrp().as_raw_pid();
    assert_ne!(group, i64::from(ours), "what is sent to the program's group is for it");
    let status = read("status");
    let of = |name: &str| {
        let mut lines = status.lines().filter_map(|line| line.strip_prefix(name));
        lines.next().unwrap().trim().to_owned()
    };
    assert_eq!(of("Cpus_allowed_list:"), processors);
    let ignored = [
        libc::SIGINT,
        libc::SIGTERM,
        libc::SIGHUP,
        libc::SIGQUIT,
        libc::SIGPIPE,
        libc::SIGTTOU,
        libc::SIGXFSZ,
    ];
    let ignored = ignored.iter().fold(0_u64, |set, signal| set | 1 << (signal - 1));
    let signals = |name| u64::from_str_radix(&of(name), 16).unwrap();
    // Two are the C library's own, and nobody's to change.
    let own = 0b11_u64 << 31;
    assert_eq!((signals("SigIgn:") & !own, signals("SigBlk:")), (ignored, 0));
    let limits = read("limits");
    let mut sizes = limits.lines().filter(|line| line.starts_with("Max file size"));
    assert!(sizes.next().unwrap().contains("unlimited            unlimited"), "{limits}");
    // A drainer has its own for its naps.
    let is_drainer = read("comm").starts_with("shmlog-drainer");
    assert_eq!(read("timerslack_ns").trim(), if is_drainer { "1" } else { "50000" });
    // SAFETY: no memory is involved.
    let class = unsafe { libc::syscall(libc::SYS_ioprio_get, 1, pid) } >> 13;
    assert_ne!(class, 1, "the best class of I/O");
    let folder = fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
    assert_eq!(folder.to_str(), Some("/"));
    let environment = read("environ");
    let variables: Vec<&str> = environment.split('\0').collect();
    assert!(variables.contains(&"TZ=UTC"), "{variables:?}");
    let is_for_another = |of: &&&str| of.starts_with("NOTIFY_SOCKET=") || of.starts_with("SHMLOG_RING=");
    assert_eq!(variables.iter().find(is_for_another), None);
}

/// The processors that a process may use that nothing was done to.
fn processors() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines().filter_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    lines.next().unwrap().trim().to_owned()
}

fn relays_of(ring: &str) -> Vec<u32> {
    let told = format!("shmlog-relay\0{ring}\0");
    let processes = fs::read_dir("/proc").unwrap();
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|words| words == told.as_bytes()))
        .collect()
}

/// `chrt` as it is told to, on one core.
fn start_at_realtime(options: &[&str]) -> Result<(), Ignored> {
    let tried = Command::new("chrt").args(["-f", "50", "true"]).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        return Err(Ignored("one may not be of a realtime class here"));
    }
    let folder = Folder::new();
    let mut command = Command::new("chrt");
    command.args(options).args(["50", "taskset", "-c", "0"]);
    let mut command = role_by(command, "of_realtime", &[folder.text()]);
    command.env("TZ", "UTC").env("NOTIFY_SOCKET", "/nowhere").env("SHMLOG_RING", "another");
    let mut parent = Actor::from_command(command);
    let ring = parent.hear("");
    let (drainers, relays) = (drainers_of(&ring), relays_of(&ring));
    assert_eq!((drainers.len(), relays.len()), (1, 1));
    let all = processors();
    assert_ne!(all, "0", "a machine of one core shows nothing of affinity");
    assert_ordinary(drainers[0], &all);
    assert_ordinary(relays[0], &all);
    parent.tell("end");
    parent.finish();
    assert_nothing_remains(&ring);
    let records = fs::read_dir(folder.path().join("in/here")).unwrap().count();
    assert_eq!(records, 1, "where the place was when it was named");
    Ok(())
}

fn drainer_and_relay_of_a_realtime_program_are_ordinary_processes() -> Result<(), Ignored> {
    start_at_realtime(&["-f"])
}

fn drainer_and_relay_of_a_program_whose_children_begin_as_ordinary_are_ordinary_processes()
-> Result<(), Ignored> {
    start_at_realtime(&["-R", "-f"])
}

/// `folder`
fn wishes_for_its_drainer(arguments: &[String]) {
    let builder = quiet(&arguments[0]).drainer_cpus([0]).drainer_nice(7);
    let logger = builder.init_parent().unwrap();
    say(logger.name());
    for drainer in [drainers_of(logger.name())[0], replace_drainer(&logger)] {
        let read = |what: &str| fs::read_to_string(format!("/proc/{drainer}/{what}")).unwrap();
        assert_eq!(field(&read("stat"), 19), "7");
        assert!(read("status").contains("Cpus_allowed_list:\t0\n"));
    }
}

fn a_drainer_runs_where_and_as_it_was_wished_also_when_it_is_another_one() {
    let folder = Folder::new();
    let mut parent = Actor::start("wishes_for_its_drainer", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
}

/// `folder`
fn wishes_too_much(arguments: &[String]) {
    let folder = &arguments[0];
    let wishes = [
        (quiet(folder).drainer_cpus([]), ["drainer_cpus is []", "one or more"]),
        (quiet(folder).drainer_cpus([0, 4711]), ["drainer_cpus is [0, 4711]", "[0"]),
        (quiet(folder).drainer_nice(20), ["drainer_nice is 20", "from -20 to 19"]),
        (quiet(folder).drainer_nice(-21), ["drainer_nice is -21", "from -20 to 19"]),
    ];
    for (builder, words) in wishes {
        let error = builder.init_parent().unwrap_err();
        assert!(matches!(error, InitError::Setting { .. }), "{error:?}");
        assert_says(&error.to_string(), &words);
    }
    if !rustix::process::geteuid().is_root() {
        let error = quiet(folder).drainer_nice(-5).init_parent().unwrap_err();
        assert_says(&error.to_string(), &["drainer_nice is -5", "CAP_SYS_NICE"]);
    }
    assert!(!has_children());
}

fn wishes_that_cannot_be_fulfilled_are_refused_with_what_can() {
    let folder = Folder::new();
    crate::support::perform("wishes_too_much", &[folder.text()]);
    if rustix::process::geteuid().is_root() {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(folder.path(), open).unwrap();
        let (_copy, command) = crate::support::role_of_nobody("wishes_too_much", &[folder.text()]);
        Actor::from_command(command).finish();
    }
}
