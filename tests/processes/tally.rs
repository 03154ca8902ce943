//! What the tests of faults share: counts that outlive their counter, random moments, and the books of a log.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::MmapRaw;
use shmlog::{ShmLogger, Stats};

use crate::support::{Folder, Line, parse_log, until};

/// How many log calls a process has begun and how many have returned, in a mapped file of its own: a process
/// that is killed leaves it behind exactly as it was at that moment.
pub struct Tally(MmapRaw);

impl Tally {
    /// The tally of `name`, made if need be.
    pub fn of(folder: &str, name: &str) -> Tally {
        let path = Path::new(folder).join(format!("{name}.tally"));
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false);
        let file = file.open(path).unwrap();
        file.set_len(16).unwrap();
        Tally(MmapRaw::map_raw(&file).unwrap())
    }

    #[allow(unsafe_code)]
    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < 2);
        let word = self.0.as_mut_ptr().cast::<u64>().wrapping_add(index);
        // SAFETY: the mapping begins at a page, is 16 bytes long and lives as long as `self`; everybody
        // who maps the file accesses it through this function alone.
        unsafe { AtomicU64::from_ptr(word) }
    }

    /// Log calls begun.
    pub fn attempted(&self) -> u64 {
        self.word(0).load(Ordering::SeqCst)
    }

    /// Log calls returned.
    pub fn returned(&self) -> u64 {
        self.word(1).load(Ordering::SeqCst)
    }

    /// Makes one log call, which is given its number.
    pub fn count(&self, log: impl FnOnce(u64)) {
        let number = self.attempted();
        self.word(0).store(number + 1, Ordering::SeqCst);
        log(number);
        self.word(1).store(number + 1, Ordering::SeqCst);
    }
}

/// Numbers without a pattern; the same ones in every run, so that chance lies in the timing alone.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// Lets a moment pass that no clock's tick is in step with.
    pub fn dawdle(&mut self) {
        for _ in 0..self.below(3000) {
            std::hint::spin_loop();
        }
    }
}

/// A text whose length and letters its number decides.
pub fn filler(number: u64, longest: usize) -> String {
    let length = (number.wrapping_mul(7919) % (longest as u64 + 1)) as usize;
    let letter = |i: usize| char::from(b'a' + ((number as usize + i) % 26) as u8);
    (0..length).map(letter).collect()
}

/// What stands at the end of a record whose process died halfway.
pub const CUT: &str = " ‹cut off›";

/// A log that was read back: the members' records, and the drainer's own words, each in the order of the file.
pub struct Log {
    pub records: Vec<Line>,
    pub words: Vec<Line>,
}

impl Log {
    /// Reads the files of `folder` one by one. A last line without an end is left out: what a drainer was
    /// writing when it was killed.
    pub fn read(folder: &Folder) -> Log {
        let files = fs::read_dir(folder.path()).unwrap();
        let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        files.sort();
        let lines = files.iter().flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            parse_log(&text[..text.rfind('\n').map_or(0, |end| end + 1)])
        });
        let (records, words) = lines.partition(|line| line.sequence.is_some());
        Log { records, words }
    }

    /// Asserts that no sequence comes twice, and that they rise but for records marked late.
    pub fn assert_in_order(&self) {
        let prompt: Vec<_> = self.records.iter().filter(|record| !record.late).collect();
        for pair in prompt.windows(2) {
            let rises = pair[0].sequence < pair[1].sequence;
            assert!(rises, "sequences rise in the file: {pair:?}");
        }
        let mut all: Vec<_> = self.records.iter().collect();
        all.sort_by_key(|record| record.sequence);
        for pair in all.windows(2) {
            let differs = pair[0].sequence != pair[1].sequence;
            assert!(differs, "no sequence comes twice: {pair:?}");
        }
    }

    /// The records of each process by its name, in the order of their sequences. Every message must begin
    /// with that name, and all records of one name must be of one process.
    pub fn by_process(&self) -> HashMap<String, Vec<Line>> {
        let mut all: HashMap<String, Vec<Line>> = HashMap::new();
        for record in &self.records {
            let named = record.message.split(' ').next();
            assert_eq!(
                named,
                Some(&*record.process),
                "attributed to another: {record:?}"
            );
            let of_this = all.entry(record.process.clone()).or_default();
            assert!(
                of_this.first().is_none_or(|first| first.pid == record.pid),
                "two processes of one name: {record:?}"
            );
            of_this.push(record.clone());
        }
        for records in all.values_mut() {
            records.sort_by_key(|record| record.sequence);
        }
        all
    }

    /// What the drainer says of lost or dropped records, added up for each process: `deed` says which.
    pub fn said(&self, deed: &str) -> HashMap<String, u64> {
        let mut said = HashMap::new();
        for word in &self.words {
            let parts = word.message.split_once(" of ");
            let Some((count, rest)) = parts.filter(|_| word.message.contains(deed)) else {
                continue;
            };
            let count = count.split(' ').next().unwrap();
            let (who, _) = rest.split_once('[').unwrap();
            *said.entry(who.to_owned()).or_default() += count.parse::<u64>().unwrap();
        }
        said
    }
}

/// The second word of a message: the record's number.
pub fn number(record: &Line) -> u64 {
    record.message.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Waits until the drainer has settled the accounts of all threads but `remaining`, and checks the sum.
pub fn settled(logger: &ShmLogger, remaining: usize) -> Stats {
    logger.flush(std::time::Duration::from_secs(60)).unwrap();
    until("the dead are settled", || {
        let stats = logger.stats();
        stats.producers.len() <= remaining && stats.parked == 0
    });
    let stats = logger.stats();
    assert_eq!(
        stats.attempted,
        stats.delivered + stats.dropped + stats.lost,
        "{stats:?}"
    );
    stats
}

/// Waits until all threads of a process that was sent a stop have stopped.
pub fn wait_until_stopped(pid: u32) {
    until("the process stops", || {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        threads.flatten().all(|thread| {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            state.starts_with(['T', 't'])
        })
    });
}
