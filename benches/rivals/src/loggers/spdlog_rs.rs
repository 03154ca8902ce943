//! spdlog-rs with its asynchronous pool.

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;

use spdlog::formatter::Formatter;
use spdlog::sink::{AsyncPoolSink, FileSink, OverflowPolicy, Sink, SinkPropAccess};
use spdlog::{ErrorHandler, LevelFilter, Record, ThreadPool, debug, info};

use super::{ALL, Lines, Logger, Rival, log_path, nothing_missing};
use crate::harness::messages::three;
use crate::one::{Run, measure};
use crate::scenario::QUEUE;

pub const RIVAL: Rival = Rival {
    name: "spdlog-rs",
    crosses: "no",
    configuration: "`AsyncPoolSink` over `FileSink`, 65,536 records, `OverflowPolicy::Block`",
    text: true,
    scenarios: ALL,
    run: |run| {
        let logger = start(run);
        measure(run, logger)
    },
    missing: nothing_missing,
};

fn start(run: &Run) -> Spdlog {
    let file = FileSink::builder()
        .path(log_path(&run.folder))
        .truncate(true);
    let file = file.build_arc().expect("a sink");
    let flushed = Lines::default();
    let told = Told {
        file,
        flushed: flushed.clone(),
    };
    let queue = NonZeroUsize::new(QUEUE).expect("not zero");
    let pool = ThreadPool::builder().capacity(queue).build_arc();
    let sink = AsyncPoolSink::builder()
        .sink(Arc::new(told))
        .overflow_policy(OverflowPolicy::Block)
        .thread_pool(pool.expect("a pool"));
    let sink = sink.build_arc().expect("a sink");
    let logger = spdlog::Logger::builder()
        .sink(sink)
        .level_filter(LevelFilter::MoreSevereEqual(spdlog::Level::Info))
        .build()
        .expect("a logger");
    Spdlog {
        logger,
        flushed,
        flushes: 0,
    }
}

struct Spdlog {
    logger: spdlog::Logger,
    /// Counts flushes that are done: `flush` itself only asks for one.
    flushed: Lines,
    flushes: u64,
}

impl Logger for Spdlog {
    fn three(&mut self, n: u64) {
        let (joint, position, velocity) = three(n);
        info!(logger: self.logger, "joint {} pos {} vel {}", joint, position, velocity);
    }

    fn literal(&mut self) {
        info!(logger: self.logger, "a literal of sixty-four bytes, as one writes them in robot code.");
    }

    fn text(&mut self, text: &str) {
        info!(logger: self.logger, "{}", black_box(text));
    }

    fn disabled(&mut self, n: u64) {
        debug!(logger: self.logger, "never seen {}", black_box(n));
    }

    fn flush(&mut self, _: u64) {
        self.logger.flush();
        self.flushes += 1;
        self.flushed.wait_for(self.flushes);
    }
}

/// A file sink that tells when it has flushed.
struct Told {
    file: Arc<FileSink>,
    flushed: Lines,
}

impl SinkPropAccess for Told {
    fn level_filter(&self) -> LevelFilter {
        self.file.level_filter()
    }

    fn set_level_filter(&self, level_filter: LevelFilter) {
        self.file.set_level_filter(level_filter);
    }

    fn set_formatter(&self, formatter: Box<dyn Formatter>) {
        self.file.set_formatter(formatter);
    }

    fn set_error_handler(&self, handler: ErrorHandler) {
        self.file.set_error_handler(handler);
    }
}

impl Sink for Told {
    fn log(&self, record: &Record<'_>) -> spdlog::Result<()> {
        self.file.log(record)
    }

    fn flush(&self) -> spdlog::Result<()> {
        let outcome = self.file.flush();
        self.flushed.add();
        outcome
    }
}
