//! Statements of the crate `log`, and of crates that use it.

use std::borrow::Cow;

use libtest_mimic::Trial;
use shmlog::{Level, ShmLogger};

use crate::support::{Actor, Folder, Role, assert_nothing_remains, quiet, role_command, say};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_with_log", parent_with_log),
    ("child_with_log", child_with_log),
    ("one_with_another_logger", one_with_another_logger),
    ("child_with_another_logger", child_with_another_logger),
];

pub fn trials() -> Vec<Trial> {
    trials![
        statements_of_log_become_records_of_every_process_with_key_values_and_places,
        a_logger_that_the_program_has_given_to_log_before_stays_and_the_log_says_so,
    ]
}

fn log_all() {
    let owned = String::from("can::bus");
    log::info!("from log");
    log::warn!(target: "imu", "drift {:.2}", 1.234);
    log::error!(target: &owned, joint = 3_u8, torque = 2.5, ok = true, name = "left arm"; "limit");
    log::debug!(e:? = Some(1), neg = -7_i64, wide = u128::MAX, letter = 'x'; "all {} kinds", "other");
    log::trace!("too low");
    let long = "long ".repeat(2000);
    log::info!(n = 1; "{long}");
    assert!(log::log_enabled!(log::Level::Debug));
    assert!(!log::log_enabled!(log::Level::Trace));
    assert!(!log::log_enabled!(target: "quiet", log::Level::Error));
    log::error!(target: "quiet", "not recorded");
    // One whose metadata only the running program knows, as a bridge of another logger makes it.
    let mut record = log::Record::builder();
    let record = record
        .level(log::Level::Warn)
        .target("bridge")
        .file(Some("bridge.c"))
        .line(Some(7));
    log::logger().log(&record.args(format_args!("bridged")).build());
    shmlog::info!("from shmlog");
}

fn parent_with_log(arguments: &[String]) {
    let builder = quiet(&arguments[0]).level(Level::Debug).filter("quiet=off");
    let logger = builder.process_name("parent").init_parent().unwrap();
    say(&format!("ring {}", logger.name()));
    log_all();
    assert!(
        role_command("child_with_log", &[])
            .status()
            .unwrap()
            .success()
    );
    log::logger().flush();
    assert_eq!(logger.stats().delivered, 14);
    drop(logger);
    log::error!("there is no ring any more");
}

fn child_with_log(_: &[String]) {
    log::error!("not attached yet");
    let _logger = ShmLogger::builder().process_name("child").attach().unwrap();
    log_all();
}

fn statements_of_log_become_records_of_every_process_with_key_values_and_places() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_with_log", &[folder.text()]);
    let ring = parent.hear("ring ");
    parent.finish();
    assert_nothing_remains(&ring);
    let long = format!("{} n=1", "long ".repeat(2000));
    let expected: [(Level, &str, Cow<'_, str>); 7] = [
        (Level::Info, module_path!(), "from log".into()),
        (Level::Warn, "imu", "drift 1.23".into()),
        (Level::Error, "can::bus", "limit joint=3 torque=2.5 ok=true name=\"left arm\"".into()),
        (
            Level::Debug,
            module_path!(),
            "all other kinds e=Some(1) neg=-7 wide=340282366920938463463374607431768211455 letter=x".into(),
        ),
        (Level::Info, module_path!(), long.into()),
        (Level::Warn, "bridge", "bridged".into()),
        (Level::Info, module_path!(), "from shmlog".into()),
    ];
    let records = folder.records();
    let of = |process: &str| {
        records
            .iter()
            .filter(move |record| record.process == process)
            .collect::<Vec<_>>()
    };
    for process in ["parent", "child"] {
        let mine = of(process);
        assert_eq!(mine.len(), 7, "{process}");
        for (record, (level, target, message)) in mine.iter().zip(&expected) {
            let seen = (record.level, &*record.target, &*record.message);
            assert_eq!(seen, (*level, *target, &**message));
            let has_place = record.place.contains("log_crate.rs:");
            assert_eq!(has_place, *target != "bridge", "{record:?}");
        }
        assert_eq!(mine[0].place, of("parent")[0].place);
    }
}

/// Keeps how many it was given.
struct Counting(std::sync::atomic::AtomicU32);

impl log::Log for Counting {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &log::Record<'_>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    fn flush(&self) {}
}

fn set_another() -> &'static Counting {
    static OTHER: Counting = Counting(std::sync::atomic::AtomicU32::new(0));
    log::set_logger(&OTHER).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    &OTHER
}

/// Arguments: folder, whether statements of `log` are wanted.
fn one_with_another_logger(arguments: &[String]) {
    let other = set_another();
    let is_wanted = arguments[1] == "wanted";
    let builder = quiet(&arguments[0]).level(Level::Error);
    let logger = builder.log_crate(is_wanted).init_parent().unwrap();
    log::info!("for the other");
    log::debug!("for nobody");
    // Into both.
    let record = log::Record::builder()
        .level(log::Level::Error)
        .target("both")
        .args(format_args!("for both"))
        .build();
    log::logger().log(&record);
    log::Log::log(&logger, &record);
    assert_eq!(other.0.load(std::sync::atomic::Ordering::Relaxed), 2);
    let child = role_command("child_with_another_logger", &[&arguments[1]]).status();
    assert!(child.unwrap().success());
}

fn child_with_another_logger(arguments: &[String]) {
    set_another();
    let builder = ShmLogger::builder().process_name("child");
    let _logger = builder.log_crate(arguments[0] == "wanted").attach().unwrap();
    let _again = ShmLogger::builder().log_crate(false).attach().unwrap();
}

fn a_logger_that_the_program_has_given_to_log_before_stays_and_the_log_says_so() {
    let folder = Folder::new();
    Actor::start("one_with_another_logger", &[folder.text(), "wanted"]).finish();
    let records = folder.records();
    let is_warning = |record: &&crate::support::Line| record.message.contains("has another logger");
    let warned: Vec<_> = records.iter().filter(is_warning).collect();
    assert_eq!(warned.len(), 2, "{records:?}");
    assert!(warned.iter().all(|record| record.level == Level::Warn && record.message.contains("log_crate(false)")));
    assert_eq!(warned[1].process, "child");
    assert_eq!(records.len(), 3);

    let folder = Folder::new();
    Actor::start("one_with_another_logger", &[folder.text(), "unwanted"]).finish();
    assert_eq!(folder.messages(), ["for both"]);
}
