//! The drawing: what goes where, by how large the screen is.
//!
//! From 36 rows on all tables are there at once, before that one at a time. Nothing here trusts a size.

mod detail;
mod graphs;
mod header;
mod help;
mod look;
mod producers;
mod sinks;
mod sites;
mod table;
mod typing;

use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::{Frame, Terminal};
use unicode_width::UnicodeWidthStr;

use self::table::{TableRow, draw_table};
use super::app::{App, Panel};
use super::model::{ProducerRow, SinkRow, SiteRow};

/// From so many rows on all tables are drawn at once.
const ALL_FROM: u16 = 36;
/// Of a table without rows: its title and its columns.
const TABLE_HEAD: u16 = 2;

/// How many columns a panel can be sorted by.
pub fn columns(panel: Panel) -> usize {
    match panel {
        Panel::Producers => ProducerRow::COLUMNS.len(),
        Panel::Sites => SiteRow::COLUMNS.len(),
        Panel::Sinks => SinkRow::COLUMNS.len(),
    }
}

/// Draws the whole screen.
pub fn draw(frame: &mut Frame, app: &mut App) {
    let area = frame.area();
    let graphs = match area.height {
        0..=15 => 0,
        16..=ALL_FROM => 4,
        _ => 6,
    };
    // Where there is room for it nothing of the header is cut.
    let header = match area.height {
        0..20 => 3.min(area.height / 2),
        _ => header::height(app, area.width),
    };
    let parts = [
        Constraint::Length(header),
        Constraint::Length(graphs),
        Constraint::Fill(1),
        Constraint::Length(typing::height(app, area.width).min(area.height)),
    ];
    let [top, middle, tables, bottom] = Layout::vertical(parts).areas(area);
    header::draw(frame, top, app);
    graphs::draw(frame, middle, app);
    draw_tables(frame, tables, app, area.height >= ALL_FROM);
    typing::draw(frame, bottom, app);
    if let Some(detail) = &app.detail {
        detail::draw(frame, tables, detail);
    }
    if app.is_help {
        help::draw(frame, area);
    }
}

fn draw_tables(frame: &mut Frame, area: Rect, app: &mut App, is_all: bool) {
    if !is_all {
        return draw_panel(frame, area, app, app.panel, true);
    }
    let (producers, sites, sinks) = match &app.sight {
        Some(sight) => (sight.producers.len(), sight.sites.len(), sight.sinks.len()),
        None => (0, 0, 0),
    };
    let [first, second, third] = shared_out(area.height, [producers, sites, sinks]);
    let parts = [first, second, third].map(Constraint::Length);
    let areas: [Rect; 3] = Layout::vertical(parts).areas(area);
    for (panel, area) in Panel::ALL.into_iter().zip(areas) {
        draw_panel(frame, area, app, panel, false);
    }
}

/// Rows for each table with so many rows: the sinks get what they need up to a quarter, the others share the rest, half
/// each, or more where the other needs less.
fn shared_out(height: u16, rows: [usize; 3]) -> [u16; 3] {
    let [producers, sites, sinks] = rows.map(|rows| {
        u16::try_from(rows)
            .unwrap_or(u16::MAX)
            .saturating_add(TABLE_HEAD + 1)
    });
    let sinks = sinks.min(height / 4);
    let rest = height - sinks;
    let half = rest / 2;
    let producers = match sites <= half {
        true => producers.min(rest - sites.min(rest)),
        false => producers.min(half),
    };
    [producers, rest - producers, sinks]
}

