//! The last record of a row that the ring still holds.

use chrono::{DateTime, Local};
use shmlog::observe::{Observer, Seen, Start};
use shmlog::sink::Record;

use super::app::{Detail, RowKey};
use crate::show::harmless;

/// What is known of a row, with its last record. Reads all that the ring holds, once.
pub fn look(observer: &Observer, row: &RowKey) -> Detail {
    let mut last = None;
    let mut records = observer.follow(Start::Oldest);
    let end = observer.next_sequence();
    while records.sequence() < end
        && records.read(|seen| {
            if let Seen::Record(record) = seen
                && is_of(row, record)
            {
                last = Some(lines_of(record));
            }
        })
    {}
    let lines = match row {
        RowKey::Sink { .. } => {
            vec!["a sink has no records of its own: it gets those of all".to_owned()]
        }
        _ => last.unwrap_or_else(|| {
            vec!["the ring holds no record of it any more; the files may".to_owned()]
        }),
    };
    Detail {
        title: title(row),
        lines,
    }
}

fn title(row: &RowKey) -> String {
    match row {
        RowKey::Thread { pid, tid } => {
            format!("the last record of the thread {tid} of the process {pid}")
        }
        RowKey::Site {
            level,
            target,
            place,
        } => format!("the last record of {level} {target} {place}"),
        RowKey::Sink { name } => name.clone(),
    }
}

fn is_of(row: &RowKey, record: &Record<'_>) -> bool {
    match row {
        RowKey::Thread { pid, tid } => (record.pid, record.tid) == (*pid, *tid),
        // A statement may be given another target by each call.
        RowKey::Site { level, place, .. } => {
            record.level == *level && place_of(record.file, record.line) == *place
        }
        RowKey::Sink { .. } => false,
    }
}

/// As the table of call sites shows it.
pub fn place_of(file: &str, line: u32) -> String {
    format!("{}:{line}", harmless(file))
}

fn lines_of(record: &Record<'_>) -> Vec<String> {
    let time = DateTime::from_timestamp_nanos(record.time_ns).with_timezone(&Local);
    let who = format!(
        "{} {} {}[{}] {}[{}] {}",
        time.format("%H:%M:%S%.6f"),
        record.level,
        record.process,
        record.pid,
        record.thread,
        record.tid,
        record.target
    );
    let mut lines = vec![harmless(&who)];
    if !record.scope.is_empty() {
        lines.push(harmless(record.scope));
    }
    lines.extend(record.message.lines().map(harmless));
    let values = record.values.iter();
    lines.extend(values.map(|(key, value)| harmless(&format!("{key} = {value}"))));
    lines
}
