//! A producer dies in the midst of a record, and its pid is another process's before anybody has looked.

use std::process::Stdio;
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use rustix::time::{ClockId, clock_gettime};

use crate::forking::start_as;
use crate::scene::{Books, FAILPOINTS, SHORT, start_victim, wait_for_death};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, quiet, role_command, say, send, until,
};
use crate::tally::{settled, wait_until_stopped};
use crate::trials;

pub const ROLES: &[Role] = &[("parent_of_the_reborn", parent_of_the_reborn)];

pub fn trials() -> Vec<Trial> {
    trials![a_process_with_a_dead_producers_pid_is_not_taken_for_it_and_does_not_take_its_place]
}

const RECORDS: u64 = 4;

/// The unit of start times, in which the two must differ.
fn ticks_since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 100 + now.tv_nsec as u64 / 10_000_000
}

/// `folder`
fn parent_of_the_reborn(arguments: &[String]) {
    let logger = quiet(&arguments[0])
        .slots(64)
        .stall_timeout(Duration::from_millis(5))
        .init_parent()
        .unwrap();
    say(logger.name());
    let drainer = drainers_of(logger.name())[0];
    send(drainer, Signal::STOP);
    wait_until_stopped(drainer);
    let first = start_victim("first", SHORT, RECORDS, "claim.claimed=kill@2");
    let pid = first.id() as i32;
    wait_for_death(first);
    let died = ticks_since_boot();
    until("the next may differ", || ticks_since_boot() > died + 1);
    let mut second = role_command("victim", &["second", SHORT, &RECORDS.to_string()]);
    second.env(FAILPOINTS, "claim.claimed=stop@2").stdin(Stdio::null());
    // Who may not choose a pid can show nothing.
    let second = start_as(pid, &second);
    if let Some(second) = second {
        assert_eq!(second, pid);
        let child = Pid::from_raw(second);
        let (_, status) = waitpid(child, WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "{status:?}");
        // Both stand in the registry, and both have a hole in the ring.
        send(drainer, Signal::CONT);
        until("the first is settled", || logger.stats().lost == 1);
        until("the second's place is kept", || logger.stats().parked == 1);
        send(pid as u32, Signal::CONT);
        let (_, status) = waitpid(child, WaitOptions::empty()).unwrap().unwrap();
        assert!(status.exited() && status.exit_status() == Some(0), "{status:?}");
    } else {
        send(drainer, Signal::CONT);
    }
    settled(&logger, 0);
    say(match second {
        Some(_) => "reborn",
        None => "not allowed",
    });
}

fn a_process_with_a_dead_producers_pid_is_not_taken_for_it_and_does_not_take_its_place() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_the_reborn", &[folder.text()]);
    let ring = parent.hear("");
    let outcome = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let mut books = Books::read(&folder);
    books.check("first", 1, 20, &[], true);
    if outcome == "reborn" {
        books.check("second", RECORDS, 20, &[1], false);
    }
    books.close();
}
