//! tracing with tracing-appender.

use std::hint::black_box;

use tracing::{debug, info};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};

use super::{ALL, Lines, Logger, Rival, nothing_missing};
use crate::harness::messages::three;
use crate::one::measure;
use crate::scenario::QUEUE;

pub const RIVAL: Rival = Rival {
    name: "tracing-appender",
    crosses: "no",
    configuration: "`tracing_subscriber::fmt` without colours into `non_blocking`, 65,536 lines, not lossy",
    text: true,
    scenarios: ALL,
    run: |run| {
        let lines = Lines::default();
        let builder = NonBlockingBuilder::default().lossy(false);
        let builder = builder.buffered_lines_limit(QUEUE);
        let (writer, guard) = builder.finish(lines.file(&run.folder));
        let subscriber = tracing_subscriber::fmt().with_writer(writer);
        subscriber
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .init();
        let tracing = Tracing {
            lines,
            _guard: guard,
        };
        measure(run, tracing)
    },
    missing: nothing_missing,
};

struct Tracing {
    lines: Lines,
    _guard: WorkerGuard,
}

impl Logger for Tracing {
    fn three(&mut self, n: u64) {
        let (joint, position, velocity) = three(n);
        info!("joint {} pos {} vel {}", joint, position, velocity);
    }

    fn literal(&mut self) {
        info!("a literal of sixty-four bytes, as one writes them in robot code.");
    }

    fn text(&mut self, text: &str) {
        info!("{}", black_box(text));
    }

    fn disabled(&mut self, n: u64) {
        debug!("never seen {}", black_box(n));
    }

    fn flush(&mut self, logged: u64) {
        self.lines.wait_for(logged);
    }
}
