//! What a sink could not take: how many records, and whose, for the line that says so in the log.

use std::fmt::Write;

use super::Owed;
use crate::record::Record;

/// Processes that are told apart; the rest are `others`, so that memory stays bounded.
const NAMED: usize = 8;

/// How many records of which process, by its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    total: u64,
    /// The first processes met, at most [`NAMED`], none of them with 0.
    whose: Vec<(u32, u64)>,
}

impl Tally {
    pub(super) fn add(&mut self, pid: u32, count: u64) {
        // Saturating, here and below: a predecessor's numbers come from shared memory.
        self.total = self.total.saturating_add(count);
        if let Some((_, of_it)) = self.whose.iter_mut().find(|(id, _)| *id == pid) {
            *of_it = of_it.saturating_add(count);
        } else if self.whose.len() < NAMED {
            self.whose.push((pid, count));
        }
    }

    /// Takes back what was [added](Tally::add).
    pub(super) fn remove(&mut self, pid: u32, count: u64) {
        self.total = self.total.saturating_sub(count);
        if let Some((_, of_it)) = self.whose.iter_mut().find(|(id, _)| *id == pid) {
            *of_it = of_it.saturating_sub(count);
            self.whose.retain(|(_, of_it)| *of_it > 0);
        }
    }

    pub(super) fn add_all(&mut self, other: &Tally) {
        let named = other.named();
        for (pid, count) in &other.whose {
            self.add(*pid, *count);
        }
        let unnamed = other.total.saturating_sub(named);
        self.total = self.total.saturating_add(unnamed);
    }

    /// Takes back what was [added](Tally::add_all).
    pub(super) fn remove_all(&mut self, other: &Tally) {
        let named = other.named();
        for (pid, count) in &other.whose {
            self.remove(*pid, *count);
        }
        self.total = self.total.saturating_sub(other.total.saturating_sub(named));
    }

    fn named(&self) -> u64 {
        let counts = self.whose.iter().map(|(_, count)| *count);
        counts.fold(0, u64::saturating_add)
    }

    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn whose(&self) -> &[(u32, u64)] {
        &self.whose
    }

    /// Empties it without giving its memory back.
    pub(super) fn clear(&mut self) {
        self.total = 0;
        self.whose.clear();
    }

    /// Of `total` records, some of them by process.
    pub(super) fn of(total: u64, whose: &[(u32, u64)]) -> Tally {
        let mut tally = Tally::default();
        for (pid, count) in whose {
            tally.add(*pid, (*count).min(total - tally.total));
        }
        tally.total = total;
        tally
    }
}

/// Records left out since the last [`take`](Missing::take), by process.
#[derive(Default)]
pub(super) struct Missing {
    records: Tally,
    /// The names of the processes told apart there.
    names: Vec<(u32, String)>,
    /// Lines of the drainer's own.
    own: u64,
}

impl Missing {
    /// So many records are left out, by a predecessor of this process; `name` knows processes by their ids.
    pub(super) fn inherit(records: Tally, name: &dyn Fn(u32) -> Option<String>) -> Missing {
        let pids = records.whose().iter().map(|(pid, _)| *pid);
        Missing {
            names: pids.filter_map(|pid| Some((pid, name(pid)?))).collect(),
            records,
            own: 0,
        }
    }

