//! One record as the journal's native protocol has it: fields, one after the other.
//!
//! ```text
//! NAME=value ␊                                  when the value has no line feed
//! NAME ␊ length (64 bits, little-endian) value ␊  when it has
//! ```
//!
//! The journal takes any bytes, and what shows them is in charge of what they may do; so nothing is escaped.

use std::fmt::Write;

use crate::record::Record;
use crate::sink::datagrams::{Encode, severity};
use crate::sink::text::push_decimal;

/// Letters that a field's name may have.
const NAME: usize = 64;
/// In front of names that the journal, or we, would take for something else.
const PREFIX: &str = "F_";
/// The names that we give, and that say who logs where; and beginnings that mean something to the journal.
const OURS: [&str; 5] = ["MESSAGE", "PRIORITY", "TID", "CODE_FILE", "CODE_LINE"];
const BEGINNINGS: [&str; 3] = ["SHMLOG_", "SYSLOG_", "OBJECT_"];
/// The journal refuses an entry of more than 1024 fields as a whole.
const MOST_VALUES: usize = 1000;

/// Bytes that the buffer for a value keeps for the next record.
const KEPT_BYTES: usize = 64 << 10;

/// Writes records as the journal has them.
#[derive(Default)]
pub(super) struct Entries {
    /// The name and the value at hand.
    name: String,
    value: String,
}

impl Encode for Entries {
    fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) -> usize {
        let start = out.len();
        push_text(out, "MESSAGE", record.message);
        push_number(out, "PRIORITY", severity(record.level).into());
        push_text(out, "SYSLOG_IDENTIFIER", record.process);
        push_number(out, "SYSLOG_PID", record.pid.into());
        push_number(out, "TID", record.tid.into());
        if !record.file.is_empty() {
            push_text(out, "CODE_FILE", record.file);
            push_number(out, "CODE_LINE", record.line.into());
        }
        self.push_time(out, record.time_ns);
        if let Some(sequence) = record.sequence {
            push_number(out, "SHMLOG_SEQ", sequence);
        }
        if record.late {
            push_text(out, "SHMLOG_LATE", "yes");
        }
        push_text(out, "SHMLOG_LEVEL", record.level.as_str());
        push_text(out, "SHMLOG_THREAD", record.thread);
        push_text(out, "SHMLOG_TARGET", record.target);
        if !record.scope.is_empty() {
            push_text(out, "SHMLOG_SCOPE", record.scope);
        }
        if !record.values.is_empty() {
            self.push_values(out, record);
            self.value.clear();
            self.value.shrink_to(KEPT_BYTES);
        }
        // It is never cut.
        out.len() - start
    }
}

impl Entries {
    fn push_time(&mut self, out: &mut Vec<u8>, time_ns: i64) {
        self.value.clear();
        // Writing into a String cannot fail.
        _ = write!(self.value, "{time_ns}");
        push_text(out, "SHMLOG_TIME_NS", &self.value);
    }

    fn push_values(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        let mut values = record.values.iter();
        for (key, value) in values.by_ref().take(MOST_VALUES) {
            put_name(&mut self.name, &key);
            self.value.clear();
            _ = write!(self.value, "{value}");
            push_text(out, &self.name, &self.value);
        }
        match values.count() {
            0 => {}
            left_out => push_number(out, "SHMLOG_LEFT_OUT", left_out as u64),
        }
    }
}

/// Makes a key the name of a field: capital letters, digits and `_`, with a prefix where it would be none, or another.
fn put_name(name: &mut String, key: &str) {
    name.clear();
    let letters = key.chars().map(|c| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
        _ => '_',
    });
    name.extend(letters.take(NAME));
    let begins = name.starts_with(|c: char| c.is_ascii_uppercase());
    let is_taken = OURS.contains(&&**name) || BEGINNINGS.iter().any(|of| name.starts_with(of));
    if !begins || is_taken {
        name.insert_str(0, PREFIX);
        name.truncate(NAME);
    }
}

fn push_number(out: &mut Vec<u8>, name: &str, number: u64) {
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    push_decimal(out, number);
    out.push(b'\n');
}

fn push_text(out: &mut Vec<u8>, name: &str, text: &str) {
    out.extend_from_slice(name.as_bytes());
    if text.as_bytes().contains(&b'\n') {
        out.push(b'\n');
        out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}
