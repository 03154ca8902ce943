//! One record as it stands on a console:
//!
//! ```text
//! 17:45:12.123 WARN     worker-1/main       bus 2 is slow                              can worker.rs:17
//!              INFO     worker-2/imu        a time that has not changed is left out,
//!                                           and the lines of a message stay under its
//!                                           first                              imu worker.rs:18
//! ```
//!
//! Only on a terminal are times left out: what goes through a pipe is often looked at line by line. A target that is
//! just the module's path is left out, too. The column of who, wide enough from the start for most, grows to the longest
//! seen. Where the width is known the place stands at the right edge, in the first line that has room for it, and
//! long lines are broken here and not by the terminal, which would let a message write below the time. Where it is
//! not known the place follows the first line.

use anstyle::Style;
use std::io::Write;

use super::style;
use super::wrap::{back, first_piece, front, width};
use crate::record::Record;
use crate::sink::stamp::{Stamp, micros};
use crate::sink::text::{message_lines, push_blanks, push_decimal, push_field, push_text};

/// `17:45:12.123`
const TIME_COLUMNS: usize = 12;
const LEVEL_COLUMNS: usize = 8;
/// The column of who is at least and at most so wide.
const WHO_COLUMNS: std::ops::RangeInclusive<usize> = 18..=24;
/// What a thread's name may take of that when it does not fit whole.
const THREAD_COLUMNS: usize = 11;
/// Between who, message and place.
const GAP: usize = 2;
/// With less room for the message than this, lines are not broken and places not aligned.
const LEAST_MESSAGE: usize = 16;
/// Tabs in a message are set this far apart.
const TAB: usize = 8;

/// Renders records, and remembers what the next one must fit to.
pub(super) struct Layout {
    colour: bool,
    /// Columns of the terminal; `None` when there is none.
    pub(super) width: Option<usize>,
    stamp: Stamp,
    /// The time that the line before shows; `None` when there is none to refer to.
    shown: Option<[u8; TIME_COLUMNS]>,
    /// How wide who is at present.
    who_columns: usize,
    /// Buffers for one record, kept for the next.
    name: Vec<u8>,
    place: Vec<u8>,
    line: Vec<u8>,
}

impl Layout {
    pub(super) fn new(colour: bool) -> Layout {
        Layout {
            colour,
            width: None,
            stamp: Stamp::default(),
            shown: None,
            who_columns: *WHO_COLUMNS.start(),
            name: Vec::new(),
            place: Vec::new(),
            line: Vec::new(),
        }
    }

    /// Appends the line, or the lines, of `record`.
    pub(super) fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        self.push_time(out, record.time_ns);
        let level = record.level.as_str();
        self.push_styled(out, style::level(record.level), level);
        push_blanks(out, LEVEL_COLUMNS.saturating_sub(level.len()) + 1);
        let used = self.push_who(out, record);
        self.who_columns = self.who_columns.max(used);
        push_blanks(out, self.who_columns - used + GAP);
        self.push_body(out, record);
        out.push(b'\n');
    }

    fn push_styled(&self, out: &mut Vec<u8>, style: Style, text: &str) {
        // Writing into a Vec cannot fail.
        if self.colour && !text.is_empty() {
            _ = write!(out, "{style}{text}{style:#}");
        } else {
            out.extend_from_slice(text.as_bytes());
        }
    }

    fn push_time(&mut self, out: &mut Vec<u8>, time_ns: i64) {
        let mut time = *b"00:00:00.000";
        time[..8].copy_from_slice(&self.stamp.time_of_day(time_ns));
        time[9..].copy_from_slice(&micros(time_ns)[..3]);
        if self.width.is_some() && self.shown == Some(time) {
            push_blanks(out, TIME_COLUMNS);
        } else {
            self.push_styled(out, style::QUIET, as_text(&time));
            self.shown = Some(time);
        }
        out.push(b' ');
    }

    /// `process/thread`, or `[shmlog]` for the drainer's own words, which no process can look like because
    /// those have a slash. Returns the columns taken, [`WHO_COLUMNS`] at most.
    fn push_who(&mut self, out: &mut Vec<u8>, record: &Record<'_>) -> usize {
        let most = *WHO_COLUMNS.end();
        if record.sequence.is_none() {
            self.push_styled(out, style::MARK, "[shmlog]");
            return "[shmlog]".len();
        }
        let mut name = std::mem::take(&mut self.name);
        name.clear();
        push_field(&mut name, record.process);
        let split = name.len();
        push_field(&mut name, record.thread);
        let (process, thread) = name.split_at(split);
        let (process, thread) = (as_text(process), as_text(thread));
        let mut thread_room = width(thread);
        if width(process) + 1 + thread_room > most {
            let left_over = (most - 1).saturating_sub(width(process));
            thread_room = thread_room.min(THREAD_COLUMNS.max(left_over));
        }
        let style = style::process(record.process);
        let mut used = self.push_short(out, style, process, most - 1 - thread_room);
        self.push_styled(out, style::QUIET, "/");
        used += 1 + self.push_short(out, style::QUIET, thread, thread_room);
        self.name = name;
        used
    }

    /// Appends `text`, its end replaced by `…` if it takes more than `room`. Returns the columns taken.
    fn push_short(&self, out: &mut Vec<u8>, style: Style, text: &str, room: usize) -> usize {
        let columns = width(text);
        if columns <= room {
            self.push_styled(out, style, text);
            return columns;
        }
        let text = front(text, room.saturating_sub(1));
        self.push_styled(out, style, text);
        self.push_styled(out, style, "…");
        width(text) + 1
    }

    fn push_body(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        let indent = TIME_COLUMNS + 1 + LEVEL_COLUMNS + 1 + self.who_columns + GAP;
        let room = self.width.and_then(|columns| columns.checked_sub(indent));
        let room = room.filter(|room| *room >= LEAST_MESSAGE);
        let mut place = std::mem::take(&mut self.place);
        let file_at = render_place(&mut place, record);
        let mut line = std::mem::take(&mut self.line);
        let mut body = Body {
            layout: self,
            out,
            indent,
            room,
            place: as_text(&place),
            file: as_text(&place[file_at..]),
            lines: 0,
            last_used: 0,
        };
        let late = body.push_late(record);
        for (number, text) in message_lines(without_last_newlines(record.message)).enumerate() {
            line.clear();
            push_text(&mut line, text);
            if room.is_some() && line.contains(&b'\t') {
                line = with_tabs_expanded(&line);
            }
            body.push_line(as_text(&line), if number == 0 { late } else { 0 });
        }
        body.push_place_below();
        (self.place, self.line) = (place, line);
    }
}

