//! What a sink could not take: how many records, and whose, for the line that says so in the log.

use std::fmt::Write;

use crate::record::Record;

/// Records left out since the last [`take`](Missing::take), by process.
#[derive(Default)]
pub(super) struct Missing {
    total: u64,
    /// Name, process id and count of the first processes met; at most [`Missing::NAMED`].
    whose: Vec<(String, u32, u64)>,
}

impl Missing {
    /// Processes that are told apart; the rest are `others`, so that memory stays bounded.
    const NAMED: usize = 8;

    pub(super) fn count(&mut self, record: &Record<'_>) {
        self.total += 1;
        let same =
            |(name, pid, _): &&mut (String, u32, u64)| *pid == record.pid && name == record.process;
        if let Some((_, _, count)) = self.whose.iter_mut().find(same) {
            *count += 1;
        } else if self.whose.len() < Missing::NAMED {
            self.whose.push((record.process.to_owned(), record.pid, 1));
        }
    }

    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// Like `12 records are missing here (worker[7]: 9, others: 3): disk full`; begins again at none.
    pub(super) fn take(&mut self, why: &str) -> String {
        let (verb, plural) = if self.total == 1 {
            ("is", "")
        } else {
            ("are", "s")
        };
        let mut text = format!("{} record{plural} {verb} missing here (", self.total);
        let mut others = self.total;
        for (position, (name, pid, count)) in self.whose.iter().enumerate() {
            others -= count;
            let comma = if position == 0 { "" } else { ", " };
            // Writing into a String cannot fail.
            _ = write!(text, "{comma}{name}[{pid}]: {count}");
        }
        if others > 0 {
            _ = write!(text, ", others: {others}");
        }
        _ = write!(text, "): {why}");
        *self = Missing::default();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples::record;

    #[test]
    fn the_message_says_how_many_and_whose_and_why() {
        let mut missing = Missing::default();
        missing.count(&record(1, "x"));
        assert_eq!(
            missing.take("disk full"),
            "1 record is missing here (worker-1[1234]: 1): disk full"
        );
        assert_eq!(missing.total(), 0);
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
}