    pub(super) fn count(&mut self, record: &Record<'_>) {
        if record.sequence.is_none() {
            self.own += 1;
            return;
        }
        self.records.add(record.pid, 1);
        let is_named = self.names.iter().any(|(pid, _)| *pid == record.pid);
        if !is_named && self.names.len() < NAMED {
            self.names.push((record.pid, record.process.to_owned()));
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.records.total == 0 && self.own == 0
    }

    /// The records, without the drainer's own lines.
    pub(super) const fn records(&self) -> &Tally {
        &self.records
    }

    /// Like `12 records are missing here (worker[7]: 9, others: 3): disk full`; begins again at none.
    pub(super) fn take(&mut self, why: &str) -> String {
        let Missing {
            records,
            names,
            own,
        } = std::mem::take(self);
        let of_drainer = counted(own, "line of the log itself", "lines of the log itself");
        let mut text = match (records.total, own) {
            (0, _) => of_drainer,
            (total, 0) => counted(total, "record", "records"),
            (total, _) => counted(total, "record", "records") + " and " + &of_drainer,
        };
        text += if records.total + own == 1 {
            " is"
        } else {
            " are"
        };
        text += " missing here";
        // Writing into a String cannot fail.
        for (position, (pid, count)) in records.whose.iter().enumerate() {
            let name = names.iter().find(|(id, _)| id == pid);
            let name = name.map_or("process ", |(_, name)| name);
            let before = if position == 0 { " (" } else { ", " };
            _ = write!(text, "{before}{name}[{pid}]: {count}");
        }
        let named = records.named();
        match records.total.saturating_sub(named) {
            0 => {}
            others if named == 0 => _ = write!(text, " (others: {others}"),
            others => _ = write!(text, ", others: {others}"),
        }
        if records.total > 0 {
            text.push(')');
        }
        _ = write!(text, ": {why}");
        text
    }
}

/// What a successor has to say of the records that its predecessor owed, if there are any; `name` knows processes by
/// their ids.
pub(crate) fn say_owed(owed: &Owed, name: &dyn Fn(u32) -> Option<String>) -> Option<String> {
    let tally = Tally::of(owed.total(), &owed.whose);
    let why = "they waited for a file that could not be written, and the drainer was killed";
    (tally.total > 0).then(|| Missing::inherit(tally, name).take(why))
}

/// `1 record`, `2 records`.
pub(crate) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples::record;
    use proptest::prelude::*;

    #[test]
    fn the_message_says_how_many_and_whose_and_why() {
        let mut missing = Missing::default();
        missing.count(&record(1, "x"));
        assert_eq!(
            missing.take("disk full"),
            "1 record is missing here (worker-1[1234]: 1): disk full"
        );
        assert!(missing.is_empty());
        for pid in 0..12 {
            let record = Record {
                pid,
                process: "w",
                ..record(1, "x")
            };
            missing.count(&record);
            missing.count(&record);
        }
        let text = missing.take("why");
        assert!(
            text.starts_with("24 records are missing here (w[0]: 2, w[1]: 2, "),
            "{text}"
        );
        assert!(text.ends_with(", others: 8): why"), "{text}");
    }

    #[test]
    fn lines_of_the_drainer_itself_are_told_apart_from_records() {
        let mut missing = Missing::default();
        let own = Record {
            sequence: None,
            ..record(1, "x")
        };
        missing.count(&own);
        assert_eq!(
            missing.take("why"),
            "1 line of the log itself is missing here: why"
        );
        missing.count(&own);
        missing.count(&own);
        missing.count(&record(1, "x"));
        assert_eq!(
            missing.take("why"),
            "1 record and 2 lines of the log itself are missing here (worker-1[1234]: 1): why"
        );
    }

    #[test]
    fn what_a_predecessor_left_out_is_named_as_far_as_it_is_known() {
        let name = |pid| (pid == 7).then(|| "w".to_owned());
        let tally = Tally::of(20, &[(7, 9), (8, 1)]);
        let text = Missing::inherit(tally, &name).take("why");
        assert_eq!(
            text,
            "20 records are missing here (w[7]: 9, process [8]: 1, others: 10): why"
        );
        let text = Missing::inherit(Tally::of(3, &[]), &name).take("why");
        assert_eq!(text, "3 records are missing here (others: 3): why");
    }

    proptest! {
        #[test]
        fn a_tally_never_names_more_than_there_are(
            steps in prop::collection::vec((0..12_u32, any::<bool>()), 0..200),
        ) {
            let (mut tally, mut there) = (Tally::default(), std::collections::VecDeque::new());
            for (pid, comes) in steps {
                if comes {
                    tally.add(pid, 1);
                    there.push_back(pid);
                } else if let Some(first) = there.pop_front() {
                    tally.remove(first, 1);
                }
                prop_assert_eq!(tally.total(), there.len() as u64);
                for (pid, count) in tally.whose() {
                    let actual = there.iter().filter(|id| *id == pid).count() as u64;
                    prop_assert!(*count > 0 && *count <= actual);
                }
            }
            prop_assert!(!there.is_empty() || tally == Tally::default());
        }
    }
}
