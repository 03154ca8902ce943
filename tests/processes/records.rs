//! What a record carries, and what the macros take.

use std::collections::HashSet;
use std::fmt;
use std::panic::catch_unwind;
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::{Level, ShmLogger, critical, debug, error, get_logger, info, log, trace, warn};

use crate::host::{host_child, host_good_child};
use crate::support::{Actor, Folder, Line, Role, perform, quiet, role_command};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("use_all_macros", use_all_macros),
    ("use_names", use_names),
    ("log_at_all_levels", log_at_all_levels),
    ("log_without_a_ring", log_without_a_ring),
    ("log_strange_arguments", log_strange_arguments),
    ("log_slowly", log_slowly),
];

pub fn trials() -> Vec<Trial> {
    trials![
        every_way_to_call_a_macro_writes_the_message_that_format_gives,
        a_record_carries_its_sequence_time_level_process_thread_target_and_place,
        names_of_processes_threads_and_loggers_are_those_that_were_given,
        disabled_levels_are_neither_written_nor_counted_nor_their_arguments_evaluated,
        without_a_ring_the_macros_do_nothing,
        arguments_that_log_fail_or_panic_disturb_no_other_record,
        a_record_that_takes_long_to_be_put_together_has_the_time_of_its_place,
    ]
}

const MODULE: &str = module_path!();

fn messages(records: &[Line]) -> Vec<&str> {
    records.iter().map(|r| r.message.as_str()).collect()
}

fn use_all_macros(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    let (joint, torque) = (3, 0.5);
    let (arm, level) = (get_logger("arm"), Level::Warn);
    let owned = String::from("run-time target");
    trace!("trace");
    debug!("debug {}", 1);
    info!("info {joint}");
    warn!("warn {0} {1} {0}", joint, torque);
    error!("error {torque:>8.2}|{name:?}", name = "x");
    critical!("braces {{}} {}%", 100,);
    info!("trailing comma",);
    log!(level, "log {}", joint);
    log!(if joint > 2 { Level::Error } else { Level::Info }, "chosen");
    log!(target: "t1", level, "log with target",);
    log!(logger: arm, Level::Debug, "log with logger {joint}");
    trace!(target: "t2", "t {joint:03}");
    info!(target: owned.replace(' ', "-"), "owned target");
    info!(target: &owned[..8], "borrowed target");
    warn!(logger: arm, "logger {}", joint);
    warn!(logger: get_logger(format!("arm-{joint}")), "made on the spot");
    critical!(target: "", "no target");
    let as_a_value: fn(bool) = |chosen| {
        if chosen {
            info!("as an expression")
        } else {
            warn!("not this one")
        }
    };
    as_a_value(joint == 3);
    match joint {
        3 => info!("as an arm"),
        _ => error!("not this one"),
    }
}

fn every_way_to_call_a_macro_writes_the_message_that_format_gives() {
    let folder = Folder::new();
    host_good_child(&folder, "", "use_all_macros", &[]);
    let records = folder.records();
    let found: Vec<_> = records
        .iter()
        .map(|r| (r.level, r.target.as_str(), r.message.as_str()))
        .collect();
    let (joint, torque) = (3, 0.5);
    let formatted = format!("error {torque:>8.2}|{:?}", "x");
    let expected = [
        (Level::Trace, MODULE, "trace"),
        (Level::Debug, MODULE, "debug 1"),
        (Level::Info, MODULE, "info 3"),
        (Level::Warn, MODULE, "warn 3 0.5 3"),
        (Level::Error, MODULE, &formatted),
        (Level::Critical, MODULE, "braces {} 100%"),
        (Level::Info, MODULE, "trailing comma"),
        (Level::Warn, MODULE, &format!("log {joint}")),
        (Level::Error, MODULE, "chosen"),
        (Level::Warn, "t1", "log with target"),
        (Level::Debug, "arm", "log with logger 3"),
        (Level::Trace, "t2", "t 003"),
        (Level::Info, "run-time-target", "owned target"),
        (Level::Info, "run-time", "borrowed target"),
        (Level::Warn, "arm", "logger 3"),
        (Level::Warn, "arm-3", "made on the spot"),
    ];
    assert_eq!(found[..expected.len()], expected);
    let rest = ["no target", "as an expression", "as an arm"];
    assert_eq!(messages(&records[expected.len()..]), rest);
}

/// The lines that [`use_names`] logs from, in the order of its records.
const PLACES: [u32; 4] = [line!() + 5, line!() + 10, line!() + 12, line!() + 14];

