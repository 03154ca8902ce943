//! Call sites for statements that are not ours: made at the first use of each, and kept for good.
//!
//! A table that is open-addressed by what tells one statement from another in its own crate. Entries are never taken
//! out, and a place that is being filled is passed, so nothing here waits: not for a thread that a fork has left behind, nor in a
//! signal handler for what it interrupted. Then a statement may stand there twice, as two call sites that say the same.
//! When the table is full, statements share one call site, which says less.

use crate::hash::murmur_round;
use crate::producer::Place;
use crate::record::CallSite;

/// A statement that is known.
struct Known {
    key: Key,
    site: CallSite,
}

/// What tells a statement from another: addresses of its static parts, and a line.
pub(crate) type Key = (usize, usize, u32);

/// Statements that have a call site of their own.
const PLACES: usize = 4096;
/// Places that are looked at.
const PROBES: usize = 32;

static TABLE: [Place<Known>; PLACES] = [const { Place::new() }; PLACES];

/// Of records whose statement is not known.
pub(super) static ANY: CallSite = CallSite::new("", "", 0, "{}", "", false);

/// The call site of a statement; `make` is called at its first use.
pub(crate) fn site(key: Key, make: impl Fn() -> CallSite) -> &'static CallSite {
    let begin = place(key);
    for probe in 0..PROBES {
        let place = &TABLE[(begin + probe) % PLACES];
        let known = place.get_or_fill(|| Known { key, site: make() });
        if let Some(known) = known.filter(|known| known.key == key) {
            return &known.site;
        }
    }
    &ANY
}

/// By its upper bits.
fn place((a, b, line): Key) -> usize {
    let mixed = (a as u64).rotate_left(32) ^ (b as u64) ^ (u64::from(line) << 13);
    (murmur_round(mixed) >> 40) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_has_a_call_site_whoever_asks_first_and_a_full_table_shares_one() {
        fn of(line: u32) -> &'static CallSite {
            let make = || CallSite::new("t", "f", line, "{}", "", false);
            site((7, 8, line), make)
        }
        let find = || -> Vec<usize> {
            let sites = (0..100).map(of);
            sites
                .map(|site| std::ptr::from_ref(site) as usize)
                .collect()
        };
        let threads = [(); 4].map(|()| std::thread::spawn(find));
        threads
            .into_iter()
            .for_each(|thread| _ = thread.join().unwrap());
        // Two that came at once may have found two; from then on it is the same one.
        let threads = [(); 4].map(|()| std::thread::spawn(find));
        let found = threads.map(|thread| thread.join().unwrap());
        assert!(found.iter().all(|all| *all == found[0]));
        assert_eq!(of(3).statement.line, 3);
        let shared = (0..3 * PLACES as u32).filter(|line| of(*line).statement.file.is_empty());
        assert!(shared.count() > PLACES);
        assert_eq!(of(3).statement.line, 3);
    }
}
