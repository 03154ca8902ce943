//! Word that a sequence was left, though it was not.

use std::cell::Cell;

use super::super::stage::{GEOMETRY, Stage};
use crate::ring::claim;
use crate::sync::Ordering;

#[test]
fn walked_words_that_somebody_wrote_cost_records_and_nothing_else() {
    let mut stage = Stage::new();
    stage.assert_works(100);
    let held = claim(&stage.ring, &stage.lease(), &Cell::new(0), 8, 0, true).unwrap();
    // Of it, and of all that is claimed in the next two laps, a mark says that it was walked away from.
    let (words, first) = (stage.segment.walked(), held.sequence());
    for n in first..first + words.len() as u64 {
        words[n as usize % words.len()].store(n + 1, Ordering::Relaxed);
    }
    stage.settle();
    assert_eq!(stage.drainer.reader.parked(), 0, "it is believed");
    for n in 0..GEOMETRY.slots + 5 {
        assert!(stage.log(&format!("others {n}"), 0));
        stage.settle();
    }
    // Into a slot that is no more its own.
    held.publish(0, &[0; 8]);
    stage.recover();
    stage.assert_works_again();
    assert!(stage.words().contains("state words"));
}
