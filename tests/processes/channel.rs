//! Parent and drainer speak over a channel of their own: no variable makes a program a drainer, no word in the segment ends
//! the log, and the ring may lose its name.

#![allow(unsafe_code)]

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use libtest_mimic::Trial;
use memmap2::MmapRaw;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::Signal;
use shmlog::{AttachError, ShmLogger, info};

use crate::alone::{beside, segment, shared_memory};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, listen, log_files, quiet,
    role_command, say, send, until, wait_for_end,
};
use crate::trial::Ignored;
use crate::trials;

pub const ROLES: &[Role] = &[
    ("talker", talker),
    ("latecomer", latecomer),
    ("closer_of_all", closer_of_all),
    ("one_that_execs", one_that_execs),
    ("one_that_gives_up_root", one_that_gives_up_root),
    ("after_exec", after_exec),
    ("bystander", bystander),
];

pub fn trials() -> Vec<Trial> {
    trials![
        a_program_that_its_caller_calls_a_drainer_or_a_relay_reaches_its_main,
        no_end_that_a_member_writes_is_the_end_of_the_log,
        a_ring_that_lost_its_name_goes_on_and_so_does_the_next_drainer,
        a_ring_that_was_renamed_gets_its_name_back,
        a_ring_that_lost_all_its_names_is_drained_on_and_no_record_is_doubled_or_missing,
        a_book_that_was_renamed_gets_its_name_back,
        a_parent_that_closes_all_descriptors_keeps_its_log_and_its_own_files,
        a_parent_that_gives_up_its_user_is_told_once_what_keeps_the_next_drainer_from_its_work,
        a_parent_that_execs_itself_goes_on_logging_and_the_log_says_who_watches,
    ]
}

/// `folder`: a parent that logs as it is told, and ends in order.
fn talker(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    log_as_told(&logger);
}

/// Logs each line that it is told, until there are no more.
fn log_as_told(logger: &ShmLogger) {
    loop {
        match &*listen() {
            "" => return,
            "flush" => logger.flush(Duration::from_secs(60)).unwrap(),
            text => info!("{text}"),
        }
        say("done");
    }
}

impl Talker {
    fn start(role: &str) -> Talker {
        let folder = Folder::new();
        let mut actor = Actor::start(role, &[folder.text()]);
        let ring = actor.hear("");
        Talker { folder, actor, ring }
    }

    /// Has it log, and waits until that is in the file.
    fn log(&mut self, text: &str) {
        for told in [text, "flush"] {
            self.actor.tell(told);
            self.actor.hear("done");
        }
    }

    /// The only drainer, once there is one but `before`.
    fn drainer(&self, before: u32) -> u32 {
        let now = || drainers_of(&self.ring);
        until("there is a drainer", || matches!(now()[..], [pid] if pid != before));
        now()[0]
    }

    fn kill_drainer(&self) {
        let drainer = self.drainer(0);
        send(drainer, Signal::KILL);
        wait_for_end(drainer);
        self.drainer(drainer);
    }

    fn path(&self) -> String {
        format!("/dev/shm/{}", self.ring)
    }

    /// Ends it in order. Returns the messages in the log.
    fn end(self) -> Vec<String> {
        self.actor.finish();
        assert_nothing_remains(&self.ring);
        let records = self.folder.records().into_iter();
        records.map(|line| line.message).collect()
    }
}

struct Talker {
    folder: Folder,
    actor: Actor,
    ring: String,
}

fn position(messages: &[String], text: &str) -> usize {
    let mut found = messages.iter().enumerate().filter(|(_, message)| message.contains(text));
    let first = found.next();
    assert!(found.next().is_none(), "{text} stands there twice: {messages:?}");
    first.unwrap_or_else(|| panic!("{text} is not in {messages:?}")).0
}

/// Says that it got to its `main`.
fn bystander(_: &[String]) {
    assert_eq!(std::env::var_os("SHMLOG_DRAINER"), None);
    assert_eq!(std::env::var_os("SHMLOG_RELAY"), None);
    say("reached");
}

