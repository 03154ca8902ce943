//! A table: rows that are filtered, sorted, scrolled and cut to the width that there is.

use std::cmp::Ordering;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::super::app::{Order, RowKey};
use super::look;

/// A column: its name, its least width, its part of what is left over, and from which width of the screen on it is there.
pub struct Column {
    pub name: &'static str,
    pub least: u16,
    pub part: u16,
    pub is_right: bool,
    /// What is too long loses its beginning, as paths may.
    pub is_tail: bool,
    pub from: u16,
}

impl Column {
    /// Of numbers.
    pub const fn number(name: &'static str, least: u16) -> Column {
        Column {
            name,
            least,
            part: 0,
            is_right: true,
            is_tail: false,
            from: 0,
        }
    }

    /// Of words, which take a part of what is left over.
    pub const fn words(name: &'static str, least: u16, part: u16) -> Column {
        Column {
            name,
            least,
            part,
            is_right: false,
            is_tail: false,
            from: 0,
        }
    }

    /// The same, of paths.
    pub const fn tail(mut self) -> Column {
        self.is_tail = true;
        self
    }

    /// The same, but only on screens of so many columns.
    pub const fn from(mut self, columns: u16) -> Column {
        self.from = columns;
        self
    }
}

/// What stands in a column of a row.
pub type Cell = Vec<Span<'static>>;

/// A cell of one look.
pub fn cell(text: impl Into<String>, style: Style) -> Cell {
    vec![Span::styled(text.into(), style)]
}

/// What a table is made of.
pub trait TableRow {
    const COLUMNS: &'static [Column];

    /// How two rows stand by a column: the one that is asked for most often first.
    fn order(&self, other: &Self, column: usize) -> Ordering;

    /// What stands in each column.
    fn cells(&self) -> Vec<Cell>;

    /// The texts that the row filter looks into.
    fn texts(&self) -> Vec<&str>;

    /// What tells it from the others.
    fn key(&self) -> RowKey;
}

/// Draws it and says which rows are to be seen: `1-9 of 12`, or nothing if all are.
pub fn draw_table<R: TableRow>(
    frame: &mut Frame,
    area: Rect,
    rows: &[R],
    order: &mut Order,
    needle: &str,
) -> String {
    let mut rows: Vec<&R> = rows.iter().filter(|row| has(*row, needle)).collect();
    rows.sort_by(|a, b| match order.is_reversed {
        true => b.order(a, order.column),
        false => a.order(b, order.column),
    });
    let page = usize::from(area.height.saturating_sub(1));
    order.page = page;
    let chosen = choose(&rows, order);
    if let Some(chosen) = chosen.filter(|_| page > 0) {
        // To be seen.
        order.offset = order
            .offset
            .clamp((chosen + 1).saturating_sub(page), chosen);
    }
    order.offset = order.offset.min(rows.len().saturating_sub(page));
    if area.is_empty() {
        return String::new();
    }
    let widths = widths(R::COLUMNS, area.width);
    frame.render_widget(
        names(R::COLUMNS, &widths, order),
        Rect { height: 1, ..area },
    );
    let seen = rows.iter().enumerate().skip(order.offset).take(page);
    for (y, (place, row)) in (area.y.saturating_add(1)..).zip(seen) {
        let mut line = joined(R::COLUMNS, &widths, row.cells());
        if chosen == Some(place) {
            line = line.patch_style(look::CHOSEN);
        }
        frame.render_widget(
            line,
            Rect {
                y,
                height: 1,
                ..area
            },
        );
    }
    match rows.len() > page {
        true => format!(
            "{}-{} of {} ",
            order.offset + 1,
            order.offset + page,
            rows.len()
        ),
        false => String::new(),
    }
}

/// Moves the choice as far as was asked for, and returns where the chosen row stands now. Without a choice the first step chooses
/// the first row that is to be seen; a row that has gone leaves none.
fn choose<R: TableRow>(rows: &[&R], order: &mut Order) -> Option<usize> {
    let step = std::mem::take(&mut order.step);
    let last = rows.len().checked_sub(1);
    let before = order
        .chosen
        .as_ref()
        .and_then(|key| rows.iter().position(|row| row.key() == *key));
    let now = match (before, last) {
        (_, None) => None,
        (Some(before), Some(last)) => Some(before.saturating_add_signed(step).min(last)),
        (None, Some(_)) if step == 0 => None,
        (None, Some(last)) if step == isize::MAX => Some(last),
        (None, Some(last)) => Some(order.offset.min(last)),
    };
    order.chosen = now.map(|place| rows[place].key());
    now
}

