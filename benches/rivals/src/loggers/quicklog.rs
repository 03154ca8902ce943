//! quicklog: one thread logs, another flushes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Mutex;
use std::time::Duration;

use quicklog::{debug, info};

use super::{ALL, Lines, Logger, Rival, log_file, nothing_missing};
use crate::harness::messages::three;
use crate::one::measure;

pub const RIVAL: Rival = Rival {
    name: "quicklog",
    crosses: "no",
    configuration: "a queue of 1,000,000 (its default), flushed by a thread of its own through a `BufWriter` \
                    (its `FileFlusher` opens the file for every line); one thread can log",
    text: true,
    scenarios: ALL,
    run: |run| {
        let lines = Lines::default();
        *FILE.lock().expect("the file") = Some(BufWriter::new(log_file(&run.folder)));
        quicklog::init!();
        quicklog::with_flush!(Buffered);
        let counted = lines.clone();
        std::thread::spawn(move || flush_for_ever(&counted));
        measure(run, Quicklog { lines })
    },
    missing: nothing_missing,
};

static FILE: Mutex<Option<BufWriter<File>>> = Mutex::new(None);

/// What takes the lines.
struct Buffered;

impl quicklog_flush::Flush for Buffered {
    fn flush_one(&mut self, line: String) {
        let mut file = FILE.lock().expect("the file");
        let file = file.as_mut().expect("opened before");
        file.write_all(line.as_bytes()).expect("written");
    }
}

fn flush_for_ever(lines: &Lines) {
    let mut taken = 0;
    loop {
        while quicklog::try_flush!().is_ok() {
            taken += 1;
        }
        if taken > 0 {
            let mut file = FILE.lock().expect("the file");
            file.as_mut()
                .expect("opened before")
                .flush()
                .expect("written");
            (0..taken).for_each(|_| lines.add());
            taken = 0;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}

struct Quicklog {
    lines: Lines,
}

impl Logger for Quicklog {
    fn three(&mut self, n: u64) {
        let (joint, position, velocity) = three(n);
        info!("joint {} pos {} vel {}", joint, position, velocity);
    }

    fn literal(&mut self) {
        info!("a literal of sixty-four bytes, as one writes them in robot code.");
    }

    fn text(&mut self, text: &str) {
        let text = std::hint::black_box(text).to_owned();
        info!("{}", text);
    }

    fn disabled(&mut self, n: u64) {
        debug!("never seen {}", n);
    }

    fn flush(&mut self, logged: u64) {
        self.lines.wait_for(logged);
    }
}
