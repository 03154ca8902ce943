//! Few bytes that make much text: widths.

use super::Stage;
use crate::record::Statement;
use crate::record::capture::Kind;

#[test]
fn a_batch_ends_when_a_few_bytes_have_made_much_text() {
    let mut stage = Stage::new();
    let wide = Statement {
        format: &"{:65535}".repeat(16),
        target: "stage",
        file: "stage.rs",
        line: 1,
        keys: "",
        has_own_target: false,
    };
    let content = [&[Kind::U8 as u8; 16][..], &[7; 16 * 8]].concat();
    for _ in 0..12 {
        assert!(stage.log_as(&wide, &content, 0));
    }
    stage.drainer.turn();
    assert_eq!(stage.records().len(), 5);
    stage.settle();
    assert_eq!(stage.records().len(), 12);
}
