//! Records of processes that have no ring: none yet, none any more, none at all.

use std::process::Output;
use std::sync::atomic::Ordering;

use libtest_mimic::Trial;
use shmlog::{Level, WithoutRing, debug, error, info, trace, warn};

use crate::forking::{fork, wait};
use crate::interrupting::{NO_ALLOCATION_BY, handle, interrupt, own_tid};
use crate::support::{Folder, Role, assert_nothing_remains, quiet, role_command, say};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("one_without_a_ring", one_without_a_ring),
    ("one_that_is_silent", one_that_is_silent),
    ("parent_between_rings", parent_between_rings),
    ("child_that_does_not_attach", child_that_does_not_attach),
    ("one_that_keeps", one_that_keeps),
    ("one_that_keeps_in_vain", one_that_keeps_in_vain),
    ("one_whose_handler_logs", one_whose_handler_logs),
];

pub fn trials() -> Vec<Trial> {
    trials![
        warnings_and_errors_are_on_standard_error_by_default,
        who_wants_silence_has_it_by_code_and_by_the_environment,
        before_and_after_a_ring_and_in_children_that_do_not_attach_no_error_is_unseen,
        what_was_kept_goes_into_the_ring_that_comes_once_and_by_its_filter,
        what_was_kept_for_a_ring_that_never_comes_is_said_at_the_end,
        a_signal_handler_without_a_ring_says_its_record_and_allocates_nothing,
    ]
}

fn play(role: &str, arguments: &[&str], variable: Option<&str>) -> Output {
    let mut command = role_command(role, arguments);
    command.env_remove("SHMLOG_WITHOUT_RING");
    command.envs(variable.map(|value| ("SHMLOG_WITHOUT_RING", value)));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// The lines on standard error, without their places.
fn said(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let lines = text.lines().map(|line| match line.rsplit_once(" (") {
        Some((said, place)) if place.contains("without_ring.rs:") => said.to_owned(),
        _ => line.to_owned(),
    });
    lines.collect()
}

fn log_all(when: &str) {
    trace!(target: "t", "{when}");
    debug!(target: "t", "{when}");
    info!(target: "t", "{when}");
    warn!(target: "t", axis = 'z', n = 3; "{when}");
    error!(target: "t", "{when} {:>4}\nline two", 0.5);
    let by_code = String::from("by-code");
    shmlog::critical!(target: &by_code, name = "x y"; "{when}");
}

fn expected(when: &str) -> Vec<String> {
    vec![
        format!("WARN t: {when} axis=z n=3"),
        format!("ERROR t: {when}  0.5"),
        "    line two".to_owned(),
        format!("CRITICAL by-code: {when} name=\"x y\""),
    ]
}

fn one_without_a_ring(_: &[String]) {
    log_all("alone");
    std::thread::spawn(|| error!(target: "t", "in a thread")).join().unwrap();
    wait(fork(|| error!(target: "t", "in a fork")));
}

fn warnings_and_errors_are_on_standard_error_by_default() {
    let mut all = expected("alone");
    all.extend(["ERROR t: in a thread".to_owned(), "ERROR t: in a fork".to_owned()]);
    for variable in [None, Some(""), Some("stderr")] {
        assert_eq!(said(&play("one_without_a_ring", &[], variable)), all);
    }
    // One that is wrong is told.
    let lines = said(&play("one_without_a_ring", &[], Some("loud")));
    assert!(lines[0].contains("SHMLOG_WITHOUT_RING") && lines[0].contains("silent"), "{lines:?}");
    assert_eq!(lines[1..], all);
}

fn one_that_is_silent(_: &[String]) {
    shmlog::without_ring(WithoutRing::Silent);
    log_all("alone");
}

fn who_wants_silence_has_it_by_code_and_by_the_environment() {
    let none: [String; 0] = [];
    assert_eq!(said(&play("one_that_is_silent", &[], None)), none);
    assert_eq!(said(&play("one_without_a_ring", &[], Some("silent"))), none);
    // The environment goes before the program.
    assert_eq!(said(&play("one_that_is_silent", &[], Some("stderr"))), expected("alone"));
}

fn parent_between_rings(arguments: &[String]) {
    log_all("before");
    for round in ["first", "second"] {
        let logger = quiet(&arguments[0]).level(Level::Info).init_parent().unwrap();
        log_all(round);
        let child = role_command("child_that_does_not_attach", &[]);
        assert!({ child }.status().unwrap().success());
        say(&format!("ring {}", logger.name()));
        drop(logger);
        log_all("after");
    }
}

fn child_that_does_not_attach(_: &[String]) {
    error!(target: "t", "not attached");
}

fn before_and_after_a_ring_and_in_children_that_do_not_attach_no_error_is_unseen() {
    let folder = Folder::new();
    let output = play("parent_between_rings", &[folder.text()], None);
    let round = ["ERROR t: not attached".to_owned()].into_iter().chain(expected("after"));
    let round: Vec<String> = round.collect();
    let all = [expected("before"), round.clone(), round].concat();
    assert_eq!(said(&output), all);
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        if let Some(ring) = line.strip_prefix("ring ") {
            assert_nothing_remains(ring);
        }
    }
}

