//! Draws a histogram of times into a terminal: columns are times, each a little longer than the one before; the heights are
//! counts, by powers too, so that one call in a million is seen beside the others.

use hdrhistogram::Histogram;

/// Rows of the picture.
const ROWS: usize = 10;
/// Columns left of it, for the counts.
const MARGIN: usize = 8;
/// A row in eighths.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// What is marked below the axis.
pub const QUANTILES: [(&str, f64); 4] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// The lines, none wider than `width`.
pub fn draw(times: &Histogram<u64>, width: usize) -> Vec<String> {
    let axis = Axis::of(times, width.saturating_sub(MARGIN + 2).clamp(20, 240));
    let counts = axis.counts(times);
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    // A row is as many powers of ten that whole ones fit.
    let decades = (most as f64).log10().max(1.0).ceil();
    let mut lines: Vec<String> = (0..ROWS)
        .rev()
        .map(|row| bar_row(row, &counts, decades))
        .collect();
    lines.push(format!("{:MARGIN$}└{}", "", axis.ruler()));
    lines.push(format!("{:MARGIN$} {}", "", axis.scale()));
    lines.push(format!("{:MARGIN$} {}", "", axis.marks(times)));
    lines
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn bar_row(row: usize, counts: &[u64], decades: f64) -> String {
    let per_row = decades / ROWS as f64;
    let filled = |count: &u64| {
        // One call is seen: it has the height of the lowest block.
        let height = ((*count as f64).log10() / per_row + 0.125).max(0.125);
        let eighths = ((height - row as f64) * 8.0).clamp(0.0, 8.0) as usize;
        if *count == 0 {
            BLOCKS[0]
        } else {
            BLOCKS[eighths]
        }
    };
    let bars: String = counts.iter().map(filled).collect();
    // The first row that reaches a power of ten says it.
    let power = (row as f64 * per_row).ceil();
    let is_first = power < (row + 1) as f64 * per_row;
    let label = if is_first {
        count_label(10_u64.pow(power as u32))
    } else {
        String::new()
    };
    format!("{label:>width$} │{bars}", width = MARGIN - 1)
}

fn count_label(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..1_000_000 => format!("{}k", count / 1000),
        _ => format!("{}M", count / 1_000_000),
    }
}

/// From the shortest times to the longest, by powers.
struct Axis {
    columns: usize,
    /// Logarithms, of base ten.
    from: f64,
    to: f64,
}

impl Axis {
    fn of(times: &Histogram<u64>, columns: usize) -> Axis {
        // The few that are shorter, by the chance of timing, stand in the first column.
        let from = (times.value_at_quantile(0.001).max(1) as f64).log10() - 0.1;
        let to = (times.max().max(2) as f64).log10() + 0.01;
        Axis {
            columns,
            from,
            to: to.max(from + 1.0),
        }
    }

    fn column(&self, nanoseconds: u64) -> usize {
        let share = ((nanoseconds.max(1) as f64).log10() - self.from) / (self.to - self.from);
        ((share * self.columns as f64) as usize).min(self.columns - 1)
    }

    fn counts(&self, times: &Histogram<u64>) -> Vec<u64> {
        let mut counts = vec![0; self.columns];
        for value in times.iter_recorded() {
            counts[self.column(value.value_iterated_to())] += value.count_at_value();
        }
        counts
    }

    /// The times that are written below: 1, 2 and 5 of each power.
    fn stops(&self) -> Vec<(usize, u64, bool)> {
        let powers = (0..=self.to as u32).map(|power| 10_u64.pow(power));
        let all = powers.flat_map(|power| [(power, true), (2 * power, false), (5 * power, false)]);
        let seen = all.filter(|(time, _)| (self.from..=self.to).contains(&(*time as f64).log10()));
        seen.map(|(time, is_power)| (self.column(time), time, is_power))
            .collect()
    }

    fn ruler(&self) -> String {
        let stops = self.stops();
        let has = |column| stops.iter().any(|(at, ..)| *at == column);
        (0..self.columns)
            .map(|column| if has(column) { '┴' } else { '─' })
            .collect()
    }

