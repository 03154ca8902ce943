//! The picture: panels under each other over one time axis, in each what was logged, stacked, with gaps shaded and losses
//! marked. What is rare but matters has a lane of its own above its panel, since beside thousands of others it would not be seen.
//! The legends stand at the right, outside of the panels.

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis;
use crate::show::harmless;

/// Around the panels: room for the numbers, the legend, the title and the times.
const LEFT: i32 = 64;
const RIGHT: i32 = 208;
const TOP: i32 = 66;
const BOTTOM: i32 = 52;
/// Above the first panel, for the numbers of losses.
const ABOVE: i32 = 18;
/// Between two panels: room for the title of the lower one.
const BETWEEN: i32 = 46;
/// What is rare but matters is at least so high.
const LEAST_HEIGHT: f64 = 6.0;
/// A lane, and what is drawn in it.
const LANE: i32 = 14;
const MARK: i32 = 9;
const BELOW_LANES: i32 = 6;
/// What must be left of a panel below its lanes.
const LEAST_PANEL: i32 = 60;
/// Between the words of two numbers.
const NUMBER_HEIGHT: i32 = 14;
/// A mark in a lane is at least so wide.
const LEAST_WIDTH: i32 = 2;
/// Losses that would be told closer together are told as one.
const MARK_WIDTH: i32 = 44;
/// Pixels for the words of a time.
const TIME_WIDTH: i32 = 100;
/// Letters of a name in a legend.
const NAME: usize = 17;

const INK: RGBColor = RGBColor(0x30, 0x34, 0x3a);
const QUIET: RGBColor = RGBColor(0x70, 0x76, 0x80);
const GRID: RGBColor = RGBColor(0xe3, 0xe5, 0xe8);
const LANE_GROUND: RGBColor = RGBColor(0xf5, 0xf6, 0xf8);
const GAP: RGBColor = RGBColor(0xec, 0xec, 0xf1);
const LOSS: RGBColor = RGBColor(0xc8, 0x10, 0x2e);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// What the drawing of text into a text can fail with.
pub type Error = Box<dyn std::error::Error>;

/// One kind of records.
pub struct Series {
    pub name: String,
    pub colour: RGBColor,
    /// Records in each bin.
    pub counts: Vec<u64>,
    /// To be seen however rare it is.
    pub matters: bool,
}

/// Series upon each other, the first at the bottom.
pub struct Panel {
    pub title: &'static str,
    pub series: Vec<Series>,
}

/// What is to be drawn.
pub struct Picture {
    pub title: String,
    pub panels: Vec<Panel>,
    pub start_ns: i64,
    pub width_ns: i64,
    /// Bins.
    pub bins: usize,
    /// From and to.
    pub gaps: Vec<(i64, i64)>,
    /// Records lost in each bin.
    pub lost: Vec<u64>,
}

/// Where a panel is, and what its axes mean.
struct Frame {
    left: i32,
    right: i32,
    /// Above the lanes.
    head: i32,
    top: i32,
    bottom: i32,
    start_ns: i64,
    span_ns: i64,
    most: f64,
}

impl Frame {
    fn x(&self, time_ns: i64) -> i32 {
        let part = (time_ns - self.start_ns) as f64 / self.span_ns as f64;
        (self.left + (part * f64::from(self.right - self.left)).round() as i32)
            .clamp(self.left, self.right)
    }

    fn height(&self, rate: f64) -> f64 {
        rate / self.most * f64::from(self.bottom - self.top)
    }
}

fn font(
    size: i32,
    colour: &'static RGBColor,
    horizontal: HPos,
    vertical: VPos,
) -> TextStyle<'static> {
    let style = TextStyle::from(("sans-serif", size).into_font()).color(colour);
    style.pos(Pos::new(horizontal, vertical))
}

/// Draws it into a text.
pub fn draw(picture: &Picture, size: (u32, u32)) -> Result<String, Error> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE)?;
        let (width, height) = (size.0 as i32, size.1 as i32);
        area.draw_text(
            &picture.title,
            &font(
                title_size(&picture.title, width),
                &INK,
                HPos::Left,
                VPos::Top,
            ),
            (LEFT, 14),
        )?;
        let count = picture.panels.len() as i32;
        let first = TOP + picture.above();
        let each = (height - first - BOTTOM - BETWEEN * (count - 1)) / count;
        for (number, panel) in (0..).zip(&picture.panels) {
            let top = first + number * (each + BETWEEN);
            let frame = Frame {
                left: LEFT,
                right: width - RIGHT,
                head: top,
                top: top + panel.height_of_lanes(each),
                bottom: top + each,
                start_ns: picture.start_ns,
                span_ns: picture.width_ns * picture.bins as i64,
                most: picture.top(panel),
            };
            picture.panel(&area, panel, &frame, number == 0)?;
        }
        area.present()?;
    }
    Ok(text)
}

impl Panel {
    /// Those with a lane, the worst on top.
    fn lanes(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(|series| series.matters)
    }

