//! The sinks as the drainer sees them, for observers to read: it writes, and never reads what stands there.
//!
//! ```text
//!   per sink, two lines   0 serial: odd while the texts are written │ 1 bytes that wait │ 2 records lost │ 3 errors
//!                         4 bytes of its name │ 5‥13 name │ 14 bytes of the last error │ 15‥31 that
//! ```

use super::{Segment, layout};
use crate::sync::{AtomicU64, Ordering, fence, load_acquire};
use crate::words::{load_bytes, store_bytes};

const SERIAL: usize = 0;
const WAITING: usize = 1;
const LOST: usize = 2;
const ERRORS: usize = 3;
const NAME_LEN: usize = 4;
const NAME: std::ops::Range<usize> = 5..14;
const ERROR_LEN: usize = 14;
const ERROR: std::ops::Range<usize> = 15..32;

const _: () = assert!(ERROR.end <= layout::OUTLET_WORDS);

/// How often texts that are being written are read again.
const TRIES: usize = 100;

/// What is shown of one sink.
#[derive(Clone, Copy)]
pub(crate) struct ShownOutlet(&'static [AtomicU64]);

/// Its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutletNumbers {
    pub(crate) waiting: u64,
    pub(crate) lost: u64,
    pub(crate) errors: u64,
}

impl Segment {
    /// Places for what is shown of the sinks, in their order.
    pub(crate) fn shown_outlets(&self) -> impl Iterator<Item = ShownOutlet> + use<> {
        let words = layout::OUTLETS_SHOWN * layout::OUTLET_WORDS;
        let words = &self.words[layout::OUTLETS_AT..][..words];
        words.chunks_exact(layout::OUTLET_WORDS).map(ShownOutlet)
    }
}

impl ShownOutlet {
    /// Shows name and last error, each as far as there is room.
    pub(crate) fn show_texts(self, name: &str, error: &str) {
        let serial = &self.0[SERIAL];
        let before = serial.load(Ordering::Relaxed) | 1;
        serial.store(before, Ordering::Relaxed);
        // [shown] The texts stay behind the odd serial.
        fence(Ordering::Release);
        for (text, len, place) in [(name, NAME_LEN, NAME), (error, ERROR_LEN, ERROR)] {
            let stored = store_bytes(&self.0[place], text.as_bytes());
            self.0[len].store(stored as u64, Ordering::Relaxed);
        }
        // [shown] Release: pairs with the loads in `texts`.
        serial.store(before.wrapping_add(1), Ordering::Release);
    }

    /// Shows the numbers.
    pub(crate) fn show_numbers(self, numbers: OutletNumbers) {
        let OutletNumbers {
            waiting,
            lost,
            errors,
        } = numbers;
        for (at, value) in [(WAITING, waiting), (LOST, lost), (ERRORS, errors)] {
            self.0[at].store(value, Ordering::Relaxed);
        }
    }

    pub(crate) fn numbers(self) -> OutletNumbers {
        let number = |at: usize| self.0[at].load(Ordering::Relaxed);
        OutletNumbers {
            waiting: number(WAITING),
            lost: number(LOST),
            errors: number(ERRORS),
        }
    }

    /// Name and last error; the name is empty where there is no sink.
    pub(crate) fn texts(self) -> (String, String) {
        let serial = &self.0[SERIAL];
        for _ in 0..TRIES {
            // [shown] Acquire: pairs with the store in `show_texts`.
            let before = load_acquire(serial);
            let texts = (self.text(NAME_LEN, NAME), self.text(ERROR_LEN, ERROR));
            fence(Ordering::Acquire);
            if before & 1 == 0 && serial.load(Ordering::Relaxed) == before {
                return texts;
            }
            std::hint::spin_loop();
        }
        Default::default()
    }

    fn text(self, len: usize, place: std::ops::Range<usize>) -> String {
        let len = usize::try_from(self.0[len].load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        load_bytes(&self.0[place], len, &mut bytes);
        // What was cut off within a character ends before it.
        let text = String::from_utf8_lossy(&bytes);
        text.trim_end_matches(char::REPLACEMENT_CHARACTER)
            .to_owned()
    }
}
