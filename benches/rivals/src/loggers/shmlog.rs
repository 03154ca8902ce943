//! shmlog: ours.

use std::hint::black_box;

use shmlog::{OnFull, ShmLogger, debug, info};

use super::{ALL, Logger, Rival, nothing_missing};
use crate::harness::cores::Cores;
use crate::harness::messages::three;
use crate::harness::scene::{Folder, PATIENCE, pin_apart, settings};
use crate::one::measure;

pub const RIVAL: Rival = Rival {
    name: "shmlog",
    crosses: "yes",
    configuration: "the defaults (65,536 slots of 128 bytes), one file without rotation, `OnFull::Block`",
    text: true,
    scenarios: ALL,
    run: |run| {
        let waiting = settings(&run.folder).on_full(OnFull::Block(PATIENCE));
        measure(run, Ours(waiting.init_parent().expect("a ring")))
    },
    missing: nothing_missing,
};

struct Ours(ShmLogger);

impl Logger for Ours {
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

    fn flush(&mut self, _: u64) {
        self.0.flush(PATIENCE).expect("flushed");
    }

    fn arrived(&mut self, folder: &Folder) -> u64 {
        let stats = self.0.stats();
        assert_eq!(stats.delivered, folder.lines());
        stats.delivered
    }

    fn pin(&mut self, cores: Cores) {
        pin_apart(cores);
    }
}
