//! What each key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::app::{App, Panel, RowKey, Typing};
use super::line::TypedLine;
use super::view;

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    Nothing,
    Quit,
    /// Have the system log by these directives.
    SetFilter(String),
    /// Watch the successor of a ring that has ended.
    Switch,
    /// Show what is known of a row, with its last record.
    Detail(RowKey),
}

/// Obeys a key.
pub fn press(app: &mut App, key: KeyEvent) -> Wish {
    if key.kind == KeyEventKind::Release {
        return Wish::Nothing;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return Wish::Quit;
    }
    app.notice.clear();
    match app.typing.take() {
        Some(typing) => type_on(app, typing, key),
        None if app.detail.is_some() && matches!(key.code, KeyCode::Esc | KeyCode::Char('q')) => {
            app.detail = None;
            Wish::Nothing
        }
        None if app.is_help => {
            // Any key takes the help away; q and Esc no more than that.
            app.is_help = false;
            Wish::Nothing
        }
        None => command(app, key),
    }
}

fn type_on(app: &mut App, typing: Typing, key: KeyEvent) -> Wish {
    match (typing, key.code) {
        (Typing::Needle { before, .. }, KeyCode::Esc) => app.needle = before,
        (Typing::Needle { .. }, KeyCode::Enter) => {}
        (Typing::Needle { mut line, before }, _) => {
            line.press(key);
            app.needle = line.text().to_lowercase();
            app.typing = Some(Typing::Needle { line, before });
        }
        (Typing::Filter { .. }, KeyCode::Esc) => {}
        (Typing::Filter { line, error }, KeyCode::Enter) => {
            let directives = line.text();
            // The one that sets it takes the line away if it was taken.
            app.typing = Some(Typing::Filter { line, error });
            return Wish::SetFilter(directives);
        }
        (Typing::Filter { mut line, .. }, _) => {
            line.press(key);
            let error = String::new();
            app.typing = Some(Typing::Filter { line, error });
        }
    }
    Wish::Nothing
}

fn command(app: &mut App, key: KeyEvent) -> Wish {
    match key.code {
        KeyCode::Char('q') => return Wish::Quit,
        // What was looked for is given up first.
        KeyCode::Esc if !app.needle.is_empty() => app.needle.clear(),
        KeyCode::Esc if app.order().chosen.is_some() => app.order().chosen = None,
        KeyCode::Esc => return Wish::Quit,
        KeyCode::Char('n') if app.life.successor().is_some() => return Wish::Switch,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => app.is_help = true,
        KeyCode::Enter => match app.order().chosen.clone() {
            Some(row) => return Wish::Detail(row),
            None => app.notice = "choose a row with the arrow keys first".to_owned(),
        },
        KeyCode::Char(' ') => app.is_paused = !app.is_paused,
        KeyCode::Char('/') => {
            let before = app.needle.clone();
            let line = TypedLine::new(&before);
            app.typing = Some(Typing::Needle { line, before });
        }
        KeyCode::Char('f') => edit_filter(app),
        KeyCode::Tab => turn_panel(app, 1),
        KeyCode::BackTab => turn_panel(app, Panel::ALL.len() - 1),
        KeyCode::Char(digit @ '1'..='3') => app.panel = Panel::ALL[digit as usize - '1' as usize],
        KeyCode::Char('s' | '>') => turn_column(app, 1),
        KeyCode::Char('<') => turn_column(app, view::columns(app.panel) - 1),
        KeyCode::Char('r') => {
            let order = app.order();
            order.is_reversed = !order.is_reversed;
        }
        _ => scroll(app, key.code),
    }
    Wish::Nothing
}

fn edit_filter(app: &mut App) {
    if app.life.is_over() {
        app.notice = "the ring has ended: there is nothing to filter".to_owned();
    } else if let Some(sight) = &app.sight {
        let line = TypedLine::new(&sight.now.filter);
        let error = String::new();
        app.typing = Some(Typing::Filter { line, error });
    }
}

fn turn_panel(app: &mut App, by: usize) {
    app.panel = Panel::ALL[(app.panel as usize + by) % Panel::ALL.len()];
}

fn turn_column(app: &mut App, by: usize) {
    let columns = view::columns(app.panel);
    let order = app.order();
    order.column = (order.column + by) % columns;
    order.is_reversed = false;
}

/// How far may be too far; the drawing knows how many rows there are.
fn scroll(app: &mut App, key: KeyCode) {
    let order = app.order();
    let page = isize::try_from(order.page.max(1)).unwrap_or(isize::MAX);
    let step = match key {
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::PageUp => -page,
        KeyCode::PageDown => page,
        KeyCode::Home => isize::MIN,
        KeyCode::End => isize::MAX,
        _ => return,
    };
    order.step = order.step.saturating_add(step);
    // What is shown in full is of another row.
    app.detail = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press_all(app: &mut App, keys: &str) -> Wish {
        keys.chars().fold(Wish::Nothing, |_, key| {
            press(app, KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE))
        })
    }

    fn press_one(app: &mut App, code: KeyCode) -> Wish {
        press(app, KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn letters_are_commands_until_something_is_typed() {
        let mut app = App::default();
        assert_eq!(press_all(&mut app, "/qR"), Wish::Nothing);
        assert_eq!(app.needle, "qr");
        press_one(&mut app, KeyCode::Enter);
        assert_eq!(press_one(&mut app, KeyCode::Esc), Wish::Nothing);
        assert_eq!(app.needle, "", "the first Esc takes the row filter away");
        assert_eq!(press_one(&mut app, KeyCode::Esc), Wish::Quit);
        assert_eq!(press_all(&mut app, "?q"), Wish::Nothing);
        assert_eq!(press_all(&mut app, "q"), Wish::Quit);
    }

    #[test]
    fn esc_gives_back_the_row_filter_that_was_there() {
        let mut app = App::default();
        press_all(&mut app, "/arm");
        press_one(&mut app, KeyCode::Enter);
        press_all(&mut app, "/imu");
        assert_eq!(app.needle, "armimu");
        press_one(&mut app, KeyCode::Esc);
        assert_eq!(app.needle, "arm");
    }

    #[test]
    fn columns_and_panels_go_round() {
        let mut app = App::default();
        for panel in Panel::ALL {
            app.panel = panel;
            let before = app.order().column;
            (0..view::columns(panel)).for_each(|_| _ = press_all(&mut app, "s"));
            assert_eq!(app.order().column, before);
            press_all(&mut app, "><");
            assert_eq!(app.order().column, before);
        }
        press_all(&mut app, "1");
        press_one(&mut app, KeyCode::BackTab);
        assert_eq!(app.panel, Panel::Sinks);
        press_one(&mut app, KeyCode::Tab);
        assert_eq!(app.panel, Panel::Producers);
    }
}
