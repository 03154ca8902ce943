//! The bottom: the main keys, or the line that is being typed and why it was refused.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Clear, Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

use super::look;
use crate::show::harmless;
use crate::top::app::{App, Typing};
use crate::top::line::TypedLine;

/// The most rows of a reason.
const REASON: u16 = 4;

const KEYS: [(&str, &str); 9] = [
    ("q", "quit"),
    ("Tab", "table"),
    ("↑↓", "row"),
    ("⏎", "its last"),
    ("s r", "sort"),
    ("/", "find"),
    ("f", "filter"),
    ("space", "pause"),
    ("?", "help"),
];

/// The rows that it takes.
pub fn height(app: &App, width: u16) -> u16 {
    match &app.typing {
        Some(Typing::Filter { error, .. }) if !error.is_empty() => {
            let rows = error.width() / usize::from(width.max(1)) + 2;
            1 + u16::try_from(rows).unwrap_or(REASON).min(REASON)
        }
        _ => 1,
    }
}

/// Draws it.
pub fn draw(frame: &mut Frame, area: Rect, app: &App) {
    if area.is_empty() {
        return;
    }
    frame.render_widget(Clear, area);
    let last = Rect {
        y: area.bottom() - 1,
        height: 1,
        ..area
    };
    match &app.typing {
        None if !app.notice.is_empty() => {
            frame.render_widget(Line::styled(app.notice.clone(), look::STRONG), last);
        }
        None => frame.render_widget(keys(), last),
        Some(Typing::Needle { line, .. }) => draw_line(frame, last, "rows with: ", line),
        Some(Typing::Filter { line, error }) => {
            let above = Rect {
                height: area.height - 1,
                ..area
            };
            let reason = Text::styled(error.clone(), look::ALARM);
            frame.render_widget(Paragraph::new(reason).wrap(Wrap { trim: true }), above);
            draw_line(frame, last, "filter of the running system: ", line);
        }
    }
}

fn keys() -> Line<'static> {
    let mut line = Line::default();
    for (key, what) in KEYS {
        line.push_span(Span::styled(key, look::KEY));
        line.push_span(format!(" {what}  "));
    }
    line
}

/// What is typed, so far to the left that the cursor is to be seen.
fn draw_line(frame: &mut Frame, area: Rect, name: &'static str, line: &TypedLine) {
    let before = harmless(&line.before());
    let at = name.width() + before.width();
    let shift = (at + 1).saturating_sub(area.width.into());
    let text = Line::from(vec![
        Span::styled(name, look::KEY),
        Span::raw(before),
        Span::raw(harmless(&line.behind())),
    ]);
    let shift = u16::try_from(shift).unwrap_or(u16::MAX);
    frame.render_widget(Paragraph::new(text).scroll((0, shift)), area);
    let at = u16::try_from(at).unwrap_or(u16::MAX).saturating_sub(shift);
    let x = area
        .x
        .saturating_add(at)
        .min(area.right().saturating_sub(1));
    frame.set_cursor_position(Position { x, y: area.y });
}