fn use_names(arguments: &[String]) {
    let builder = ShmLogger::builder().process_name(&arguments[0]);
    let _logger = builder.attach().unwrap();
    info!("pid {} tid {}", std::process::id(), tid());
    let thread = |name: &str, log: fn()| {
        let named = std::thread::Builder::new().name(name.to_owned());
        named.spawn(log).unwrap().join().unwrap();
    };
    thread("imu-reader", || info!("tid {}", tid()));
    // Longer than the 15 bytes that the kernel keeps.
    thread("a-name-of-thirty-characters-ab", || info!("tid {}", tid()));
    // Nobody named it: it has the name that the kernel gave it, the program's.
    std::thread::spawn(|| info!("tid {}", tid()))
        .join()
        .unwrap();
}

fn tid() -> u32 {
    let path = std::fs::read_link("/proc/thread-self").unwrap();
    path.file_name().unwrap().to_str().unwrap().parse().unwrap()
}

fn names_of_processes_threads_and_loggers_are_those_that_were_given() {
    let folder = Folder::new();
    host_good_child(&folder, "", "use_names", &["left-arm"]);
    let records = folder.records();
    assert!(records.iter().all(|record| record.process == "left-arm"));
    let threads: Vec<&str> = records.iter().map(|r| r.thread.as_str()).collect();
    assert_eq!(
        threads[..3],
        ["main", "imu-reader", "a-name-of-thirty-characters-ab"]
    );
    let tids: Vec<String> = records.iter().map(|r| format!("tid {}", r.tid)).collect();
    let pid = records[0].pid;
    assert_eq!(records[0].message, format!("pid {pid} {}", tids[0]));
    assert_eq!(messages(&records[1..]), tids[1..]);
    assert_eq!(records[0].tid, pid, "the main thread");
    assert_eq!(tids.iter().collect::<HashSet<_>>().len(), 4);
    for (record, line) in records.iter().zip(PLACES) {
        assert_eq!(record.place, format!("{}:{line}", file!()));
    }
}

fn a_record_carries_its_sequence_time_level_process_thread_target_and_place() {
    let folder = Folder::new();
    let clock = || chrono::Local::now().naive_local();
    let before = clock();
    host_good_child(&folder, "", "log_at_all_levels", &[]);
    let after = clock();
    let records = folder.records();
    assert!(
        records
            .windows(2)
            .all(|two| two[0].sequence < two[1].sequence)
    );
    assert_eq!(records[0].sequence, Some(0));
    assert!(
        records
            .iter()
            .all(|r| r.target == MODULE && r.place.starts_with(file!()))
    );
    assert!(
        records
            .iter()
            .all(|r| r.process == "processes" || r.process.starts_with("processes-"))
    );
    let text = folder.log_text();
    let times: Vec<_> = text
        .lines()
        .map(|line| {
            let time = line.get(..26).unwrap();
            chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S%.6f").unwrap()
        })
        .collect();
    // The wall clock may be set or slewed meanwhile, and counters are compared with it only so often.
    let second = chrono::TimeDelta::seconds(1);
    assert!(times.windows(2).all(|two| two[0] < two[1] + second));
    assert!(before - second < times[0] && *times.last().unwrap() < after + second);
}

fn log_at_all_levels(_: &[String]) {
    let _logger = ShmLogger::attach().unwrap();
    fn never() -> &'static str {
        panic!("an argument of a disabled level was evaluated");
    }
    trace!("1");
    debug!("2");
    info!("3");
    if std::env::var_os("SHMLOG_TEST_LEVEL").is_some() {
        trace!("{}", never());
        debug!(target: never(), "{}", never());
        info!(logger: get_logger(never()), "{}", never());
        log!(Level::Info, "{}", never());
    }
    warn!("4");
    error!("5");
    critical!("6");
    log!(Level::Info, "3");
    log!(Level::Warn, "4");
}

fn disabled_levels_are_neither_written_nor_counted_nor_their_arguments_evaluated() {
    let levels = [
        ("trace", &["1", "2", "3", "4", "5", "6", "3", "4"][..]),
        ("debug", &["2", "3", "4", "5", "6", "3", "4"]),
        ("info", &["3", "4", "5", "6", "3", "4"]),
        ("warn", &["4", "5", "6", "4"]),
        ("error", &["5", "6"]),
        ("critical", &["6"]),
    ];
    for (level, expected) in levels {
        let folder = Folder::new();
        let settings = format!("level={level}");
        let outcome = host_good_child(&folder, &settings, "log_at_all_levels", &[]);
        assert_eq!(messages(&folder.records()), expected, "{level}");
        assert_eq!(outcome.attempted, expected.len() as u64);
    }
    let folder = Folder::new();
    let arguments = [folder.text(), "level=warn", "log_at_all_levels"];
    let mut host = role_command("host", &arguments);
    host.env("SHMLOG_TEST_LEVEL", "warn");
    let mut host = Actor::from_command(host);
    host.hear("ring ");
    assert!(host.hear("outcome ").starts_with("0 "), "it panicked");
    host.finish();
    assert_eq!(messages(&folder.records()), ["4", "5", "6", "4"]);
}

