//! A fork while other threads use statements of the crates `log` and `tracing` for the first time: the child, in which those
//! threads are gone, uses the same statements, and comes to its end.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use shmlog::OnFull;

use crate::forking::{fork, wait};
use crate::support::{Actor, Folder, Role, assert_nothing_remains, quiet, say};
use crate::tally::settled;
use crate::trials;

pub const ROLES: &[Role] = &[("forking_amid_first_uses", forking_amid_first_uses)];

pub fn trials() -> Vec<Trial> {
    trials![a_child_uses_the_statements_that_threads_of_its_parent_were_using_for_the_first_time]
}

/// One statement of its own for each number, as another crate would have it.
fn use_statement(way: &str, number: u32) {
    match way {
        "log" => use_of_log(number),
        _ => of_tracing::use_statement(number),
    }
}

fn use_of_log(number: u32) {
    let mut record = log::Record::builder();
    let record = record.level(log::Level::Info).target("foreign");
    let record = record.file_static(Some("foreign.rs")).line(Some(number));
    log::logger().log(&record.args(format_args!("statement {number}")).build());
}

#[cfg(feature = "tracing")]
mod of_tracing {
    use std::sync::OnceLock;

    use tracing::callsite::{Callsite, Identifier};
    use tracing::field::{Field, FieldSet, Value};
    use tracing::subscriber::Interest;
    use tracing::{Event, Level, Metadata, metadata};

    use super::STATEMENTS;

    struct Nothing;

    impl Callsite for Nothing {
        fn set_interest(&self, _: Interest) {}

        fn metadata(&self) -> &Metadata<'_> {
            unreachable!("it is not registered")
        }
    }

    static ALL: OnceLock<Vec<&Metadata<'_>>> = OnceLock::new();

    /// Statements made by hand: what `tracing` itself does at the first use of one takes a lock.
    fn make() -> Vec<&'static Metadata<'static>> {
        let make = |number| {
            let fields = FieldSet::new(&[], Identifier(&Nothing));
            let (file, kind) = (Some("foreign.rs"), metadata::Kind::EVENT);
            Box::leak(Box::new(Metadata::new(
                "foreign",
                "foreign",
                Level::INFO,
                file,
                Some(number),
                None,
                fields,
                kind,
            ))) as &_
        };
        (0..STATEMENTS).map(make).collect()
    }

    pub fn prepare() {
        use tracing_subscriber::prelude::*;
        ALL.get_or_init(make);
        let subscriber = tracing_subscriber::registry().with(shmlog::tracing::layer());
        tracing::subscriber::set_global_default(subscriber).unwrap();
    }

    pub fn use_statement(number: u32) {
        let statement = ALL.get().unwrap()[number as usize];
        let none: [(&Field, Option<&dyn Value>); 0] = [];
        Event::dispatch(statement, &statement.fields().value_set(&none));
    }
}

#[cfg(not(feature = "tracing"))]
mod of_tracing {
    pub fn prepare() {}

    pub fn use_statement(_: u32) {
        unreachable!("no test without the feature")
    }
}

const STATEMENTS: u32 = 3000;
const THREADS: u32 = 2;
/// Statements that a child uses, up to the one that the threads have come to and beyond.
const AROUND: u32 = 40;
/// At least one child for so many statements.
const FORK_EVERY: u32 = 500;

/// `folder way`: says how many children it had.
fn forking_amid_first_uses(arguments: &[String]) {
    let [folder, way] = arguments else {
        panic!("a folder and a way");
    };
    let logger = quiet(folder).on_full(OnFull::Block(Duration::from_secs(60)));
    let logger = logger.log_crate(way == "log").init_parent().unwrap();
    say(logger.name());
    if way != "log" {
        of_tracing::prepare();
    }
    // The forking thread has used everything that a thread uses for the first time.
    use_statement(way, 0);
    let (next, children) = (AtomicU32::new(1), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let number @ ..STATEMENTS = next.fetch_add(1, Ordering::Relaxed) {
                    // On a busy machine the threads would be done before the first fork.
                    while children.load(Ordering::Relaxed) < number / FORK_EVERY {
                        std::thread::yield_now();
                    }
                    use_statement(way, number);
                }
            });
        }
        while next.load(Ordering::Relaxed) < STATEMENTS {
            wait(fork(|| {
                // Ends a child that hangs.
                // SAFETY: a number; the signal's disposition is the system's.
                unsafe { libc::alarm(60) };
                let now = next.load(Ordering::Relaxed);
                let around = now.saturating_sub(AROUND / 2)..now + AROUND / 2;
                around.filter(|&number| number < STATEMENTS).for_each(|n| use_statement(way, n));
            }));
            children.fetch_add(1, Ordering::Relaxed);
        }
    });
    let stats = settled(&logger, 1);
    assert_eq!((stats.dropped, stats.lost), (0, 0), "{stats:?}");
    assert!(stats.delivered > u64::from(STATEMENTS), "{stats:?}");
    say("done");
}

fn a_child_uses_the_statements_that_threads_of_its_parent_were_using_for_the_first_time() {
    let ways = ["log", "tracing"];
    for way in &ways[..1 + usize::from(cfg!(feature = "tracing"))] {
        let folder = Folder::new();
        let mut parent = Actor::start("forking_amid_first_uses", &[folder.text(), way]);
        let ring = parent.hear("");
        parent.hear("done");
        parent.finish();
        assert_nothing_remains(&ring);
        let records = folder.records();
        for number in 0..STATEMENTS {
            let message = if *way == "log" { format!("statement {number}") } else { String::new() };
            let place = format!("foreign.rs:{number}");
            let line = records.iter().find(|line| line.place == place);
            assert_eq!(line.map(|line| &line.message), Some(&message), "{place}");
        }
    }
}