    /// With room for the words of the uppermost number below them; 0 where a panel of this height has no room for them.
    fn height_of_lanes(&self, height: i32) -> i32 {
        let lanes = self.lanes().count() as i32;
        let needed = lanes * LANE + BELOW_LANES;
        match lanes > 0 && height - needed >= LEAST_PANEL {
            true => needed,
            false => 0,
        }
    }
}

impl Picture {
    fn rate(&self, count: u64) -> f64 {
        count as f64 * 1e9 / self.width_ns as f64
    }

    /// Room for the numbers of losses, if there are any.
    fn above(&self) -> i32 {
        let has_losses = self.lost.iter().any(|lost| *lost > 0);
        if has_losses { ABOVE } else { 0 }
    }

    /// The highest rate of all series together.
    fn most(&self, panel: &Panel) -> f64 {
        let total = |bin: usize| {
            panel
                .series
                .iter()
                .map(|series| series.counts[bin])
                .sum::<u64>()
        };
        self.rate((0..self.bins).map(total).max().unwrap_or(0).max(1))
    }

    /// The mark above all of them.
    fn top(&self, panel: &Panel) -> f64 {
        let marks = axis::numbers(self.most(panel));
        marks.last().map_or(1.0, |(top, _)| top.max(1e-9))
    }

    fn panel(
        &self,
        area: &Area<'_>,
        panel: &Panel,
        frame: &Frame,
        is_first: bool,
    ) -> Result<(), Error> {
        let title = font(13, &INK, HPos::Left, VPos::Bottom);
        let above = if is_first { self.above() } else { 0 };
        area.draw_text(panel.title, &title, (frame.left, frame.head - 8 - above))?;
        self.gaps(area, frame)?;
        axes(area, frame)?;
        self.stack(area, panel, frame)?;
        self.lanes(area, panel, frame)?;
        self.losses(area, frame, is_first)?;
        let base = [(frame.left, frame.bottom), (frame.right, frame.bottom)];
        area.draw(&PathElement::new(base, INK.stroke_width(1)))?;
        self.legend(area, panel, frame, is_first)
    }

    fn gaps(&self, area: &Area<'_>, frame: &Frame) -> Result<(), Error> {
        for (from, to) in &self.gaps {
            let (left, right) = (frame.x(*from), frame.x(*to));
            area.draw(&Rectangle::new(
                [(left, frame.top), (right, frame.bottom)],
                GAP.filled(),
            ))?;
            let long = axis::duration(to - from);
            let fits = |words: &String| right - left > 6 * words.len() as i32 + 8;
            if let Some(words) = [format!("nothing for {long}"), long].into_iter().find(fits) {
                let style = font(11, &QUIET, HPos::Center, VPos::Top);
                area.draw_text(&words, &style, ((left + right) / 2, frame.top + 8))?;
            }
        }
        Ok(())
    }

    /// Each series from the top of those below it.
    fn stack(&self, area: &Area<'_>, panel: &Panel, frame: &Frame) -> Result<(), Error> {
        let mut below = vec![0.0; self.bins];
        for series in &panel.series {
            let heights =
                series
                    .counts
                    .iter()
                    .map(|count| match (*count, frame.height(self.rate(*count))) {
                        (1.., height) if series.matters => height.max(LEAST_HEIGHT),
                        (_, height) => height,
                    });
            let above: Vec<f64> = heights
                .zip(&below)
                .map(|(height, below)| height + below)
                .collect();
            let mut outline = self.steps(frame, &above);
            outline.extend(self.steps(frame, &below).into_iter().rev());
            area.draw(&Polygon::new(outline, series.colour.filled()))?;
            below = above;
        }
        Ok(())
    }

    /// A mark for each bin that has such a record; its name stands before the lane.
    fn lanes(&self, area: &Area<'_>, panel: &Panel, frame: &Frame) -> Result<(), Error> {
        let has_lanes = frame.top > frame.head;
        for (number, series) in (0..).zip(panel.lanes().filter(|_| has_lanes)) {
            let top = frame.head + number * LANE;
            let middle = top + MARK / 2;
            let style = font(11, &QUIET, HPos::Right, VPos::Center);
            area.draw_text(&series.name, &style, (frame.left - 8, middle))?;
            let ground = [(frame.left, top), (frame.right, top + MARK)];
            area.draw(&Rectangle::new(ground, LANE_GROUND.filled()))?;
            for (bin, _) in (0..).zip(&series.counts).filter(|(_, count)| **count > 0) {
                let left = frame.x(self.start_ns + bin * self.width_ns);
                let left = left.min(frame.right - LEAST_WIDTH);
                let right = frame.x(self.start_ns + (bin + 1) * self.width_ns);
                let mark = [(left, top), (right.max(left + LEAST_WIDTH), top + MARK)];
                area.draw(&Rectangle::new(mark, series.colour.filled()))?;
            }
        }
        Ok(())
    }

