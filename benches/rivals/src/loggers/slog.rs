//! slog with slog-async and slog-term.

use std::hint::black_box;

use slog::{Drain, debug, info, o};
use slog_async::{Async, OverflowStrategy};
use slog_term::{FullFormat, PlainSyncDecorator};

use super::{ALL, Lines, Logger, Rival, nothing_missing};
use crate::harness::messages::three;
use crate::one::measure;
use crate::scenario::QUEUE;

pub const RIVAL: Rival = Rival {
    name: "slog-async",
    crosses: "no",
    configuration: "`slog_term::FullFormat` to a file, 65,536 records, `OverflowStrategy::Block`",
    text: true,
    scenarios: ALL,
    run: |run| {
        let lines = Lines::default();
        let decorator = PlainSyncDecorator::new(lines.file(&run.folder));
        let drain = FullFormat::new(decorator).build().fuse();
        let queue = Async::new(drain).chan_size(QUEUE);
        let drain = queue.overflow_strategy(OverflowStrategy::Block).build();
        let logger = slog::Logger::root(drain.fuse(), o!());
        let slog = Slog { logger, lines };
        measure(run, slog)
    },
    missing: nothing_missing,
};

struct Slog {
    logger: slog::Logger,
    lines: Lines,
}

impl Logger for Slog {
    fn three(&mut self, n: u64) {
        let (joint, position, velocity) = three(n);
        info!(
            self.logger,
            "joint {} pos {} vel {}", joint, position, velocity
        );
    }

    fn literal(&mut self) {
        info!(
            self.logger,
            "a literal of sixty-four bytes, as one writes them in robot code."
        );
    }

    fn text(&mut self, text: &str) {
        info!(self.logger, "{}", black_box(text));
    }

    fn disabled(&mut self, n: u64) {
        debug!(self.logger, "never seen {}", black_box(n));
    }

    fn flush(&mut self, logged: u64) {
        self.lines.wait_for(logged);
    }
}
