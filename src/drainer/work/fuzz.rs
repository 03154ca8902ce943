//! For the fuzz target: a ring that is damaged while it is being drained.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::stage::{Damage, Stage};
use crate::segment::Segment;

/// Each 11 bytes are a step: what to do, where, and with what value.
pub(crate) fn flip(bytes: &[u8]) {
    // One for all inputs: a segment is never given back.
    static SEGMENT: OnceLock<&'static Segment> = OnceLock::new();
    let segment = SEGMENT.get_or_init(|| Stage::new().segment);
    segment.begin_anew();
    let mut stage = Stage::on(segment);
    let mut hit = HashSet::new();
    for step in bytes.chunks_exact(11).take(64) {
        let at = usize::from(u16::from_le_bytes([step[1], step[2]]));
        let mut value = [0; 8];
        value.copy_from_slice(&step[3..]);
        let value = u64::from_le_bytes(value);
        let damage = match step[0] % 16 {
            0..=3 => Damage::Word(at, value),
            4..=7 => Damage::Flip(at, (value % 64) as u32),
            8 => Damage::Page(at, value),
            9 | 10 => Damage::Copy(at, value as usize),
            11 => {
                stage.restart();
                continue;
            }
            12 => {
                stage.turn();
                continue;
            }
            13 => {
                stage.settle();
                continue;
            }
            _ => {
                (0..value % 20).for_each(|_| _ = stage.log("step", (value >> 8) as u8 & 3));
                continue;
            }
        };
        damage.apply(stage.segment, &mut hit);
    }
    stage.settle();
    stage.recover();
    for _ in 0..20 {
        assert!(stage.log("after", 0), "the ring does not recover");
        stage.settle();
    }
}
