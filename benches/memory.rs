//! Does the drainer's memory grow?
//!
//! A hundred million records, or as many as one asks for, into rotated files; the drainer's resident set before,
//! along the way and after: its own (heap, stacks), and the ring, which counts as far as it has been touched.
//!
//! ```sh
//! cargo bench --bench memory -- [--records 100_000_000]
//! ```

mod harness;

use harness::cores::Cores;
use harness::load::Resident;
use harness::messages::three;
use harness::scene::{Folder, PATIENCE, assert_arrived, drainer, pin_apart, settings};
use harness::{argument, say};
use shmlog::{OnFull, info};

const LOOKS: u64 = 10;

fn main() {
    let records = argument("--records").unwrap_or(100_000_000) / LOOKS * LOOKS;
    let cores = Cores::find();
    let folder = Folder::new("memory");
    let rotated = settings(&folder).max_file_size(100 << 20).backup_count(2);
    let waiting = rotated.on_full(OnFull::Block(PATIENCE));
    let logger = waiting.init_parent().expect("a ring");
    info!("the first registers this thread");
    logger.flush(PATIENCE).expect("flushed");
    pin_apart(cores);

    let report = |records: u64| {
        let memory = Resident::of(drainer());
        let mebibytes = |kibibytes: u64| kibibytes as f64 / 1024.0;
        let name = format!("after {records} records");
        say(&format!("{name}, all"), mebibytes(memory.all), "MiB");
        say(&format!("{name}, own"), mebibytes(memory.anonymous), "MiB");
        say(&format!("{name}, ring"), mebibytes(memory.shared), "MiB");
        memory
    };
    let before = report(0);
    let mut early = before;
    for look in 1..=LOOKS {
        for n in 0..records / LOOKS {
            let (joint, position, velocity) = three(n);
            info!("joint {} pos {} vel {}", joint, position, velocity);
        }
        logger.flush(PATIENCE).expect("flushed");
        let memory = report(records / LOOKS * look);
        if look == 1 {
            early = memory;
        }
        if look == LOOKS {
            let grown = memory.anonymous as f64 - early.anonymous as f64;
            say(
                "grown between the first tenth and the end",
                grown,
                "KiB of its own",
            );
        }
    }
    assert_arrived(&logger, 1 + records);
}
