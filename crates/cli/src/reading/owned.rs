//! A record that owns its texts: one for a whole file, filled anew for each.

use shmlog::Level;
use shmlog::sink::{Record, ValuesBuf};

/// The fields of a [`Record`].
#[derive(Clone, Debug)]
pub struct Owned {
    pub sequence: Option<u64>,
    pub late: bool,
    pub time_ns: i64,
    pub level: Level,
    pub process: String,
    pub pid: u32,
    pub thread: String,
    pub tid: u32,
    pub target: String,
    pub file: String,
    pub line: u32,
    pub scope: String,
    pub message: String,
    pub values: ValuesBuf,
}

impl Default for Owned {
    fn default() -> Owned {
        Owned {
            sequence: None,
            late: false,
            time_ns: 0,
            level: Level::Info,
            process: String::new(),
            pid: 0,
            thread: String::new(),
            tid: 0,
            target: String::new(),
            file: String::new(),
            line: 0,
            scope: String::new(),
            message: String::new(),
            values: ValuesBuf::new(),
        }
    }
}

impl Owned {
    /// A record that outlives its reader.
    pub fn of(record: &Record<'_>) -> Owned {
        let mut values = ValuesBuf::new();
        for (key, value) in record.values.iter() {
            values.push(&key, &value);
        }
        Owned {
            sequence: record.sequence,
            late: record.late,
            time_ns: record.time_ns,
            level: record.level,
            process: record.process.to_owned(),
            pid: record.pid,
            thread: record.thread.to_owned(),
            tid: record.tid,
            target: record.target.to_owned(),
            file: record.file.to_owned(),
            line: record.line,
            scope: record.scope.to_owned(),
            message: record.message.to_owned(),
            values,
        }
    }

    /// Makes it empty, and keeps its memory.
    pub fn clear(&mut self) {
        let mut texts = [
            &mut self.process,
            &mut self.thread,
            &mut self.target,
            &mut self.file,
            &mut self.scope,
            &mut self.message,
        ];
        texts.iter_mut().for_each(|text| text.clear());
        self.values.clear();
        (self.sequence, self.late) = (None, false);
        (self.pid, self.tid, self.line) = (0, 0, 0);
    }

    /// As sinks get it.
    pub fn record(&self) -> Record<'_> {
        let mut record = Record::new(self.time_ns, self.level, &self.message);
        (record.sequence, record.late) = (self.sequence, self.late);
        (record.process, record.pid) = (&self.process, self.pid);
        (record.thread, record.tid) = (&self.thread, self.tid);
        record.target = &self.target;
        record.target_is_module = is_module(&self.target, &self.file);
        (record.file, record.line) = (&self.file, self.line);
        record.scope = &self.scope;
        record.values = self.values.values();
        record
    }
}

/// No file says whether a target is the path of the module. It is taken for that if it ends as the source file is called:
/// `arm::can` in `src/can.rs` or `src/can/mod.rs`.
fn is_module(target: &str, file: &str) -> bool {
    let stem = file.strip_suffix(".rs").unwrap_or_default();
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    let name = stem.rsplit('/').next().unwrap_or_default();
    !name.is_empty() && target.rsplit("::").next() == Some(name)
}