fn a_program_that_its_caller_calls_a_drainer_or_a_relay_reaches_its_main() -> Result<(), Ignored> {
    let play = |variable: &str, value: &str, stdin: Stdio| {
        let mut command = role_command("bystander", &[]);
        command.env(variable, value).stdin(stdin).stdout(Stdio::piped());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("reached"), "{variable}={value}: {output:?}");
    };
    for variable in ["SHMLOG_DRAINER", "SHMLOG_RELAY"] {
        for value in ["", "0", "1", "7", "-1", "ring=shmlog-1-00\n", "shmlog-1-00\nx"] {
            play(variable, value, Stdio::null());
        }
        play(variable, "0", Stdio::piped());
    }
    // A pair of sockets that another user made, as the caller of a set-user-id program that starts itself anew can hand down.
    if !rustix::process::geteuid().is_root() {
        return Err(Ignored("only root can become another user"));
    }
    let theirs = std::thread::spawn(|| {
        // Of this thread alone.
        // SAFETY: the call touches no memory; the thread ends with it.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, -1_i64, 65534_i64, -1_i64) }, 0);
        let unix = AddressFamily::UNIX;
        socketpair(unix, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    });
    let (kept, theirs) = theirs.join().unwrap();
    let stdin = |end: &OwnedFd| Stdio::from(end.as_fd().try_clone_to_owned().unwrap());
    play("SHMLOG_DRAINER", "0", stdin(&theirs));
    play("SHMLOG_RELAY", "0", stdin(&theirs));
    drop(kept);
    Ok(())
}

fn no_end_that_a_member_writes_is_the_end_of_the_log() {
    let mut talker = Talker::start("talker");
    talker.log("before");
    let file = File::options().read(true).write(true).open(talker.path()).unwrap();
    let map = MmapRaw::map_raw(&file).unwrap();
    let store = |at: usize, value: u64| {
        // SAFETY: the word lies in the first page of the mapping, which lives as long as the closure, and is aligned.
        let word = unsafe { map.as_mut_ptr().cast::<u64>().add(at) };
        // SAFETY: as above; all who map it access it through atomics.
        let word = unsafe { std::sync::atomic::AtomicU64::from_ptr(word) };
        word.store(value, std::sync::atomic::Ordering::SeqCst);
    };
    // Phase, and the word behind it where the parent asked for the end: see segment/layout.rs.
    let stop_now = u64::from_be_bytes(*b"stop now");
    for phase in [2, 3, 4, 5] {
        store(64, phase);
        store(65, stop_now);
        talker.log(&format!("after {phase}"));
        assert_eq!(drainers_of(&talker.ring).len(), 1);
    }
    // The same for whoever comes then, and when a supervisor has to decide.
    let drainer = talker.drainer(0);
    send(drainer, Signal::KILL);
    store(64, 4);
    store(65, stop_now);
    wait_for_end(drainer);
    let next = talker.drainer(drainer);
    talker.log("after a death");
    store(64, 4);
    let mut latecomer = Actor::start("latecomer", &[&talker.ring]);
    latecomer.hear("logged");
    latecomer.finish();
    assert_eq!(talker.drainer(0), next);
    drop(map);
    let messages = talker.end();
    for text in ["before", "after 2", "after 3", "after 4", "after 5", "after a death", "late"] {
        position(&messages, text);
    }
}

/// `ring`: attaches to it by its name, and logs once.
fn latecomer(arguments: &[String]) {
    match ShmLogger::attach_to(&arguments[0]) {
        Ok(_) => {
            info!("late");
            say("logged");
        }
        Err(error) => {
            let kind = match error {
                AttachError::Removed { .. } => "removed",
                AttachError::NotThere { .. } => "not there",
                AttachError::Gone { .. } => "gone",
                _ => "other",
            };
            say(&format!("refused {kind}: {error}"));
        }
    }
}

fn refusal(ring: &str) -> String {
    let mut latecomer = Actor::start("latecomer", &[ring]);
    let why = latecomer.hear("refused ");
    latecomer.finish();
    why
}

