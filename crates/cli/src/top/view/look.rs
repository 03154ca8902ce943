//! Colours: those of the levels are the console's.

use ratatui::style::{Color, Modifier, Style};
use shmlog::Level;

pub const PLAIN: Style = Style::new();
/// There when looked for, and out of the way otherwise.
pub const QUIET: Style = Style::new().add_modifier(Modifier::DIM);
pub const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
pub const NUMBER: Style = Style::new().fg(Color::Cyan);
pub const NAME: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);
/// Bad, but not getting worse.
pub const CARE: Style = Style::new().fg(Color::Yellow);
/// Getting worse.
pub const ALARM: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
/// What has the eye: the end of the ring, a pause.
pub const SIGN: Style = Style::new().fg(Color::Black).bg(Color::Yellow);
/// The title of the table that keys go to, and of the others.
pub const ACTIVE: Style = Style::new()
    .fg(Color::Black)
    .bg(Color::Cyan)
    .add_modifier(Modifier::BOLD);
pub const PASSIVE: Style = Style::new().fg(Color::White).bg(Color::DarkGray);
/// The names of columns, and of the one that rows are sorted by.
pub const COLUMN: Style = Style::new()
    .fg(Color::DarkGray)
    .add_modifier(Modifier::UNDERLINED);
pub const SORTED: Style = Style::new()
    .fg(Color::Cyan)
    .add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED));
/// The row that is chosen.
pub const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);
/// The keys in the line at the bottom.
pub const KEY: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);

pub fn level(level: Level) -> Style {
    match level {
        Level::Trace => QUIET,
        Level::Debug => Style::new().fg(Color::Blue),
        Level::Info => Style::new().fg(Color::Green),
        Level::Warn => Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
        Level::Error => ALARM,
        Level::Critical => Style::new()
            .fg(Color::White)
            .bg(Color::Red)
            .add_modifier(Modifier::BOLD),
    }
}

/// Of a number that should be zero.
pub fn trouble(count: u64, is_growing: bool) -> Style {
    match (count, is_growing) {
        (_, true) => ALARM,
        (0, _) => PLAIN,
        _ => CARE,
    }
}
