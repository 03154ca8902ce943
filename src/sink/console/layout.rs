//! One record as it stands on a console:
//!
//! ```text
//! 17:45:12.123 WARN     worker-1/main       bus 2 is slow bus=2                        can worker.rs:17
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
//!
//! A narrow terminal is given to the messages, so far as it goes ([`Columns`]): below 100 columns no place gets a line of
//! its own, times end with the second, levels take five columns and names are shorter; below 72 there are no places and no
//! threads, below 48 no times.
//!
//! ```text
//! 17:45:12 WARN  worker-1/main  bus 2 is slow                     can worker.rs:17
//!          CRIT  a_proce…/imu   no answer bus=2                   can worker.rs:18
//! ```

use anstyle::Style;
use std::io::Write;
use std::ops::RangeInclusive;

use super::body::{Buffers, push_body};
use super::style;
use super::wrap::{front, width};
use crate::level::Level;
use crate::record::Record;
use crate::sink::stamp::{Stamp, micros};
use crate::sink::text::{push_blanks, push_field};

/// `17:45:12.123`, and without what is below the second.
const TIME_COLUMNS: usize = 12;
const SHORT_TIME_COLUMNS: usize = 8;
const LEVEL_COLUMNS: usize = 8;
const SHORT_LEVEL_COLUMNS: usize = 5;
/// What a thread's name may take of that when it does not fit whole.
const THREAD_COLUMNS: usize = 11;
/// Between who, message and place.
pub(super) const GAP: usize = 2;

/// What a terminal of some width shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// How wide a time is; 0 for none.
    time: usize,
    level: usize,
    threads: bool,
    pub(super) places: bool,
    /// A place that fits no line of the message gets one.
    pub(super) places_below: bool,
    /// How wide who may be.
    who: RangeInclusive<usize>,
}

impl Columns {
    /// For this width, or any.
    fn of(width: Option<usize>) -> Columns {
        let width = width.unwrap_or(usize::MAX);
        Columns {
            time: match width {
                100.. => TIME_COLUMNS,
                48.. => SHORT_TIME_COLUMNS,
                _ => 0,
            },
            level: match width {
                100.. => LEVEL_COLUMNS,
                _ => SHORT_LEVEL_COLUMNS,
            },
            threads: width >= 72,
            places: width >= 72,
            places_below: width >= 100,
            who: match width {
                100.. => 18..=24,
                72.. => 12..=16,
                _ => 10..=12,
            },
        }
    }
}

/// Renders records, and remembers what the next one must fit to.
pub(in crate::sink) struct Layout {
    colour: bool,
    /// Columns of the terminal; `None` when there is none.
    width: Option<usize>,
    /// Every line has its time.
    all_times: bool,
    columns: Columns,
    stamp: Stamp,
    /// The time that the line before shows; `None` when there is none to refer to.
    shown: Option<[u8; TIME_COLUMNS]>,
    /// How wide who is at present.
    who_columns: usize,
    /// Buffers for one record, kept for the next.
    name: Vec<u8>,
    buffers: Buffers,
}

impl Layout {
    /// With the time in every line, or only where it has changed.
    pub(in crate::sink) fn new(all_times: bool) -> Layout {
        let columns = Columns::of(None);
        Layout {
            colour: false,
            width: None,
            all_times,
            who_columns: *columns.who.start(),
            columns,
            stamp: Stamp::default(),
            shown: None,
            name: Vec::new(),
            buffers: Buffers::default(),
        }
    }

    /// The next records go to a console of this look.
    pub(in crate::sink) fn turn_to(&mut self, colour: bool, width: Option<usize>) {
        self.colour = colour;
        if self.width != width {
            self.width = width;
            let columns = Columns::of(width);
            if columns.who != self.columns.who {
                self.who_columns = *columns.who.start();
            }
            self.columns = columns;
            self.shown = None;
        }
    }

    /// Appends the line, or the lines, of `record`.
    pub(in crate::sink) fn push(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        let Columns { time, level, .. } = self.columns;
        if time > 0 {
            self.push_time(out, record.time_ns);
        }
        let name = match record.level {
            Level::Critical if level < LEVEL_COLUMNS => "CRIT",
            level => level.as_str(),
        };
        self.push_styled(out, style::level(record.level), name);
        push_blanks(out, level.saturating_sub(name.len()) + 1);
        let used = self.push_who(out, record);
        self.who_columns = self.who_columns.max(used);
        push_blanks(out, self.who_columns - used + GAP);
        let times = if time > 0 { time + 1 } else { 0 };
        let indent = times + level + 1 + self.who_columns + GAP;
        let room = self.width.and_then(|columns| columns.checked_sub(indent));
        let mut buffers = std::mem::take(&mut self.buffers);
        push_body(self, &mut buffers, out, record, indent, room);
        self.buffers = buffers;
        out.push(b'\n');
    }

    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }

    pub(super) fn has_colours(&self) -> bool {
        self.colour
    }

    pub(super) fn push_styled(&self, out: &mut Vec<u8>, style: Style, text: &str) {
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
        let columns = self.columns.time;
        let is_shown = |shown: &[u8; TIME_COLUMNS]| shown[..columns] == time[..columns];
        let may_leave_out = self.width.is_some() && !self.all_times;
        if may_leave_out && self.shown.as_ref().is_some_and(is_shown) {
            push_blanks(out, columns);
        } else {
            self.push_styled(out, style::QUIET, as_text(&time[..columns]));
            self.shown = Some(time);
        }
        out.push(b' ');
    }

    /// `process/thread`, or `[shmlog]` for the drainer's own words, which no process can look like because
    /// those have a slash (`process/` where threads are left out). Returns the columns taken.
    fn push_who(&mut self, out: &mut Vec<u8>, record: &Record<'_>) -> usize {
        let most = *self.columns.who.end();
        if record.sequence.is_none() {
            self.push_styled(out, style::MARK, "[shmlog]");
            return "[shmlog]".len();
        }
        let mut name = std::mem::take(&mut self.name);
        name.clear();
        push_field(&mut name, record.process);
        let split = name.len();
        if self.columns.threads {
            push_field(&mut name, record.thread);
        }
        let (process, thread) = name.split_at(split);
        let (process, thread) = (as_text(process), as_text(thread));
        let mut thread_room = width(thread);
        if width(process) + 1 + thread_room > most {
            let left_over = (most - 1).saturating_sub(width(process));
            thread_room = thread_room.min(THREAD_COLUMNS.min(most / 2).max(left_over));
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
}

/// Bytes that were text before; a byte that is not, which cannot be, shows as nothing.
pub(super) fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
