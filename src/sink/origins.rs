//! What records of one origin have in common, as a sink writes it: made once and kept.

use crate::record::Record;

/// Origins whose text is kept.
const ORIGINS: usize = 256;
/// Bytes of a text that is kept: names are short, but for those that a member makes long to fill our memory.
const LONGEST: usize = 1 << 10;

/// The text for origins, each in the place that its number falls to, until another comes there.
#[derive(Default)]
pub(super) struct Origins {
    kept: Vec<(u64, Vec<u8>)>,
}

impl Origins {
    /// Appends what `write` makes of process, thread, target, file and line of `record`; it must look at nothing else,
    /// and write something.
    pub(super) fn push(
        &mut self,
        out: &mut Vec<u8>,
        record: &Record<'_>,
        write: fn(&mut Vec<u8>, &Record<'_>),
    ) {
        let Some(origin) = record.origin else {
            return write(out, record);
        };
        if self.kept.is_empty() {
            self.kept.resize(ORIGINS, (0, Vec::new()));
        }
        // Both halves count, the number of the writer and of the call site; the multiplier is that of Fibonacci
        // hashing, 2⁶⁴ / φ.
        let place = origin.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let (kept, text) = &mut self.kept[place as usize % ORIGINS];
        if *kept != origin || text.is_empty() {
            text.clear();
            write(text, record);
            *kept = origin;
        }
        out.extend_from_slice(text);
        if text.len() > LONGEST {
            *text = Vec::new();
        }
    }
}
