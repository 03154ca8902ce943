//! A producer is killed when it has counted a dropped record itself, and the sum that the drainer looks at has not been
//! counted up.

use std::path::Path;

use libtest_mimic::Trial;
use rustix::process::Signal;
use shmlog::info;

use crate::scene::{SHORT, start_victim, wait_for_death};
use crate::support::{
    Actor, Folder, Role, assert_nothing_remains, drainers_of, quiet, say, send, until,
};
use crate::tally::{settled, wait_until_stopped};
use crate::trials;

pub const ROLES: &[Role] = &[("parent_of_one_that_drops", parent_of_one_that_drops)];

pub fn trials() -> Vec<Trial> {
    trials![a_drop_whose_producer_is_killed_while_it_counts_is_told_at_its_place]
}

const SLOTS: u64 = 64;
const TOLD: &str = "1 record of victim";

/// `folder`
fn parent_of_one_that_drops(arguments: &[String]) {
    let folder = &arguments[0];
    let logger = quiet(folder).slots(SLOTS).process_name("parent").init_parent().unwrap();
    say(logger.name());
    let drainer = drainers_of(logger.name())[0];
    send(drainer, Signal::STOP);
    wait_until_stopped(drainer);
    let victim = start_victim("victim", SHORT, 2 * SLOTS, "drop.counted=kill");
    wait_for_death(victim);
    send(drainer, Signal::CONT);
    // Nobody logs anything else, or drops anything, that would draw the drainer's eye to it.
    until("the drop is told", || Folder::log_text_of(Path::new(folder)).contains(TOLD));
    info!("after");
    let stats = settled(&logger, 1);
    assert_eq!((stats.dropped, stats.lost), (1, 0));
}

fn a_drop_whose_producer_is_killed_while_it_counts_is_told_at_its_place() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_of_one_that_drops", &[folder.text()]);
    let ring = parent.hear("");
    parent.finish();
    assert_nothing_remains(&ring);
    let log = folder.log_text();
    let lines: Vec<&str> = log.lines().collect();
    let told: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains(TOLD)).collect();
    let [told] = told[..] else { panic!("{log}") };
    assert!(lines[told].contains("dropped: the ring was full"), "{log}");
    assert!(lines[..told].iter().all(|line| line.contains("- victim ")), "{log}");
    assert!(lines[told + 1].ends_with("- after"), "{log}");
}