fn has<R: TableRow>(row: &R, needle: &str) -> bool {
    needle.is_empty()
        || row
            .texts()
            .iter()
            .any(|text| text.to_lowercase().contains(needle))
}

/// The width of each column, zero for those that are not there.
fn widths(columns: &[Column], width: u16) -> Vec<u16> {
    let is_there = |column: &Column| width >= column.from;
    let there = || columns.iter().filter(|column| is_there(column));
    // One blank between two.
    let least: u16 = there()
        .map(|column| column.least + 1)
        .sum::<u16>()
        .saturating_sub(1);
    let parts: u32 = there().map(|column| u32::from(column.part)).sum();
    let left = u32::from(width.saturating_sub(least));
    let width_of = |column: &Column| match is_there(column) {
        true => {
            column.least
                + (left * u32::from(column.part))
                    .checked_div(parts)
                    .unwrap_or(0) as u16
        }
        false => 0,
    };
    columns.iter().map(width_of).collect()
}

fn names(columns: &[Column], widths: &[u16], order: &Order) -> Line<'static> {
    let name = |(place, column): (usize, &Column)| match place == order.column {
        true => cell(
            format!(
                "{}{}",
                column.name,
                if order.is_reversed { '▲' } else { '▼' }
            ),
            look::SORTED,
        ),
        false => cell(column.name, look::COLUMN),
    };
    joined(
        columns,
        widths,
        columns.iter().enumerate().map(name).collect(),
    )
}

fn joined(columns: &[Column], widths: &[u16], cells: Vec<Cell>) -> Line<'static> {
    let mut line = Line::default();
    for ((column, width), cell) in columns.iter().zip(widths).zip(cells) {
        if *width > 0 {
            fit(&mut line, cell, usize::from(*width), column);
            line.push_span(" ");
        }
    }
    line
}

/// Puts a cell into exactly `width` columns.
fn fit(line: &mut Line<'static>, cell: Cell, width: usize, column: &Column) {
    let wide: usize = cell.iter().map(|span| span.content.width()).sum();
    let blanks = " ".repeat(width.saturating_sub(wide));
    if column.is_right {
        line.push_span(blanks.clone());
    }
    let mut left = width;
    for span in cell {
        // The last column is for the sign that more would follow.
        let text = match wide > width && span.content.width() >= left {
            true if column.is_tail => cut_head(&span.content, left),
            true => cut(&span.content, left),
            false => span.content.into_owned(),
        };
        left = left.saturating_sub(text.width());
        line.push_span(Span::styled(text, span.style));
        if left == 0 {
            break;
        }
    }
    match column.is_right {
        true => {}
        // A wide character may have left one column.
        false if wide > width => line.push_span(" ".repeat(left)),
        false => line.push_span(blanks),
    }
}

/// As much of a text as there is room for, with a sign that more would follow.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut room = width.saturating_sub(1);
    for c in text.chars() {
        match room.checked_sub(c.width().unwrap_or(0)) {
            Some(left) => room = left,
            None => break,
        }
        shown.push(c);
    }
    if width > 0 {
        shown.push('…');
    }
    shown
}

/// The same of a text whose end says more than its beginning.
fn cut_head(text: &str, width: usize) -> String {
    let turned = |text: &str| text.chars().rev().collect::<String>();
    turned(&cut(&turned(text), width))
}

/// The larger first. Not a number is the least.
pub fn descending(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(text: &str, width: usize, column: &Column) -> String {
        let mut line = Line::default();
        fit(&mut line, cell(text, look::PLAIN), width, column);
        line.to_string()
    }

    #[test]
    fn a_cell_takes_its_width_exactly() {
        let (words, number) = (Column::words("", 1, 0), Column::number("", 1));
        assert_eq!(fitted("ab", 4, &words), "ab  ");
        assert_eq!(fitted("ab", 4, &number), "  ab");
        assert_eq!(fitted("abcdef", 4, &words), "abc…");
        assert_eq!(fitted("手手手", 4, &words), "手… ");
        assert_eq!(fitted("ab", 0, &words), "");
        assert_eq!(fitted("src/arm.rs:12", 8, &words.tail()), "…m.rs:12");
    }

    #[test]
    fn columns_that_there_is_no_room_for_are_left_out() {
        let columns = [
            Column::words("a", 4, 1),
            Column::number("b", 5),
            Column::words("c", 3, 2).from(100),
        ];
        assert_eq!(widths(&columns, 5), [4, 5, 0]);
        assert_eq!(widths(&columns, 20), [14, 5, 0]);
        assert_eq!(widths(&columns, 100), [32, 5, 60]);
    }
}