fn draw_panel(frame: &mut Frame, area: Rect, app: &mut App, panel: Panel, is_alone: bool) {
    if area.is_empty() {
        return;
    }
    let title = Rect { height: 1, ..area };
    let body = Rect {
        y: area.y.saturating_add(1),
        height: area.height - 1,
        ..area
    };
    let is_active = app.panel == panel;
    let order = &mut app.orders[panel as usize];
    let place = match &app.sight {
        None => String::new(),
        Some(sight) => match panel {
            Panel::Producers => draw_table(frame, body, &sight.producers, order, &app.needle),
            Panel::Sites => draw_table(frame, body, &sight.sites, order, &app.needle),
            Panel::Sinks => draw_table(frame, body, &sight.sinks, order, &app.needle),
        },
    };
    let names: &[Panel] = if is_alone { &Panel::ALL } else { &[panel] };
    draw_title(frame, title, app, names, is_active, &place);
}

/// `1 producers 12  2 call sites 40  3 sinks 2        rows with "arm"  1-9 of 12`
fn draw_title(
    frame: &mut Frame,
    area: Rect,
    app: &App,
    names: &[Panel],
    is_active: bool,
    place: &str,
) {
    let counts = app.sight.as_ref().map_or([0; 3], |sight| {
        [sight.producers.len(), sight.sites.len(), sight.sinks.len()]
    });
    let mut left = Line::default();
    for panel in names {
        let name = ["producers", "call sites", "sinks"][*panel as usize];
        let number = *panel as usize + 1;
        let is_bright = is_active && *panel == app.panel;
        let style = if is_bright {
            look::ACTIVE
        } else {
            look::PASSIVE
        };
        left.push_span(ratatui::text::Span::styled(
            format!(" {number} {name} "),
            style,
        ));
        left.push_span(ratatui::text::Span::styled(
            format!(" {}  ", counts[*panel as usize]),
            look::QUIET,
        ));
    }
    let mut right = String::new();
    if !app.needle.is_empty() {
        right = format!("rows with {:?}  ", app.needle);
    }
    right += place;
    let room = usize::from(area.width).saturating_sub(left.width());
    frame.render_widget(left, area);
    if right.width() <= room {
        frame.render_widget(Line::styled(right, look::QUIET).right_aligned(), area);
    }
}

/// The screen as text, with all rows.
pub fn text(app: &mut App, columns: u16) -> String {
    let rows = app.sight.as_ref().map_or(0, |sight| {
        let tables = [sight.producers.len(), sight.sites.len(), sight.sinks.len()];
        tables.iter().map(|rows| rows + 4).sum()
    });
    let mut buffer = Buffer::default();
    // More would not fit into the numbers of a buffer's cells.
    let rows = u16::try_from(rows)
        .unwrap_or(u16::MAX)
        .clamp(ALL_FROM, 1 << 12);
    // It never fails.
    if let Ok(mut terminal) = Terminal::new(TestBackend::new(columns, rows))
        && terminal.draw(|frame| draw_text(frame, app)).is_ok()
    {
        buffer = terminal.backend().buffer().clone();
    }
    lines_of(&buffer)
}

fn draw_text(frame: &mut Frame, app: &mut App) {
    let area = frame.area();
    let [top, tables] = Layout::vertical([Constraint::Length(4), Constraint::Fill(1)]).areas(area);
    header::draw(frame, top, app);
    let rows = app.sight.as_ref().map_or([0; 3], |sight| {
        [sight.producers.len(), sight.sites.len(), sight.sinks.len()]
    });
    let mut y = tables.y;
    for (panel, rows) in Panel::ALL.into_iter().zip(rows) {
        let height = (rows as u16).saturating_add(TABLE_HEAD + 1);
        let height = height.min(area.bottom().saturating_sub(y));
        draw_panel(
            frame,
            Rect {
                y,
                height,
                ..tables
            },
            app,
            panel,
            false,
        );
        y += height;
    }
}

/// Lines without the blanks at their ends, and without the empty ones at the end.
fn lines_of(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer.cell((x, y)).map_or(" ", |cell| cell.symbol());
            line += symbol;
            // Behind a wide one stands a cell that is none.
            x += (symbol.width() as u16).max(1);
        }
        text += line.trim_end();
        text.push('\n');
    }
    let end = text.trim_end_matches('\n').len();
    text.truncate(end);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