/// The message of one record on its way out.
struct Body<'a> {
    layout: &'a Layout,
    out: &'a mut Vec<u8>,
    /// Column at which the message begins.
    indent: usize,
    /// Columns for it; `None` for any number.
    room: Option<usize>,
    /// What is still to be said of where it comes from; empty once it is.
    place: &'a str,
    /// The end of `place` that does without the target, for lines that have no room for both.
    file: &'a str,
    /// Lines begun.
    lines: usize,
    /// Columns of the last of them.
    last_used: usize,
}

impl Body<'_> {
    /// `late #42 `, if it is; returns its columns.
    fn push_late(&mut self, record: &Record<'_>) -> usize {
        if !record.late {
            return 0;
        }
        let mut mark = b"late #".to_vec();
        push_decimal(&mut mark, record.sequence.unwrap_or(0));
        self.layout
            .push_styled(self.out, style::MARK, as_text(&mark));
        self.out.push(b' ');
        mark.len() + 1
    }

    /// One line of the message, behind `used` columns of something else.
    fn push_line(&mut self, text: &str, used: usize) {
        let (mut rest, mut used) = (Some(text), used);
        while let Some(text) = rest {
            let (piece, more) = match self.room {
                Some(room) => first_piece(text, room.saturating_sub(used).max(1)),
                None => (text, None),
            };
            if self.lines > 0 {
                self.begin_line();
            }
            self.lines += 1;
            self.out.extend_from_slice(piece.as_bytes());
            self.last_used = used + width(piece);
            self.push_place_behind(self.place);
            (rest, used) = (more, 0);
        }
    }

    fn begin_line(&mut self) {
        self.out.push(b'\n');
        push_blanks(self.out, self.indent);
    }

    /// Ends the last line with `place` if it has room, and the place is not told yet.
    fn push_place_behind(&mut self, place: &str) {
        let blanks = match self.room {
            None => Some(GAP),
            Some(room) => room.checked_sub(self.last_used + width(place)),
        };
        if let Some(blanks) = blanks.filter(|blanks| *blanks >= GAP)
            && !self.place.is_empty()
            && !place.is_empty()
        {
            push_blanks(self.out, blanks);
            self.layout.push_styled(self.out, style::QUIET, place);
            self.place = "";
        }
    }

    /// No line had room for all of the place: the last one may have for the file, or it gets its own.
    fn push_place_below(&mut self) {
        self.push_place_behind(self.file);
        if let Some(room) = self.room.filter(|_| !self.place.is_empty()) {
            let place = back(self.place, room);
            self.begin_line();
            push_blanks(self.out, room - width(place));
            self.layout.push_styled(self.out, style::QUIET, place);
        }
    }
}

/// `target file.rs:17`, as much of it as there is to tell. Returns where the file begins in it.
fn render_place(place: &mut Vec<u8>, record: &Record<'_>) -> usize {
    place.clear();
    if !record.target_is_module {
        push_field(place, record.target);
    }
    let file = record
        .file
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or(record.file);
    if file.is_empty() {
        return place.len();
    }
    if !place.is_empty() {
        place.push(b' ');
    }
    let file_at = place.len();
    push_field(place, file);
    place.push(b':');
    push_decimal(place, u64::from(record.line));
    file_at
}

/// Many programs end their messages with a newline out of habit; a console need not show it.
fn without_last_newlines(message: &str) -> &str {
    let mut message = message;
    while let Some(rest) = message.strip_suffix('\n') {
        message = rest.strip_suffix('\r').unwrap_or(rest);
    }
    message
}

fn with_tabs_expanded(line: &[u8]) -> Vec<u8> {
    let mut expanded = Vec::with_capacity(line.len() * 2);
    let mut column = 0;
    for (number, cell) in line.split(|byte| *byte == b'\t').enumerate() {
        if number > 0 {
            let blanks = TAB - column % TAB;
            push_blanks(&mut expanded, blanks);
            column += blanks;
        }
        expanded.extend_from_slice(cell);
        column += width(as_text(cell));
    }
    expanded
}

/// Bytes that were text before; a byte that is not, which cannot be, shows as nothing.
fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
