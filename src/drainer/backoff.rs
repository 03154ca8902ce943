//! How long to wait before another drainer is started in place of one that has ended.

use std::time::Duration;

/// The shortest pause.
pub(super) const SHORTEST: Duration = Duration::from_millis(50);
/// The longest: records wait in the ring meanwhile, and a full one drops.
const LONGEST: Duration = Duration::from_millis(400);
/// A drainer that lived longer than this did not die of its start.
const LONG_LIFE: Duration = Duration::from_secs(2);

/// The pauses, which grow as long as drainers die before they have delivered anything.
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Backoff {
        Backoff { next: SHORTEST }
    }

    /// The pause after a drainer that has lived so long, and has delivered something or has not.
    pub(super) fn after(&mut self, lived: Duration, delivered: bool) -> Duration {
        if delivered || lived >= LONG_LIFE {
            self.next = SHORTEST;
            return SHORTEST.saturating_sub(lived);
        }
        let pause = self.next;
        self.next = (2 * pause).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_some_tenths_of_a_second_while_drainers_die_young_and_begin_anew_with_one_that_works()
     {
        let mut backoff = Backoff::new();
        let young = Duration::from_millis(1);
        let pauses: Vec<u128> = (0..9)
            .map(|_| backoff.after(young, false).as_millis())
            .collect();
        assert_eq!(pauses, [50, 100, 200, 400, 400, 400, 400, 400, 400]);
        assert_eq!(backoff.after(young, true), Duration::from_millis(49));
        assert_eq!(backoff.after(young, false), SHORTEST);
        assert_eq!(backoff.after(LONG_LIFE, false), Duration::ZERO);
        assert_eq!(backoff.after(young, false), SHORTEST);
    }
}
