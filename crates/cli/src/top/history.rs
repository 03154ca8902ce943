//! The numbers of the last looks, for the graphs.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// More than any screen has columns.
const KEPT: usize = 1000;

/// What the graphs are drawn of, the newest last.
#[derive(Clone, Debug, Default)]
pub struct History {
    rates: VecDeque<f64>,
    fills: VecDeque<f64>,
    times: VecDeque<Instant>,
}

impl History {
    /// Notes one look: when it was, records a second, and the share of the ring that is taken.
    pub fn note(&mut self, at: Instant, rate: f64, fill: f64) {
        if self.times.len() == KEPT {
            self.times.pop_front();
        }
        self.times.push_back(at);
        for (kept, new) in [(&mut self.rates, rate), (&mut self.fills, fill)] {
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(new);
        }
    }

    /// From the look that is so many back to the newest one.
    pub fn span(&self, looks: usize) -> Duration {
        let first = self.times.iter().rev().take(looks).next_back();
        let last = self.times.back();
        match (first, last) {
            (Some(first), Some(last)) => last.saturating_duration_since(*first),
            _ => Duration::ZERO,
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