fn a_ring_that_lost_its_name_goes_on_and_so_does_the_next_drainer() -> Result<(), Ignored> {
    if cfg!(feature = "portable") {
        return Err(Ignored("a portable ring is known by its name alone"));
    }
    let mut talker = Talker::start("talker");
    talker.log("before");
    fs::remove_file(talker.path()).unwrap();
    assert!(refusal(&talker.ring).starts_with("removed"), "{}", refusal(&talker.ring));
    // The drainer notices within a second or so.
    let noticed = || talker.folder.records().iter().any(|line| line.message.contains("lost its name"));
    until("the log says so", noticed);
    talker.log("without a name");
    talker.kill_drainer();
    talker.log("after a death");
    talker.kill_drainer();
    (0..300).for_each(|n| talker.log_only(&format!("number {n} of many")));
    talker.log("after another");
    // Who made it lives, but never made this one.
    let (pid, _) = talker.ring["shmlog-".len()..].split_once('-').unwrap();
    let never = format!("shmlog-{pid}-{}", "0".repeat(32));
    let ring = talker.ring.clone();
    let messages = talker.end();
    let order = ["before", "lost its name", "without a name", "after a death", "after another"];
    let places = order.map(|text| position(&messages, text));
    assert!(places.is_sorted(), "{messages:?}");
    assert_eq!(messages.iter().filter(|message| message.ends_with("of many")).count(), 300);
    // Its maker has ended.
    assert!(refusal(&ring).starts_with("gone"), "{}", refusal(&ring));
    assert!(refusal(&never).starts_with("gone"));
    let mine = format!("shmlog-{}-{}", std::process::id(), "0".repeat(32));
    assert!(refusal(&mine).starts_with("not there"), "{}", refusal(&mine));
    Ok(())
}

impl Talker {
    fn log_only(&mut self, text: &str) {
        self.actor.tell(text);
        self.actor.hear("done");
    }
}

fn a_ring_that_was_renamed_gets_its_name_back() -> Result<(), Ignored> {
    if cfg!(feature = "portable") {
        return Err(Ignored("a portable ring is known by its name alone"));
    }
    let mut talker = Talker::start("talker");
    talker.log("before");
    let elsewhere = format!("{}-moved", talker.path());
    fs::rename(talker.path(), &elsewhere).unwrap();
    until("it has its name again", || fs::exists(talker.path()).unwrap());
    let mut latecomer = Actor::start("latecomer", &[&talker.ring]);
    latecomer.hear("logged");
    latecomer.finish();
    fs::remove_file(elsewhere).unwrap();
    let messages = talker.end();
    position(&messages, "it has it again");
    position(&messages, "late");
    Ok(())
}

fn a_ring_that_lost_all_its_names_is_drained_on_and_no_record_is_doubled_or_missing()
-> Result<(), Ignored> {
    if cfg!(feature = "portable") {
        return Err(Ignored("a portable ring is known by its name alone"));
    }
    let mut talker = Talker::start("talker");
    talker.log("number 0");
    let drainer = talker.drainer(0);
    send(drainer, Signal::STOP);
    crate::tally::wait_until_stopped(drainer);
    (1..8).for_each(|n| talker.log_only(&format!("number {n}")));
    // As if the drainer had written its next batch, and died before its checkpoint.
    let file = talker.folder.path().join(&log_files(talker.folder.path())[0]);
    let whole = fs::read_to_string(&file).unwrap();
    let next = whole.lines().last().unwrap().replace("number 0", "number 1");
    fs::write(&file, format!("{whole}{next}\n")).unwrap();
    let names = shared_memory().into_iter().filter(|name| name.starts_with(&talker.ring));
    let removed = names.map(|name| fs::remove_file(segment(&name)).unwrap()).count();
    assert!(removed >= 2, "the segment and the book");
    send(drainer, Signal::KILL);
    wait_for_end(drainer);
    talker.drainer(drainer);
    talker.log("after a death");
    talker.kill_drainer();
    talker.log("after another");
    let messages = talker.end();
    for n in 0..8 {
        position(&messages, &format!("number {n}"));
    }
    assert!(position(&messages, "number 7") < position(&messages, "after a death"));
    position(&messages, "after another");
    Ok(())
}

fn a_book_that_was_renamed_gets_its_name_back() -> Result<(), Ignored> {
    if cfg!(feature = "portable") {
        return Err(Ignored("a portable ring is known by its name alone"));
    }
    let mut talker = Talker::start("talker");
    talker.log("before");
    let book = beside(&talker.ring, "book").unwrap();
    fs::rename(book, format!("{}-moved", talker.path())).unwrap();
    until("it has its name again", || beside(&talker.ring, "book").is_some());
    talker.kill_drainer();
    talker.log("after");
    assert_eq!(talker.end(), ["before", "after"]);
    Ok(())
}

