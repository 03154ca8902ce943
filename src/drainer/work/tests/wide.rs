//! Few bytes that make much text, and few records that are much to write.

use super::Stage;
use crate::record::Statement;
use crate::record::capture::{Arguments, Kind};
use crate::record::codec::{Tag, write_head};
use crate::record::format::CUT_MARK;

const WIDE: Statement<'_> = Statement {
    format: "{:65535}{:65535}{:65535}{:65535}{:65535}{:65535}{:65535}{:65535}",
    target: "stage",
    file: "stage.rs",
    line: 1,
    keys: "",
    has_own_target: false,
};

#[test]
fn widths_make_kilobytes_of_a_record_and_no_megabytes() {
    let mut stage = Stage::new();
    let content = [&[Kind::U8 as u8; 8][..], &[7; 8 * 8]].concat();
    for _ in 0..12 {
        assert!(stage.log_as(&WIDE, &content, 0));
    }
    stage.settle();
    assert_eq!(stage.records().len(), 12);
    for text in stage.records() {
        assert!(text.len() < 9000 && text.ends_with(CUT_MARK));
    }
}

#[test]
fn a_batch_ends_when_there_is_much_to_write_of_few_records() {
    let mut stage = Stage::new();
    for n in 0..3 {
        assert!(stage.log(&format!("behind {n}"), 0));
    }
    let mut long = Vec::new();
    let site = Statement {
        format: "{}",
        ..WIDE
    };
    let flags = write_head(1, Some(&site), None, &mut long);
    ("x".repeat(5 << 20).as_str(),).capture_all(&mut long);
    let tag = Tag {
        site: 0,
        level: 2,
        flags,
        producer: stage.producer as u16,
    };
    let drainer = &mut stage.drainer;
    let members = &mut drainer.members;
    drainer
        .delivery
        .take(1000, tag.pack(), Some(&long), false, members);
    drainer.turn();
    let lengths: Vec<usize> = stage.records().iter().map(String::len).collect();
    assert_eq!(lengths, [5 << 20, "behind 0".len()]);
    stage.settle();
    assert_eq!(stage.records().len(), 4);
}
