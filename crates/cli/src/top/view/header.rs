//! The lines at the top: which ring, how it stands with it, and the totals.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};

use super::look;
use super::table::cut;
use crate::show::{self, harmless};
use crate::top::app::{App, Life};
use crate::top::model::Sight;

/// Lines that it takes if nothing is cut.
pub fn height(app: &App, width: u16) -> u16 {
    let Some(sight) = &app.sight else {
        return 1;
    };
    let lines = whole(app, sight, width.into());
    u16::try_from(lines.len()).unwrap_or(u16::MAX)
}

/// All lines, those that are too long broken into two.
fn whole(app: &App, sight: &Sight, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![ring(app, sight)];
    lines.extend(sign(app));
    lines.extend([processes(sight, width), totals(sight)]);
    lines
        .into_iter()
        .flat_map(|line| broken(line, width))
        .collect()
}

/// A line, and what finds no room in it as another one. It is broken only where two blanks stand.
fn broken(line: Line<'static>, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    let mut words: Vec<Vec<Span<'static>>> = Vec::new();
    for span in line.spans {
        let before = words.last().and_then(|word| word.last());
        let is_apart = before.is_none_or(|before| before.content.ends_with("  "));
        match words.last_mut() {
            Some(word) if !is_apart && !span.content.starts_with("  ") => word.push(span),
            _ => words.push(vec![span]),
        }
    }
    let mut used = 0;
    for word in words {
        let wide: usize = word.iter().map(Span::width).sum();
        let blanks = word
            .last()
            .map_or(0, |last| last.content.len() - last.content.trim_end().len());
        if used > 0 && used + wide - blanks > width && wide > blanks {
            lines.push(Line::default());
            used = 0;
        }
        used += wide;
        if let Some(last) = lines.last_mut() {
            last.spans.extend(word);
        }
    }
    lines.iter_mut().for_each(|part| part.style = line.style);
    lines
}

/// Draws them.
pub fn draw(frame: &mut Frame, area: Rect, app: &App) {
    let Some(sight) = &app.sight else {
        return frame.render_widget("shmlog top", area);
    };
    let width = usize::from(area.width);
    let lines = whole(app, sight, width);
    if lines.len() <= area.height.into() {
        return frame.render_widget(Text::from(lines), area);
    }
    let mut lines = vec![ring(app, sight), processes(sight, width)];
    // The end of the ring is told even where there is one line.
    match sign(app) {
        Some(sign) if area.height < 2 => lines = vec![sign],
        Some(sign) => lines.insert(1, sign),
        None => {}
    }
    // What the totals are is more than who logs.
    let at = if area.height < 3 { 1 } else { lines.len() };
    lines.insert(at, totals(sight));
    if area.height == 3 && lines.len() > 3 {
        lines.remove(2);
    }
    frame.render_widget(Text::from(lines), area);
}

fn ring(app: &App, sight: &Sight) -> Line<'static> {
    let now = &sight.now;
    let mut line = Line::from(vec![
        Span::styled("shmlog top  ", look::QUIET),
        Span::styled(now.program.clone(), look::NAME),
        Span::raw(format!("[{}]  up {}", now.maker, show::age(now.age))),
    ]);
    if !now.is_maker_alive && !app.life.is_over() {
        line.push_span("  ");
        line.push_span(Span::styled("only others go on", look::CARE));
    }
    if app.is_paused && !app.life.is_over() {
        line.push_span("  ");
        line.push_span(Span::styled(" paused ", look::SIGN));
    }
    line.push_span(Span::styled(format!("  {}", now.ring), look::QUIET));
    line
}

/// What must not be overlooked.
fn sign(app: &App) -> Option<Line<'static>> {
    let (what, way_out) = match &app.life {
        Life::Live => return None,
        Life::Ended { .. } => ("the ring has ended", ""),
        Life::Killed { .. } => (
            "all its processes were killed",
            "shmlog recover saves what it holds, ",
        ),
    };
    let next = app.life.successor().map_or_else(String::new, |name| {
        format!("n goes on with {} of the same program, ", harmless(name))
    });
    let text = format!(" {what}: the last numbers stay; {way_out}{next}q quits ");
    Some(Line::styled(text, look::SIGN))
}

fn processes(sight: &Sight, width: usize) -> Line<'static> {
    let now = &sight.now;
    let counted = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}, "),
        _ => format!("{count} {many}, "),
    };
    let restarts = match now.restarts {
        0 => "no restart of the drainer".to_owned(),
        1 => "1 restart of the drainer".to_owned(),
        many => format!("{} restarts of the drainer", show::count(many)),
    };
    let left = counted(now.processes, "process", "processes")
        + &counted(now.producers.len(), "thread", "threads");
    let room = width.saturating_sub(left.len() + restarts.len() + "  filter ".len());
    Line::from(vec![
        Span::raw(left),
        Span::styled(restarts, look::trouble(now.restarts, false)),
        Span::styled("  filter ", look::QUIET),
        Span::styled(cut(&harmless(&now.filter), room), look::NUMBER),
    ])
}

/// `attempted 12.3k  delivered 12.3k  dropped 3 +12/s  lost 0  not written yet 5`
fn totals(sight: &Sight) -> Line<'static> {
    let now = &sight.now;
    let mut line = Line::default();
    let plain = [("attempted", now.attempted), ("delivered", now.delivered)];
    for (name, count) in plain {
        line.push_span(Span::styled(format!("{name} "), look::QUIET));
        line.push_span(Span::raw(format!("{}  ", show::count(count))));
    }
    let bad = [
        ("dropped", now.dropped, sight.dropped),
        ("lost", now.lost, sight.lost),
    ];
    for (name, count, rate) in bad {
        let mut text = show::count(count);
        if rate > 0.0 {
            text += &format!(" +{}", show::rate(rate));
        }
        line.push_span(Span::styled(format!("{name} "), look::QUIET));
        line.push_span(Span::styled(text, look::trouble(count, rate > 0.0)));
        line.push_span("  ");
    }
    line.push_span(Span::styled("not written yet ", look::QUIET));
    line.push_span(Span::raw(show::count(now.behind)));
    line
}
