//! The drainer over private memory, turn by turn, while the shared words are damaged.

mod walked;
mod wide;

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::stage::{Damage, GEOMETRY, Stage};
use super::*;
use crate::record::codec::{CONTINUES, MORE};
use crate::segment::Refusal;

#[test]
fn a_ring_in_private_memory_works_and_speaks_of_no_damage() {
    let mut stage = Stage::new();
    stage.turn();
    stage.assert_works(300);
    assert_eq!(stage.words(), "");
    stage.restart();
    stage.assert_works_again();
    assert_eq!(stage.words(), "");
}

/// Tails that no honest member leaves, seen from where the ring stands.
fn bad_tails(tail: u64) -> [u64; 9] {
    [
        0,
        tail - 1,
        tail - 40,
        tail + 2000,
        tail + (1 << 40),
        1 << 62,
        1 << 63,
        u64::MAX - 3,
        u64::MAX,
    ]
}

#[test]
fn a_tail_that_cannot_be_is_reported_and_the_ring_works_on() {
    for which in 0..9 {
        let mut stage = Stage::new();
        stage.assert_works(100);
        for n in 0..5 {
            stage.log(&format!("before {n}"), 0);
        }
        let tail = stage.segment.tail();
        tail.store(
            bad_tails(tail.load(Ordering::Relaxed))[which],
            Ordering::Relaxed,
        );
        stage.settle();
        let before: Vec<_> = stage
            .records()
            .into_iter()
            .filter(|text| text.starts_with("before"))
            .collect();
        // A tail set back by one hides nothing that was published.
        assert_eq!(before.len(), 5, "tail {which}: {before:?}");
        stage.recover();
        stage.assert_works_again();
        let words = stage.words();
        assert!(words.contains("times the tail"), "tail {which}: {words}");
    }
}

#[test]
fn a_damaged_head_is_mended_at_once_and_by_a_successor() {
    for bad in [0, 5, 90, 1 << 40, 1 << 63, u64::MAX] {
        let mut stage = Stage::new();
        stage.assert_works(100);
        stage.segment.head().store(bad, Ordering::Relaxed);
        stage.settle();
        stage.assert_works_again();
        let words = stage.words();
        assert!(words.contains("1 times the head"), "{words}");

        (0..10).for_each(|n| assert!(stage.log(&format!("unread {n}"), 0)));
        stage.segment.head().store(bad, Ordering::Relaxed);
        stage.restart();
        stage.settle();
        let unread = stage
            .records()
            .into_iter()
            .filter(|text| text.starts_with("unread"));
        assert_eq!(unread.count(), 10, "head {bad}");
        stage.assert_works_again();
    }
}

#[test]
fn a_successor_without_any_valid_word_goes_on_where_the_slots_say() {
    let mut stage = Stage::new();
    stage.assert_works(100);
    (0..10).for_each(|n| assert!(stage.log(&format!("unread {n}"), 0)));
    stage.segment.head().store(1 << 50, Ordering::Relaxed);
    for which in [0, 1] {
        stage
            .segment
            .checkpoint(which)
            .iter()
            .for_each(|word| word.store(7, Ordering::Relaxed));
    }
    stage.restart();
    assert!(stage.drainer.delivery.ledger.damaged);
    stage.settle();
    let unread = stage
        .records()
        .into_iter()
        .filter(|text| text.starts_with("unread"));
    assert_eq!(unread.count(), 10);
    stage.assert_works_again();
}

#[test]
fn state_words_that_cannot_be_cost_their_records_and_not_their_slots() {
    for bad in [0, 1, 6, u64::MAX, 1 << 63, 1 << 40, (1 << 40) + 14] {
        let mut stage = Stage::new();
        stage.assert_works(100);
        for slot in 0..GEOMETRY.slots as usize {
            stage.segment.slots()[slot * 16].store(bad, Ordering::Relaxed);
        }
        stage.settle();
        stage.recover();
        stage.assert_works_again();
        let words = stage.words();
        assert!(words.contains("state words"), "{bad}: {words}");
        let lines = words.lines().count();
        assert!(lines < 5, "{lines} lines of damage");
    }
}

#[test]
fn a_run_of_impossible_length_and_one_that_reaches_beyond_the_tail_harm_nobody_else() {
    for length in [1905, 2048, 4096, 0xffff] {
        let mut stage = Stage::new();
        stage.assert_works(60);
        assert!(stage.log("victim", 0));
        let at = (60 % GEOMETRY.slots as usize) * 16 + 1;
        let word = &stage.segment.slots()[at];
        word.store(
            word.load(Ordering::Relaxed) & !0xffff | length,
            Ordering::Relaxed,
        );
        stage.settle();
        stage.recover();
        stage.assert_works_again();
    }
}

