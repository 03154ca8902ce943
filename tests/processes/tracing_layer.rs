//! Events and spans of `tracing`, through the layer.

use libtest_mimic::Trial;
use shmlog::{Level, ShmLogger};
use tracing::{Span, debug, error, event, info, info_span, instrument, trace, trace_span, warn};
use tracing_subscriber::prelude::*;

use crate::support::{Actor, Folder, Role, assert_nothing_remains, quiet, role_command, say};
use crate::trials;

pub const ROLES: &[Role] = &[
    ("parent_with_tracing", parent_with_tracing),
    ("child_with_tracing", child_with_tracing),
    ("one_with_log_through_tracing", one_with_log_through_tracing),
    ("one_with_a_long_span", one_with_a_long_span),
    ("one_that_calls_itself", one_that_calls_itself),
];

pub fn trials() -> Vec<Trial> {
    trials![
        events_become_records_with_fields_and_spans_in_every_process_beside_other_layers,
        statements_of_log_that_come_through_tracing_keep_their_target_and_their_place,
        of_a_span_field_that_is_recorded_again_and_again_the_last_value_counts,
        of_very_many_spans_around_an_event_the_outer_and_the_inner_ones_are_told,
    ]
}

#[derive(Clone, Default)]
struct Kept(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[instrument(skip(secret), fields(side = "left"))]
fn move_arm(joint: u8, secret: &str) {
    info!(angle = 1.5, "moving {}", secret.len());
}

fn trace_all() -> String {
    let kept = Kept::default();
    let writer = kept.clone();
    let other = tracing_subscriber::fmt::layer()
        .without_time()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    let ours = shmlog::tracing::layer().close_times(true);
    tracing_subscriber::registry().with(other).with(ours).init();
    info!("plain");
    warn!(target: "imu", drift = 9.25, axis = %'z', samples = 400_u64, name = "left arm", ok = true, "drift");
    error!(error = &std::io::Error::other("no answer") as &dyn std::error::Error, pose = ?[1, 2]);
    trace!("too low");
    {
        let outer = info_span!("outer", a = 1, late = tracing::field::Empty);
        let _outer = outer.enter();
        let inner = trace_span!("inner");
        inner.in_scope(|| debug!("in both"));
        outer.record("late", "b c");
        event!(tracing::Level::INFO, "in the outer one");
        move_arm(3, "12345");
        let other = std::thread::spawn(|| info!(parent: &info_span!("detached"), "elsewhere"));
        other.join().unwrap();
        std::thread::spawn(
            || info!(parent: None, is_root = Span::current().is_none(), "of no span"),
        )
        .join()
        .unwrap();
    }
    let text = kept.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}

fn parent_with_tracing(arguments: &[String]) {
    let builder = quiet(&arguments[0])
        .level(Level::Debug)
        .process_name("parent");
    let logger = builder.init_parent().unwrap();
    say(&format!("ring {}", logger.name()));
    let others = trace_all();
    assert!(
        others.contains("TRACE") && others.contains("too low"),
        "{others}"
    );
    assert!(
        others.contains("inner: processes::tracing_layer: in both"),
        "{others}"
    );
    assert!(
        role_command("child_with_tracing", &[])
            .status()
            .unwrap()
            .success()
    );
}

fn child_with_tracing(_: &[String]) {
    let _logger = ShmLogger::builder().process_name("child").attach().unwrap();
    trace_all();
}

/// The message without how long things took.
fn timeless(message: &str) -> String {
    let mut words = message.split(' ').map(|word| match word.split_once('=') {
        Some((key @ ("time.busy" | "time.idle"), time)) => {
            assert!(
                time.ends_with('s') && time.starts_with(|c: char| c.is_ascii_digit()),
                "{word}"
            );
            key.to_owned()
        }
        _ => word.to_owned(),
    });
    words.by_ref().collect::<Vec<_>>().join(" ")
}

fn events_become_records_with_fields_and_spans_in_every_process_beside_other_layers() {
    let folder = Folder::new();
    let mut parent = Actor::start("parent_with_tracing", &[folder.text()]);
    let ring = parent.hear("ring ");
    parent.finish();
    assert_nothing_remains(&ring);
    let module = module_path!();
    let arm = "outer{a=1 late=\"b c\"}:move_arm{joint=3 side=\"left\"}";
    let expected = [
        (Level::Info, module, "plain".to_owned()),
        (
            Level::Warn,
            "imu",
            "drift drift=9.25 axis=z samples=400 name=\"left arm\" ok=true".to_owned(),
        ),
        (
            Level::Error,
            module,
            " error=\"no answer\" pose=\"[1, 2]\"".to_owned(),
        ),
        (Level::Debug, module, "outer{a=1}:inner: in both".to_owned()),
        (
            Level::Info,
            module,
            "outer{a=1 late=\"b c\"}: in the outer one".to_owned(),
        ),
        (Level::Info, module, format!("{arm}: moving 5 angle=1.5")),
        (
            Level::Info,
            module,
            format!("{arm}: close time.busy time.idle"),
        ),
        (Level::Info, module, "detached: elsewhere".to_owned()),
        (
            Level::Info,
            module,
            "detached: close time.busy time.idle".to_owned(),
        ),
        (Level::Info, module, "of no span is_root=true".to_owned()),
        (
            Level::Info,
            module,
            "outer{a=1 late=\"b c\"}: close time.busy time.idle".to_owned(),
        ),
    ];
    let records = folder.records();
    for process in ["parent", "child"] {
        let mine = records.iter().filter(|record| record.process == process);
        let mine: Vec<_> = mine
            .map(|record| (record.level, &*record.target, timeless(&record.message)))
            .collect();
        assert_eq!(mine, expected, "{process}");
    }
    assert!(
        records
            .iter()
            .all(|record| record.place.contains("tracing_layer.rs:") || record.sequence.is_none())
    );
}

fn one_with_log_through_tracing(arguments: &[String]) {
    let builder = quiet(&arguments[0]).filter("warn,can=debug,quiet=off");
    let logger = builder.log_crate(false).init_parent().unwrap();
    let ours = shmlog::tracing::layer();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(ours)).unwrap();
    tracing_log::LogTracer::init().unwrap();
    log::info!("too low");
    log::warn!("by its module");
    let _span = info_span!("arm", side = "left").entered();
    log::info!(target: "can", "passes by its own target");
    log::error!(target: "quiet", "not recorded");
    log::error!(target: "log", "of a target called log");
    for file in ["bridge.c", "other.c"] {
        // Text that is gone after the call.
        let (file, target) = (String::from(file), String::from("bridge"));
        let mut record = log::Record::builder();
        let record = record.level(log::Level::Warn).target(&target).file(Some(&file)).line(Some(7));
        log::logger().log(&record.args(format_args!("from {file}")).build());
    }
    drop(logger);
}

