//! What a record says, on a console: mark, spans, message, key-values and place, in as many lines as it takes.

use std::ops::Range;

use super::layout::{GAP, Layout, as_text};
use super::style;
use super::tint::{Span, Tint, scan};
use super::wrap::{back, first_piece, width};
use crate::record::format::CUT_MARK;
use crate::record::{Record, Value, Values};
use crate::sink::text::{message_lines, push_blanks, push_decimal, push_field, push_text};
use crate::sink::values::{push_key, push_value};

/// With less room for the message than this, lines are not broken and places not aligned.
const LEAST_MESSAGE: usize = 16;
/// Tabs in a message are set this far apart.
const TAB: usize = 8;
/// Bytes that one record may take on a console. Each line feed takes fifty, since the next line is indented, and a
/// message may be megabytes of them.
const MOST_BYTES: usize = 32 << 20;
/// Bytes that each buffer keeps for the next record.
const KEPT_BYTES: usize = 64 << 10;

/// Memory for one record, kept for the next.
#[derive(Default)]
pub(super) struct Buffers {
    place: Vec<u8>,
    line: Vec<u8>,
    spans: Vec<Span>,
}

/// Appends what `record` says from column `indent` on, in lines of `room` columns if that is given.
pub(super) fn push_body(
    layout: &Layout,
    buffers: &mut Buffers,
    out: &mut Vec<u8>,
    record: &Record<'_>,
    indent: usize,
    room: Option<usize>,
) {
    let Buffers { place, line, spans } = buffers;
    let room = room.filter(|room| *room >= LEAST_MESSAGE);
    place.clear();
    let mut file_at = 0;
    if layout.columns().places {
        file_at = render_place(place, record);
    }
    let most = out.len() + MOST_BYTES;
    let mut body = Body {
        layout,
        out,
        indent,
        room,
        place: as_text(place),
        file: as_text(&place[file_at..]),
        lines: 0,
        last_used: 0,
    };
    let mut used = body.push_late(record);
    let mut lines = message_lines(without_last_newlines(record.message)).peekable();
    let mut scope = record.scope;
    while let Some(text) = lines.next() {
        if body.out.len() > most {
            body.out.extend_from_slice(CUT_MARK.as_bytes());
            break;
        }
        line.clear();
        spans.clear();
        push_scope(line, spans, std::mem::take(&mut scope));
        let start = line.len();
        push_text(line, text);
        if room.is_some() && line.contains(&b'\t') {
            *line = with_tabs_expanded(line);
        }
        if layout.has_colours() {
            scan(as_text(line), start, spans);
        }
        if lines.peek().is_none() && !record.values.is_empty() {
            push_values(line, spans, &record.values);
        }
        body.push_line(as_text(line), spans, std::mem::take(&mut used));
    }
    body.push_place_below();
    line.clear();
    line.shrink_to(KEPT_BYTES);
    spans.clear();
    spans.shrink_to(KEPT_BYTES / size_of::<Span>());
}

/// `outer{a=1}:inner: `, if the record lies in spans.
fn push_scope(line: &mut Vec<u8>, spans: &mut Vec<Span>, scope: &str) {
    if !scope.is_empty() {
        push_field(line, scope);
        line.push(b':');
        let (bytes, tint) = (0..line.len(), Tint::Quiet);
        spans.push(Span { bytes, tint });
        line.push(b' ');
    }
}

/// What the text value is that `line` ends with from byte `at` on: a path or an address, if it is one as a whole.
fn tint_of(line: &str, at: usize) -> Tint {
    let mut spans = Vec::new();
    scan(line, at, &mut spans);
    match &spans[..] {
        [Span { bytes, tint }] if *bytes == (at..line.len()) => match tint {
            Tint::Path | Tint::Url => *tint,
            _ => Tint::Text,
        },
        _ => Tint::Text,
    }
}

/// ` key=value` for each, as in the text file.
fn push_values(line: &mut Vec<u8>, spans: &mut Vec<Span>, values: &Values<'_>) {
    for (key, value) in values.iter() {
        if !line.is_empty() {
            line.push(b' ');
        }
        let key_at = line.len();
        push_key(line, &key);
        line.push(b'=');
        let value_at = line.len();
        push_value(line, &value);
        let tint = match value {
            Value::Text(_) => tint_of(as_text(line), value_at),
            Value::Char(_) => Tint::Text,
            Value::Bool(_) => Tint::Word,
            _ => Tint::Number,
        };
        let pieces = [
            (key_at..value_at, Tint::Quiet),
            (value_at..line.len(), tint),
        ];
        spans.extend(pieces.map(|(bytes, tint)| Span { bytes, tint }));
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
    fn push_line(&mut self, line: &str, spans: &[Span], used: usize) {
        let (mut rest, mut used) = (Some(line), used);
        while let Some(text) = rest {
            let (piece, more) = match self.room {
                Some(room) => first_piece(text, room.saturating_sub(used).max(1)),
                None => (text, None),
            };
            let start = line.len() - text.len();
            if self.lines > 0 {
                self.begin_line();
            }
            self.lines += 1;
            self.push_tinted(line, start..start + piece.len(), spans);
            self.last_used = used + width(piece);
            self.push_place_behind(self.place);
            (rest, used) = (more, 0);
        }
    }

    /// The bytes `piece` of `line`; a colour that goes on in the next piece is begun there anew.
    fn push_tinted(&mut self, line: &str, piece: Range<usize>, spans: &[Span]) {
        let mut at = piece.start;
        let first = spans.partition_point(|span| span.bytes.end <= at);
        for span in &spans[first..] {
            let (start, end) = (span.bytes.start.max(at), span.bytes.end.min(piece.end));
            if start >= end {
                break;
            }
            self.out.extend_from_slice(&line.as_bytes()[at..start]);
            let style = style::tint(span.tint);
            self.layout.push_styled(self.out, style, &line[start..end]);
            at = end;
        }
        self.out.extend_from_slice(&line.as_bytes()[at..piece.end]);
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
        let has_to = self.layout.columns().places_below && !self.place.is_empty();
        if let Some(room) = self.room.filter(|_| has_to) {
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