#[test]
fn a_floor_that_somebody_wrote_holds_nothing_up() {
    let mut stage = Stage::new();
    stage.assert_works(100);
    stage
        .segment
        .producer(stage.producer)
        .floor()
        .store(0, Ordering::Relaxed);
    stage.segment.tail().fetch_add(1 << 40, Ordering::Relaxed);
    stage.settle();
    stage.recover();
    stage.assert_works_again();
    stage.settle();
    assert_eq!(stage.drainer.reader.parked(), 0);
}

#[test]
fn records_that_are_begun_and_never_ended_do_not_fill_the_memory() {
    let mut stage = Stage::new();
    for n in 0..1000 {
        assert!(stage.log(&format!("open {n}"), MORE));
        stage.settle();
    }
    assert_eq!(stage.records().len(), 1000 - 16);
    stage.drainer.delivery.finish(Duration::ZERO);
}

#[test]
fn a_flood_of_damaged_records_is_shown_in_part_and_counted_in_full() {
    let mut stage = Stage::new();
    for n in 0..1000 {
        assert!(stage.log(&format!("stray {n}"), CONTINUES));
        stage.settle();
    }
    let words = stage.words();
    assert!(words.lines().count() < 200, "{}", words.lines().count());
    let counted: u64 = words
        .split(", ")
        .filter_map(|part| {
            part.rsplit(' ')
                .nth(4)?
                .parse::<u64>()
                .ok()
                .filter(|_| part.contains("not shown"))
        })
        .sum();
    let shown = words
        .lines()
        .filter(|line| line.starts_with("damaged record"))
        .count();
    assert!(
        shown >= 100 && shown as u64 + counted <= 1000,
        "{shown} and {counted}"
    );
}

#[test]
fn no_word_for_phase_or_stop_ends_anything() {
    let mut stage = Stage::new();
    stage.assert_works(10);
    let stop_now = u64::from_be_bytes(*b"stop now");
    for value in [1, 2, 3, 4, 5, stop_now, u64::MAX] {
        let words = stage.segment.all_words();
        // Phase and its neighbour, where the parent once asked for the end: see segment/layout.rs.
        words[64].store(value, Ordering::Relaxed);
        words[65].store(value, Ordering::Relaxed);
        assert!(!stage.drainer.may_end());
        stage.settle();
        assert_eq!(stage.segment.phase(), Phase::Running);
    }
    stage.assert_works_again();
}

#[test]
fn counters_of_drops_that_cannot_be_are_not_told_as_drops() {
    let mut stage = Stage::new();
    stage.assert_works(10);
    let producer = stage.segment.producer(stage.producer);
    for value in [u64::MAX, 1 << 63, 3, u64::MAX - 7] {
        producer.drop_words().0[1].store(value, Ordering::Relaxed);
        stage.segment.unregistered()[1].store(value, Ordering::Relaxed);
        stage.segment.drops().fetch_add(1, Ordering::Relaxed);
        stage.settle();
    }
    stage.assert_works_again();
    assert!(stage.words().contains("other words"));
}

#[test]
fn a_member_whose_entry_is_wiped_is_known_still() {
    let mut stage = Stage::new();
    stage.assert_works(10);
    let member = stage.segment.member(0);
    let before = member.state().load();
    let words = stage.segment.all_words();
    words[1024..1024 + 32]
        .iter()
        .for_each(|word| word.store(0, Ordering::Relaxed));
    stage.settle();
    assert_eq!(member.state().load(), before);
    assert!(!stage.drainer.members.parent_is_gone());
    stage.assert_works_again();
    assert!(stage.words().contains("registry entries"));
}

#[test]
fn a_header_that_was_written_over_is_mended() {
    let mut stage = Stage::new();
    stage.assert_works(10);
    let words = stage.segment.all_words();
    let before: Vec<u64> = words[..20]
        .iter()
        .map(|word| word.load(Ordering::Relaxed))
        .collect();
    words[..20]
        .iter()
        .for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
    stage.settle();
    let after: Vec<u64> = words[..20]
        .iter()
        .map(|word| word.load(Ordering::Relaxed))
        .collect();
    assert_eq!(after[..6], before[..6]);
    assert_eq!(after[16..], before[16..]);
}

