//! Not a logger, but what none can do without: see the harness.

use super::{Logger, Rival, nothing_missing};
use crate::harness::cores::{Cores, pin_this_thread};
use crate::harness::floor::Floor;
use crate::harness::scene::Folder;
use crate::one::measure;
use crate::scenario::Scenario;

pub const RIVAL: Rival = Rival {
    name: "floor",
    crosses: "-",
    configuration: "reads the counter and stores 32 bytes into 8 MiB of private memory",
    text: true,
    scenarios: &[Scenario::Three, Scenario::Cold, Scenario::Burst],
    run: |run| {
        let floor = Floor::new();
        measure(run, Private { floor, records: 0 })
    },
    missing: nothing_missing,
};

struct Private {
    floor: Floor,
    /// Nobody takes them, so none can be lost.
    records: u64,
}

impl Logger for Private {
    fn three(&mut self, n: u64) {
        self.floor.record(n);
    }

    fn literal(&mut self) {}

    fn text(&mut self, _: &str) {}

    fn disabled(&mut self, _: u64) {}

    fn flush(&mut self, logged: u64) {
        self.records = logged;
    }

    fn arrived(&mut self, _: &Folder) -> u64 {
        self.records
    }

    fn pin(&mut self, cores: Cores) {
        pin_this_thread(cores.producer);
    }
}