fn statements_of_log_that_come_through_tracing_keep_their_target_and_their_place() {
    let folder = Folder::new();
    Actor::start("one_with_log_through_tracing", &[folder.text()]).finish();
    let records = folder.records();
    let seen: Vec<_> = records
        .iter()
        .map(|record| (record.level, &*record.target, &*record.message))
        .collect();
    let arm = "arm{side=\"left\"}: ";
    assert_eq!(
        seen,
        [
            (Level::Warn, module_path!(), "by its module"),
            (Level::Info, "can", &*format!("{arm}passes by its own target")),
            (Level::Error, "log", &*format!("{arm}of a target called log")),
            (Level::Warn, "bridge", &*format!("{arm}from bridge.c")),
            (Level::Warn, "bridge", &*format!("{arm}from other.c")),
        ]
    );
    let files = ["tracing_layer.rs", "tracing_layer.rs", "tracing_layer.rs", "bridge.c:7", "other.c:7"];
    for (record, file) in records.iter().zip(files) {
        assert!(record.place.contains(file), "{file}: {record:?}");
    }
    assert!(records[0].place != records[1].place, "{records:?}");
}

fn one_with_a_long_span(arguments: &[String]) {
    let logger = quiet(&arguments[0]).level(Level::Info).init_parent().unwrap();
    // Two layers keep the same, once.
    let (ours, again) = (shmlog::tracing::layer(), shmlog::tracing::layer());
    let subscriber = tracing_subscriber::registry().with(ours).with(again);
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let empty = tracing::field::Empty;
    let span = info_span!("job", id = 7, step = empty, phase = "begun", message = empty);
    let _entered = span.enter();
    for step in 0..100_000_u32 {
        span.record("step", step);
    }
    span.record("phase", "over");
    info!("after many steps");
    span.record("message", "by hand");
    info!("with a message");
    drop(logger);
}

fn of_a_span_field_that_is_recorded_again_and_again_the_last_value_counts() {
    let folder = Folder::new();
    Actor::start("one_with_a_long_span", &[folder.text()]).finish();
    let mut messages = folder.messages();
    // Of each of the two layers.
    messages.dedup();
    assert_eq!(
        messages,
        [
            "job{id=7 phase=\"over\" step=99999}: after many steps",
            "job{id=7 phase=\"over\" step=99999 \"by hand\"}: with a message",
        ]
    );
}

fn one_that_calls_itself(arguments: &[String]) {
    fn call(depth: u32) {
        let _span = info_span!("call", depth).entered();
        if [63, 64, 999].contains(&depth) {
            info!("here");
        }
        if depth < 999 {
            call(depth + 1);
        }
    }
    let logger = quiet(&arguments[0]).level(Level::Info).init_parent().unwrap();
    let subscriber = tracing_subscriber::registry().with(shmlog::tracing::layer());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    call(0);
    drop(logger);
}

fn of_very_many_spans_around_an_event_the_outer_and_the_inner_ones_are_told() {
    let folder = Folder::new();
    Actor::start("one_that_calls_itself", &[folder.text()]).finish();
    let spans = |range: std::ops::Range<u32>| {
        let spans = range.map(|depth| format!("call{{depth={depth}}}"));
        spans.collect::<Vec<_>>().join(":")
    };
    let expected = [
        format!("{}: here", spans(0..64)),
        format!("{}:(1 more):{}: here", spans(0..32), spans(33..65)),
        format!("{}:(936 more):{}: here", spans(0..32), spans(968..1000)),
    ];
    assert_eq!(folder.messages(), expected);
}