fn one_that_keeps(arguments: &[String]) {
    shmlog::without_ring(WithoutRing::Keep);
    log_all("early");
    info!(target: "quiet", "too low by its target");
    let named = std::thread::Builder::new().name("early-bird".to_owned());
    named.spawn(|| info!(target: "t", "in a thread")).unwrap().join().unwrap();
    // The parent still has what its child inherits of them.
    wait(fork(|| {
        let _logger = quiet(&std::env::temp_dir().to_string_lossy()).discard(true).file(false).init_parent().unwrap();
    }));
    let logger = quiet(&arguments[0]).filter("info,quiet=warn").init_parent().unwrap();
    info!(target: "t", "in time");
    drop(logger);
    info!(target: "t", "between");
    let logger = quiet(&arguments[0]).level(Level::Info).init_parent().unwrap();
    drop(logger);
    for number in 0..2000 {
        warn!(target: "t", "{number}");
    }
}

fn what_was_kept_goes_into_the_ring_that_comes_once_and_by_its_filter() {
    for variable in [None, Some("keep")] {
        let folder = Folder::new();
        let output = play("one_that_keeps", &[folder.text()], variable);
        let records = folder.records();
        let messages: Vec<&str> = records.iter().map(|record| &*record.message).collect();
        assert_eq!(
            messages,
            [
                "early",
                "early axis=z n=3",
                "early  0.5\nline two",
                "early name=\"x y\"",
                "in a thread",
                "in time",
                "between"
            ]
        );
        assert_eq!(records[4].thread, "early-bird");
        assert_eq!(records[3].target, "by-code");
        assert!(records.iter().all(|record| record.place.contains("without_ring.rs:")));
        // All that found no room at once, the others at the end.
        let mut numbers: Vec<u32> = said(&output)
            .iter()
            .map(|line| line.strip_prefix("WARN t: ").unwrap().parse().unwrap())
            .collect();
        assert_ne!(numbers[0], 0);
        numbers.sort_unstable();
        assert_eq!(numbers, (0..2000).collect::<Vec<u32>>());
    }
}

fn one_that_keeps_in_vain(_: &[String]) {
    shmlog::without_ring(WithoutRing::Keep);
    log_all("early");
    say("logged");
}

fn what_was_kept_for_a_ring_that_never_comes_is_said_at_the_end() {
    assert_eq!(said(&play("one_that_keeps_in_vain", &[], None)), expected("early"));
}

extern "C" fn log_number(_: libc::c_int) {
    error!(target: "t", "number {}", 7);
}

fn one_whose_handler_logs(_: &[String]) {
    handle(libc::SIGUSR1, log_number);
    NO_ALLOCATION_BY.store(own_tid(), Ordering::Relaxed);
    interrupt(own_tid(), libc::SIGUSR1);
    NO_ALLOCATION_BY.store(0, Ordering::Relaxed);
}

fn a_signal_handler_without_a_ring_says_its_record_and_allocates_nothing() {
    let lines = said(&play("one_whose_handler_logs", &[], None));
    assert_eq!(lines, ["ERROR t: number 7"]);
}
