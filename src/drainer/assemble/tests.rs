//! Runs of several producers, floods of them, and successors that go on.

use super::*;

fn tag(producer: u16, flags: u8) -> Tag {
    Tag {
        site: 1,
        level: 2,
        flags,
        producer,
    }
}

fn continued(origin: u64, text: &str) -> Vec<u8> {
    [&origin.to_ne_bytes(), text.as_bytes()].concat()
}

#[test]
fn runs_of_two_producers_that_alternate_become_two_records() {
    let mut assembler = Assembler::default();
    assert!(matches!(
        assembler.join(1, tag(0, MORE), b"a"),
        Joined::Part
    ));
    assert!(matches!(
        assembler.join(2, tag(1, MORE), b"x"),
        Joined::Part
    ));
    let more = tag(0, CONTINUES | MORE);
    assert!(matches!(
        assembler.join(3, more, &continued(1, "b")),
        Joined::Part
    ));
    let Joined::Whole(second) = assembler.join(4, tag(1, CONTINUES), &continued(2, "y")) else {
        panic!()
    };
    let Joined::Whole(first) = assembler.join(5, tag(0, CONTINUES), &continued(1, "c")) else {
        panic!()
    };
    assert_eq!((first.bytes, first.cut), (b"abc".to_vec(), false));
    assert_eq!((second.bytes, second.cut), (b"xy".to_vec(), false));
}

#[test]
fn a_record_whose_producer_died_is_given_out_cut() {
    let mut assembler = Assembler::default();
    assembler.join(1, tag(7, MORE), b"ha");
    assembler.join(2, tag(8, MORE), b"other");
    assembler.join(3, tag(7, CONTINUES | MORE), &continued(1, "lf"));
    let abandoned = assembler.abandon(7);
    assert_eq!(abandoned.len(), 1);
    assert_eq!(abandoned[0].sequence, 3, "no other record has that one");
    assert!(abandoned[0].cut && abandoned[0].bytes == b"half");
    assert!(assembler.abandon(7).is_empty());
}

#[test]
fn a_successor_that_follows_the_notes_knows_what_its_predecessor_knew() {
    let (mut first, mut notes, mut kept) = (Assembler::default(), Vec::new(), Vec::new());
    first.join(1, tag(0, MORE), b"a");
    first.join(2, tag(1, MORE), b"x");
    first.take_notes(&mut notes);
    kept.extend_from_slice(&notes);
    first.join(3, tag(0, CONTINUES | MORE), &continued(1, "b"));
    first.abandon(1);
    first.take_notes(&mut notes);
    kept.extend_from_slice(&notes);
    let mut second = Assembler::default();
    second.follow(&kept[..]);
    assert!(second.abandon(1).is_empty());
    let Joined::Whole(whole) = second.join(5, tag(0, CONTINUES), &continued(1, "c")) else {
        panic!()
    };
    assert_eq!(whole.bytes, b"abc");
    assert_eq!(second.held(), 0);
    second.follow(&[7; 100][..]);
}

#[test]
fn a_run_that_goes_on_with_anothers_record_or_with_none_is_a_stray() {
    let mut assembler = Assembler::default();
    assembler.join(1, tag(7, MORE), b"half");
    assert!(matches!(
        assembler.join(2, tag(8, CONTINUES), &continued(1, "forged")),
        Joined::Stray
    ));
    assert!(matches!(
        assembler.join(3, tag(7, CONTINUES), &continued(9, "")),
        Joined::Stray
    ));
    assert!(matches!(
        assembler.join(4, tag(7, CONTINUES), b"short"),
        Joined::Stray
    ));
    assert_eq!(assembler.abandon(7)[0].bytes, b"half");
}

#[test]
fn a_record_longer_than_the_longest_keeps_its_beginning_and_is_cut() {
    let mut assembler = Assembler::default();
    let run = vec![b'x'; 1 << 20];
    assembler.join(0, tag(7, MORE), &run);
    for sequence in 1..40 {
        let text = [&0_u64.to_ne_bytes()[..], &run].concat();
        assembler.join(sequence, tag(7, CONTINUES | MORE), &text);
    }
    assert_eq!(assembler.held, MAX_RECORD);
    let Joined::Whole(whole) = assembler.join(40, tag(7, CONTINUES), &continued(0, "end")) else {
        panic!()
    };
    assert!(whole.cut && whole.bytes.len() == MAX_RECORD);
    assert!(whole.bytes.capacity() <= MAX_RECORD / 4 * 5 + GROWTH);
}