/// `folder`: as a talker, but it closes all descriptors first, and opens files of its own in their place.
fn closer_of_all(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    for number in 3..1024 {
        // SAFETY: what libraries keep there they must miss; nothing in this role uses them.
        unsafe { libc::close(number) };
    }
    let own: Vec<File> = (0..64)
        .map(|n| {
            let path = format!("{}/own-{n}.txt", arguments[0]);
            File::options().append(true).create(true).read(true).open(path).unwrap()
        })
        .collect();
    log_as_told(&logger);
    drop(logger);
    // Neither written to nor closed.
    for file in own {
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
}

fn a_parent_that_closes_all_descriptors_keeps_its_log_and_its_own_files() {
    let mut talker = Talker::start("closer_of_all");
    talker.log("before");
    talker.kill_drainer();
    talker.log("after");
    let messages = talker.end();
    assert!(position(&messages, "before") < position(&messages, "after"));
}

/// `folder`: makes a ring, and then becomes another user, who may not write the log file.
fn one_that_gives_up_root(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    info!("as root");
    logger.flush(Duration::from_secs(60)).unwrap();
    // SAFETY: of the whole process; the call touches no memory.
    assert_eq!(unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) }, 0);
    say(logger.name());
    while let text @ ("log" | "flush" | "restarts") = &*listen() {
        match text {
            "log" => info!("as nobody"),
            "flush" => logger.flush(Duration::from_secs(60)).unwrap(),
            _ => say(&format!("restarts {}", logger.stats().drainer_restarts)),
        }
        say("done");
    }
}

const NOBODY: u32 = 65534;

fn a_parent_that_gives_up_its_user_is_told_once_what_keeps_the_next_drainer_from_its_work() -> Result<(), Ignored> {
    if cfg!(feature = "portable") {
        return Err(Ignored("a portable ring is known by its name alone"));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Ignored("only root can become another user"));
    }
    let (folder, aside) = (Folder::new(), Folder::new());
    let errors = aside.path().join("errors");
    let mut command = role_command("one_that_gives_up_root", &[folder.text()]);
    command.stderr(File::create(&errors).unwrap());
    let mut parent = Actor::from_command(command);
    let ring = parent.hear("");
    let drainer = drainers_of(&ring)[0];
    send(drainer, Signal::KILL);
    wait_for_end(drainer);
    let said = || fs::read_to_string(&errors).unwrap();
    until("it says why", || said().contains("the log waits"));
    parent.tell("log");
    parent.hear("done");
    // The file is handed over: it works again.
    chown(folder.path(), Some(NOBODY), None).unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        chown(entry.unwrap().path(), Some(NOBODY), None).unwrap();
    }
    parent.tell("flush");
    parent.hear("done");
    parent.tell("restarts");
    assert_eq!(parent.hear("restarts "), "1");
    parent.hear("done");
    assert_eq!(said().matches("the log waits").count(), 1, "{}", said());
    parent.finish();
    for drainer in drainers_of(&ring) {
        wait_for_end(drainer);
    }
    // The folder of shared memory is sticky: the new user may not take root's file away.
    let ours = crate::alone::shared_memory().into_iter().filter(|name| name.starts_with(&ring));
    ours.for_each(|name| _ = fs::remove_file(format!("/dev/shm/{name}")));
    assert_nothing_remains(&ring);
    let messages: Vec<String> = folder.records().into_iter().map(|line| line.message).collect();
    assert!(position(&messages, "as root") < position(&messages, "as nobody"));
    Ok(())
}

/// `folder`: makes a ring, and then becomes another program.
fn one_that_execs(arguments: &[String]) {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(logger.name());
    info!("before it execs");
    logger.flush(Duration::from_secs(60)).unwrap();
    panic!("{}", role_command("after_exec", &[]).exec());
}

fn after_exec(_: &[String]) {
    let logger = ShmLogger::attach().unwrap();
    log_as_told(&logger);
}

fn a_parent_that_execs_itself_goes_on_logging_and_the_log_says_who_watches() {
    let mut talker = Talker::start("one_that_execs");
    talker.log("after the exec");
    let said = || talker.folder.records().iter().any(|line| line.message.contains("runs another program"));
    until("the log says so", said);
    talker.log("at the end");
    let messages = talker.end();
    let order = ["before it execs", "after the exec", "at the end"];
    assert!(order.map(|text| position(&messages, text)).is_sorted());
    position(&messages, "no other drainer is started");
}
