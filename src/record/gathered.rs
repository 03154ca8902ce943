//! Key-values that were not logged here but come from elsewhere: read back from a file, or made by a program.

use super::values::{About, Value, Values, put_value};

/// Gathers key-values for a [`Record`](super::Record) that a program puts together itself.
///
/// ```
/// use shmlog::sink::{Value, ValuesBuf};
///
/// let mut gathered = ValuesBuf::new();
/// gathered.push("joint", &3_u8.into());
/// gathered.push("state", &"at rest".into());
/// let all: Vec<_> = gathered.values().iter().collect();
/// assert_eq!(all, [("joint".into(), Value::Unsigned(3)), ("state".into(), "at rest".into())]);
/// gathered.clear();
/// assert!(gathered.values().is_empty());
/// ```
#[derive(Clone, Default)]
pub struct ValuesBuf {
    /// Entries, as they stand in a record.
    bytes: Vec<u8>,
}

impl ValuesBuf {
    /// Of none.
    pub fn new() -> ValuesBuf {
        ValuesBuf::default()
    }

    /// Appends one. A key may come again. Of an integer that 64 bits hold, and of text, nothing is lost; a key is cut
    /// where the key of a statement would be.
    pub fn push(&mut self, key: &str, value: &Value<'_>) {
        put_value(&mut self.bytes, About::Value, key, value);
    }

    /// Takes all away, and keeps the memory for the next.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// All of them, in their order.
    pub fn values(&self) -> Values<'_> {
        Values::of_entries(&self.bytes)
    }
}

impl std::fmt::Debug for ValuesBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.values().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples::any_value;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_gathered_is_there_in_its_order(pairs in prop::collection::vec((".{0,8}", any_value()), 0..6)) {
            let mut gathered = ValuesBuf::new();
            gathered.push("before", &true.into());
            gathered.clear();
            pairs.iter().for_each(|(key, value)| gathered.push(key, value));
            let found: Vec<_> = gathered.values().iter().map(|(key, value)| (key.into_owned(), value)).collect();
            // NaN equals nothing.
            prop_assert_eq!(format!("{found:?}"), format!("{pairs:?}"));
        }
    }
}
