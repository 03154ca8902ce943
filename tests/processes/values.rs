//! What records say beside their text: key-values, what a condition suppressed, context.

use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{
    Level, ShmLogger, debug_every_n, error_throttle, info, info_on_change, info_once, log,
    trace_skip_first, warn,
};

use crate::support::{Actor, Folder, Role, assert_nothing_remains, quiet, role_command, say};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("one_with_key_values", one_with_key_values),
    ("one_with_conditions", one_with_conditions),
    ("one_with_context", one_with_context),
    ("context_child", context_child),
];

pub fn trials() -> Vec<Trial> {
    trials![
        key_values_of_all_kinds_stand_behind_the_message,
        conditions_count_what_they_suppress_and_say_it_with_the_next,
        context_is_carried_by_all_records_of_its_process_or_scope_and_by_no_others,
    ]
}

/// The messages that a role has logged.
fn logged_by(role: &str) -> Vec<String> {
    let folder = Folder::new();
    let mut parent = Actor::start(role, &[folder.text()]);
    let ring = parent.hear("ring ");
    parent.finish();
    assert_nothing_remains(&ring);
    folder.messages()
}

fn begin(arguments: &[String]) -> ShmLogger {
    let logger = quiet(&arguments[0]).init_parent().unwrap();
    say(&format!("ring {}", logger.name()));
    logger
}

#[derive(Debug)]
#[expect(dead_code, reason = "shown")]
struct Pose(f32, f32);

fn one_with_key_values(arguments: &[String]) {
    let _logger = begin(arguments);
    let (torque, name) = (2.5_f32, "left arm");
    let r#type = 'x';
    let error = std::io::Error::other("no answer");
    info!(joint = 3, torque; "limit");
    info!(target: "arm", name, r#type; "limit of {} at {torque:.3}", 7);
    warn!(pose:? = Pose(0.5, -1.0), error:%, "odd key" = -1_i64, ok = true; "seen");
    log!(Level::Error, small = i128::MIN, wide = u128::MAX, exact = 0.1, sum = 1 + 2; "");
    let width = 6;
    let evaluated = std::cell::Cell::new(0);
    let count = || {
        evaluated.set(evaluated.get() + 1);
        evaluated.get()
    };
    info!(count = count(); "{:>width$}|", 4);
    info!(a = 1, b = 2; "{}, {}", count(), count());
}

fn key_values_of_all_kinds_stand_behind_the_message() {
    assert_eq!(
        logged_by("one_with_key_values"),
        [
            "limit joint=3 torque=2.5",
            "limit of 7 at 2.500 name=\"left arm\" type=x",
            "seen pose=\"Pose(0.5, -1.0)\" error=\"no answer\" odd_key=-1 ok=true",
            " small=-170141183460469231731687303715884105728 wide=340282366920938463463374607431768211455 exact=0.1 sum=3",
            "     4| count=1",
            "2, 3 a=1 b=2",
        ]
    );
}

fn one_with_conditions(arguments: &[String]) {
    let _logger = begin(arguments);
    for step in 0..7 {
        info_once!("once {step}");
        debug_every_n!(3, "every {step}");
        trace_skip_first!(step; "skipped");
        error_throttle!(Duration::from_secs(3600), target: "bus", "throttled {step}");
        info_on_change!(step / 3, "changed {step}");
    }
    let mut bursts = [Duration::from_secs(3600), Duration::ZERO]
        .into_iter()
        .cycle();
    for step in 0..4 {
        error_throttle!(bursts.next().unwrap(), "burst {step}");
    }
}

fn conditions_count_what_they_suppress_and_say_it_with_the_next() {
    let messages = logged_by("one_with_conditions");
    let of = |word: &str| -> Vec<&str> {
        let mine = messages.iter().filter(|message| message.starts_with(word));
        mine.map(String::as_str).collect()
    };
    assert_eq!(of("once"), ["once 0"]);
    let every = ["every 0", "every 3 suppressed=2", "every 6 suppressed=2"];
    assert_eq!(of("every"), every);
    let skipped = (1..7).map(|step| format!("skipped step={step}"));
    assert_eq!(of("skipped"), skipped.collect::<Vec<_>>());
    assert_eq!(of("throttled"), ["throttled 0"]);
    let changed = [
        "changed 0",
        "changed 3 suppressed=2",
        "changed 6 suppressed=2",
    ];
    assert_eq!(of("changed"), changed);
    assert_eq!(of("burst"), ["burst 0", "burst 1", "burst 3 suppressed=1"]);
    assert_eq!(messages.len(), 17);
}

fn one_with_context(arguments: &[String]) {
    let _logger = begin(arguments);
    ShmLogger::set_context("robot", "g1-07");
    ShmLogger::set_context("run", 12);
    info!("of the parent");
    {
        let _task = ShmLogger::scope("task", "grasp");
        let _try = ShmLogger::scope("try", 2_u8);
        info!(joint = 3; "in two scopes");
        let other = std::thread::spawn(|| info!("of another thread"));
        other.join().unwrap();
        let long = "long ".repeat(1000);
        info!("{long}");
    }
    ShmLogger::remove_context("run");
    info!("out of them");
    assert!(
        role_command("context_child", &[])
            .status()
            .unwrap()
            .success()
    );
}

fn context_child(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    info!("of a child");
    ShmLogger::set_context("arm", "left");
    info!("of a child with its own");
}

fn context_is_carried_by_all_records_of_its_process_or_scope_and_by_no_others() {
    let long = format!(
        "{} robot=g1-07 run=12 task=grasp try=2",
        "long ".repeat(1000)
    );
    assert_eq!(
        logged_by("one_with_context"),
        [
            "of the parent robot=g1-07 run=12",
            "in two scopes joint=3 robot=g1-07 run=12 task=grasp try=2",
            "of another thread robot=g1-07 run=12",
            &long,
            "out of them robot=g1-07",
            "of a child",
            "of a child with its own arm=left",
        ]
    );
}
