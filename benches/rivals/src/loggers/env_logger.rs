//! log with env_logger, which formats and writes within the call.

use super::{ALL, Logger, Rival, log_file, nothing_missing};
use crate::one::measure;

pub const RIVAL: Rival = Rival {
    name: "log + env_logger",
    crosses: "no",
    configuration: "`Target::Pipe` to a file, no colours; it writes within the call",
    text: true,
    scenarios: ALL,
    run: |run| {
        let target = env_logger::Target::Pipe(Box::new(log_file(&run.folder)));
        env_logger::Builder::new()
            .filter_level(log::LevelFilter::Info)
            .write_style(env_logger::WriteStyle::Never)
            .target(target)
            .init();
        measure(run, Facade(|| {}))
    },
    missing: nothing_missing,
};

/// A logger behind the macros of `log`, with a way to wait until it is done.
pub struct Facade<F: FnMut()>(pub F);

impl<F: FnMut()> Logger for Facade<F> {
    fn three(&mut self, n: u64) {
        let (joint, position, velocity) = crate::harness::messages::three(n);
        log::info!("joint {} pos {} vel {}", joint, position, velocity);
    }

    fn literal(&mut self) {
        log::info!("a literal of sixty-four bytes, as one writes them in robot code.");
    }

    fn text(&mut self, text: &str) {
        log::info!("{}", std::hint::black_box(text));
    }

    fn disabled(&mut self, n: u64) {
        log::debug!("never seen {}", std::hint::black_box(n));
    }

    fn flush(&mut self, _: u64) {
        (self.0)();
    }
}
