//! One row in full, over the lower half of the screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Clear, Padding, Paragraph, Wrap};
use unicode_width::UnicodeWidthStr;

use super::look;
use super::table::cut;
use crate::top::app::Detail;

/// Columns of the frame and the blanks inside of it.
const FRAME: u16 = 4;

/// Draws it, as high as its texts take, at most half of the screen.
pub fn draw(frame: &mut Frame, area: Rect, detail: &Detail) {
    let width = usize::from(area.width.saturating_sub(FRAME).max(1));
    let rows: usize = detail
        .lines
        .iter()
        .map(|line| line.width() / width + 1)
        .sum();
    let height = u16::try_from(rows + 2)
        .unwrap_or(u16::MAX)
        .min((area.height / 2).max(3))
        .min(area.height);
    let area = Rect {
        y: area.bottom() - height,
        height,
        ..area
    };
    let title = cut(&detail.title, width.saturating_sub(2));
    let block = Block::bordered()
        .title(Line::styled(format!(" {title} "), look::STRONG))
        .padding(Padding::horizontal(1));
    let lines = detail.lines.iter().map(|line| Line::raw(line.clone()));
    let text: Text = lines.collect();
    frame.render_widget(Clear, area);
    frame.render_widget(
        Paragraph::new(text).wrap(Wrap { trim: false }).block(block),
        area,
    );
}
