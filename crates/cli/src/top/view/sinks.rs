//! The table of sinks.

use std::cmp::Ordering;

use super::look;
use super::table::{Cell, Column, TableRow, cell};
use crate::show;
use crate::top::app::RowKey;
use crate::top::model::SinkRow;

impl TableRow for SinkRow {
    const COLUMNS: &'static [Column] = &[
        Column::words("sink", 26, 1).tail(),
        Column::number("waiting", 9),
        Column::number("lost", 8),
        Column::number("errors", 8),
        Column::words("last error", 24, 1),
    ];

    fn order(&self, other: &Self, column: usize) -> Ordering {
        let (ours, theirs) = (&self.sink, &other.sink);
        match column {
            0 => ours.name.cmp(&theirs.name),
            1 => theirs.waiting.cmp(&ours.waiting),
            2 => theirs.lost.cmp(&ours.lost),
            3 => theirs.errors.cmp(&ours.errors),
            _ => theirs.last_error.cmp(&ours.last_error),
        }
    }

    fn cells(&self) -> Vec<Cell> {
        let sink = &self.sink;
        vec![
            cell(&*sink.name, look::PLAIN),
            cell(show::bytes(sink.waiting), look::NUMBER),
            cell(
                show::count(sink.lost),
                look::trouble(sink.lost, self.is_losing),
            ),
            cell(
                show::count(sink.errors),
                look::trouble(sink.errors, self.is_failing),
            ),
            cell(&*sink.last_error, look::CARE),
        ]
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.sink.name, &self.sink.last_error]
    }

    fn key(&self) -> RowKey {
        RowKey::Sink {
            name: self.sink.name.clone(),
        }
    }
}
