//! Holes at the cursor: waited for, given up, or parked so that those behind them need not wait.

use std::time::Instant;

use super::Drainer;
use crate::ring::{Hole, Run};
use crate::segment::Count;

/// What a look into a hole came to.
pub(super) enum Look {
    /// Ask for the next run again.
    Again,
    /// Nothing can be done now.
    Wait,
    /// A run that is late.
    Late(Run),
}

impl Drainer {
    pub(super) fn look_into(&mut self, h: u64) -> Look {
        if self.reader.is_mending() {
            return self.pass_damage();
        }
        let now = Instant::now();
        let since = match self.hole {
            Some((hole, since)) if hole == h => since,
            _ => {
                self.hole = Some((h, now));
                // Most holes are a producer between its claim and its publish, some nanoseconds apart.
                for _ in 0..50 {
                    std::hint::spin_loop();
                }
                return Look::Again;
            }
        };
        let members = &self.members;
        match self.reader.inspect(&|producer| members.is_alive(producer)) {
            Hole::Published => Look::Again,
            Hole::Late(run) => Look::Late(run),
            Hole::Orphan => {
                self.delivery.ledger.add(Count::Orphaned, 1);
                Look::Again
            }
            Hole::Owned => {
                // The slots behind a parked one are likely the rest of the same run.
                let same_run = self
                    .parked_last
                    .is_some_and(|parked| parked.wrapping_add(1) == h);
                let patience = self.config.stall_timeout / if same_run { 16 } else { 1 };
                if now - since < patience {
                    return Look::Wait;
                }
                self.reader.park();
                self.parked_last = Some(h);
                Look::Again
            }
        }
    }
}
