//! Draws what the console shows: runs the example `quickstart` in a terminal of 120 columns and makes an SVG of the bytes
//! that come out of it, text for text and colour for colour.
//!
//! ```sh
//! cargo build --release --examples && cargo run --release --example console_picture > docs/console.svg
//! ```
//!
//! Or of a text with colours from elsewhere, as of `shmlog top` in tmux, over the example `busy`:
//!
//! ```sh
//! cargo build --release -p shmlog-cli && cargo build --release --examples && target/release/examples/busy 30 &
//! tmux -L picture new-session -d -x 120 -y 36 target/release/shmlog top && sleep 25
//! tmux -L picture capture-pane -e -p | target/release/examples/console_picture "shmlog top" 120 > docs/top.svg
//! ```

use std::error::Error;
use std::fmt::Write;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use unicode_width::UnicodeWidthChar;

const COLUMNS: u16 = 120;
/// Of one character, in pixels.
const CELL: (f64, f64) = (7.83, 19.0);
/// Around the text.
const MARGIN: f64 = 20.0;
/// Above it, for what stands in the place of a window's title.
const TITLE: f64 = 34.0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (title, columns, bytes) = match arguments.next() {
        None => {
            let title = "cargo run --example quickstart".to_owned();
            (title, COLUMNS, shown_by_quickstart()?)
        }
        Some(title) => {
            let columns = arguments.next().ok_or("TITLE COLUMNS < TEXT")?.parse()?;
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes)?;
            (title, columns, bytes)
        }
    };
    let text = String::from_utf8(bytes)?.replace('\r', "");
    print!("{}", drawn(&text, &title, columns)?);
    Ok(())
}

/// What the example writes to a terminal.
fn shown_by_quickstart() -> Result<Vec<u8>, Box<dyn Error>> {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&person)?;
    unlockpt(&person)?;
    let size = Winsize {
        ws_row: 60,
        ws_col: COLUMNS,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&person, size)?;
    let name = ptsname(&person, Vec::new())?.into_string()?;
    let terminal = OpenOptions::new().read(true).write(true).open(name)?;
    let example = std::env::current_exe()?.with_file_name("quickstart");
    let mut command = Command::new(&example);
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "SHMLOG_SINKS"] {
        command.env_remove(variable);
    }
    command.env("TERM", "xterm-256color").stdin(Stdio::null());
    let started = command.stdout(terminal).spawn();
    let mut child =
        started.map_err(|error| format!("{}: {error}; build it first", example.display()))?;
    // Holds the terminal open otherwise.
    drop(command);
    let mut bytes = Vec::new();
    // A terminal whose other end is closed reads as an error, not as its end.
    let _ = File::from(person).read_to_end(&mut bytes);
    match child.wait()?.success() {
        true => Ok(bytes),
        false => Err("the example failed".into()),
    }
}

/// How text looks, by the numbers of the escapes that set it.
#[derive(Clone, Default, PartialEq)]
struct Look {
    colour: Option<String>,
    ground: Option<String>,
    bold: bool,
    dim: bool,
    italic: bool,
    underlined: bool,
    reversed: bool,
}

impl Look {
    /// Obeys `ESC [ … m`.
    fn obey(&mut self, numbers: &str) {
        let mut numbers = numbers.split(';').map(|number| number.parse().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Look::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underlined = true,
                7 => self.reversed = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underlined = false,
                27 => self.reversed = false,
                30..=37 => self.colour = Some(named(number - 30)),
                39 => self.colour = None,
                90..=97 => self.colour = Some(named(number - 82)),
                40..=47 => self.ground = Some(named(number - 40)),
                49 => self.ground = None,
                100..=107 => self.ground = Some(named(number - 92)),
                // Behind it: 5, and one of 256.
                38 => self.colour = numbers.nth(1).map(one_of_256),
                48 => self.ground = numbers.nth(1).map(one_of_256),
                _ => {}
            }
        }
    }

    fn attributes(&self) -> String {
        let mut text = String::new();
        if let Some(colour) = &self.colour {
            text += &format!(" fill=\"{colour}\"");
        }
        let switches = [
            (self.bold, " font-weight=\"bold\""),
            (self.dim, " fill-opacity=\".6\""),
            (self.italic, " font-style=\"italic\""),
            (self.underlined, " text-decoration=\"underline\""),
        ];
        for (is_on, attribute) in switches {
            text += if is_on { attribute } else { "" };
        }
        text
    }
}

/// The sixteen that have names, as a dark terminal has them.
fn named(number: u16) -> String {
    let colours = [
        "#484f58", "#f47067", "#57ab5a", "#d4a72c", "#539bf5", "#b083f0", "#39c5cf", "#adbac7",
        "#768390", "#ff938a", "#6bc46d", "#daaa3f", "#6cb6ff", "#dcbdfb", "#56d4dd", "#ffffff",
    ];
    colours[usize::from(number)].to_owned()
}

