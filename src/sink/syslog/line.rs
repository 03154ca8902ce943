//! One record as RFC 5424 has it:
//!
//! ```text
//! <12>1 2026-11-22T17:45:12.123456+00:00 g1-07 worker-1 1234 can
//!     [shmlog@32473 seq="42" level="WARN" thread="main" tid="1235" target="can" file="src/bin/worker.rs" line="17"]
//!     [values@32473 bus="2"] BOM bus 2 is slow
//! ```
//!
//! in one line. Control characters, line feeds among them, and whatever else could steer a terminal are written as in the
//! text file (`\n`, `\x1b`): the RFC advises against them, and receivers that write them as they are exist. So a datagram
//! is one line wherever it ends up, and a line feed can end it in a stream.

use std::fmt::Write;

use super::zone::Zone;
use crate::record::{Record, Values};
use crate::sink::datagrams::{Encode, severity, shorten};
use crate::sink::stamp::Stamp;
use crate::sink::text::{is_clean_line, push_decimal, push_field};

/// Most characters of the header's fields.
const HOSTNAME: usize = 255;
const APP_NAME: usize = 48;
const MSGID: usize = 32;
/// And of the name of a parameter.
const PARAM_NAME: usize = 32;

/// Bytes that the buffer for a value keeps for the next record.
const KEPT_BYTES: usize = 64 << 10;

/// What begins text in UTF-8.
const BOM: &str = "\u{feff}";

/// Says how many values found no room.
const LEFT_OUT: &str = "left_out";
/// What that takes at most, with the end of the element.
const LEFT_OUT_BYTES: usize = LEFT_OUT.len() + 25;

/// Writes records as RFC 5424 has them.
pub(super) struct Lines {
    /// The facility, as it stands in a priority.
    facility: u8,
    /// Whether a byte order mark stands before the text.
    pub(super) bom: bool,
    /// Bytes of a datagram at most.
    max_size: usize,
    hostname: String,
    /// Names of the two elements, with `[` before and the enterprise number behind.
    elements: [String; 2],
    stamp: Stamp,
    zone: Zone,
    /// The value at hand.
    value: String,
    /// A character of it.
    escaped: Vec<u8>,
}

impl Lines {
    pub(super) fn new(facility: u8, hostname: &str, enterprise: u32, max_size: usize) -> Lines {
        let mut name = Vec::new();
        push_name(&mut name, hostname, HOSTNAME);
        Lines {
            facility,
            bom: true,
            max_size,
            hostname: String::from_utf8_lossy(&name).into_owned(),
            elements: ["shmlog", "values"].map(|name| format!("[{name}@{enterprise}")),
            stamp: Stamp::default(),
            zone: Zone::default(),
            value: String::new(),
            escaped: Vec::new(),
        }
    }

    fn push_header(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        out.push(b'<');
        push_decimal(out, u64::from(self.facility * 8 + severity(record.level)));
        out.extend_from_slice(b">1 ");
        let at = out.len();
        out.extend_from_slice(self.stamp.exact(record.time_ns));
        out[at + "2026-11-22".len()] = b'T';
        out.extend_from_slice(self.zone.offset(record.time_ns));
        out.push(b' ');
        out.extend_from_slice(self.hostname.as_bytes());
        out.push(b' ');
        push_name(out, record.process, APP_NAME);
        out.push(b' ');
        push_decimal(out, u64::from(record.pid));
        out.push(b' ');
        push_name(out, record.target, MSGID);
        out.push(b' ');
    }

    fn push_facts(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        // Four of them may be long: together they leave room for all else.
        let most = self.max_size / 16;
        out.extend_from_slice(self.elements[0].as_bytes());
        if let Some(sequence) = record.sequence {
            push_number(out, "seq", sequence);
        }
        if record.late {
            out.extend_from_slice(b" late=\"yes\"");
        }
        self.push_fact(out, "level", record.level.as_str(), most);
        self.push_fact(out, "thread", record.thread, most);
        push_number(out, "tid", record.tid.into());
        self.push_fact(out, "target", record.target, most);
        self.push_fact(out, "file", record.file, most);
        if !record.file.is_empty() {
            push_number(out, "line", record.line.into());
        }
        self.push_fact(out, "scope", record.scope, most);
        out.push(b']');
    }

    /// A parameter, unless it is empty; of a longer value the beginning.
    fn push_fact(&mut self, out: &mut Vec<u8>, name: &str, value: &str, most: usize) {
        if !value.is_empty() {
            begin_param(out, name);
            let most = out.len() + most;
            push_value(out, value, most, &mut self.escaped);
            out.push(b'"');
        }
    }

