//! What no logger can do without: a look at the counter, and a few bytes stored, into memory of one's own.

use super::clock;
use super::messages::three;

/// As large as a ring of the default size.
const BYTES: usize = 8 << 20;

/// A ring that nobody reads.
pub struct Floor {
    records: Vec<[u64; 4]>,
    next: usize,
}

impl Floor {
    pub fn new() -> Floor {
        Floor {
            // Not zeros: all pages are there.
            records: vec![[1; 4]; BYTES / 32],
            next: 0,
        }
    }

    /// 32 bytes: the time, and the three numbers of call `n`.
    #[inline(always)]
    pub fn record(&mut self, n: u64) {
        let (joint, position, velocity) = three(n);
        let time = clock::now();
        let (position, velocity) = (position.to_bits(), velocity.to_bits());
        self.records[self.next] =
            std::hint::black_box([time, u64::from(joint), position, velocity]);
        self.next = (self.next + 1) % (BYTES / 32);
    }
}
