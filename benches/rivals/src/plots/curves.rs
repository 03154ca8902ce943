//! What a call costs against the number of processes, the ring's size, the message's length: shmlog alone.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::{INK, OTHERS, OURS, canvas, draw_times, write};
use crate::runner::Results;

const SIZE: (u32, u32) = (760, 440);

/// A picture: its file, title, what stands under the axis, and how `benches/contention.rs` calls the numbers.
struct Curve {
    file: &'static str,
    title: &'static str,
    axis: &'static str,
    key: &'static str,
}

const CURVES: [Curve; 3] = [
    Curve {
        file: "processes.svg",
        title: "A call against the number of processes that log, on two cores",
        axis: "processes",
        key: "processes: ",
    },
    Curve {
        file: "ring.svg",
        title: "A call against the size of the ring",
        axis: "slots of 128 bytes",
        key: "slots: ",
    },
    Curve {
        file: "length.svg",
        title: "A call against the length of the message",
        axis: "bytes of a run-time string",
        key: "bytes: ",
    },
];

const PERCENTILES: [(&str, RGBColor); 3] =
    [("p50", OURS), ("p99", OTHERS[1]), ("p99.9", OTHERS[0])];

pub fn draw_all(results: &Results, folder: &Path) {
    for curve in &CURVES {
        let points = PERCENTILES.map(|(label, _)| points(results, curve.key, label));
        if points[0].len() > 1 {
            draw(curve, &points, &folder.join(curve.file));
        }
    }
}

/// Of one percentile: the number that stands under the axis, and nanoseconds.
fn points(results: &Results, key: &str, label: &str) -> Vec<(f64, f64)> {
    let point = |(name, value): &(String, f64)| {
        let number = name.strip_prefix(key)?.strip_suffix(label)?;
        let number = number.strip_suffix(", ")?.parse().ok()?;
        Some((number, value.max(1.0)))
    };
    results.ours.iter().filter_map(point).collect()
}

fn draw(curve: &Curve, points: &[Vec<(f64, f64)>; 3], path: &Path) {
    let root = canvas(path, SIZE);
    write(&root, curve.title, (30, 24), HPos::Left, 18, INK);
    let numbers: Vec<f64> = points[0].iter().map(|point| point.0).collect();
    let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
    let all = || points.iter().flatten().map(|point| point.1);
    let least = 10_f64.min(all().fold(10.0, f64::min));
    let most = all().fold(100.0, f64::max) * 1.5;
    let mut chart = ChartBuilder::on(&root)
        .margin_top(45)
        .margin_right(80)
        .x_label_area_size(58)
        .y_label_area_size(75)
        .build_cartesian_2d((first..last * 1.02).log_scale(), (least..most).log_scale())
        .expect("a chart");
    draw_times(&root, &chart, first, last);
    let bottom = chart.plotting_area().map_coordinate(&(first, least)).1;
    for number in &numbers {
        let x = chart.plotting_area().map_coordinate(&(*number, least)).0;
        let text = format!("{number}");
        write(&root, &text, (x, bottom + 16), HPos::Center, 13, INK);
    }
    let across = chart.plotting_area().get_x_axis_pixel_range();
    let middle = ((across.start + across.end) / 2, bottom + 40);
    write(&root, curve.axis, middle, HPos::Center, 14, INK);
    for ((label, colour), points) in PERCENTILES.iter().zip(points) {
        let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
        chart.draw_series(line).expect("drawn");
        let dots = points.iter().map(|at| Circle::new(*at, 3, colour.filled()));
        chart.draw_series(dots).expect("drawn");
        if let Some(end) = points.last() {
            let (x, y) = chart.plotting_area().map_coordinate(end);
            write(&root, label, (x + 12, y), HPos::Left, 14, *colour);
        }
    }
}