    /// Powers first; the others where there is room.
    fn scale(&self) -> String {
        let mut stops = self.stops();
        stops.sort_by_key(|(at, _, is_power)| (!is_power, *at));
        let labels = stops.iter().map(|(at, time, _)| (*at, said(*time)));
        place(self.columns, labels)
    }

    /// The longest and the median have room in any case; then the others from the end of the list, the rarest first.
    fn marks(&self, times: &Histogram<u64>) -> String {
        let mark = |(name, quantile): (&str, f64)| {
            (
                self.column(times.value_at_quantile(quantile)),
                format!("▲{name}"),
            )
        };
        let [median, more @ ..] = QUANTILES;
        let longest = (self.column(times.max()), "▲max".to_owned());
        let marks = [longest, mark(median)].into_iter();
        place(self.columns, marks.chain(more.into_iter().rev().map(mark)))
    }
}

/// A line with each text at its column, or ending at the end; one for which there is no room is left out.
fn place(columns: usize, texts: impl IntoIterator<Item = (usize, String)>) -> String {
    let mut line = vec![' '; columns];
    for (at, text) in texts {
        let length = text.chars().count();
        let at = at.min(columns.saturating_sub(length));
        let around = at.saturating_sub(1)..(at + length + 1).min(columns);
        if line[around].iter().all(|c| *c == ' ') {
            line.splice(at..at + length, text.chars());
        }
    }
    line.into_iter().collect()
}

/// A time as people read it: `22 ns`, `1.5 µs`.
pub fn said(nanoseconds: u64) -> String {
    let digits = |number: f64| match number {
        ..9.95 => format!("{number:.1}").trim_end_matches(".0").to_owned(),
        _ => format!("{number:.0}"),
    };
    match nanoseconds {
        0..1000 => format!("{nanoseconds} ns"),
        1000..1_000_000 => format!("{} µs", digits(nanoseconds as f64 / 1e3)),
        1_000_000..1_000_000_000 => format!("{} ms", digits(nanoseconds as f64 / 1e6)),
        _ => format!("{} s", digits(nanoseconds as f64 / 1e9)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(values: &[(u64, u64)]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 1 << 32, 3).unwrap();
        values
            .iter()
            .for_each(|(value, count)| histogram.record_n(*value, *count).unwrap());
        histogram
    }

    #[test]
    fn a_picture_fits_its_width_and_shows_one_call_beside_a_million() {
        let all = times(&[(22, 1_000_000), (40, 1000), (1_500_000, 1)]);
        for width in [40, 80, 160] {
            let lines = draw(&all, width);
            assert!(
                lines.iter().all(|line| line.chars().count() <= width),
                "{lines:#?}"
            );
            let widest = lines.iter().map(|line| line.chars().count()).max().unwrap();
            assert!(widest >= width - 4, "{widest} of {width}");
            let lowest = &lines[ROWS - 1];
            assert_eq!(
                lowest.chars().filter(|c| BLOCKS[1..].contains(c)).count(),
                3,
                "{lowest}"
            );
            assert!(lines[0].contains(['▅', '▆', '▇', '█']), "{lines:#?}");
            for word in ["▲p50", "▲max"] {
                assert!(lines.last().unwrap().contains(word), "{lines:#?}");
            }
        }
    }

    #[test]
    fn the_scale_has_every_power_of_ten() {
        let lines = draw(&times(&[(11, 5), (2_000_000, 1)]), 80);
        for word in ["10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms"] {
            assert!(lines[ROWS + 1].contains(word), "{lines:#?}");
        }
    }

    #[test]
    fn a_single_time_and_none_are_drawn_too() {
        assert_eq!(draw(&times(&[(1, 1)]), 80).len(), ROWS + 3);
        assert_eq!(draw(&times(&[]), 80).len(), ROWS + 3);
    }

    #[test]
    fn times_are_said_in_the_unit_that_fits() {
        let texts = [1, 999, 1000, 1540, 83_000, 9_960_000, 4_000_000_000].map(said);
        assert_eq!(
            texts,
            ["1 ns", "999 ns", "1 µs", "1.5 µs", "83 µs", "10 ms", "4 s"]
        );
    }
}
