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
];

pub fn trials() -> Vec<Trial> {
    trials![events_become_records_with_fields_and_spans_in_every_process_beside_other_layers,]
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
