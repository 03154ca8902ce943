//! The keys and the words of the screen, over the rest of it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Clear, Padding, Paragraph, Wrap};

use super::look;

const HELP: [(&str, &str); 18] = [
    ("q Esc ^C", "quit"),
    ("Tab 1 2 3", "table: producers, call sites, sinks"),
    ("↑↓ PgUp PgDn", "choose a row; Home and End too"),
    ("Enter", "the row in full, with its last message"),
    ("s < >", "sort by the next or the previous column"),
    ("r", "reverse the order"),
    ("/", "only rows with a text: process, thread, target, file"),
    (
        "f",
        "change what the running system logs, as warn,imu=debug",
    ),
    ("space", "pause"),
    (
        "n",
        "on with the next ring of the program, when this has ended",
    ),
    ("", ""),
    ("attempted", "log calls at a level that is on"),
    (
        "dropped",
        "refused, as the ring was full or a message too long",
    ),
    ("lost", "died with their process, or found no file to go to"),
    ("not written", "sequences that some sink has still to write"),
    ("high water", "the most of the ring that was ever taken"),
    (
        "parked",
        "slots that wait for a thread stopped while it wrote",
    ),
    ("D12 I3", "dropped, by level: 12 DEBUG, 3 INFO"),
];

/// Draws it, in the middle.
pub fn draw(frame: &mut Frame, area: Rect) {
    let width = area.width.min(76);
    let height = area.height.min(HELP.len() as u16 + 2);
    let area = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let line = |(key, what): (&'static str, &'static str)| {
        Line::from(vec![
            Span::styled(format!("{key:<14}"), look::KEY),
            Span::raw(what),
        ])
    };
    let text: Text = HELP.into_iter().map(line).collect();
    let block = Block::bordered()
        .title(" any key takes this away ")
        .padding(Padding::horizontal(1));
    frame.render_widget(Clear, area);
    frame.render_widget(
        Paragraph::new(text).wrap(Wrap { trim: false }).block(block),
        area,
    );
}