/// One of 256: the sixteen, a cube of 6 × 6 × 6, and greys.
fn one_of_256(number: u16) -> String {
    let step = |level: u16| if level == 0 { 0 } else { 55 + 40 * level };
    match number {
        0..=15 => named(number),
        16..=231 => {
            let cube = number - 16;
            let [red, green, blue] = [cube / 36, cube / 6 % 6, cube % 6].map(step);
            format!("#{red:02x}{green:02x}{blue:02x}")
        }
        _ => {
            let grey = 8 + 10 * (number.min(255) - 232);
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
    }
}

/// A picture of text with escapes.
fn drawn(text: &str, title: &str, columns: u16) -> Result<String, std::fmt::Error> {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let width = f64::from(columns) * CELL.0 + 2.0 * MARGIN;
    let height = lines.len() as f64 * CELL.1 + TITLE + 2.0 * MARGIN;
    let mut svg = String::new();
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\">\n<title>{title}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"10\" fill=\"#1c2128\"/>"
    )?;
    for (place, colour) in ["#f47067", "#d4a72c", "#57ab5a"].iter().enumerate() {
        let x = MARGIN + 4.0 + place as f64 * 20.0;
        writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"22\" r=\"6\" fill=\"{colour}\"/>"
        )?;
    }
    writeln!(
        svg,
        "<g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"13\" \
         fill=\"#adbac7\" xml:space=\"preserve\">\n\
         <text x=\"{:.0}\" y=\"26\" text-anchor=\"middle\" opacity=\".6\">{title}</text>",
        width / 2.0
    )?;
    let mut look = Look::default();
    for (row, line) in lines.iter().enumerate() {
        draw_line(&mut svg, line, row, &mut look)?;
    }
    svg.push_str("</g>\n</svg>\n");
    Ok(svg)
}

/// One line: a `tspan` for each look, at its own column, so that all stay aligned whatever font there is.
fn draw_line(svg: &mut String, line: &str, row: usize, look: &mut Look) -> std::fmt::Result {
    let y = TITLE + MARGIN + (row as f64 + 0.5) * CELL.1;
    let (mut spans, mut column) = (String::new(), 0);
    // The first piece is no escape.
    for (number, piece) in line.split("\x1b[").enumerate() {
        let piece = match (number, piece.split_once('m')) {
            (0, _) => piece,
            (_, Some((numbers, rest))) => {
                look.obey(numbers);
                rest
            }
            (_, None) => continue,
        };
        let columns: usize = piece.chars().map(|c| c.width().unwrap_or(0)).sum();
        let blanks = piece.len() - piece.trim_start_matches(' ').len();
        let x = |column: usize| MARGIN + column as f64 * CELL.0;
        if let Some(ground) = &look.ground {
            draw_rectangle(svg, (x(column), y - 14.0), (columns, 1.0), ground)?;
        }
        let (piece, columns_of_piece) =
            (&*without_blocks(svg, piece, (x(column), y), look)?, columns);
        if blanks < piece.len() {
            let (x, attributes) = (x(column + blanks), look.attributes());
            write!(
                spans,
                "<tspan x=\"{x:.1}\"{attributes}>{}</tspan>",
                escaped(piece.trim())
            )?;
        }
        column += columns_of_piece;
    }
    writeln!(svg, "<text y=\"{y:.1}\">{spans}</text>")
}

/// Draws the blocks of graphs, which every font has in a width of its own, and gives the text without them.
fn without_blocks(
    svg: &mut String,
    piece: &str,
    (x, y): (f64, f64),
    look: &Look,
) -> Result<String, std::fmt::Error> {
    let colour = look.colour.as_deref().unwrap_or("#adbac7");
    let mut text = String::new();
    let mut column = 0;
    for c in piece.chars() {
        let eighths = match c {
            '\u{2581}'..='\u{2588}' => c as u32 - 0x2580,
            _ => 0,
        };
        if eighths > 0 {
            let height = f64::from(eighths) / 8.0;
            let place = (
                x + f64::from(column) * CELL.0,
                y - 14.0 + (1.0 - height) * CELL.1,
            );
            draw_rectangle(svg, place, (1, height), colour)?;
        }
        text.push(if eighths > 0 { ' ' } else { c });
        column += c.width().unwrap_or(0) as u32;
    }
    Ok(text)
}

/// In columns and rows.
fn draw_rectangle(
    svg: &mut String,
    (x, y): (f64, f64),
    (columns, rows): (usize, f64),
    colour: &str,
) -> std::fmt::Result {
    // A little wider, or one sees what is behind between two.
    let (width, height) = (columns as f64 * CELL.0 + 0.3, rows * CELL.1 + 0.3);
    writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