fn log_without_a_ring(arguments: &[String]) {
    info!("before");
    critical!(target: "x", "before, of any length {}", "long ".repeat(2000));
    for round in 1..=2 {
        let logger = quiet(&arguments[0]).init_parent().unwrap();
        info!("during {round}");
        std::thread::spawn(move || warn!("in a thread {round}"))
            .join()
            .unwrap();
        drop(logger);
        error!("after {round}");
        std::thread::spawn(|| warn!("after, in a thread"))
            .join()
            .unwrap();
        assert_eq!(std::env::var_os("SHMLOG_RING"), None);
        assert!(ShmLogger::attach().is_err());
    }
}

fn without_a_ring_the_macros_do_nothing() {
    let folder = Folder::new();
    perform("log_without_a_ring", &[folder.text()]);
    let expected = ["during 1", "in a thread 1", "during 2", "in a thread 2"];
    assert_eq!(messages(&folder.records()), expected);
}

/// Logs, fails or panics while it is being written, behind so many letters.
struct Strange(usize, fn() -> fmt::Result);

impl fmt::Display for Strange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&"x".repeat(self.0))?;
        (self.1)()?;
        f.write_str("-behind")
    }
}

fn log_strange_arguments(_: &[String]) {
    let logger = ShmLogger::attach().unwrap();
    let logs = || {
        info!(
            "from within, {}",
            Strange(0, || {
                warn!("from deep within, {}", "long ".repeat(1000));
                Ok(())
            })
        );
        Ok(())
    };
    std::panic::set_hook(Box::new(|_| {}));
    for length in [3, 5000] {
        info!("{length} logs {}", Strange(length, logs));
        info!("{length} fails {}", Strange(length, || Err(fmt::Error)));
        let outcome = catch_unwind(|| info!("{length} panics {}", Strange(length, || panic!())));
        assert!(outcome.is_err());
        info!("{length} well");
        logger.flush(Duration::from_secs(60)).unwrap();
        let stats = logger.stats();
        assert_eq!(
            stats.delivered, stats.attempted,
            "nothing is left half-told"
        );
    }
}

fn arguments_that_log_fail_or_panic_disturb_no_other_record() {
    let folder = Folder::new();
    let outcome = host_child(&folder, "", "log_strange_arguments", &[]);
    assert!(outcome.status.success(), "{outcome:?}");
    let deep = format!("from deep within, {}", "long ".repeat(1000));
    let long = "x".repeat(5000);
    let expected = [
        &deep,
        "from within, -behind",
        "3 logs xxx-behind",
        "3 fails xxx‹formatting failed›",
        "3 well",
        &deep,
        "from within, -behind",
        &format!("5000 logs {long}-behind"),
        &format!("5000 fails {long}‹formatting failed›"),
    ];
    let records = folder.records();
    assert_eq!(messages(&records[..expected.len()]), expected);
    // As much of it as was sent before the panic; it says so, and stands before what was logged next.
    let rest = messages(&records[expected.len()..]);
    assert!(rest[0].starts_with("5000 panics xxx"), "{rest:?}");
    assert!(rest[0].ends_with("x ‹cut off›"), "{rest:?}");
    assert_eq!(rest[1..], ["5000 well"]);
}

/// Logs while it is rendered, and takes its time after that.
struct Slow;

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!("inner");
        let begin = std::time::Instant::now();
        while begin.elapsed() < Duration::from_millis(2) {}
        f.write_str("outer")
    }
}

/// `folder`
fn log_slowly(arguments: &[String]) {
    let _logger = quiet(&arguments[0]).init_parent().unwrap();
    for _ in 0..3 {
        info!("{}", Slow);
    }
}

fn a_record_that_takes_long_to_be_put_together_has_the_time_of_its_place() {
    let folder = Folder::new();
    perform("log_slowly", &[folder.text()]);
    let text = folder.log_text();
    let lines: Vec<_> = text
        .lines()
        .map(|line| (&line[..26], line.rsplit(' ').next().unwrap()))
        .collect();
    let words: Vec<_> = lines.iter().map(|(_, word)| *word).collect();
    assert_eq!(words, ["inner", "outer"].repeat(3));
    assert!(lines.iter().map(|(time, _)| time).is_sorted(), "{lines:?}");
}
