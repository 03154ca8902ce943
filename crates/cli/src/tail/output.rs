//! What is shown, on its way to standard output.

use std::io::{self, Write};
use std::ops::ControlFlow;

use anstream::{AutoStream, ColorChoice};
use chrono::{DateTime, Local, NaiveDate};
use shmlog::sink::{Encoder, Encoding, Record};

use super::{Color, Form};
use crate::failure::{self, Failure, is_closed_pipe};
use crate::reading::Piece;
use crate::show::{self, Progress, harmless};

/// Bytes that are written at a time, if more is to come.
const ENOUGH: usize = 64 << 10;

/// Writes records down, and the lines that are none.
pub struct Output {
    encoder: Encoder,
    form: Form,
    colour: bool,
    /// Columns of the terminal; `None` where there is none.
    width: Option<usize>,
    /// A pager stands between us and the terminal: its width is what it was.
    is_paged: bool,
    /// Shown until there is something to show.
    progress: Option<Progress>,
    /// The day of the record shown last: the console has times of day only.
    day: Option<NaiveDate>,
    bytes: Vec<u8>,
    /// Why nothing more can be written.
    error: Option<io::Error>,
    /// Lines that are no records and so have no place here.
    left_out: u64,
}

impl Output {
    /// To standard output.
    pub fn new(form: Form, color: Color) -> Output {
        let colour = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => AutoStream::choice(&io::stdout()) != ColorChoice::Never,
        };
        let mut output = Output {
            encoder: Encoder::new(Encoding::Json),
            form,
            colour,
            width: None,
            is_paged: false,
            progress: None,
            day: Some(Local::now().date_naive()),
            bytes: Vec::new(),
            error: None,
            left_out: 0,
        };
        output.width = show::columns();
        output.encoder = output.encoder_of();
        output
    }

    /// Goes through a pager from now on, whose standard input is our standard output.
    pub fn page(&mut self) {
        self.is_paged = true;
    }

    /// Shows how far reading has come until the first record is shown, or until [`Self::finish`].
    pub fn show_progress(&mut self, progress: Progress) {
        self.progress = Some(progress);
    }

    fn encoder_of(&self) -> Encoder {
        match self.form {
            Form::Text => Encoder::console(self.colour, self.width),
            Form::Json => Encoder::new(Encoding::Json),
            Form::Logfmt => Encoder::new(Encoding::Logfmt),
        }
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: &Piece<'_>) {
        match piece {
            Piece::Record(record) => {
                self.push_day(record);
                self.encoder.push(&mut self.bytes, record);
            }
            Piece::Other(line) if self.form == Form::Text => push_harmless(&mut self.bytes, line),
            Piece::Other(_) => self.left_out += 1,
        }
        if self.bytes.len() >= ENOUGH {
            self.flush();
        }
    }

    /// On a terminal a line says where another day begins, and if the first is not today.
    fn push_day(&mut self, record: &Record<'_>) {
        if self.form != Form::Text || self.width.is_none() {
            return;
        }
        let day = DateTime::from_timestamp_nanos(record.time_ns)
            .with_timezone(&Local)
            .date_naive();
        if self.day.replace(day) != Some(day) {
            let (dim, end) = if self.colour {
                ("\x1b[2m", "\x1b[0m")
            } else {
                ("", "")
            };
            // Writing into a Vec cannot fail.
            _ = writeln!(self.bytes, "{dim}── {} ──{end}", day.format("%A, %Y-%m-%d"));
        }
    }

    /// Hands over what there is, and looks how wide the terminal has become.
    pub fn flush(&mut self) {
        if !self.bytes.is_empty() && self.width.is_some() {
            // Both are drawn on one terminal.
            self.progress = None;
        }
        let mut out = io::stdout().lock();
        if self.error.is_none() && !self.bytes.is_empty() {
            self.error = out.write_all(&self.bytes).and_then(|()| out.flush()).err();
        }
        self.bytes.clear();
        if self.is_paged {
            return;
        }
        let width = show::columns();
        if self.form == Form::Text && width != self.width {
            self.width = width;
            self.encoder = self.encoder_of();
        }
    }

    /// Whether there is any use in going on.
    pub fn flow(&self) -> ControlFlow<()> {
        match self.error {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }

    /// The end. A reader that has gone is no failure.
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.progress = None;
        self.flush();
        if self.left_out > 0 {
            let form = format!("{:?}", self.form).to_lowercase();
            let left_out = self.left_out;
            failure::tell(format!(
                "lines that are no records: {left_out}, left out of {form}; --output text shows them"
            ));
        }
        match self.error.take() {
            Some(error) if !is_closed_pipe(&error) => Err(failure::no_output(&error)),
            _ => Ok(()),
        }
    }
}

/// Appends a line of another program: nothing in it may steer the terminal. Its columns stay.
fn push_harmless(out: &mut Vec<u8>, line: &str) {
    for (number, part) in line.split('\t').enumerate() {
        if number > 0 {
            out.push(b'\t');
        }
        out.extend_from_slice(harmless(part).as_bytes());
    }
    out.push(b'\n');
}
