//! The table of log statements: who floods the log?

use std::cmp::Ordering;

use super::look;
use super::table::{Cell, Column, TableRow, cell, descending};
use crate::show;
use crate::top::app::RowKey;
use crate::top::model::SiteRow;

impl TableRow for SiteRow {
    const COLUMNS: &'static [Column] = &[
        Column::words("level", 8, 0),
        Column::number("records", 9),
        Column::number("share", 6),
        Column::number("bytes", 11).from(120),
        Column::number("total", 6).from(100),
        Column::words("target", 12, 1),
        Column::words("file:line", 15, 2).tail(),
        Column::words("text", 20, 4),
    ];

    fn order(&self, other: &Self, column: usize) -> Ordering {
        let by = match column {
            0 => other.level.cmp(&self.level),
            1 | 2 => descending(self.records, other.records),
            3 => descending(self.bytes, other.bytes),
            4 => other.total.cmp(&self.total),
            5 => self.target.cmp(&other.target),
            6 => self.place.cmp(&other.place),
            _ => self.text.cmp(&other.text),
        };
        by.then_with(|| other.total.cmp(&self.total))
            .then_with(|| self.place.cmp(&other.place))
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            cell(self.level.as_str(), look::level(self.level)),
            cell(show::rate(self.records), look::NUMBER),
            cell(show::percent(self.share), look::PLAIN),
            cell(format!("{}/s", show::bytes(self.bytes as u64)), look::PLAIN),
            cell(show::count(self.total), look::PLAIN),
            cell(&*self.target, look::PLAIN),
            cell(&*self.place, look::QUIET),
            cell(&*self.text, look::PLAIN),
        ]
    }

    fn texts(&self) -> Vec<&str> {
        vec![&self.target, &self.place, &self.text]
    }

    fn key(&self) -> RowKey {
        RowKey::Site {
            level: self.level,
            target: self.target.clone(),
            place: self.place.clone(),
        }
    }
}
