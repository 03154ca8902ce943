//! What the builder's settings may be.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Builder, InitError, OnFull};
use crate::segment::{Limits, guest};
use crate::sink::kinds;

/// What may wait for a sink: less would not hold a line, more is a mistake.
const QUEUE_BYTES: RangeInclusive<u64> = 1 << 10..=1 << 32;

/// A setting, what it was given, whether that is allowed, and what is.
type Rule = (&'static str, String, bool, String);

impl Builder {
    pub(crate) fn check(&self) -> Result<(), InitError> {
        match self.rules().into_iter().find(|(_, _, ok, _)| !ok) {
            None => Ok(kinds::check_all(&self.own_sinks()).map(drop)?),
            Some((field, value, _, allowed)) => Err(InitError::Setting {
                field,
                value,
                allowed,
            }),
        }
    }

    /// The first that is broken is told.
    fn rules(&self) -> Vec<Rule> {
        let somewhere = self.discard || !self.own_sinks().is_empty();
        let nowhere = "true for at least one of them, or a sink(), or records go nowhere (discard(true) if that is meant)";
        let mut rules = vec![
            rule("console", "false, and so is file", somewhere, nowhere),
            least_one("backup_count", self.backup_count, "1 or more"),
            least_one("max_file_size", self.max_file_size, "1 byte or more"),
            power_of_two("slots", self.slots, Limits::SLOTS),
            power_of_two("slot_size", self.slot_size, Limits::SLOT_SIZE),
        ];
        let flaw = self.filter_flaw();
        let is_right = flaw.is_none();
        rules.push(rule(
            "filter",
            format!("{:?}", self.filter),
            is_right,
            flaw.unwrap_or_default(),
        ));
        if let Some(backtrace) = self.backtrace {
            let records = backtrace.records as u64;
            rules.push(within("backtrace", records, 1..=1_000_000, " records"));
        }
        let half = self.slots / 2;
        for slots in self.reserved.into_iter().flatten() {
            let allowed = format!("from 0 to half of the slots, {half}");
            rules.push(rule("reserved_slots", slots, slots <= half, allowed));
        }
        rules.push(within(
            "max_producers",
            self.max_producers,
            Limits::PRODUCERS,
            "",
        ));
        if let Some(bytes) = self.queue_bytes {
            let usual = "; 16777216 is usual";
            rules.push(within("queue_bytes", bytes as u64, QUEUE_BYTES, usual));
        }
        let usual = "more than 0; 100 ms is usual";
        rules.push(positive("stall_timeout", self.stall_timeout, usual));
        if let OnFull::Block(timeout) = self.on_full {
            rules.push(positive(
                "on_full",
                timeout,
                "Block with more than 0, or Drop",
            ));
        }
        if let Some(cpus) = &self.drainer_cpus {
            let there = guest::processors_that_run();
            let is_there = |cpu: &usize| there.contains(cpu);
            let ok = !cpus.is_empty() && (there.is_empty() || cpus.iter().all(is_there));
            let allowed = format!("one or more of the processors that run: {there:?}");
            rules.push(rule("drainer_cpus", format!("{cpus:?}"), ok, allowed));
        }
        if let Some(nice) = self.drainer_nice {
            let ok = (-20..=19).contains(&nice);
            rules.push(rule("drainer_nice", nice, ok, "from -20 to 19"));
        }
        if let Some(name) = &self.process_name {
            let allowed = "a name, or leave it out for the executable's";
            rules.push(rule(
                "process_name",
                format!("{name:?}"),
                !name.trim().is_empty(),
                allowed,
            ));
        }
        rules
    }
}

fn rule(field: &'static str, value: impl ToString, ok: bool, allowed: impl ToString) -> Rule {
    (field, value.to_string(), ok, allowed.to_string())
}

fn least_one(field: &'static str, value: u64, allowed: &str) -> Rule {
    rule(field, value, value > 0, allowed)
}

fn within(field: &'static str, value: u64, range: RangeInclusive<u64>, usual: &str) -> Rule {
    let allowed = format!("from {} to {}{usual}", range.start(), range.end());
    rule(field, value, range.contains(&value), allowed)
}

fn power_of_two(field: &'static str, value: u64, range: RangeInclusive<u64>) -> Rule {
    let allowed = format!("a power of two from {} to {}", range.start(), range.end());
    let ok = value.is_power_of_two() && range.contains(&value);
    rule(field, value, ok, allowed)
}

fn positive(field: &'static str, timeout: Duration, allowed: &str) -> Rule {
    rule(field, format!("{timeout:?}"), !timeout.is_zero(), allowed)
}
