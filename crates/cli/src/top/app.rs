//! What the screen is at.

use std::collections::VecDeque;
use std::time::Duration;

use shmlog::Level;

use super::history::History;
use super::line::TypedLine;
use super::model::Sight;
use super::sample::Sample;

/// A table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Panel {
    #[default]
    Producers,
    Sites,
    Sinks,
}

impl Panel {
    /// In the order of the keys 1, 2, 3.
    pub const ALL: [Panel; 3] = [Panel::Producers, Panel::Sites, Panel::Sinks];
}

/// How the rows of a table stand.
#[derive(Clone, Debug)]
pub struct Order {
    /// The column they are sorted by.
    pub column: usize,
    /// Against the column's own direction, which is the one that is asked for most.
    pub is_reversed: bool,
    /// Rows that are scrolled away at the top; may be too many until it is drawn.
    pub offset: usize,
    /// Rows that were to be seen when it was last drawn.
    pub page: usize,
    /// The row that is chosen.
    pub chosen: Option<RowKey>,
    /// By how many rows the choice is to move when the table is drawn next: only then its rows are known.
    pub step: isize,
}

/// What tells a row from the others, however the table is sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKey {
    Thread {
        pid: u32,
        tid: u32,
    },
    Site {
        level: Level,
        target: String,
        place: String,
    },
    Sink {
        name: String,
    },
}

/// What is known of a row: its texts in full, and the last record of it that the ring still holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    pub title: String,
    pub lines: Vec<String>,
}

/// What is being typed.
#[derive(Clone, Debug)]
pub enum Typing {
    /// The text that rows must have. What was there before is for Esc.
    Needle { line: TypedLine, before: String },
    /// The directives of the running system, and why it did not take them.
    Filter { line: TypedLine, error: String },
}

/// How it stands with the ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Life {
    #[default]
    Live,
    /// It has ended. The name of a younger ring of the same program, if there is one.
    Ended { successor: Option<String> },
    /// All its processes were killed; what it holds waits to be saved.
    Killed { successor: Option<String> },
}

impl Life {
    pub fn is_over(&self) -> bool {
        *self != Life::Live
    }

    pub fn successor(&self) -> Option<&str> {
        match self {
            Life::Live => None,
            Life::Ended { successor } | Life::Killed { successor } => successor.as_deref(),
        }
    }
}

/// All that decides over what is drawn.
#[derive(Clone, Debug)]
pub struct App {
    pub panel: Panel,
    /// By panel.
    pub orders: [Order; 3],
    /// In lower case; rows without it are left out.
    pub needle: String,
    pub typing: Option<Typing>,
    pub is_paused: bool,
    pub is_help: bool,
    /// Of the row that was asked for.
    pub detail: Option<Detail>,
    pub life: Life,
    /// What a key came to, until the next key.
    pub notice: String,
    pub history: History,
    pub sight: Option<Sight>,
    /// The looks of the last moments, the oldest first: what rates are counted from.
    samples: VecDeque<Sample>,
}

/// Rates are counted over at least so long, however often the ring is looked at: two records a second would be 0 and 4 by turns.
const RATES_OVER: Duration = Duration::from_secs(2);

impl Default for App {
    fn default() -> App {
        let by = |column| Order {
            column,
            is_reversed: false,
            offset: 0,
            page: 0,
            chosen: None,
            step: 0,
        };
        App {
            panel: Panel::default(),
            // Records a second; the sinks as they come.
            orders: [by(2), by(1), by(0)],
            needle: String::new(),
            typing: None,
            is_paused: false,
            is_help: false,
            detail: None,
            life: Life::Live,
            notice: String::new(),
            history: History::default(),
            sight: None,
            samples: VecDeque::new(),
        }
    }
}

impl App {
    /// Takes in a look at the ring.
    pub fn take(&mut self, sample: Sample) {
        let is_first = self.sight.is_none();
        if is_first {
            self.samples.clear();
        }
        let is_old = |kept: &Sample| sample.at.saturating_duration_since(kept.at) >= RATES_OVER;
        while self.samples.get(1).is_some_and(is_old) {
            self.samples.pop_front();
        }
        let sight = Sight::between(self.samples.front(), sample.clone());
        self.samples.push_back(sample);
        if !is_first {
            let slots = sight.now.slots.max(1) as f64;
            let fill = sight.now.taken as f64 / slots;
            self.history
                .note(sight.now.at, sight.delivered, fill.min(1.0));
        }
        self.sight = Some(sight);
    }

    /// How long ago the look was that is so many looks back.
    pub fn span(&self, looks: usize) -> Duration {
        self.history.span(looks)
    }

    /// The order of the panel that keys go to.
    pub fn order(&mut self) -> &mut Order {
        &mut self.orders[self.panel as usize]
    }
}
