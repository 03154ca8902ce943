//! The pictures, in SVG: `benches/results/*.svg`.

mod bars;
mod curves;
mod distribution;

use std::path::Path;

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::runner::Results;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);
/// shmlog's.
const OURS: RGBColor = RGBColor(200, 30, 30);
const FLOOR: RGBColor = RGBColor(120, 120, 120);
/// The others', in turn: told apart by eyes of all kinds as far as so many can be.
const OTHERS: [RGBColor; 11] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 140, 0),
    RGBColor(0, 140, 100),
    RGBColor(170, 90, 160),
    RGBColor(86, 160, 220),
    RGBColor(120, 94, 40),
    RGBColor(60, 60, 160),
    RGBColor(150, 170, 40),
    RGBColor(210, 100, 140),
    RGBColor(0, 160, 170),
    RGBColor(130, 60, 60),
];

/// All of them.
pub fn draw_all(results: &Results, folder: &Path) {
    distribution::draw(results, &folder.join("latency.svg"));
    bars::draw(results, &folder.join("drain.svg"));
    curves::draw_all(results, folder);
}

fn canvas(path: &Path, size: (u32, u32)) -> Area<'_> {
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE).expect("drawn");
    area
}

/// A text of this size and colour, its left or right end at the point, its middle at the point's height.
fn write(area: &Area<'_>, text: &str, at: (i32, i32), end: HPos, size: u32, colour: RGBColor) {
    let style = TextStyle::from((FONT, size).into_font()).color(&colour);
    let style = style.pos(Pos::new(end, VPos::Center));
    area.draw_text(text, &style, at).expect("drawn");
}

type Plot<'a, X> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, LogCoord<f64>>>;

/// Lines across at the times that people count in, with what they are at the left: all of 1, 2, 5, 10 …, or if that
/// is too many, the tens. And one under everything.
fn draw_times<'a, X>(root: &Area<'a>, chart: &Plot<'a, X>, first: X::ValueType, last: X::ValueType)
where
    X: Ranged,
    X::ValueType: Copy + 'static,
{
    let plotting = chart.plotting_area();
    let times = chart.y_range();
    let decades = (0..10).map(|power| 10_f64.powi(power));
    let steps = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|step| (step, step * decade)));
    let all = times.end / times.start < 3_000.0;
    let steps = steps.filter(|(step, time)| times.contains(time) && (all || *step == 1.0));
    for (_, nanoseconds) in steps {
        let line = PathElement::new(vec![(first, nanoseconds), (last, nanoseconds)], GRID);
        plotting.draw(&line).expect("drawn");
        let (x, y) = plotting.map_coordinate(&(first, nanoseconds));
        write(root, &time(nanoseconds), (x - 10, y), HPos::Right, 14, INK);
    }
    let base = vec![(first, times.start), (last, times.start)];
    plotting.draw(&PathElement::new(base, INK)).expect("drawn");
}

fn colour_of(rival: usize, name: &str) -> RGBColor {
    match name {
        "shmlog" => OURS,
        "floor" => FLOOR,
        // The two above come first.
        _ => OTHERS[(rival - 2) % OTHERS.len()],
    }
}

/// With a unit as people say it.
fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        big if big >= 999_500.0 => format!("{} ms", round(big / 1e6)),
        middle if middle >= 999.5 => format!("{} µs", round(middle / 1e3)),
        small => format!("{} ns", round(small)),
    }
}

fn round(value: f64) -> String {
    if value < 9.5 && value.fract() > 0.05 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}