#[test]
fn a_flood_of_incomplete_records_is_bounded_and_costs_no_other_producer_its_record() {
    let mut assembler = Assembler::default();
    let (run, mut given_up) = (vec![b'x'; 2000], 0);
    assembler.join(0, tag(0, MORE), b"honest ");
    for sequence in 1..100_000_u64 {
        // Of the honest one a run comes now and then.
        let joined = match sequence % 1000 {
            0 => assembler.join(
                sequence,
                tag(0, CONTINUES | MORE),
                &continued(0, "and slow "),
            ),
            _ => assembler.join(sequence, tag(1 + (sequence % 40) as u16, MORE), &run),
        };
        assert!(matches!(joined, Joined::Part));
        for whole in assembler.take_evicted() {
            assert!(whole.cut && whole.tag.producer > 0);
            given_up += 1;
        }
        assert!(assembler.held <= MAX_HELD && assembler.parts.len() <= 41 * MAX_OPEN);
    }
    assert_eq!(given_up + assembler.parts.len(), 1 + 100_000 - 100);
    let Joined::Whole(whole) = assembler.join(100_000, tag(0, CONTINUES), &continued(0, "."))
    else {
        panic!("the honest record was given up")
    };
    assert_eq!(
        whole.bytes,
        ["honest ", &"and slow ".repeat(99), "."]
            .concat()
            .as_bytes()
    );
    assert!(!whole.cut);
}

#[test]
fn all_that_producers_hold_together_is_bounded_and_the_one_that_stands_still_goes_first() {
    let mut assembler = Assembler::default();
    let run = vec![b'x'; 1 << 20];
    for sequence in 0..200_u64 {
        let producer = (sequence % 20) as u16;
        let joined = match sequence < 20 {
            true => assembler.join(sequence, tag(producer, MORE), &run),
            false => {
                let text = [&(sequence % 20).to_ne_bytes()[..], &run].concat();
                assembler.join(sequence, tag(producer, CONTINUES | MORE), &text)
            }
        };
        assert!(assembler.held <= MAX_HELD);
        match joined {
            Joined::Part => {}
            Joined::Stray => assert!(sequence > 32, "its record was given up"),
            _ => panic!(),
        }
    }
    let cut: Vec<u64> = assembler
        .take_evicted()
        .iter()
        .map(|whole| whole.sequence)
        .collect();
    assert!(
        cut.is_sorted(),
        "the one that stands still for longest: {cut:?}"
    );
}

#[test]
fn a_successor_holds_what_its_predecessor_did_also_of_what_was_cut() {
    let (mut first, mut notes) = (Assembler::default(), Vec::new());
    let run = vec![b'x'; 1 << 20];
    for sequence in 0..20_u64 {
        let text = [&0_u64.to_ne_bytes()[..], &run].concat();
        match sequence {
            0 => first.join(sequence, tag(7, MORE), &run),
            _ => first.join(sequence, tag(7, CONTINUES | MORE), &text),
        };
    }
    first.join(30, tag(8, MORE), b"short");
    first.take_notes(&mut notes);
    let mut all = Vec::new();
    let kept = first.note_all(|piece| {
        all.extend_from_slice(piece);
        Ok(())
    });
    kept.unwrap();
    for kept in [notes, all] {
        assert!(kept.len() < MAX_RECORD + 1000 * 24);
        let mut second = Assembler::default();
        second.follow(&kept[..]);
        assert_eq!((second.held, second.by_latest.len()), (first.held, 2));
        assert_eq!(second.by_latest, first.by_latest);
        let Joined::Whole(whole) = second.join(40, tag(7, CONTINUES), &continued(0, "")) else {
            panic!()
        };
        assert!(whole.cut);
    }
}
