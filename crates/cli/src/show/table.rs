//! Tables in columns as wide as they need to be, for a terminal or a pipe.

use super::harmless;

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// Rows under a head.
pub struct Table {
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

/// Between columns.
const GAP: usize = 2;

impl Table {
    /// Columns of these names.
    pub fn new(columns: &[(&str, Align)]) -> Table {
        Table {
            aligns: columns.iter().map(|(_, align)| *align).collect(),
            rows: vec![columns.iter().map(|(name, _)| (*name).to_owned()).collect()],
        }
    }

    /// Adds a row, which has as many cells as there are columns. What could steer a terminal is written out.
    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.aligns.len());
        self.rows
            .push(cells.iter().map(|cell| harmless(cell)).collect());
    }

    /// As lines.
    pub fn text(&self) -> String {
        let widest = |column: usize| self.rows.iter().map(move |row| width(&row[column])).max();
        let widths: Vec<usize> = (0..self.aligns.len())
            .map(|column| widest(column).unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, wide), align) in row.iter().zip(&widths).zip(&self.aligns) {
                let blanks = " ".repeat(wide - width(cell));
                match align {
                    Align::Left => line += &format!("{cell}{blanks}"),
                    Align::Right => line += &format!("{blanks}{cell}"),
                }
                line += &" ".repeat(GAP);
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

fn width(cell: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let mut table = Table::new(&[
            ("NAME", Align::Left),
            ("RATE", Align::Right),
            ("", Align::Left),
        ]);
        table.row(vec!["imu\x1b[2J".into(), "1.00k".into(), "漢".into()]);
        table.row(vec!["a".into(), "7".into(), String::new()]);
        assert_eq!(
            table.text(),
            "NAME           RATE\nimu\\u{1b}[2J  1.00k  漢\na                 7\n"
        );
    }
}
