//! The graphs: records a second, and how full the ring is.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{RenderDirection, Sparkline};

use super::look;
use crate::show;
use crate::top::app::App;

/// The steps that a row of a graph has.
const STEPS: u64 = 8;
/// Columns of what the height means: `12.3k/s`, and a blank.
const AXIS: u16 = 8;

/// Draws both, side by side.
pub fn draw(frame: &mut Frame, area: Rect, app: &App) {
    let Some(sight) = &app.sight else {
        return;
    };
    if area.height < 2 {
        return;
    }
    let halves = [
        Constraint::Fill(1),
        Constraint::Length(2),
        Constraint::Fill(1),
    ];
    let [left, _, right] = Layout::horizontal(halves).areas(area);
    let rates = app.history.rates(left.width.saturating_sub(AXIS).into());
    let most = rates.iter().copied().fold(0.0, f64::max);
    let title = title(
        "records",
        show::rate(sight.delivered),
        format!("the last {}", show::age(app.span(rates.len()))),
    );
    let scale = Scale {
        most,
        words: show::rate(most),
    };
    graph(frame, left, title, Color::Green, &rates, &scale);

    let now = &sight.now;
    let slots = now.slots.max(1) as f64;
    let share = |slots_taken: u64| show::percent(slots_taken as f64 / slots);
    let rest = format!(
        "high water {}  of {} slots",
        share(now.high_water),
        show::count(now.slots)
    );
    let title = self::title("full", share(now.taken), rest);
    let fills = app.history.fills(right.width.saturating_sub(AXIS).into());
    let scale = Scale {
        most: 1.0,
        words: show::percent(1.0),
    };
    graph(
        frame,
        right,
        title,
        of_fill(now.taken as f64 / slots),
        &fills,
        &scale,
    );
}

/// The last eighth is not for all levels.
fn of_fill(fill: f64) -> Color {
    match fill {
        fill if fill >= 0.875 => Color::Red,
        fill if fill >= 0.5 => Color::Yellow,
        _ => Color::Blue,
    }
}

fn title(name: &'static str, now: String, rest: String) -> Line<'static> {
    Line::from(vec![
        Span::styled(name, look::STRONG),
        Span::raw(" "),
        Span::styled(now, look::NUMBER),
        Span::styled(format!("  {rest}"), look::QUIET),
    ])
}

/// What the height of a graph stands for.
struct Scale {
    most: f64,
    words: String,
}

/// The newest value is at the right. What is not nothing is to be seen. At the left stands what the height means.
fn graph(frame: &mut Frame, area: Rect, title: Line, colour: Color, values: &[f64], scale: &Scale) {
    let most = scale.most;
    frame.render_widget(title, Rect { height: 1, ..area });
    let area = Rect {
        y: area.y.saturating_add(1),
        height: area.height - 1,
        ..area
    };
    let axis = Rect {
        width: AXIS.min(area.width),
        ..area
    };
    let at = |y: u16| Rect {
        y,
        height: 1,
        width: axis.width.saturating_sub(1),
        ..axis
    };
    let label = |words: String| Line::styled(words, look::QUIET).right_aligned();
    if area.height > 1 {
        frame.render_widget(label("0".to_owned()), at(area.bottom() - 1));
    }
    if area.height > 0 {
        frame.render_widget(label(scale.words.clone()), at(area.y));
    }
    let area = Rect {
        x: axis.right(),
        width: area.width - axis.width,
        ..area
    };
    let steps = u64::from(area.height) * STEPS;
    let step = |value: &f64| match most > 0.0 && *value > 0.0 {
        true => ((value / most * steps as f64) as u64).clamp(1, steps),
        false => 0,
    };
    let graph = Sparkline::default()
        .data(values.iter().map(step).collect::<Vec<u64>>())
        .direction(RenderDirection::RightToLeft)
        .max(steps.max(1))
        .style(Style::new().fg(colour));
    frame.render_widget(graph, area);
}
