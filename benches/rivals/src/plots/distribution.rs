//! How long calls take, from the median to the slowest of ten thousand.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::{Area, GRID, INK, canvas, colour_of, draw_times, write};
use crate::loggers::RIVALS;
use crate::runner::Results;
use crate::scenario::Scenario;

const SIZE: (u32, u32) = (1000, 620);
/// Below this a line has no place on a scale of logarithms.
const LEAST: f64 = 5.0;
/// Pixels between two names beside the lines' ends.
const LEADING: i32 = 17;

/// Nines: the median has 0.3 of them, p99 two, p99.9 three.
const TICKS: [(f64, &str); 5] = [
    (0.301, "p50"),
    (1.0, "p90"),
    (2.0, "p99"),
    (3.0, "p99.9"),
    (4.0, "p99.99"),
];

/// A logger's line: nines and nanoseconds.
struct Line {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

pub fn draw(results: &Results, path: &Path) {
    let lines = lines(results);
    let most = lines.iter().flat_map(|line| &line.points);
    let most = most.map(|point| point.1).fold(1000.0, f64::max) * 1.5;
    let root = canvas(path, SIZE);
    let title = "A call of three numbers, 1 to 2 µs apart: how long, for which share of the calls";
    write(&root, title, (80, 24), HPos::Left, 18, INK);
    let (area, names) = root.split_horizontally(SIZE.0 - 190);
    let mut chart = ChartBuilder::on(&area)
        .margin_top(45)
        .margin_right(8)
        .x_label_area_size(40)
        .y_label_area_size(75)
        .build_cartesian_2d(0.301..4.0, (LEAST..most).log_scale())
        .expect("a chart");
    draw_times(&root, &chart, 0.301, 4.0);
    let plotting = chart.plotting_area();
    let bottom = plotting.map_coordinate(&(0.301, LEAST)).1;
    for (nines, label) in TICKS {
        let x = plotting.map_coordinate(&(nines, LEAST)).0;
        let grid = PathElement::new(vec![(nines, LEAST), (nines, most)], GRID);
        plotting.draw(&grid).expect("drawn");
        write(&root, label, (x, bottom + 16), HPos::Center, 14, INK);
    }
    let mut ends = Vec::new();
    for line in &lines {
        let width = if matches!(line.name, "shmlog" | "floor") {
            3
        } else {
            2
        };
        let style = line.colour.stroke_width(width);
        let series = LineSeries::new(line.points.iter().copied(), style);
        chart.draw_series(series).expect("drawn");
        if let Some(last) = line.points.last() {
            ends.push((chart.plotting_area().map_coordinate(last).1, line));
        }
    }
    name_lines(&names, ends, bottom);
}

fn lines(results: &Results) -> Vec<Line> {
    let nines = (0..=74).map(|step| 0.301 + f64::from(step) * 0.05);
    let nines: Vec<f64> = nines.map(|nines| nines.min(4.0)).collect();
    let mut lines = Vec::new();
    for (index, rival) in RIVALS.iter().enumerate() {
        let at = |nines: &f64| {
            let quantile = 1.0 - 10_f64.powf(-nines);
            let time = results.latency_of_curve(index, Scenario::Three, quantile, 0.9999)?;
            Some((*nines, time.max(LEAST)))
        };
        let points: Vec<(f64, f64)> = nines.iter().filter_map(at).collect();
        if !points.is_empty() {
            lines.push(Line {
                name: rival.name,
                colour: colour_of(index, rival.name),
                points,
            });
        }
    }
    lines
}

/// Beside the lines' ends, moved apart so that all can be read.
fn name_lines(area: &Area<'_>, mut ends: Vec<(i32, &Line)>, bottom: i32) {
    ends.sort_by_key(|(y, _)| *y);
    let mut places: Vec<i32> = Vec::new();
    for (y, _) in &ends {
        let above = places.last().map_or(*y, |last| last + LEADING);
        places.push(above.max(*y));
    }
    // Those that were pushed out at the bottom push back.
    let mut below = bottom;
    for place in places.iter_mut().rev() {
        *place = (*place).min(below);
        below = *place - LEADING;
    }
    for ((y, line), place) in ends.iter().zip(places) {
        let leader = PathElement::new(vec![(-6, *y), (8, place)], line.colour);
        area.draw(&leader).expect("drawn");
        write(area, line.name, (12, place), HPos::Left, 14, line.colour);
    }
}