    /// The line over columns of these heights.
    fn steps(&self, frame: &Frame, heights: &[f64]) -> Vec<(i32, i32)> {
        let mut line: Vec<(i32, i32)> = Vec::with_capacity(heights.len() * 2);
        for (bin, height) in (0..).zip(heights) {
            let y = (frame.bottom - height.round() as i32).max(frame.top);
            let time = |bin: i64| frame.x(self.start_ns + bin * self.width_ns);
            line.extend([(time(bin), y), (time(bin + 1), y)]);
        }
        line
    }

    /// A line where records were lost, and how many; what stands close together is one.
    fn losses(&self, area: &Area<'_>, frame: &Frame, with_number: bool) -> Result<(), Error> {
        let mut told: Vec<(i32, u64)> = Vec::new();
        for (bin, lost) in (0..).zip(&self.lost).filter(|(_, lost)| **lost > 0) {
            let x = frame.x(self.start_ns + bin * self.width_ns + self.width_ns / 2);
            area.draw(&PathElement::new(
                [(x, frame.head), (x, frame.bottom)],
                LOSS.mix(0.7).stroke_width(1),
            ))?;
            match told.last_mut() {
                Some((last, sum)) if x - *last < MARK_WIDTH => *sum += lost,
                _ => told.push((x, *lost)),
            }
        }
        for (x, lost) in told.into_iter().filter(|_| with_number) {
            let mark = [
                (x - 4, frame.head - 6),
                (x + 4, frame.head - 6),
                (x, frame.head),
            ];
            area.draw(&Polygon::new(mark, LOSS.filled()))?;
            let words = format!("−{}", axis::grouped(lost));
            area.draw_text(
                &words,
                &font(11, &LOSS, HPos::Center, VPos::Bottom),
                (x, frame.head - 8),
            )?;
        }
        Ok(())
    }

    /// The names, in the order in which they stand, and how many records each.
    fn legend(
        &self,
        area: &Area<'_>,
        panel: &Panel,
        frame: &Frame,
        is_first: bool,
    ) -> Result<(), Error> {
        let (left, right) = (frame.right + 18, frame.right + RIGHT - 14);
        let lines = panel.series.iter().rev().map(|series| {
            let total = series.counts.iter().sum::<u64>();
            (shortened(&harmless(&series.name)), series.colour, total)
        });
        let lost: u64 = self.lost.iter().sum();
        let lost = (lost > 0 && is_first).then(|| ("lost".to_owned(), LOSS, lost));
        for (number, (name, colour, total)) in (0..).zip(lines.chain(lost)) {
            let y = frame.head + 8 + number * 19;
            area.draw(&Rectangle::new(
                [(left, y - 5), (left + 11, y + 6)],
                colour.filled(),
            ))?;
            area.draw_text(
                &name,
                &font(12, &INK, HPos::Left, VPos::Center),
                (left + 18, y),
            )?;
            area.draw_text(
                &axis::grouped(total),
                &font(12, &QUIET, HPos::Right, VPos::Center),
                (right, y),
            )?;
        }
        Ok(())
    }
}

/// Lines and words of both axes.
fn axes(area: &Area<'_>, frame: &Frame) -> Result<(), Error> {
    for (number, words) in axis::numbers(frame.most) {
        let y = frame.bottom - frame.height(number).round() as i32;
        // The least and the greatest always; what would stand upon them is left out.
        let is_between = y != frame.top && y != frame.bottom;
        let is_near = (y - frame.top).min(frame.bottom - y) < NUMBER_HEIGHT;
        let are_dense = frame.height(axis::step(frame.most)) < f64::from(NUMBER_HEIGHT);
        if is_between && (is_near || are_dense) {
            continue;
        }
        area.draw(&PathElement::new(
            [(frame.left, y), (frame.right, y)],
            GRID.stroke_width(1),
        ))?;
        area.draw_text(
            &words,
            &font(12, &QUIET, HPos::Right, VPos::Center),
            (frame.left - 8, y),
        )?;
    }
    let most = ((frame.right - frame.left) / TIME_WIDTH).max(2);
    for (time, words) in axis::times(
        frame.start_ns,
        frame.start_ns + frame.span_ns,
        most as usize,
    ) {
        let x = frame.x(time);
        area.draw(&PathElement::new(
            [(x, frame.bottom), (x, frame.bottom + 5)],
            QUIET.stroke_width(1),
        ))?;
        area.draw_text(
            &words,
            &font(12, &QUIET, HPos::Center, VPos::Top),
            (x, frame.bottom + 9),
        )?;
    }
    Ok(())
}

/// Smaller letters where the picture is too narrow for the usual ones.
fn title_size(title: &str, width: i32) -> i32 {
    // A letter is about half as wide as it is high.
    let fits = (width - LEFT) * 2 / (title.chars().count() as i32 + 1);
    fits.clamp(8, 16)
}

fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}
