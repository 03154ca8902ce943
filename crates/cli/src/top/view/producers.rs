//! The table of threads that log.

use std::cmp::Ordering;

use ratatui::text::Span;
use shmlog::Level;

use super::look;
use super::table::{Cell, Column, TableRow, cell, descending};
use crate::show;
use crate::top::app::RowKey;
use crate::top::model::ProducerRow;

impl TableRow for ProducerRow {
    const COLUMNS: &'static [Column] = &[
        Column::words("process", 17, 3),
        Column::words("thread", 10, 2),
        Column::number("records", 9),
        Column::number("bytes", 11),
        Column::words("dropped", 10, 2),
        Column::number("parked", 7),
        Column::number("last", 7),
        Column::number("total", 6).from(100),
    ];

    fn order(&self, other: &Self, column: usize) -> Ordering {
        let by = match column {
            0 => self.name.cmp(&other.name),
            1 => self.thread.cmp(&other.thread),
            2 => descending(self.records, other.records),
            3 => descending(self.bytes, other.bytes),
            4 => other.dropped.cmp(&self.dropped),
            5 => other.parked.cmp(&self.parked),
            // The last who logged; those who never did behind.
            6 => self
                .idle
                .is_none()
                .cmp(&other.idle.is_none())
                .then(self.idle.cmp(&other.idle)),
            _ => other.delivered.cmp(&self.delivered),
        };
        // Rows that are alike stay where they are.
        by.then_with(|| other.delivered.cmp(&self.delivered))
            .then_with(|| self.name.cmp(&other.name))
            .then_with(|| self.thread.cmp(&other.thread))
    }

    fn cells(&self) -> Vec<Cell> {
        let idle = self.idle.map_or_else(|| "never".to_owned(), show::age);
        vec![
            cell(&*self.name, look::PLAIN),
            cell(&*self.thread, look::PLAIN),
            cell(show::rate(self.records), look::NUMBER),
            cell(format!("{}/s", show::bytes(self.bytes as u64)), look::PLAIN),
            drops(&self.drops, self.is_dropping),
            cell(show::count(self.parked), look::trouble(self.parked, false)),
            cell(idle, look::QUIET),
            cell(show::count(self.delivered), look::PLAIN),
        ]
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.name, &self.thread]
    }

    fn key(&self) -> RowKey {
        RowKey::Thread {
            pid: self.pid,
            tid: self.tid,
        }
    }
}

/// `D12 I3`, in the colours of the levels.
fn drops(counts: &[u64; Level::ALL.len()], is_growing: bool) -> Cell {
    let mut cell = Cell::new();
    for (level, count) in Level::ALL
        .into_iter()
        .zip(counts)
        .filter(|(_, count)| **count > 0)
    {
        let letter = level.as_str().get(..1).unwrap_or_default();
        let style = if is_growing {
            look::ALARM
        } else {
            look::level(level)
        };
        cell.push(Span::styled(
            format!("{letter}{} ", show::count(*count)),
            style,
        ));
    }
    if cell.is_empty() {
        cell.push(Span::styled("-", look::QUIET));
    }
    cell
}