    /// The element of the key-values, as far as there is room for it up to `most`.
    fn push_values(&mut self, out: &mut Vec<u8>, values: Values<'_>, most: usize) {
        let most = most.saturating_sub(LEFT_OUT_BYTES);
        let start = out.len();
        out.extend_from_slice(self.elements[1].as_bytes());
        let mut left_out = 0;
        for (key, value) in values.iter() {
            let before = out.len();
            push_param_name(out, &key);
            self.value.clear();
            // Writing into a String cannot fail.
            _ = write!(self.value, "{value}");
            let is_whole = push_value(out, &self.value, most, &mut self.escaped);
            out.push(b'"');
            if !is_whole || out.len() > most {
                out.truncate(before);
                left_out += 1;
            }
        }
        if left_out > 0 {
            push_number(out, LEFT_OUT, left_out);
        }
        out.push(b']');
        let is_bare = out.len() == start + self.elements[1].len() + 1;
        if is_bare || out.len() > most + LEFT_OUT_BYTES {
            out.truncate(start);
        }
    }
}

impl Encode for Lines {
    fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) -> usize {
        let start = out.len();
        self.push_header(out, record);
        self.push_facts(out, record);
        if !record.values.is_empty() {
            // A quarter is the message's, if it needs it.
            let kept = record.message.len().min(self.max_size / 4);
            self.push_values(out, record.values, start + self.max_size - kept);
            self.value.clear();
            self.value.shrink_to(KEPT_BYTES);
        }
        if record.message.is_empty() {
            return out.len() - start;
        }
        out.push(b' ');
        if self.bom {
            out.extend_from_slice(BOM.as_bytes());
        }
        let text_at = out.len() - start;
        // Escaped it does not become shorter.
        let message = beginning(record.message, self.max_size);
        match is_clean_line(message) {
            true => out.extend_from_slice(message.as_bytes()),
            false => push_field(out, message),
        }
        if out.len() - start > self.max_size {
            let mut text = out.split_off(start + text_at);
            shorten(&mut text, 0, self.max_size.saturating_sub(text_at));
            out.append(&mut text);
        }
        text_at
    }
}

/// Whole characters from the beginning, one more than so many bytes hold: what is too long stays so.
fn beginning(text: &str, most: usize) -> &str {
    let mut ends = (most + 1)..text.len();
    let end = ends.find(|at| text.is_char_boundary(*at));
    end.map_or(text, |end| &text[..end])
}

/// A field of the header: printable ASCII, everything else is `_`; `-` if there is none.
fn push_name(out: &mut Vec<u8>, text: &str, most: usize) {
    if text.len() <= most && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return out.extend_from_slice(text.as_bytes());
    }
    if text.is_empty() {
        out.push(b'-');
    }
    out.extend(text.chars().take(most).map(|c| match c {
        '!'..='~' => c as u8,
        _ => b'_',
    }));
}

/// ` name="`: printable ASCII but for `=`, `]` and `"`.
fn push_param_name(out: &mut Vec<u8>, name: &str) {
    out.push(b' ');
    let before = out.len();
    out.extend(name.chars().take(PARAM_NAME).map(|c| match c {
        '=' | ']' | '"' => b'_',
        '!'..='~' => c as u8,
        _ => b'_',
    }));
    if out.len() == before {
        out.push(b'_');
    }
    out.extend_from_slice(b"=\"");
}

/// ` name="`, of a name that is none of the user's.
fn begin_param(out: &mut Vec<u8>, name: &str) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
}

fn push_number(out: &mut Vec<u8>, name: &str, number: u64) {
    begin_param(out, name);
    push_decimal(out, number);
    out.push(b'"');
}

/// The value of a parameter, as long as `out` does not exceed `most` bytes: `false` if it would.
fn push_value(out: &mut Vec<u8>, text: &str, most: usize, escaped: &mut Vec<u8>) -> bool {
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | b']');
    let has_room = out.len() + text.len() <= most;
    if has_room && is_clean_line(text) && !text.as_bytes().iter().any(is_special) {
        out.extend_from_slice(text.as_bytes());
        return true;
    }
    for (at, c) in text.char_indices() {
        escaped.clear();
        push_field(escaped, &text[at..at + c.len_utf8()]);
        let specials = escaped.iter().filter(|byte| is_special(byte)).count();
        if out.len() + escaped.len() + specials > most {
            return false;
        }
        for byte in escaped.iter() {
            if is_special(byte) {
                out.push(b'\\');
            }
            out.push(*byte);
        }
    }
    true
}
