//! The numbers of the last looks, for the graphs.

use std::collections::VecDeque;

/// More than any screen has columns.
const KEPT: usize = 1000;

/// What the graphs are drawn of, the newest last.
#[derive(Clone, Debug, Default)]
pub struct History {
    rates: VecDeque<f64>,
    fills: VecDeque<f64>,
}

impl History {
    /// Notes one look: records a second, and the share of the ring that is taken.
    pub fn note(&mut self, rate: f64, fill: f64) {
        for (kept, new) in [(&mut self.rates, rate), (&mut self.fills, fill)] {
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(new);
        }
    }

    /// The newest rates, so many at most, the newest first.
    pub fn rates(&self, at_most: usize) -> Vec<f64> {
        self.rates.iter().rev().take(at_most).copied().collect()
    }

    /// The newest fills, the newest first.
    pub fn fills(&self, at_most: usize) -> Vec<f64> {
        self.fills.iter().rev().take(at_most).copied().collect()
    }
}
