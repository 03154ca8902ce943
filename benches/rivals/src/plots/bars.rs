//! How many lines a second reach the file.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::{FLOOR, INK, OURS, canvas, write};
use crate::loggers::RIVALS;
use crate::runner::Results;
use crate::scenario::Scenario;

const WIDTH: u32 = 1000;
const ROW: i32 = 34;
const TOP: i32 = 55;
/// Where the bars begin.
const LEFT: i32 = 230;
/// How long the longest is.
const LENGTH: f64 = 620.0;
const OTHER: RGBColor = RGBColor(90, 130, 170);

pub fn draw(results: &Results, path: &Path) {
    let mut bars = Vec::new();
    for (index, rival) in RIVALS.iter().enumerate() {
        if let Some(rate) = results.number(index, Scenario::Drain) {
            bars.push((rate, rival));
        }
    }
    bars.sort_by(|a, b| b.0.total_cmp(&a.0));
    let most = bars.first().map_or(1.0, |(rate, _)| *rate);
    let height = TOP + ROW * bars.len() as i32 + 10;
    let root = canvas(path, (WIDTH, height as u32));
    let title = "Lines a second to a file, nothing lost";
    write(&root, title, (20, 26), HPos::Left, 18, INK);
    for (row, (rate, rival)) in (0..).zip(&bars) {
        let (top, middle) = (TOP + row * ROW, TOP + row * ROW + ROW / 2);
        let colour = match (rival.name, rival.text) {
            ("shmlog", _) => OURS,
            (_, true) => OTHER,
            (_, false) => FLOOR,
        };
        let kind = if rival.text { "" } else { " (binary)" };
        let name = format!("{}{kind}", rival.name);
        write(&root, &name, (LEFT - 12, middle), HPos::Right, 15, INK);
        let end = LEFT + ((rate / most * LENGTH) as i32).max(2);
        let bar = Rectangle::new([(LEFT, top + 5), (end, top + ROW - 5)], colour.filled());
        root.draw(&bar).expect("drawn");
        let number = format!("{:.2} million", rate / 1e6);
        write(&root, &number, (end + 10, middle), HPos::Left, 15, INK);
    }
}
