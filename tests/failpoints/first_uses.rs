//! A signal handler interrupts the first use of a statement of the crate `log`, while its call site is being made. It uses the
//! same statement, and forks; so does the child.

#![allow(unsafe_code)]

use libtest_mimic::Trial;

use crate::forking::{fork, wait};
use crate::scene::{FAILPOINTS, start_logger};
use crate::support::{Actor, Folder, Role, assert_nothing_remains, quiet, role_command, say};
use crate::tally::{Log, settled};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_of_a_first_use", parent_of_a_first_use),
    ("one_interrupted_in_its_first_use", one_interrupted_in_its_first_use),
];

pub fn trials() -> Vec<Trial> {
    trials![a_handler_and_a_child_of_it_use_the_statement_whose_first_use_they_interrupted]
}

fn statement(who: &str) {
    log::warn!("used by {who}");
}

extern "C" fn use_and_fork(_: libc::c_int) {
    statement("the handler");
    wait(fork(|| {
        let _ = alarm();
        statement("its child");
    }));
}

/// Ends a process that hangs.
fn alarm() -> u32 {
    // SAFETY: a number; the signal's disposition is the system's.
    unsafe { libc::alarm(60) }
}

fn one_interrupted_in_its_first_use(_: &[String]) {
    let _logger = start_logger("interrupted");
    shmlog::info!("used by nobody else");
    let _ = alarm();
    let handler = use_and_fork as *const () as libc::sighandler_t;
    // SAFETY: the handler is a function of the right type, and stays.
    unsafe { libc::signal(libc::SIGUSR1, handler) };
    statement("the interrupted");
    statement("it again");
}

/// `folder`
fn parent_of_a_first_use(arguments: &[String]) {
    let logger = quiet(&arguments[0]).process_name("parent").init_parent().unwrap();
    say(logger.name());
    let mut command = role_command("one_interrupted_in_its_first_use", &[]);
    command.env(FAILPOINTS, "place.taken=signal");
    let status = command.status().unwrap();
    assert!(status.success(), "{status}");
    let stats = settled(&logger, 0);
    assert_eq!((stats.attempted, stats.delivered, stats.lost), (5, 5, 0));
}

fn a_handler_and_a_child_of_it_use_the_statement_whose_first_use_they_interrupted() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_a_first_use", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let log = Log::read(&folder);
    log.assert_in_order();
    let all = log.records.iter();
    let used: Vec<_> = all.filter_map(|line| line.message.strip_prefix("used by ")).collect();
    let expected = ["nobody else", "the handler", "its child", "the interrupted", "it again"];
    assert_eq!(used, expected);
    let places = log.records[1..].iter().map(|line| &line.place);
    assert!(places.into_iter().all(|place| *place == log.records[1].place));
}