fn damage() -> impl Strategy<Value = Damage> {
    let value = prop_oneof![any::<u64>(), 0_u64..300, Just(u64::MAX), Just(0)];
    prop_oneof![
        4 => (any::<usize>(), value.clone()).prop_map(|(at, value)| Damage::Word(at, value)),
        4 => (any::<usize>(), 0_u32..64).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => (any::<usize>(), value).prop_map(|(at, value)| Damage::Page(at, value)),
        2 => (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Damage::Copy(from, to)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 400 } else { 2000 }))]

    #[test]
    fn whatever_is_damaged_the_drainer_comes_to_rest_and_the_ring_works_again(
        steps in proptest::collection::vec((0_usize..20, 0_usize..300, proptest::collection::vec(damage(), 0..4), 0_u8..8), 1..12),
    ) {
        let mut stage = Stage::new();
        for (count, length, damages, next) in &steps {
            let text = "x".repeat(*length);
            (0..*count).for_each(|n| { stage.log(&format!("step {n} {text}"), 0); });
            let mut hit = HashSet::new();
            damages.iter().for_each(|damage| damage.apply(stage.segment, &mut hit));
            match next {
                0 => stage.restart(),
                1..=3 => { stage.turn(); }
                _ => stage.settle(),
            }
        }
        stage.settle();
        stage.recover();
        // The entry may have been taken away; the ring must take and give all the same.
        let before = stage.records().len();
        for _ in 0..200 {
            prop_assert!(stage.log("after", 0), "refused at head {}, tail {}, reader at {}, {} parked", stage.ring.head(), stage.ring.tail(), stage.drainer.reader.cursor(), stage.drainer.reader.parked());
            stage.settle();
        }
        let after = stage.records()[before..].iter().filter(|text| *text == "after").count();
        let shown = stage.seen.words.borrow().iter().filter(|text| text.contains("unknown")).count();
        prop_assert_eq!(after, 200, "{} of unknown producers", shown);
        stage.drainer.delivery.finish(Duration::ZERO);
    }

    #[test]
    fn damage_to_slots_costs_only_the_records_in_them(
        lengths in proptest::collection::vec(0_usize..400, 1..14),
        damages in proptest::collection::vec((0_usize..GEOMETRY.slots as usize * 16, any::<u64>()), 1..6),
    ) {
        let mut stage = Stage::new();
        let mut places = Vec::new();
        for (n, length) in lengths.iter().enumerate() {
            let at = stage.segment.tail().load(Ordering::Relaxed);
            let taken = stage.log(&format!("{n} {}", "x".repeat(*length)), 0);
            prop_assert!(taken);
            places.push(at..stage.segment.tail().load(Ordering::Relaxed));
        }
        let words = stage.segment.slots();
        for (at, value) in &damages {
            words[*at].store(*value, Ordering::Relaxed);
        }
        stage.settle();
        let records = stage.records();
        for (n, place) in places.iter().enumerate() {
            let untouched = damages.iter().all(|(at, _)| !place.contains(&((at / 16) as u64)));
            let text = format!("{n} {}", "x".repeat(lengths[n]));
            // A damaged length may swallow what stands behind it.
            let swallowed = damages.iter().any(|(at, _)| {
                at % 16 == 1 && places[..n].iter().any(|before| before.contains(&((at / 16) as u64)) && place.start < (at / 16) as u64 + 16)
            });
            if untouched && !swallowed {
                prop_assert!(records.contains(&text), "{} is missing", n);
            }
        }
    }
}

#[test]
fn the_numbers_are_said_once_a_minute_while_records_are_lost_and_at_no_other_time() {
    let mut stage = Stage::new();
    stage.assert_works(10);
    let a_minute_passes = |stage: &mut Stage| {
        stage.drainer.told.age();
        stage.drainer.looked_around -= LOOK_AROUND_EVERY;
        stage.settle();
        stage.words().matches("so far").count()
    };
    assert_eq!(a_minute_passes(&mut stage), 0, "nothing was lost");
    let drop_one = |stage: &Stage| {
        stage
            .segment
            .count_refused(crate::segment::Refusal::Threads, Level::Debug);
    };
    drop_one(&stage);
    stage.settle();
    assert!(!stage.words().contains("so far"), "the minute is not over");
    assert_eq!(a_minute_passes(&mut stage), 1);
    assert!(stage.words().contains("1 dropped (no entry: 1 DEBUG)"));
    assert_eq!(a_minute_passes(&mut stage), 1, "nothing more was lost");
    drop_one(&stage);
    assert_eq!(a_minute_passes(&mut stage), 2);
    assert!(stage.drainer.tell_last_numbers());
}

#[test]
fn a_drainer_that_dies_after_its_last_words_is_followed_by_one_that_does_not_repeat_them() {
    let mut stage = Stage::new();
    stage.assert_works(10);
    stage.segment.count_refused(Refusal::Threads, Level::Debug);
    stage.settle();
    assert!(stage.drainer.tell_last_numbers());
    stage.drainer.hand_over(true);
    stage.restart();
    assert!(!stage.drainer.tell_last_numbers());
    // A member that entered meanwhile may have logged.
    stage.segment.count_refused(Refusal::Threads, Level::Debug);
    stage.settle();
    assert!(stage.drainer.tell_last_numbers());
    assert_eq!(stage.words().matches("in the end").count(), 2);
}
